//! What a person should know, and the sums that must add up.

use std::time::Duration;

use super::silence::Awaited;
use super::words::{Destination, Path, Place};
use crate::sink::Failure;

/// An event in the engine's life, for the log. None is made per record that goes well; those
/// that could repeat come at most once a minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// The sink can't be used: nothing is sent until a probe succeeds.
    LineStopped {
        /// Why.
        failure: Failure,
    },
    /// The sink still can't be used.
    LineStillStopped {
        /// What the last probe said.
        failure: Failure,
        /// Since when nothing is sent.
        stopped_for: Duration,
    },
    /// A probe succeeded: records are sent again.
    LineResumed,
    /// The sink asked to wait: nothing is sent meanwhile.
    LineHeld {
        /// How long.
        wait: Duration,
        /// What it said.
        failure: Failure,
    },
    /// A pass of the drain begins.
    DrainStarted,
    /// A pass of the drain is over.
    DrainFinished(DrainSummary),
    /// Kafka has not given for too long what a one-shot drain needs: the pass ends without.
    KafkaSilent {
        /// What was awaited.
        awaited: Awaited,
        /// How long nothing has come.
        waited: Duration,
    },
    /// A partition can't go on: its record can't be forwarded, or its bytes can't be read.
    /// Nothing is skipped; other partitions go on.
    PartitionStuck {
        /// The partition.
        place: Place,
        /// Why.
        message: String,
    },
    /// Offsets can't be committed; it is tried again.
    CommitFailing {
        /// Whose group.
        path: Path,
        /// Why.
        message: String,
    },
    /// A dead letter whose `retry-count` is not a count: it starts at 0.
    BadRetryCount {
        /// The partition.
        place: Place,
        /// The record's offset.
        offset: i64,
        /// What the header holds, for a person.
        found: String,
    },
    /// A record was in flight when its time to finish was over: whoever owns the partition next
    /// handles it again.
    GaveUp {
        /// The partition.
        place: Place,
        /// The record's offset.
        offset: i64,
    },
    /// A partition goes with what was done in it not committed: whoever owns it next handles that
    /// again.
    Uncommitted {
        /// The partition.
        place: Place,
        /// The offset that would have been committed.
        next_offset: i64,
    },
    /// The cluster has no transactions, or lets this client have none: records are forwarded at
    /// least once from here on.
    NoTransactions {
        /// Why.
        message: String,
    },
    /// A topic has fewer partitions than what is forwarded to it: the partition is taken modulo
    /// their count from here on. Once a topic.
    TooFewPartitions {
        /// The topic.
        to: Destination,
        /// How many partitions it has.
        partitions: i32,
        /// The partition that was wanted first.
        wanted: i32,
    },
}

/// What a path has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Deliveries begun.
    pub sent: u64,
    /// Records that the sink has.
    pub delivered: u64,
    /// Records forwarded to the dead-letter topic, and acknowledged.
    pub dead_lettered: u64,
    /// Records forwarded to the permanent-failure topic, and acknowledged.
    pub permanent: u64,
}

impl Totals {
    /// Records that have come to an end on this path.
    pub fn handled(&self) -> u64 {
        self.delivered + self.dead_lettered + self.permanent
    }

    /// What was done since an earlier reading.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        Self {
            sent: self.sent - earlier.sent,
            delivered: self.delivered - earlier.delivered,
            dead_lettered: self.dead_lettered - earlier.dead_lettered,
            permanent: self.permanent - earlier.permanent,
        }
    }
}

/// What one pass of the drain did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainSummary {
    /// The sums of this pass; `dead_lettered` counts what was put back for another try.
    pub totals: Totals,
    /// True where a shutdown, or in a one-shot drain a sink that is down or a Kafka that gives
    /// no answer, ended the pass early.
    pub interrupted: bool,
    /// The partitions whose dead letters could not all be handled: one could not be read, or in
    /// a one-shot drain not be forwarded.
    pub stuck: usize,
}
