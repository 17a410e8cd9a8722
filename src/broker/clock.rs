//! The broker's own time: the runtime's, which a test may set forward.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::clock::wall_clock_ms;

/// A clock that runs with the runtime's and can be set forward. Clones are the same clock.
///
/// Sessions, rebalance timeouts, long polls, injected delays and retention go by it, so that a
/// client in another process can be seen to time out without waiting for it.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    ahead: watch::Sender<Duration>,
    started: Instant,
    started_ms: i64,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self(Arc::new(Inner {
            ahead: watch::Sender::new(Duration::ZERO),
            started: crate::clock::now(),
            started_ms: wall_clock_ms(),
        }))
    }

    /// The time, for differences.
    pub fn now(&self) -> Instant {
        crate::clock::now() + *self.0.ahead.borrow()
    }

    /// The time in milliseconds since 1970: that of the machine when the broker was started, and
    /// what has passed on this clock since.
    pub fn now_ms(&self) -> i64 {
        let passed = self.now().saturating_duration_since(self.0.started);
        let passed = i64::try_from(passed.as_millis()).unwrap_or(i64::MAX);
        self.0.started_ms.saturating_add(passed)
    }

    /// Sets the clock forward. What was to happen in between happens now.
    pub fn advance(&self, by: Duration) {
        self.0.ahead.send_modify(|ahead| *ahead += by);
    }

    /// Waits until the clock shows this time.
    ///
    /// # Cancel safety
    ///
    /// The future can be dropped at any time.
    pub async fn sleep_until(&self, at: Instant) {
        let mut ahead = self.0.ahead.subscribe();
        loop {
            let left = at.saturating_duration_since(self.now());
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(left) => {}
                // The sender lives as long as this clock.
                _ = ahead.changed() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[tokio::test(start_paused = true)]
    async fn whoever_sleeps_wakes_when_the_clock_is_set_forward() {
        let clock = Clock::new();
        let (began, began_ms) = (tokio::time::Instant::now(), clock.now_ms());
        let sleeper = clock.clone();
        let until = clock.now() + 2 * HOUR;
        let sleeping = tokio::spawn(async move { sleeper.sleep_until(until).await });
        tokio::task::yield_now().await;
        clock.advance(HOUR);
        tokio::task::yield_now().await;
        assert!(!sleeping.is_finished());
        clock.advance(HOUR);
        sleeping.await.unwrap();
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert_eq!(clock.now_ms(), began_ms + 2 * 3_600_000);
    }

    #[tokio::test(start_paused = true)]
    async fn it_runs_with_the_runtime() {
        let clock = Clock::new();
        let before = clock.now();
        clock.sleep_until(before + HOUR).await;
        assert_eq!(clock.now(), before + HOUR);
    }
}
