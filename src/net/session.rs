//! How long a login holds, and how it is renewed (KIP-368).
//!
//! # Invariants
//!
//! - While a login is renewed nothing else is sent: a broker closes a connection on which another
//!   request comes in between.
//! - A renewal goes on to its end even if whoever began it stops waiting: half a login would be
//!   of no use to those who come next.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::sync::{RwLock, RwLockReadGuard};
use tokio::time::Instant;

use crate::Error;

/// The part of a session after which it is renewed, at least and at most, as in Java's client.
const RENEW_AFTER: (f64, f64) = (0.85, 0.95);

/// A session lasts no longer than this: every clock can be moved on by it.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);
/// Brokers renew a login no more than once a second.
const SHORTEST: Duration = Duration::from_millis(1_100);

/// The session that a login began.
#[derive(Debug)]
pub(super) struct Session {
    renew_at: RwLock<Instant>,
    failure: OnceLock<Error>,
}

/// While it is held, the login is not renewed.
pub(super) type Turn<'a> = RwLockReadGuard<'a, Instant>;

impl Session {
    pub(super) fn new(lifetime: Duration) -> Self {
        Self {
            renew_at: RwLock::new(renew_at(lifetime)),
            failure: OnceLock::new(),
        }
    }

    /// True where a renewal failed: nothing more may be sent.
    pub(super) fn is_over(&self) -> bool {
        self.failure.get().is_some()
    }

    /// Gives a turn to send one request, or none where the login must be renewed first.
    pub(super) async fn turn(&self) -> Result<Option<Turn<'_>>, Error> {
        let renew_at = self.renew_at.read().await;
        match self.failure.get() {
            Some(failure) => Err(failure.clone()),
            None if Instant::now() < *renew_at => Ok(Some(renew_at)),
            None => Ok(None),
        }
    }

    /// Renews the login by `log_in`, unless someone else just did.
    pub(super) async fn renew(
        &self,
        log_in: impl Future<Output = Result<Option<Duration>, Error>>,
    ) {
        let mut at = self.renew_at.write().await;
        if self.is_over() || Instant::now() < *at {
            return;
        }
        match log_in.await {
            Ok(lifetime) => *at = renew_at(lifetime.unwrap_or(LONGEST)),
            Err(error) => {
                tracing::warn!(%error, "the login can't be renewed; connecting anew");
                // It is the first: this is the only place, and it is passed once.
                let _ = self.failure.set(error);
            }
        }
    }
}

fn renew_at(lifetime: Duration) -> Instant {
    let (least, most) = RENEW_AFTER;
    let part = least + (most - least) * fastrand::f64();
    Instant::now() + lifetime.min(LONGEST).mul_f64(part).max(SHORTEST)
}
