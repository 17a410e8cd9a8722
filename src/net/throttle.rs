//! The time for which a broker wants nothing of a connection (KIP-219).
//!
//! A broker that throttles a client answers at once, says for how long, and reads nothing from the
//! connection until then: what is sent all the same only uses up its deadline there. All versions
//! that a broker of 2.4 or newer picks work like that.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// No pause is longer: whatever a broker says, it is asked again then.
pub(super) const LONGEST: Duration = Duration::from_secs(30);

/// Until when nothing is to be sent.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    until: Mutex<Option<Instant>>,
}

impl Throttle {
    /// The broker wants to be left alone for this long. A shorter time ends no longer one.
    pub(super) fn begin(&self, pause: Duration) {
        let until = Some(Instant::now() + pause.min(LONGEST));
        let mut known = self.until();
        *known = (*known).max(until);
    }

    /// Waits until something may be sent.
    pub(super) async fn over(&self) {
        loop {
            let until = *self.until();
            match until.filter(|until| *until > Instant::now()) {
                // An answer that comes meanwhile may have made it longer.
                Some(until) => tokio::time::sleep_until(until).await,
                None => return,
            }
        }
    }

    fn until(&self) -> MutexGuard<'_, Option<Instant>> {
        // A point in time is never left half changed.
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
