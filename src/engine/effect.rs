//! What the engine asks its shell to do.

use super::report::Report;
use super::words::{Destination, Path, Place, Ticket};
use crate::wire::TopicPartition;
use crate::wire::batch::{Record, RecordBody};

/// One thing for the shell to do. Effects come in order and none may be left out; `Send`,
/// `Forward`, `Commit` and `Probe` are each answered exactly once, within the shell's deadlines.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Hand the record to the sink; answered by [`handle_verdict`](super::Engine::handle_verdict).
    Send {
        /// Names this delivery.
        ticket: Ticket,
        /// Where the record was read.
        place: Place,
        /// The record.
        record: Record,
        /// In the drain, which retry this is, from 1: the text says so.
        retry: Option<u32>,
    },
    /// Write the record to another topic, acknowledged by all replicas, stamped with the present
    /// time; answered by [`handle_forwarded`](super::Engine::handle_forwarded).
    Forward {
        /// Names this forward.
        ticket: Ticket,
        /// Where the record was read.
        place: Place,
        /// Its offset there.
        offset: i64,
        /// The topic to write to.
        to: Destination,
        /// The partition to write to.
        partition: i32,
        /// The record as it is to be written.
        body: RecordBody,
    },
    /// Commit offsets in the path's group; answered by
    /// [`handle_committed`](super::Engine::handle_committed).
    Commit {
        /// Names this commit.
        ticket: Ticket,
        /// Whose group.
        path: Path,
        /// Each partition with the offset of the next record to read.
        offsets: Vec<(TopicPartition, i64)>,
    },
    /// Fetch no more of these partitions until they are resumed.
    Pause {
        /// Whose consumer.
        path: Path,
        /// The partitions.
        partitions: Vec<TopicPartition>,
    },
    /// Fetch these partitions again. A partition is fetched from its assignment on until it is
    /// paused.
    Resume {
        /// Whose consumer.
        path: Path,
        /// The partitions.
        partitions: Vec<TopicPartition>,
    },
    /// The engine is done with partitions that were being revoked: they may go.
    Revoked {
        /// Whose consumer.
        path: Path,
        /// The partitions.
        partitions: Vec<TopicPartition>,
    },
    /// Ask for the end offsets of these dead-letter partitions, again until all are known;
    /// answered by [`handle_end_offsets`](super::Engine::handle_end_offsets), in one answer or several.
    QueryEndOffsets {
        /// The partitions.
        partitions: Vec<TopicPartition>,
    },
    /// Ask the sink whether it can be used; answered by
    /// [`handle_probe`](super::Engine::handle_probe).
    Probe,
    /// Tell a person.
    Report(Report),
    /// All is finished and committed, as far as it could be. Nothing follows but answers to
    /// revocations.
    Stopped,
}

/// A forward that was not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardFailure {
    /// What went wrong, for a person.
    pub message: String,
    /// True where the record may have been written all the same.
    pub in_doubt: bool,
}

/// A commit that was not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitFailure {
    /// What can be done about it.
    pub kind: CommitFailureKind,
    /// What went wrong, for a person.
    pub message: String,
}

/// What can be done about a failed commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitFailureKind {
    /// The same commit may succeed later.
    Retriable,
    /// The group has moved on without this member: the partitions are, or soon will be, another's.
    Fenced,
}
