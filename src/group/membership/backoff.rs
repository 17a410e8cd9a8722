//! The wait between attempts: exponential with jitter (KIP-580).

use std::time::Duration;

/// A wait that doubles from `min` to `max`, less up to a fifth of it.
#[derive(Debug)]
pub(super) struct Backoff {
    min: Duration,
    max: Duration,
    failures: u32,
    jitter: fastrand::Rng,
}

impl Backoff {
    pub(super) fn new(min: Duration, max: Duration, seed: u64) -> Self {
        Self {
            min,
            max: max.max(min),
            failures: 0,
            jitter: fastrand::Rng::with_seed(seed),
        }
    }

    /// True where nothing has failed since the last success.
    pub(super) fn is_fresh(&self) -> bool {
        self.failures == 0
    }

    /// Counts a failure without a wait.
    pub(super) fn count(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// Counts a failure, and tells how long to wait.
    pub(super) fn next(&mut self) -> Duration {
        let doubled = self.min.saturating_mul(1 << self.failures.min(20));
        self.count();
        let wait = doubled.min(self.max);
        wait - (wait / 5).mul_f64(self.jitter.f64())
    }

    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn doubles_up_to_its_bound_and_starts_again_after_a_success() {
        let mut backoff = Backoff::new(100 * MS, 1000 * MS, 7);
        for expected in [100, 200, 400, 800, 1000, 1000] {
            let wait = backoff.next();
            assert!(
                wait >= expected * MS * 4 / 5 && wait <= expected * MS,
                "{wait:?}"
            );
        }
        backoff.reset();
        assert!(backoff.is_fresh() && backoff.next() <= 100 * MS);
    }

    #[test]
    fn many_failures_do_not_overflow() {
        let mut backoff = Backoff::new(Duration::MAX, Duration::MAX, 7);
        for _ in 0..70 {
            backoff.next();
        }
    }
}
