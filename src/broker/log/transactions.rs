//! The transactions of a partition: which are open, which were aborted (KIP-98).

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes};

use super::{Log, Rules, Slice};
use crate::wire::ErrorCode;
use crate::wire::batch::{
    Attributes, BatchBuilder, BatchError, BatchHeader, Batches, ProducerStamp, RecordBody,
};
use crate::wire::compression::Compression;

/// The attribute of a batch that holds no records of a client's.
const CONTROL: i16 = 1 << 5;
/// What a marker is, in its key.
const ABORT: i16 = 0;
const COMMIT: i16 = 1;
/// The version of a marker's key and value.
const MARKER_VERSION: i16 = 0;
/// Which of the coordinators that followed one another wrote a marker: here they are one.
const COORDINATOR_EPOCH: i32 = 0;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    /// First offsets and producers.
    open: BTreeMap<i64, i64>,
    /// In the order in which they ended.
    aborted: Vec<Aborted>,
}

/// A transaction that was aborted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::broker) struct Aborted {
    pub(in crate::broker) producer_id: i64,
    pub(in crate::broker) first_offset: i64,
    /// That of its marker.
    last_offset: i64,
}

impl Transactions {
    /// A producer's transaction begins.
    pub(super) fn begin(&mut self, first_offset: i64, producer_id: i64) {
        self.open.insert(first_offset, producer_id);
    }

    /// Forgets what was before the log's new start.
    pub(super) fn start_at(&mut self, offset: i64) {
        self.aborted.retain(|aborted| aborted.last_offset >= offset);
    }
}

impl Log {
    /// The last stable offset: all transactions before it are over.
    pub(in crate::broker) fn last_stable(&self) -> i64 {
        let open = self.transactions.open.keys().next();
        open.map_or(self.end, |first| *first.max(&self.start))
    }

    /// Whether a transaction's batch is the first that this partition has of it, so that its
    /// coordinator has to know.
    ///
    /// # Errors
    ///
    /// `INVALID_PRODUCER_EPOCH` for a producer that has been fenced.
    pub(in crate::broker) fn begins_transaction(
        &self,
        producer: ProducerStamp,
    ) -> Result<bool, ErrorCode> {
        let is_open = self.producers.has_open(producer.id, producer.epoch)?;
        Ok(!is_open)
    }

    /// Whether any batch of a producer is remembered.
    pub(in crate::broker) fn remembers(&self, producer: ProducerStamp) -> bool {
        self.producers.remembers(producer.id)
    }

    /// Ends a producer's transaction: nothing of an older epoch is taken after that.
    ///
    /// # Errors
    ///
    /// `INVALID_PRODUCER_EPOCH` where the producer has a newer one already.
    pub(in crate::broker) fn end_transaction(
        &mut self,
        producer: ProducerStamp,
        commits: bool,
        leader_epoch: i32,
        now_ms: i64,
        rules: &Rules,
    ) -> Result<(), ErrorCode> {
        let ProducerStamp { id, epoch, .. } = producer;
        let marked = marker(producer, commits, self.end, leader_epoch, now_ms);
        let (header, bytes) = marked.map_err(|_| ErrorCode::UNKNOWN_SERVER_ERROR)?;
        let since = self.producers.end_transaction(id, epoch, now_ms)?;
        if let Some(first_offset) = since {
            self.transactions.open.remove(&first_offset);
            self.transactions
                .aborted
                .extend((!commits).then_some(Aborted {
                    producer_id: id,
                    first_offset,
                    last_offset: header.base_offset,
                }));
        }
        self.push(bytes, &header, now_ms);
        self.retain_bytes(rules);
        Ok(())
    }

    /// The aborted transactions that some batches, read from an offset on, have records of.
    pub(in crate::broker) fn aborted(&self, slice: &Slice, offset: i64) -> Vec<Aborted> {
        let last = slice.batches.clone().next_back();
        let end = last.and_then(|last| self.batches.get(last));
        let end = end.map_or(offset, |batch| batch.next_offset);
        let aborted = self.transactions.aborted.iter();
        let concerned = aborted.filter(|it| it.last_offset >= offset && it.first_offset < end);
        concerned.copied().collect()
    }
}

/// A batch with a marker.
fn marker(
    producer: ProducerStamp,
    commits: bool,
    offset: i64,
    leader_epoch: i32,
    now_ms: i64,
) -> Result<(BatchHeader, Bytes), BatchError> {
    let (mut key, mut value) = (Vec::new(), Vec::new());
    key.put_i16(MARKER_VERSION);
    key.put_i16(if commits { COMMIT } else { ABORT });
    value.put_i16(MARKER_VERSION);
    value.put_i32(COORDINATOR_EPOCH);
    let mut builder = BatchBuilder::new(Compression::None);
    builder.push(now_ms, &RecordBody::new(Some(&key), Some(&value), &[]));
    let built = builder.build(producer, true)?;
    let mut batch = Batches::new(built).next().ok_or(BatchError::Cut)??;
    batch.header.attributes = Attributes(batch.header.attributes.0 | CONTROL);
    batch.header.base_offset = offset;
    batch.header.leader_epoch = leader_epoch;
    let bytes = batch.encode()?;
    Ok((batch.header, bytes))
}
