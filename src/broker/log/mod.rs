//! One partition's records. Pure.
//!
//! Batches are kept as they came, compressed or not, in one buffer each: an append checks the CRC,
//! looks at each record without keeping any, and copies the batch once with its offset and leader
//! epoch in the header.
//!
//! # Invariants
//!
//! - The batches' offsets follow one another without a gap, up to the log's end; the first batch
//!   holds the log's start, or begins there.
//! - What is appended is there for all: the high watermark is the end. The last stable offset is
//!   the first one of an open transaction, and never goes back.

mod epochs;
mod incoming;
mod producers;
mod read;
mod retention;
mod rules;
#[cfg(test)]
mod tests;
mod times;
mod transactions;

use std::collections::VecDeque;

use bytes::Bytes;

use crate::wire::ErrorCode;
use crate::wire::batch::BatchHeader;
use epochs::Epochs;
use producers::{Duplicate, Producers};
use transactions::Transactions;

pub(super) use incoming::Incoming;
pub(super) use producers::ActiveProducer;
pub(super) use read::{Isolation, Slice};
pub(super) use rules::Rules;
pub(super) use times::{OffsetAndTime, Time};
pub(super) use transactions::Aborted;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Log {
    batches: VecDeque<Stored>,
    start: i64,
    end: i64,
    /// All bytes that were ever appended.
    appended_bytes: u64,
    producers: Producers,
    transactions: Transactions,
    epochs: Epochs,
    /// When retention by time was last looked at.
    retained_at_ms: Option<i64>,
}

/// A batch, and what has to be known to find it.
#[derive(Debug)]
struct Stored {
    bytes: Bytes,
    next_offset: i64,
    /// How many bytes had been appended before it.
    position: u64,
    leader_epoch: i32,
    /// -1 where its records have none.
    max_timestamp: i64,
    appended_at_ms: i64,
    /// True for a marker of a transaction.
    is_control: bool,
}

/// What came of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Appended {
    /// The first record's offset: that of the first time, where the batch was here before.
    pub(super) base_offset: i64,
    /// -1 where the producer's timestamps are kept. Kafka gives a duplicate's largest timestamp.
    pub(super) log_append_time_ms: i64,
}

impl Log {
    /// The offset of the first record that can be read.
    pub(super) fn start(&self) -> i64 {
        self.start
    }

    /// The offset of the next record.
    pub(super) fn end(&self) -> i64 {
        self.end
    }

    /// Who has written with sequence numbers and is remembered, by id.
    pub(super) fn active_producers(&self) -> Vec<ActiveProducer> {
        self.producers.active()
    }

    /// Appends the batch of a produce request.
    ///
    /// # Errors
    ///
    /// `INVALID_RECORD`, `MESSAGE_TOO_LARGE`, `INVALID_TIMESTAMP`,
    /// `UNKNOWN_SERVER_ERROR` for records that are not in their codec, `INVALID_PRODUCER_EPOCH`,
    /// `OUT_OF_ORDER_SEQUENCE_NUMBER`, or `INVALID_TXN_STATE` for a batch that is not part of its
    /// producer's open transaction.
    pub(super) fn append(
        &mut self,
        mut incoming: Incoming,
        leader_epoch: i32,
        now_ms: i64,
        rules: &Rules,
    ) -> Result<Appended, ErrorCode> {
        incoming.check(now_ms, rules)?;
        let header = &mut incoming.batch.header;
        if let Some(duplicate) = self.producers.check(header)? {
            let Duplicate {
                base_offset,
                timestamp,
            } = duplicate;
            return Ok(Appended {
                base_offset,
                log_append_time_ms: timestamp,
            });
        }
        header.base_offset = self.end;
        header.leader_epoch = leader_epoch;
        let log_append_time_ms = incoming.stamp(now_ms, rules);
        let header = incoming.batch.header;
        // It was shorter than the limit when it came, and no byte was added.
        let encoded = incoming.batch.encode();
        let bytes = encoded.map_err(|_| ErrorCode::MESSAGE_TOO_LARGE)?;
        if self.producers.note(&header, now_ms) {
            self.transactions.begin(self.end, header.producer.id);
        }
        self.push(bytes, &header, now_ms);
        self.retain_bytes(rules);
        Ok(Appended {
            base_offset: header.base_offset,
            log_append_time_ms,
        })
    }

    fn push(&mut self, bytes: Bytes, header: &BatchHeader, now_ms: i64) {
        let size = bytes.len() as u64;
        self.epochs.note(header.leader_epoch, self.end);
        self.batches.push_back(Stored {
            bytes,
            next_offset: header.next_offset(),
            position: self.appended_bytes,
            leader_epoch: header.leader_epoch,
            max_timestamp: header.max_timestamp,
            appended_at_ms: now_ms,
            is_control: header.attributes.is_control(),
        });
        self.end = header.next_offset();
        self.appended_bytes += size;
        self.retained_at_ms.get_or_insert(now_ms);
    }

    /// Where an epoch ended: the largest epoch up to this one that is known, and the offset after
    /// its last record; none where nothing can be said (KIP-101, KIP-279). `current` is the
    /// leader's epoch.
    pub(super) fn end_of_epoch(&self, epoch: i32, current: i32) -> Option<(i32, i64)> {
        self.epochs.end_of(epoch, current, self.end)
    }

    /// Deletes what is before an offset (KIP-107).
    ///
    /// # Errors
    ///
    /// `OFFSET_OUT_OF_RANGE` past the end.
    pub(super) fn delete_before(&mut self, offset: i64) -> Result<(), ErrorCode> {
        if !(0..=self.end).contains(&offset) {
            return Err(ErrorCode::OFFSET_OUT_OF_RANGE);
        }
        self.start_at(offset);
        Ok(())
    }

    /// Moves the start forward, never back.
    fn start_at(&mut self, offset: i64) {
        if offset <= self.start {
            return;
        }
        self.start = offset;
        while self
            .batches
            .front()
            .is_some_and(|first| first.next_offset <= offset)
        {
            self.batches.pop_front();
        }
        self.epochs.start_at(offset);
        self.transactions.start_at(offset);
    }
}

impl Stored {
    fn end_position(&self) -> u64 {
        self.position + self.bytes.len() as u64
    }
}
