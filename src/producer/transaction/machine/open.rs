//! The transaction that is open.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use crate::group::GroupOffsets;
use crate::producer::ProduceFailure;
use crate::wire::TopicPartition;

/// Offsets that wait to be committed with the transaction.
#[derive(Debug)]
pub(super) struct Offsets {
    pub(super) offsets: GroupOffsets,
    pub(super) token: u64,
    pub(super) deadline: Instant,
}

/// What is known of the transaction from its beginning to its end.
#[derive(Debug, Default)]
pub(super) struct Open {
    /// The coordinator knows of it, or may: it has to be ended.
    pub(super) started: bool,
    /// Partitions to be announced to the coordinator.
    pub(super) enlisting: Vec<TopicPartition>,
    /// Groups that were announced to it.
    pub(super) groups: BTreeSet<Arc<str>>,
    /// Oldest first; only the first is under way.
    pub(super) offsets: VecDeque<Offsets>,
    /// The coordinator may have committed it.
    pub(super) commit_in_doubt: bool,
    /// The transaction after this one must have another epoch.
    pub(super) next_epoch: bool,
    /// The coordinator has dropped this producer id: it can't be told to end anything.
    pub(super) unknown_to_coordinator: bool,
    /// Until when somebody waits for the end.
    pub(super) end_by: Option<Instant>,
    /// Why it can't be committed.
    pub(super) failure: Option<ProduceFailure>,
}
