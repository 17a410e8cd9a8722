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
pub(super) struct Offsets {
    committed: BTreeMap<TopicPartition, Written>,
    /// What comes with open transactions, by the ids of their producers (KIP-447).
    pending: BTreeMap<i64, BTreeMap<TopicPartition, Written>>,
    writes: u64,
}

/// An offset, and how many were written before it.
#[derive(Debug)]
struct Written {
    order: u64,
    committed: Committed,
}

impl Offsets {
    pub(super) fn is_empty(&self) -> bool {
        self.committed.is_empty() && self.pending.is_empty()
    }

    pub(super) fn put(&mut self, partition: TopicPartition, committed: Committed) {
        let written = self.write(committed);
        self.committed.insert(partition, written);
    }

    /// Keeps an offset back until a transaction is over.
    pub(super) fn put_pending(
        &mut self,
        producer_id: i64,
        partition: TopicPartition,
        committed: Committed,
    ) {
        let written = self.write(committed);
        let pending = self.pending.entry(producer_id).or_default();
        pending.insert(partition, written);
    }

    /// A transaction is over. What was committed after its own offsets stays as it is.
    pub(super) fn end_transaction(&mut self, producer_id: i64, commits: bool) {
        let pending = self.pending.remove(&producer_id);
        let decided = pending.into_iter().flatten().filter(|_| commits);
        for (partition, written) in decided {
            let present = self.committed.get(&partition);
            if present.is_none_or(|present| present.order < written.order) {
                self.committed.insert(partition, written);
            }
        }
    }

    /// Whether an open transaction may still change what is committed.
    pub(super) fn is_pending(&self, topic: &str, partition: i32) -> bool {
        let partition = TopicPartition::new(topic, partition);
        let mut pending = self.pending.values();
        pending.any(|offsets| offsets.contains_key(&partition))
    }

    fn write(&mut self, committed: Committed) -> Written {
        self.writes += 1;
        let order = self.writes;
        Written { order, committed }
    }

    pub(super) fn get(&self, topic: &str, partition: i32) -> Option<&Committed> {
        let written = self.committed.get(&TopicPartition::new(topic, partition));
        written.map(|written| &written.committed)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&TopicPartition, &Committed)> {
        let written = self.committed.iter();
        written.map(|(partition, written)| (partition, &written.committed))
    }

    pub(super) fn remove(&mut self, topic: &str, partition: i32) {
        let removed = TopicPartition::new(topic, partition);
        self.retain(|partition| *partition != removed);
    }

    pub(super) fn remove_topic(&mut self, topic: &str) {
        self.retain(|partition| &*partition.topic != topic);
    }

    fn retain(&mut self, stays: impl Fn(&TopicPartition) -> bool) {
        self.committed.retain(|partition, _| stays(partition));
        for offsets in self.pending.values_mut() {
            offsets.retain(|partition, _| stays(partition));
        }
        self.pending.retain(|_, offsets| !offsets.is_empty());
    }
}
