//! How long nothing has come that only Kafka can give.
//!
//! A service waits for Kafka as long as it takes; whoever started a one-shot drain does not.

use std::fmt;
use std::time::{Duration, Instant};

use super::timing::{MIN_WAIT, after};

/// What only Kafka can give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// The group's partitions.
    Assignment,
    /// Where the dead-letter topic ends.
    EndOffsets,
    /// The acknowledgement of a commit.
    Commit,
    /// The acknowledgement of a forwarded record.
    Forward,
    /// Dead letters, or word that there are no more.
    Records,
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Assignment => "the group's assignment of partitions",
            Self::EndOffsets => "the end offsets of the dead-letter topic",
            Self::Commit => "the acknowledgement of a commit",
            Self::Forward => "the acknowledgement of a forwarded record",
            Self::Records => "the records of the dead-letter topic",
        })
    }
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Silence {
    limit: Duration,
    since: Option<Instant>,
}

impl Silence {
    /// One that may last this long.
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            limit: limit.max(MIN_WAIT),
            since: None,
        }
    }

    /// Something of Kafka has come.
    pub(super) fn broken(&mut self) {
        self.since = None;
    }

    /// Takes note of whether something is awaited; how long in vain, once that is too long.
    pub(super) fn too_long(&mut self, awaits: bool, now: Instant) -> Option<Duration> {
        if !awaits {
            self.since = None;
            return None;
        }
        let since = *self.since.get_or_insert(now);
        (now >= after(since, self.limit)).then(|| now - since)
    }

    /// When it has lasted too long.
    pub(super) fn timeout(&self) -> Option<Instant> {
        self.since.map(|since| after(since, self.limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn it_counts_from_the_last_answer_and_only_while_something_is_awaited() {
        let start = Instant::now();
        let mut silence = Silence::new(10 * SECOND);
        assert_eq!(silence.timeout(), None);
        assert_eq!(silence.too_long(true, start), None);
        assert_eq!(silence.timeout(), Some(start + 10 * SECOND));
        assert_eq!(silence.too_long(true, start + 9 * SECOND), None);
        silence.broken();
        assert_eq!(silence.too_long(true, start + 9 * SECOND), None);
        assert_eq!(silence.too_long(false, start + 18 * SECOND), None);
        assert_eq!(silence.timeout(), None, "the sink may take its time");
        assert_eq!(silence.too_long(true, start + 90 * SECOND), None);
        let waited = silence.too_long(true, start + 100 * SECOND);
        assert_eq!(waited, Some(10 * SECOND));
    }

    #[test]
    fn no_limit_is_too_short_or_too_long_for_a_clock() {
        let start = Instant::now();
        let mut silence = Silence::new(Duration::ZERO);
        assert_eq!(silence.too_long(true, start), None);
        let mut silence = Silence::new(Duration::MAX);
        assert_eq!(silence.too_long(true, start), None);
        assert!(silence.timeout() > Some(start));
    }
}
