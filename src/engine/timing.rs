//! The waits that are nobody's setting.

use std::time::{Duration, Instant};

/// The least any repeated wait lasts, so that no setting and no answer makes a busy loop.
pub(super) const MIN_WAIT: Duration = Duration::from_millis(100);

/// The longest wait before a forward or a commit is tried again.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(10);

/// How often the same trouble is told.
const REPORT_EVERY: Duration = Duration::from_secs(60);

/// Longer than any process runs, short enough for every platform's clock.
pub(super) const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// The instant `wait` from now; a wait beyond a year, which an answer may ask for, is a year.
pub(super) fn after(now: Instant, wait: Duration) -> Instant {
    now + wait.min(FAR)
}

/// The wait after this many failures in a row: 100 ms, doubling up to 10 s.
pub(super) fn retry_delay(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(7);
    (MIN_WAIT * (1 << doublings)).min(MAX_RETRY_DELAY)
}

/// Lets the same report through at most once a minute.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OnceAMinute(Option<Instant>);

impl OnceAMinute {
    /// When the next report is let through; `None` if it is at any time.
    pub(super) fn next(self) -> Option<Instant> {
        self.0.map(|told| told + REPORT_EVERY)
    }

    /// True if a report may be made now, which is then taken as made.
    pub(super) fn tell(&mut self, now: Instant) -> bool {
        let due = self.next().is_none_or(|next| now >= next);
        if due {
            self.0 = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_delays_double_up_to_ten_seconds() {
        let delays: Vec<_> = (1..=9).map(|n| retry_delay(n).as_millis()).collect();
        assert_eq!(
            delays,
            [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]
        );
        assert_eq!(retry_delay(u32::MAX), MAX_RETRY_DELAY);
    }

    #[test]
    fn no_wait_overflows_the_clock() {
        let now = Instant::now();
        assert_eq!(after(now, Duration::MAX), now + FAR);
    }

    #[test]
    fn a_report_comes_at_most_once_a_minute() {
        let start = Instant::now();
        let mut gate = OnceAMinute::default();
        let told: Vec<_> = (0..=120)
            .filter(|second| gate.tell(start + Duration::from_secs(*second)))
            .collect();
        assert_eq!(told, [0, 60, 120]);
    }
}
