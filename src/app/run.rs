//! The `run` command: the service.

use std::process::ExitCode;

use super::cli::RunArgs;
use super::config::Config;
use super::service::{Paths, assemble};
use super::shutdown;
use crate::Error;

/// Runs the service until a signal stops it.
///
/// # Errors
///
/// What kept it from starting, or ended it, or what was not committed at the end.
pub(super) async fn execute(config: Config, _args: &RunArgs) -> Result<ExitCode, Error> {
    let stop = shutdown::signals()?;
    let mut stop = std::pin::pin!(stop);
    let assembled = tokio::select! {
        assembled = assemble(config, Paths::Service) => assembled,
        () = &mut stop => return Ok(ExitCode::SUCCESS),
    };
    let (service, engine) = assembled?;
    let outcome = service.run(engine, stop).await?;
    let (main, drain) = (outcome.main, outcome.drain);
    tracing::info!(
        delivered = main.delivered,
        dead_letters = main.dead_lettered,
        permanent = main.permanent,
        drain_delivered = drain.delivered,
        drain_requeued = drain.dead_lettered,
        drain_permanent = drain.permanent,
        "stopped"
    );
    outcome.failure().map_or(Ok(ExitCode::SUCCESS), Err)
}
