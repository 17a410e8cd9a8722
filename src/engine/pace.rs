//! How fast messages may leave.

use std::time::{Duration, Instant};

use super::timing::{FAR, after};
use super::words::Path;

/// At most so many messages at once, and as many again in each period. A rate of no messages is
/// one of a single message; a period is a year at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Messages in a period, and in a burst after a pause.
    pub messages: u32,
    /// The period.
    pub per: Duration,
}

/// A token bucket, kept as the one moment at which it is full again (GCRA).
#[derive(Debug)]
pub(super) struct Pacer {
    /// From one token to the next.
    interval: Duration,
    /// How far ahead of an even pace a burst may be.
    burst: Duration,
    full_at: Option<Instant>,
    /// When the next token is there, where that is not now.
    closed_until: Option<Instant>,
    /// Who took the last one.
    last: Path,
}

impl Pacer {
    /// A full bucket.
    pub(super) fn new(rate: Rate) -> Self {
        let per = rate.per.min(FAR);
        let interval = per / rate.messages.max(1);
        Self {
            interval,
            burst: per.saturating_sub(interval),
            full_at: None,
            closed_until: None,
            last: Path::Drain,
        }
    }

    /// True if a token is there.
    pub(super) fn is_open(&self) -> bool {
        self.closed_until.is_none()
    }

    /// Takes a token that is there.
    pub(super) fn take(&mut self, path: Path, now: Instant) {
        let full_at = self.full_at.map_or(now, |at| at.max(now));
        let full_at = after(full_at, self.interval);
        self.full_at = Some(full_at);
        let wait = (full_at - now).saturating_sub(self.burst);
        self.closed_until = (!wait.is_zero()).then(|| now + wait);
        self.last = path;
    }

    /// Who may take a token first: the paths take turns, or the one with a backlog would leave
    /// the other none.
    pub(super) fn turns(&self) -> [Path; 2] {
        match self.last {
            Path::Main => [Path::Drain, Path::Main],
            Path::Drain => [Path::Main, Path::Drain],
        }
    }

    /// When the next token is there, where that is not now.
    pub(super) fn timeout(&self) -> Option<Instant> {
        self.closed_until
    }

    /// Lets time pass.
    pub(super) fn expire(&mut self, now: Instant) {
        self.closed_until.take_if(|until| *until <= now);
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

    /// Takes a token; how long until the next.
    fn wait(pacer: &mut Pacer, now: Instant) -> Duration {
        pacer.take(Path::Main, now);
        pacer.timeout().map_or(Duration::ZERO, |at| at - now)
    }

    #[test]
    fn one_a_second_is_a_second_apart() {
        let mut pacer = pacer(1, SECOND);
        let now = Instant::now();
        assert_eq!(wait(&mut pacer, now), SECOND);
        pacer.expire(now + SECOND / 2);
        assert!(!pacer.is_open());
        pacer.expire(now + SECOND);
        assert!(pacer.is_open());
        assert_eq!(wait(&mut pacer, now + 10 * SECOND), SECOND);
    }

    #[test]
    fn a_burst_after_a_pause_is_as_large_as_a_period() {
        let mut pacer = pacer(20, 60 * SECOND);
        let now = Instant::now();
        for _ in 1..20 {
            assert_eq!(wait(&mut pacer, now), Duration::ZERO);
        }
        assert_eq!(wait(&mut pacer, now), 3 * SECOND);
    }

    #[test]
    fn rates_without_a_meaning_harm_nobody() {
        let now = Instant::now();
        assert_eq!(wait(&mut pacer(0, SECOND), now), SECOND);
        assert_eq!(wait(&mut pacer(3, Duration::ZERO), now), Duration::ZERO);
        assert_eq!(wait(&mut pacer(1, Duration::MAX), now), FAR);
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
                now = pacer.timeout().map_or(now, |next| now.max(next));
                sent.push(now);
                pacer.take(Path::Main, now);
            }
            for (at, first) in sent.iter().enumerate() {
                let within = sent[at..].iter().take_while(|t| **t - *first < SECOND).count();
                prop_assert!(within <= 2 * messages as usize);
            }
        }
    }
}
