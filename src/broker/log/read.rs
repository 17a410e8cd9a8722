//! Reading: whole batches, by offset.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::{Log, Stored};
use crate::wire::ErrorCode;
use crate::wire::batch::{Batches, Record, RecordBatch};

/// No batch that was accepted should need more, decompressed.
const MAX_DECOMPRESSED_BYTES: usize = 256 << 20;

/// Which records a reader wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::broker) enum Isolation {
    /// All.
    Uncommitted,
    /// Those of transactions that are over; of these it leaves out the aborted ones itself.
    Committed,
}

impl Isolation {
    /// As a request numbers it: 1 is the stricter one, and Kafka takes all others for the other.
    pub(in crate::broker) fn numbered(level: i8) -> Self {
        match level {
            1 => Self::Committed,
            _ => Self::Uncommitted,
        }
    }
}

/// Some of a log's batches. Good until the log is changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::broker) struct Slice {
    pub(super) batches: Range<usize>,
    bytes: usize,
    available: usize,
}

impl Slice {
    /// How many bytes the batches have.
    pub(in crate::broker) fn size_bytes(&self) -> usize {
        self.bytes
    }

    /// How many bytes there are from the first batch on, as far as the limit counts them: more
    /// than the batches have where the limit cuts one off.
    pub(in crate::broker) fn available_bytes(&self) -> usize {
        self.available
    }
}

impl Log {
    /// The batches from the one with this offset on, as far as `max_bytes` goes. The first comes
    /// whole in any case where `at_least_one` is set (KIP-74).
    ///
    /// # Errors
    ///
    /// `OFFSET_OUT_OF_RANGE` before the start or past the end.
    pub(in crate::broker) fn read(
        &self,
        offset: i64,
        max_bytes: usize,
        at_least_one: bool,
        isolation: Isolation,
    ) -> Result<Slice, ErrorCode> {
        if !(self.start..=self.end).contains(&offset) {
            return Err(ErrorCode::OFFSET_OUT_OF_RANGE);
        }
        let (first, bound) = (self.find(offset), self.find(self.bound(isolation)));
        let first_batch = self.batches.get(first).filter(|_| first < bound);
        let Some(first_batch) = first_batch else {
            return Ok(Slice::default());
        };
        let unread = self.batches.get(bound);
        let up_to = unread.map_or(self.appended_bytes, |batch| batch.position);
        let available = (up_to - first_batch.position) as usize;
        let limit = first_batch.position.saturating_add(max_bytes as u64);
        let fit = self
            .batches
            .partition_point(|batch| batch.end_position() <= limit);
        let least = first + usize::from(at_least_one);
        let batches = first..fit.max(least).min(bound);
        let last = batches
            .clone()
            .next_back()
            .and_then(|last| self.batches.get(last));
        let end = last.map_or(first_batch.position, Stored::end_position);
        Ok(Slice {
            batches,
            bytes: (end - first_batch.position) as usize,
            available: available.min(max_bytes),
        })
    }

    /// The batches as they go over the wire: shared where it is one, copied once otherwise.
    pub(in crate::broker) fn bytes(&self, slice: &Slice) -> Bytes {
        let mut batches = self.batches.range(slice.batches.clone());
        if slice.batches.len() <= 1 {
            return batches
                .next()
                .map(|batch| batch.bytes.clone())
                .unwrap_or_default();
        }
        let mut joined = BytesMut::with_capacity(slice.bytes);
        for batch in batches {
            joined.extend_from_slice(&batch.bytes);
        }
        joined.freeze()
    }

    /// The offset up to which a reader can read.
    pub(in crate::broker) fn bound(&self, isolation: Isolation) -> i64 {
        match isolation {
            Isolation::Uncommitted => self.end,
            Isolation::Committed => self.last_stable(),
        }
    }

    /// All records but the markers of transactions. A batch whose records are not what they should be ends with the last good
    /// one: no append looks at them.
    pub(in crate::broker) fn records(&self) -> impl Iterator<Item = Record> + '_ {
        let batches = self.batches.iter().filter(|batch| !batch.is_control);
        let records = batches.flat_map(Stored::records);
        records.filter(|record| record.offset >= self.start)
    }

    /// The index of the batch with this offset; past the last one at the log's end.
    fn find(&self, offset: i64) -> usize {
        self.batches
            .partition_point(|batch| batch.next_offset <= offset)
    }
}

impl Stored {
    /// The records up to the first that is not one.
    pub(super) fn records(&self) -> Vec<Record> {
        let batch: Option<RecordBatch> =
            Batches::new(self.bytes.clone()).next().and_then(Result::ok);
        let records = batch.and_then(|batch| batch.decode(MAX_DECOMPRESSED_BYTES).ok());
        let all = records.iter().flatten();
        all.map_while(Result::ok)
            .map(|record| record.detach())
            .collect()
    }
}
