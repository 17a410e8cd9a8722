//! What a client wants to append: is it one batch, whole, and one that a client may write?

use bytes::Bytes;

use super::Rules;
use crate::wire::ErrorCode;
use crate::wire::batch::{
    Attributes, BatchError, BatchHeader, Batches, ProducerStamp, RecordBatch,
};
use crate::wire::compression::Compression;

/// A batch's length, after its base offset, counts what comes after itself.
const LENGTH_AT: usize = 8;
const UNCOUNTED_BYTES: usize = 12;
/// What the records of a compressed batch may become; Kafka has no limit.
const MAX_DECOMPRESSED_BYTES: usize = 256 << 20;
/// The attribute of a batch whose timestamps are the broker's.
const LOG_APPEND_TIME: i16 = 1 << 3;

/// The one batch that a produce request has for a partition, whole and with the right CRC.
#[derive(Debug)]
pub(in crate::broker) struct Incoming {
    pub(super) batch: RecordBatch,
    size: usize,
}

impl Incoming {
    /// Takes a request's bytes; what follows the batch and is less than one is left out, as Kafka
    /// does.
    ///
    /// # Errors
    ///
    /// `INVALID_RECORD` where it is not one batch of the present format, `CORRUPT_MESSAGE`.
    pub(in crate::broker) fn read(records: &Bytes) -> Result<Self, ErrorCode> {
        if length_is_damaged(records) {
            return Err(ErrorCode::CORRUPT_MESSAGE);
        }
        let mut batches = Batches::new(records.clone());
        let batch = batches.next().ok_or(ErrorCode::INVALID_RECORD)?;
        let batch = batch.map_err(|error| refusal(&error))?;
        let size = records.len() - batches.unread_bytes();
        if batches.next().is_some() {
            return Err(ErrorCode::INVALID_RECORD);
        }
        Ok(Self { batch, size })
    }

    /// How the records are compressed; none for a codec that Kafka does not have.
    pub(in crate::broker) fn codec(&self) -> Option<Compression> {
        self.batch.header.attributes.codec().ok()
    }

    /// Who writes the batch as part of a transaction; none where it is not one of a transaction.
    pub(in crate::broker) fn transactional(&self) -> Option<ProducerStamp> {
        let header = &self.batch.header;
        let is_one = header.attributes.is_transactional() && header.producer.id >= 0;
        is_one.then_some(header.producer)
    }

    /// Says whether a client may write the batch to a topic, as far as that can be said without
    /// the log. Compressed records are decompressed for it, and kept as they came.
    pub(super) fn check(&self, now_ms: i64, rules: &Rules) -> Result<(), ErrorCode> {
        if self.size > rules.max_message_bytes {
            return Err(ErrorCode::MESSAGE_TOO_LARGE);
        }
        if self.codec().is_none() {
            return Err(ErrorCode::UNKNOWN_SERVER_ERROR);
        }
        let header = &self.batch.header;
        check_header(header)?;
        let latest = now_ms.saturating_add(rules.timestamp_after_max_ms);
        if header.max_timestamp > latest && !rules.stamps_on_append {
            return Err(ErrorCode::INVALID_TIMESTAMP);
        }
        self.check_records(rules)
    }

    /// Looks at each record, as Kafka does: there are as many as the header says, and in a
    /// compacted topic each has a key.
    fn check_records(&self, rules: &Rules) -> Result<(), ErrorCode> {
        let records = self.batch.decode(MAX_DECOMPRESSED_BYTES);
        let records = records.map_err(|_| ErrorCode::UNKNOWN_SERVER_ERROR)?;
        let mut count = 0;
        for record in &records {
            let record = record.map_err(|_| ErrorCode::INVALID_RECORD)?;
            if rules.compacts && record.key().is_none() {
                return Err(ErrorCode::INVALID_RECORD);
            }
            count += 1;
        }
        if count == self.batch.header.record_count {
            Ok(())
        } else {
            Err(ErrorCode::INVALID_RECORD)
        }
    }

    /// Has the batch say what the topic wants about whose its timestamps are. Puts the broker's
    /// time in place of the records' where that is wanted, and returns it; -1 otherwise.
    pub(super) fn stamp(&mut self, now_ms: i64, rules: &Rules) -> i64 {
        let header = &mut self.batch.header;
        let others = header.attributes.0 & !LOG_APPEND_TIME;
        if !rules.stamps_on_append {
            header.attributes = Attributes(others);
            return -1;
        }
        header.attributes = Attributes(others | LOG_APPEND_TIME);
        header.max_timestamp = now_ms;
        now_ms
    }
}

/// True where the length is too small for any batch.
fn length_is_damaged(records: &[u8]) -> bool {
    let length = records.get(LENGTH_AT..UNCOUNTED_BYTES);
    let length = length.and_then(|length| length.first_chunk().copied());
    length.is_some_and(|length| {
        let least = (crate::wire::batch::HEADER_BYTES - UNCOUNTED_BYTES) as i32;
        i32::from_be_bytes(length) < least
    })
}

fn refusal(error: &BatchError) -> ErrorCode {
    match error {
        BatchError::UnsupportedMagic { magic: 0 | 1, .. } | BatchError::MalformedBatch { .. } => {
            ErrorCode::INVALID_RECORD
        }
        _ => ErrorCode::CORRUPT_MESSAGE,
    }
}

fn check_header(header: &BatchHeader) -> Result<(), ErrorCode> {
    let counts_agree = header.record_count == header.last_offset_delta.saturating_add(1);
    let producer = header.producer;
    if header.base_offset != 0
        || !counts_agree
        || header.attributes.is_control()
        || (producer.id >= 0 && producer.base_sequence < 0)
    {
        return Err(ErrorCode::INVALID_RECORD);
    }
    Ok(())
}
