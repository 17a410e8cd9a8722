//! The words that the engine's inputs, effects and reports have in common.

use std::fmt;
use std::time::Instant;

use crate::wire::TopicPartition;

/// What the shell's clocks show when something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The monotonic clock: waits and deadlines.
    pub at: Instant,
    /// The wall clock, milliseconds since 1970: times that are written into headers.
    pub wall_ms: i64,
}

/// One of the engine's two ways; each has a consumer group of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Path {
    /// From the source topic to the sink.
    Main,
    /// From the dead-letter topic to the sink.
    Drain,
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Main => "main",
            Self::Drain => "drain",
        })
    }
}

/// A partition as one of the paths reads it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Who reads it.
    pub path: Path,
    /// What is read.
    pub tp: TopicPartition,
}

/// Names one thing under way: the answer to an effect carries the effect's ticket.
/// No two effects of an engine have the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(super) u64);

/// Where a record is forwarded to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Destination {
    /// The dead-letter topic, from where the drain tries again.
    DeadLetter,
    /// The permanent-failure topic: the end.
    Permanent,
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DeadLetter => "dead-letter",
            Self::Permanent => "permanent-failure",
        })
    }
}
