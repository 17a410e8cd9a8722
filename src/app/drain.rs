//! The `drain` command: one pass now.

use std::process::ExitCode;

use super::cli::DrainArgs;
use super::config::Config;
use super::service::{Paths, assemble};
use super::{print, shutdown};
use crate::Error;
use crate::engine::{DrainSummary, Totals};

/// What a pass has done that never began.
const NOT_BEGUN: DrainSummary = DrainSummary {
    totals: Totals {
        sent: 0,
        delivered: 0,
        dead_lettered: 0,
        permanent: 0,
    },
    interrupted: true,
    stuck: 0,
};

/// Drains once and prints what was done. Fails where the pass was ended early,
/// as by a Kafka that gives no answer, or a partition was stuck.
///
/// # Errors
///
/// What kept it from starting, or ended it, or what was not committed at the end.
pub(super) async fn execute(config: Config, args: &DrainArgs) -> Result<ExitCode, Error> {
    let stop = shutdown::signals()?;
    let mut stop = std::pin::pin!(stop);
    let assembled = tokio::select! {
        assembled = assemble(config, Paths::OneDrain) => assembled,
        () = &mut stop => return Ok(ExitCode::FAILURE),
    };
    let (service, engine) = assembled?;
    let all = usize::try_from(engine.dead_letter_partitions).unwrap_or(0);
    let outcome = service.run(engine, stop).await?;
    let failure = outcome.failure();
    let summary = outcome.last_pass.unwrap_or(NOT_BEGUN);
    let pass = Pass {
        summary,
        partitions: outcome.drained.len(),
        all,
    };
    let text = if args.json {
        pass.as_json()
    } else {
        pass.as_text()
    };
    let printed = print(&text);
    match failure {
        Some(error) => Err(error),
        None if summary.interrupted || summary.stuck > 0 => Ok(ExitCode::FAILURE),
        None => Ok(printed),
    }
}

/// What was done, and to how many of the dead-letter topic's partitions: beside a running service
/// the group shares them out, and only this member's were drained.
struct Pass {
    summary: DrainSummary,
    partitions: usize,
    all: usize,
}

impl Pass {
    fn as_text(&self) -> String {
        let totals = &self.summary.totals;
        let mut text = format!(
            "sent {}: delivered {}, put back {}, permanent {}\n",
            totals.sent, totals.delivered, totals.dead_lettered, totals.permanent
        );
        let began = self.partitions > 0 || !self.summary.interrupted;
        if began && self.partitions < self.all {
            let (partitions, all) = (self.partitions, self.all);
            text += &format!(
                "drained {partitions} of {all} partitions: the others are another member's\n"
            );
        }
        if self.summary.stuck > 0 {
            text += &format!("stuck partitions: {} (see the log)\n", self.summary.stuck);
        }
        if self.summary.interrupted {
            text += "ended early: dead letters may be left\n";
        }
        text
    }

    fn as_json(&self) -> String {
        let totals = &self.summary.totals;
        let json = serde_json::json!({
            "sent": totals.sent,
            "delivered": totals.delivered,
            "put_back": totals.dead_lettered,
            "permanent": totals.permanent,
            "partitions": self.partitions,
            "partitions_of_topic": self.all,
            "interrupted": self.summary.interrupted,
            "stuck": self.summary.stuck,
        });
        format!("{json}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(stuck: usize) -> Pass {
        let summary = DrainSummary {
            totals: Totals::default(),
            interrupted: false,
            stuck,
        };
        Pass {
            summary,
            partitions: 3,
            all: 3,
        }
    }

    #[test]
    fn a_pass_that_never_began_says_so_and_no_more() {
        let pass = Pass {
            summary: NOT_BEGUN,
            partitions: 0,
            all: 3,
        };
        assert_eq!(
            pass.as_text(),
            "sent 0: delivered 0, put back 0, permanent 0\nended early: dead letters may be left\n"
        );
        let json = pass.as_json();
        assert!(json.contains("\"interrupted\":true"), "{json}");
    }

    #[test]
    fn stuck_partitions_are_told() {
        let text = pass(2).as_text();
        assert!(
            text.ends_with("\nstuck partitions: 2 (see the log)\n"),
            "{text}"
        );
        let json = pass(2).as_json();
        assert!(json.contains("\"stuck\":2"), "{json}");
        assert!(!pass(0).as_text().contains("stuck"));
    }
}
