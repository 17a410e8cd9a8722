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
    /// Write records to other topics, acknowledged by all replicas, stamped with the present
    /// time; answered by [`handle_forwarded`](super::Engine::handle_forwarded).
    Forward {
        /// Names this forward.
        ticket: Ticket,
        /// Who read them.
        path: Path,
        /// What to write: never none, and at most one record of a partition.
        records: Vec<Outgoing>,
        /// What the path's group commits with it: each partition with the offset of the next
        /// record to read. All of it comes to pass in one transaction, or nothing. Where this is
        /// empty there is one record, and no transaction.
        offsets: Vec<(TopicPartition, i64)>,
        /// True for a record that could not be written before: it must not keep those that are
        /// written for the first time, so that both kinds may be under way at once.
        again: bool,
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

/// A record on its way to another topic.
#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing {
    /// Where it was read.
    pub from: TopicPartition,
    /// Its offset there.
    pub offset: i64,
    /// The topic to write to.
    pub to: Destination,
    /// The partition to write to.
    pub partition: i32,
    /// The record as it is to be written.
    pub body: RecordBody,
}

/// A forward that was not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardFailure {
    /// What is known of it.
    pub kind: ForwardFailureKind,
    /// What went wrong, for a person.
    pub message: String,
}

/// What is known of a forward that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardFailureKind {
    /// Nothing was written, or nothing of it counts.
    NotWritten,
    /// The record may have been written all the same. Never the answer of a transaction.
    InDoubt,
    /// Nothing of it counts, as the group has moved on without this member: the partitions are,
    /// or soon will be, another's, or this member's in a new generation.
    Fenced,
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
