//! What a client wants to append: is it one batch, whole, and one that a client may write?

use bytes::Bytes;

use super::Rules;
use crate::wire::ErrorCode;
use crate::wire::batch::{
    Attributes, BatchError, BatchHeader, Batches, RecordBatch, TimestampType,
};

/// A batch's length, after its base offset, counts what comes after itself.
const LENGTH_AT: usize = 8;
const UNCOUNTED_BYTES: usize = 12;
/// The attribute of a batch whose timestamps are the broker's.
const LOG_APPEND_TIME: i16 = 1 << 3;

/// A batch that may be appended as far as can be said without the log.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) batch: RecordBatch,
}

impl Incoming {
    /// Takes the one batch that a produce request has for a partition; what follows that is less
    /// than a batch is left out, as Kafka does.
    pub(super) fn check(records: &Bytes, now_ms: i64, rules: &Rules) -> Result<Self, ErrorCode> {
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
        if size > rules.max_message_bytes {
            return Err(ErrorCode::MESSAGE_TOO_LARGE);
        }
        check_header(&batch.header)?;
        check_timestamps(&batch.header, now_ms, rules)?;
        Ok(Self { batch })
    }

    /// Puts the broker's time in place of the records' where the topic wants it, and returns it;
    /// -1 otherwise.
    pub(super) fn stamp(&mut self, now_ms: i64, rules: &Rules) -> i64 {
        if !rules.stamps_on_append {
            return -1;
        }
        let header = &mut self.batch.header;
        header.attributes = Attributes(header.attributes.0 | LOG_APPEND_TIME);
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
    if header.attributes.codec().is_err() {
        return Err(ErrorCode::UNKNOWN_SERVER_ERROR);
    }
    let counts_agree = header.record_count == header.last_offset_delta.saturating_add(1);
    let producer = header.producer;
    if header.base_offset != 0
        || !counts_agree
        || header.attributes.is_control()
        || (producer.id >= 0 && producer.base_sequence < 0)
    {
        return Err(ErrorCode::INVALID_RECORD);
    }
    if header.attributes.is_transactional() {
        return Err(ErrorCode::INVALID_TXN_STATE);
    }
    Ok(())
}

fn check_timestamps(header: &BatchHeader, now_ms: i64, rules: &Rules) -> Result<(), ErrorCode> {
    let is_ahead = header.max_timestamp > now_ms.saturating_add(rules.timestamp_after_max_ms);
    let is_stamped = header.attributes.timestamp_type() == TimestampType::LogAppendTime;
    if is_stamped || (is_ahead && !rules.stamps_on_append) {
        return Err(ErrorCode::INVALID_TIMESTAMP);
    }
    Ok(())
}
