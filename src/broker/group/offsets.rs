//! What a group has committed.

use std::collections::BTreeMap;

use crate::wire::TopicPartition;

/// A committed offset, and what was said with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The next offset to be read.
    pub offset: i64,
    /// The leader epoch of the record before it, or -1 (KIP-320).
    pub leader_epoch: i32,
    /// The text that came with it.
    pub metadata: String,
    /// When it was committed, in milliseconds since 1970.
    pub committed_at_ms: i64,
}

/// All that a group has committed.
#[derive(Debug, Default)]
pub(super) struct Offsets(BTreeMap<TopicPartition, Committed>);

impl Offsets {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn put(&mut self, partition: TopicPartition, committed: Committed) {
        self.0.insert(partition, committed);
    }

    pub(super) fn get(&self, topic: &str, partition: i32) -> Option<&Committed> {
        self.0.get(&TopicPartition::new(topic, partition))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&TopicPartition, &Committed)> {
        self.0.iter()
    }

    pub(super) fn remove(&mut self, topic: &str, partition: i32) {
        self.0.remove(&TopicPartition::new(topic, partition));
    }

    pub(super) fn remove_topic(&mut self, topic: &str) {
        self.0.retain(|partition, _| &*partition.topic != topic);
    }
}
