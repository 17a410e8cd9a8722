//! How long to wait before trying again: exponential, with jitter (KIP-580).

use std::time::{Duration, Instant};

use fastrand::Rng;

/// Draws the waits between attempts: `min` doubled with each attempt, spread by a fifth to either
/// side so that clients which failed together don't return together, and never above `max`.
#[derive(Clone, Debug)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    rng: Rng,
}

impl Backoff {
    /// Sets the bounds of a wait; equal seeds draw equal waits.
    pub fn new(min: Duration, max: Duration, seed: u64) -> Self {
        Self {
            min,
            max,
            rng: Rng::with_seed(seed),
        }
    }

    /// The wait after the `attempt`th failure in a row, counted from 1.
    pub fn delay(&mut self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(1).min(31);
        let base = self.min.saturating_mul(1 << doublings).min(self.max);
        let fifth = base / 5;
        let jitter = (fifth * 2).mul_f64(self.rng.f64());
        (base - fifth).saturating_add(jitter).min(self.max)
    }
}

/// Keeps a question that is asked again and again at the pace of a [`Backoff`].
#[derive(Clone, Debug, Default)]
pub struct Pace {
    attempts: u32,
    not_before: Option<Instant>,
}

impl Pace {
    /// True where the question may be asked now.
    pub fn is_due(&self, now: Instant) -> bool {
        self.not_before.is_none_or(|at| at <= now)
    }

    /// When the question may be asked again, if it has to wait.
    pub fn not_before(&self) -> Option<Instant> {
        self.not_before
    }

    /// Puts the next time off, longer each time in a row.
    pub fn defer(&mut self, backoff: &mut Backoff, now: Instant) {
        self.attempts = self.attempts.saturating_add(1);
        self.not_before = Some(now + backoff.delay(self.attempts));
    }

    /// Ends the row: the wait that has begun holds, the next begins with the shortest.
    pub fn succeed(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIN: Duration = Duration::from_millis(100);
    const MAX: Duration = Duration::from_secs(1);

    #[test]
    fn doubles_up_to_the_limit() {
        let mut backoff = Backoff::new(MIN, MAX, 7);
        for (attempt, base) in [(1, 100), (2, 200), (3, 400), (4, 800)] {
            let delay = backoff.delay(attempt).as_millis();
            assert!(
                (base * 8 / 10..=base * 12 / 10).contains(&delay),
                "{delay} ms after attempt {attempt}"
            );
        }
        for attempt in [5, 100, u32::MAX] {
            let delay = backoff.delay(attempt);
            assert!(delay >= MAX.mul_f64(0.8) && delay <= MAX, "{delay:?}");
        }
    }

    #[test]
    fn spreads_those_who_failed_together() {
        let delays: Vec<_> = (0..8)
            .map(|seed| Backoff::new(MIN, MAX, seed).delay(1))
            .collect();
        assert!(delays.iter().any(|delay| *delay != delays[0]));
        assert_eq!(Backoff::new(MIN, MAX, 3).delay(1), delays[3]);
    }
}
