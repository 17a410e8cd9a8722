//! What is kept of those who send: where their records go, and who waits for the end of which.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::watch;

use super::refusal;
use crate::Error;
use crate::clock::now;
use crate::cluster::{Client, Metadata};
use crate::producer::delivery::{Outcome, closed};
use crate::producer::machine::{BatchId, Taken};
use crate::producer::{
    ProducerMachine, ProducerRecordRef, SendRefused, StickyPartitioner, partition_for_key,
};
use crate::wire::{TopicPartition, same_name};

/// The records' machine, or one around it.
pub(in crate::producer) trait Records {
    fn records(&mut self) -> &mut ProducerMachine;
}

impl Records for ProducerMachine {
    fn records(&mut self) -> &mut ProducerMachine {
        self
    }
}

/// The machine, and who waits for what of it.
pub(in crate::producer) struct Books<M> {
    pub(in crate::producer) machine: M,
    metadata: watch::Receiver<Arc<Metadata>>,
    sticky: StickyPartitioner,
    /// Where the last record went, and how many partitions its topic has: most records go where
    /// the one before went.
    last: Option<(TopicPartition, i32)>,
    pub(super) outcomes: HashMap<BatchId, Arc<Outcome>>,
    pub(super) last_outcome: Option<(BatchId, Arc<Outcome>)>,
    pub(super) in_line: usize,
    /// The task has ended.
    pub(super) closed: bool,
}

impl<M: Records> Books<M> {
    pub(super) fn new(client: &Client, batch_bytes: usize, machine: M) -> Self {
        Self {
            machine,
            metadata: client.watch_metadata(),
            sticky: StickyPartitioner::new(batch_bytes, fastrand::u64(..)),
            last: None,
            outcomes: HashMap::new(),
            last_outcome: None,
            in_line: 0,
            closed: false,
        }
    }

    /// Gives the machine a record whose topic has `count` partitions, or tells why it can't be
    /// taken; `None` where it has to wait. Without a count the topic's is looked up. Which partition
    /// it is for is settled once, whether it is taken or not.
    #[inline]
    pub(super) fn offer(
        &mut self,
        record: &ProducerRecordRef<'_>,
        partition: &mut Option<i32>,
        count: Option<i32>,
        timestamp_ms: i64,
    ) -> Option<Result<Taken, Error>> {
        if self.closed {
            return Some(Err(closed()));
        }
        if !self.address(record, partition, count) {
            return None;
        }
        match self.take(record, timestamp_ms) {
            Ok(taken) => Some(Ok(taken)),
            Err(SendRefused::BufferFull) => None,
            Err(refused) => {
                let tp = TopicPartition::new(record.topic.clone(), partition.unwrap_or(-1));
                Some(Err(refusal(&refused, &tp)))
            }
        }
    }

    /// Settles where the record goes, where that isn't settled yet; false where its topic, or this
    /// partition of it, is not known.
    #[inline]
    fn address(
        &mut self,
        record: &ProducerRecordRef<'_>,
        partition: &mut Option<i32>,
        count: Option<i32>,
    ) -> bool {
        let last = self.last.as_ref();
        let known = last.filter(|(tp, _)| same_name(&tp.topic, record.topic));
        let known = known.map(|(_, count)| *count);
        let look_up = || self.metadata.borrow().partition_count(record.topic);
        let Some(count) = count.or(known).or_else(look_up) else {
            return false;
        };
        let partition = *partition.get_or_insert_with(|| self.choose(record, count));
        if !(0..count).contains(&partition) {
            return false;
        }
        match &mut self.last {
            Some((tp, of)) if known.is_some() => (tp.partition, *of) = (partition, count),
            last => {
                let tp = TopicPartition::new(record.topic.clone(), partition);
                *last = Some((tp, count));
            }
        }
        true
    }

    fn choose(&mut self, record: &ProducerRecordRef<'_>, count: i32) -> i32 {
        match record.body.key() {
            Some(key) => partition_for_key(key, count),
            None => {
                let bytes = record.body.encoded_len();
                self.sticky.partition(record.topic, count, bytes)
            }
        }
    }

    /// Takes the record in where it was addressed to.
    #[inline]
    fn take(
        &mut self,
        record: &ProducerRecordRef<'_>,
        timestamp_ms: i64,
    ) -> Result<Taken, SendRefused> {
        let Some((tp, _)) = &self.last else {
            return Err(SendRefused::Closed);
        };
        let machine = self.machine.records();
        if let Some(taken) = machine.join(tp, record.body, timestamp_ms) {
            return Ok(taken);
        }
        let now = now();
        if !machine.knows(tp) {
            let leader = self.metadata.borrow().leader(tp);
            machine.handle_leader(tp, leader, now);
        }
        machine.handle_send(tp, record.body, timestamp_ms, now)
    }

    /// Gives the machine records that go where the last one went and are alike: without a time of
    /// their own, and without a key or for a partition that was chosen. Tells where the first was taken
    /// in, and how many were. The one behind those has to be [offered](Self::offer) by itself.
    #[inline]
    pub(super) fn offer_more(
        &mut self,
        records: &[ProducerRecordRef<'_>],
        timestamp_ms: i64,
    ) -> Option<(Taken, u32)> {
        let (tp, count) = self.last.as_ref()?;
        let first = records.first()?;
        let is_alike = |record: &ProducerRecordRef<'_>| {
            record.partition == first.partition
                && (record.partition.is_some() || record.body.key().is_none())
                && record.timestamp_ms.is_none()
                && same_name(&tp.topic, record.topic)
        };
        if !is_alike(first) {
            return None;
        }
        // One that was chosen is kept for any number of bytes.
        let stay = first.partition.map(|partition| (partition, usize::MAX));
        let stay = stay.or_else(|| self.sticky.stay(&tp.topic, *count));
        let (_, mut left) = stay.filter(|(partition, _)| *partition == tp.partition)?;
        let goes_there = |record: &&ProducerRecordRef<'_>| {
            let stays = left > 0;
            left = left.saturating_sub(record.body.encoded_len());
            stays && is_alike(record)
        };
        let bodies = records
            .iter()
            .take_while(goes_there)
            .map(|record| record.body);
        let machine = self.machine.records();
        let (taken, many) = machine.join_all(tp, bodies, timestamp_ms)?;
        if first.partition.is_none() {
            let went = records[..many as usize].iter();
            let bytes = went.map(|record| record.body.encoded_len()).sum();
            self.sticky.note(&tp.topic, *count, bytes);
        }
        Some((taken, many))
    }

    pub(super) fn outcome(&mut self, batch: BatchId) -> Arc<Outcome> {
        match &self.last_outcome {
            Some((last, outcome)) if *last == batch => outcome.clone(),
            _ => {
                let outcome = self.outcomes.entry(batch).or_default().clone();
                self.last_outcome = Some((batch, outcome.clone()));
                outcome
            }
        }
    }

    /// There is a new snapshot of the cluster.
    pub(in crate::producer) fn handle_metadata(&mut self) {
        self.last = None;
        let metadata = self.metadata.borrow_and_update().clone();
        let records = self.machine.records();
        records.handle_leaders(|tp| metadata.leader(tp), now());
    }
}
