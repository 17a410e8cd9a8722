//! The `drain` command: one pass now.

use std::process::ExitCode;

use super::cli::DrainArgs;
use super::config::Config;
use super::service::{Paths, assemble};
use super::{print, shutdown};
use crate::Error;
use crate::engine::DrainSummary;

/// Drains once and prints what was done. Fails where the pass was ended early.
///
/// # Errors
///
/// What kept it from starting, or ended it.
pub(super) async fn execute(config: Config, args: &DrainArgs) -> Result<ExitCode, Error> {
    let stop = shutdown::signals()?;
    let mut stop = std::pin::pin!(stop);
    let assembled = tokio::select! {
        assembled = assemble(config, Paths::OneDrain) => assembled,
        () = &mut stop => return Ok(ExitCode::FAILURE),
    };
    let (service, engine) = assembled?;
    let outcome = service.run(engine, stop).await?;
    let Some(summary) = outcome.last_pass else {
        tracing::error!("the pass was stopped before it began");
        return Ok(ExitCode::FAILURE);
    };
    let text = if args.json {
        as_json(&summary)
    } else {
        as_text(&summary)
    };
    let printed = print(&text);
    Ok(if summary.interrupted {
        ExitCode::FAILURE
    } else {
        printed
    })
}

fn as_text(summary: &DrainSummary) -> String {
    let totals = &summary.totals;
    let early = if summary.interrupted {
        " (ended early: dead letters may be left)"
    } else {
        ""
    };
    format!(
        "sent {}: delivered {}, put back {}, permanent {}{early}\n",
        totals.sent, totals.delivered, totals.dead_lettered, totals.permanent
    )
}

fn as_json(summary: &DrainSummary) -> String {
    let totals = &summary.totals;
    let json = serde_json::json!({
        "sent": totals.sent,
        "delivered": totals.delivered,
        "put_back": totals.dead_lettered,
        "permanent": totals.permanent,
        "interrupted": summary.interrupted,
    });
    format!("{json}\n")
}
