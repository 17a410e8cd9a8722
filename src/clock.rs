//! The clock of the shells.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// The runtime's time, in the type of the pure machines, which know no runtime: so a paused
/// runtime pauses them too.
pub(crate) fn now() -> std::time::Instant {
    Instant::now().into_std()
}

/// Waits until a machine's next timeout, for ever where it has none.
pub(crate) async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// The wall clock's time, milliseconds since 1970.
pub(crate) fn wall_clock_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
