//! How fast messages may leave. Pure: the time is an argument.

use std::time::{Duration, Instant};

/// At most so many messages at once, and as many again in each period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Messages in a period, and in a burst after a pause.
    pub messages: u32,
    /// The period.
    pub per: Duration,
}

/// Keeps sums of moments and periods within what an `Instant` can hold.
const MAX_PERIOD: Duration = Duration::from_secs(24 * 60 * 60);

impl Rate {
    /// True where the rate lets anything through, and the period is no longer than a day.
    pub(super) fn is_valid(self) -> bool {
        self.messages > 0 && !self.per.is_zero() && self.per <= MAX_PERIOD
    }
}

/// A token bucket, kept as the one moment at which it is full again (GCRA).
#[derive(Debug)]
pub(super) struct Pacer {
    /// From one token to the next.
    interval: Duration,
    /// How far ahead of an even pace a burst may be.
    burst: Duration,
    full_at: Option<Instant>,
}

impl Pacer {
    /// A full bucket for a valid rate.
    pub(super) fn new(rate: Rate) -> Self {
        let interval = rate.per / rate.messages;
        Self {
            interval,
            burst: rate.per.saturating_sub(interval),
            full_at: None,
        }
    }

    /// Takes a token and says how long to wait until it may be used.
    pub(super) fn reserve(&mut self, now: Instant) -> Duration {
        let full_at = self.full_at.map_or(now, |at| at.max(now));
        self.full_at = Some(full_at + self.interval);
        (full_at - now).saturating_sub(self.burst)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn pacer(messages: u32, per: Duration) -> Pacer {
        Pacer::new(Rate { messages, per })
    }

    #[test]
    fn one_a_second_is_a_second_apart() {
        let mut pacer = pacer(1, SECOND);
        let now = Instant::now();
        let waits = [0, 1, 2].map(|_| pacer.reserve(now));
        assert_eq!(waits, [Duration::ZERO, SECOND, 2 * SECOND]);
        assert_eq!(pacer.reserve(now + 10 * SECOND), Duration::ZERO);
    }

    #[test]
    fn a_burst_after_a_pause_is_as_large_as_a_period() {
        let mut pacer = pacer(20, 60 * SECOND);
        let now = Instant::now();
        for _ in 0..20 {
            assert_eq!(pacer.reserve(now), Duration::ZERO);
        }
        assert_eq!(pacer.reserve(now), 3 * SECOND);
    }

    #[test]
    fn rates_that_let_nothing_through_are_invalid() {
        let is_valid = |messages, per| Rate { messages, per }.is_valid();
        assert!(is_valid(1, MAX_PERIOD));
        assert!(!is_valid(0, SECOND));
        assert!(!is_valid(1, Duration::ZERO));
        assert!(!is_valid(1, MAX_PERIOD + SECOND));
    }

    proptest! {
        #[test]
        fn no_period_has_more_than_a_burst_and_a_period(
            messages in 1u32..20,
            gaps in prop::collection::vec(0u64..2000, 1..100),
        ) {
            let mut pacer = pacer(messages, SECOND);
            let mut now = Instant::now();
            let mut sent = Vec::new();
            for gap in gaps {
                now += Duration::from_millis(gap);
                sent.push(now + pacer.reserve(now));
            }
            prop_assert!(sent.is_sorted());
            for (at, first) in sent.iter().enumerate() {
                let within = sent[at..].iter().take_while(|t| **t - *first < SECOND).count();
                prop_assert!(within <= 2 * messages as usize);
            }
        }
    }
}
