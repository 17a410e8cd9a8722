//! Refused logins are not tried again at once, by whomever.
//!
//! All connections of a client log in alike, so a refusal of one is a refusal of all: from then
//! on one at a time is tried, after a pause that doubles, until one is let in. Brokers count
//! failed logins, and lock accounts.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::{Error, ErrorKind};

/// The pause that doubling ends at.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// The logins of one client.
#[derive(Debug)]
pub(super) struct Logins {
    /// The pause after the first refusal.
    pause: Duration,
    refusal: Mutex<Option<Refusal>>,
    /// Held by whoever tries while there is a refusal.
    trying: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Refusal {
    error: Error,
    pause: Duration,
    until: Instant,
}

impl Logins {
    pub(super) fn new(pause: Duration) -> Self {
        Self {
            pause,
            refusal: Mutex::default(),
            trying: tokio::sync::Mutex::default(),
        }
    }

    /// Connects by `connect`, in turn where the last login was refused.
    ///
    /// # Errors
    ///
    /// As `connect`, and the last refusal where no turn comes by the deadline.
    pub(super) async fn enter<T>(
        &self,
        deadline: Instant,
        connect: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let turn = if self.refusal().is_some() {
            let turn = tokio::time::timeout_at(deadline, self.turn()).await;
            let refused = |_| self.refusal().as_ref().map(|refusal| refusal.error.clone());
            match turn.map_err(refused) {
                Ok(turn) => Some(turn),
                Err(Some(error)) => return Err(error),
                Err(None) => None,
            }
        } else {
            None
        };
        let connected = connect.await;
        match &connected {
            Ok(_) => *self.refusal() = None,
            Err(error) if is_refusal(error) => self.refuse(error),
            Err(_) => {}
        }
        drop(turn);
        connected
    }

    async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        let turn = self.trying.lock().await;
        let until = self.refusal().as_ref().map(|refusal| refusal.until);
        if let Some(until) = until {
            tokio::time::sleep_until(until).await;
        }
        turn
    }

    fn refuse(&self, error: &Error) {
        let mut refusal = self.refusal();
        let doubled = refusal.as_ref().map(|last| last.pause.saturating_mul(2));
        let pause = doubled.map_or(self.pause, |pause| pause.min(MAX_PAUSE.max(self.pause)));
        *refusal = Some(Refusal {
            error: error.clone(),
            pause,
            until: Instant::now() + pause.mul_f64(0.8 + 0.4 * fastrand::f64()),
        });
    }

    fn refusal(&self) -> MutexGuard<'_, Option<Refusal>> {
        // It is never left half changed.
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one broker says of a login, all would. A certificate is each broker's own.
pub(super) fn is_refusal(error: &Error) -> bool {
    error.kind() == ErrorKind::Authentication && error.code().is_some()
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn refused() -> Result<(), Error> {
        let code = crate::wire::ErrorCode::SASL_AUTHENTICATION_FAILED;
        Err(Error::refused(Some(code), "no".to_owned()))
    }

    #[tokio::test(start_paused = true)]
    async fn many_who_are_refused_try_one_at_a_time_and_ever_more_seldom() {
        let logins = Logins::new(SECOND);
        let tried = Mutex::new(0);
        let until = Instant::now() + 100 * SECOND;
        let member = || async {
            while Instant::now() < until {
                let deadline = until.min(Instant::now() + 10 * SECOND);
                let outcome = logins.enter(deadline, async {
                    *tried.lock().unwrap() += 1;
                    refused()
                });
                assert_eq!(outcome.await.unwrap_err().kind(), ErrorKind::Authentication);
                tokio::task::yield_now().await;
            }
        };
        join_all((0..20).map(|_| member())).await;
        // Twenty are under way when the first is refused; then come 1, 2, 4, 8, 16, 30, 30 s.
        let tried = *tried.lock().unwrap();
        assert!((2..=28).contains(&tried), "{tried}");
    }

    #[tokio::test(start_paused = true)]
    async fn once_one_is_let_in_nobody_waits() {
        let logins = Logins::new(SECOND);
        let deadline = Instant::now() + 60 * SECOND;
        let start = Instant::now();
        assert!(logins.enter(deadline, async { refused() }).await.is_err());
        assert!(logins.enter(deadline, async { Ok(()) }).await.is_ok());
        let waited = start.elapsed();
        assert!(
            waited >= SECOND.mul_f64(0.8) && waited <= SECOND.mul_f64(1.2),
            "{waited:?}"
        );
        assert!(logins.enter(deadline, async { Ok(()) }).await.is_ok());
        assert_eq!(start.elapsed(), waited);
    }

    #[tokio::test(start_paused = true)]
    async fn other_failures_hold_up_nobody() {
        let logins = Logins::new(SECOND);
        let (start, deadline) = (Instant::now(), Instant::now() + SECOND);
        for _ in 0..9 {
            let lost = async { Err::<(), _>(Error::refused(None, "a certificate".to_owned())) };
            assert!(logins.enter(deadline, lost).await.is_err());
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
