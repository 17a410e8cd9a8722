//! Stopping in order.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{Error, ErrorKind};

/// What a shell reports of a process that a second signal ended.
const ENDED_AT_ONCE: i32 = 1;

/// Listens for SIGTERM and SIGINT: resolves at the first; at a second the process ends at once.
///
/// # Errors
///
/// [`ErrorKind::System`] where the system does not let signals be listened for.
pub(super) fn signals() -> Result<impl Future<Output = ()>, Error> {
    let listen = |kind| {
        signal(kind)
            .map_err(|error| Error::caused(ErrorKind::System, "listening for signals", error))
    };
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    Ok(async move {
        let name = either(&mut terminate, &mut interrupt).await;
        tracing::info!(signal = name, "stopping; a second signal ends at once");
        tokio::spawn(async move {
            let name = either(&mut terminate, &mut interrupt).await;
            tracing::warn!(signal = name, "ended at once");
            std::process::exit(ENDED_AT_ONCE);
        });
    })
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}
