//! Consumer groups: who is a member, and which member owns which partitions.
//!
//! - [`subscription`] reads and writes the metadata that members send one another through the
//!   coordinator.
//! - [`assignor`] shares the partitions out; the group's leader runs it.
//! - [`membership`] is the member's side of both protocols, each as a pure machine.
//! - `driver` runs the machine: requests to the coordinator, and their answers.

pub mod assignor;
pub(crate) mod driver;
pub mod membership;
mod requests;
pub mod subscription;

pub use assignor::Assignor;

use std::sync::Arc;

use crate::wire::TopicPartition;
use membership::CommitStamp;

/// An offset to commit: the next one to be read, and a text to keep beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitOffset {
    /// The partition.
    pub partition: TopicPartition,
    /// The offset after the last record that is done with.
    pub next_offset: i64,
    /// The leader epoch of that record, where it is known: whoever goes on from here learns by it
    /// whether the record is still there (KIP-320). A [`Consumer`](crate::consumer::Consumer)
    /// adds it by itself.
    pub leader_epoch: Option<i32>,
    /// Kept by the group coordinator beside the offset; for people.
    pub metadata: String,
}

impl CommitOffset {
    /// An offset without a text.
    pub fn new(partition: TopicPartition, next_offset: i64) -> Self {
        Self {
            partition,
            next_offset,
            leader_epoch: None,
            metadata: String::new(),
        }
    }
}

/// Offsets that a member of a group may commit, with what proves that it is one: to be committed
/// with a producer's transaction, and refused where the member has lost its place meanwhile
/// (KIP-447). [`Consumer::stamped`](crate::consumer::Consumer::stamped) makes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupOffsets {
    pub(crate) group: Arc<str>,
    pub(crate) stamp: CommitStamp,
    pub(crate) offsets: Vec<CommitOffset>,
}
