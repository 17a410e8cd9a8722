//! The `run` command: the service.

use std::process::ExitCode;
use std::sync::Arc;

use super::cli::RunArgs;
use super::config::Config;
use super::http::{Server, Site};
use super::service::{Paths, assemble};
use super::shutdown;
use super::supervisor::Supervisor;
use crate::Error;
use crate::engine::run::Outcome;

/// Runs the service until a signal stops it.
///
/// # Errors
///
/// What kept it from starting, or ended it, or what was not committed at the end.
pub(super) async fn execute(config: Config, _args: &RunArgs) -> Result<ExitCode, Error> {
    let stop = shutdown::signals()?;
    let site = Arc::new(Site::new(config.health.clone()));
    let server = Server::start(&config.http, site.clone()).await?;
    let outcome = serve(config, stop, &site).await;
    if let Some(server) = server {
        server.stop().await;
    }
    let Some(outcome) = outcome? else {
        return Ok(ExitCode::SUCCESS);
    };
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

/// Runs the service, shown by a site; none where it was stopped before it began.
async fn serve(
    config: Config,
    stop: impl Future<Output = ()>,
    site: &Site,
) -> Result<Option<Outcome>, Error> {
    let mut stop = std::pin::pin!(stop);
    let assembled = tokio::select! {
        assembled = assemble(config, Paths::Service) => assembled,
        () = &mut stop => return Ok(None),
    };
    let (service, engine) = assembled?;
    let (service, questions) = site.show(service);
    let supervisor = Supervisor::of_environment();
    supervisor.ready();
    let stop = async {
        stop.await;
        supervisor.stopping();
    };
    let outcome = tokio::select! {
        outcome = service.run_watched(engine, stop, questions) => outcome?,
        never = supervisor.show_life() => never,
    };
    Ok(Some(outcome))
}
