//! Building batches.

use std::fmt;

use bytes::{BufMut, Bytes};

use super::varint;
use super::{
    Attributes, BatchError, BatchHeader, Batches, HEADER_BYTES, ProducerStamp, RecordBody,
};
use crate::wire::compression::{self, Compression, GzipLevel};

/// Joins record bodies to a batch.
///
/// Records are written into the batch's own buffer as they come, so sizes are exact and an
/// uncompressed batch is never copied.
#[derive(Clone)]
pub struct BatchBuilder {
    codec: Compression,
    gzip_level: GzipLevel,
    /// Room for the header, then the records.
    batch: Vec<u8>,
    count: usize,
    base_timestamp: i64,
    max_timestamp: i64,
}

impl BatchBuilder {
    /// Starts an empty batch.
    pub fn new(codec: Compression) -> Self {
        Self {
            codec,
            gzip_level: GzipLevel::default(),
            batch: vec![0; HEADER_BYTES],
            count: 0,
            base_timestamp: -1,
            max_timestamp: -1,
        }
    }

    /// Compresses at this level, where the codec is gzip.
    #[must_use]
    pub fn with_gzip_level(self, gzip_level: GzipLevel) -> Self {
        Self { gzip_level, ..self }
    }

    /// True where the batch with this record too would take at most `max_bytes` uncompressed.
    pub fn fits(&self, body: &RecordBody, timestamp: i64, max_bytes: usize) -> bool {
        let len = self.prefix_len(timestamp) + body.encoded_len();
        self.size_bytes() + varint::len(len as i64) + len <= max_bytes
    }

    /// Appends a record; `timestamp` is in milliseconds since 1970, -1 for none.
    pub fn push(&mut self, timestamp: i64, body: &RecordBody) {
        if self.is_empty() {
            self.base_timestamp = timestamp;
            self.max_timestamp = timestamp;
        }
        let len = self.prefix_len(timestamp) + body.encoded_len();
        let timestamp_delta = timestamp.wrapping_sub(self.base_timestamp);
        varint::put(&mut self.batch, len as i64);
        self.batch.put_u8(0);
        varint::put(&mut self.batch, timestamp_delta);
        varint::put(&mut self.batch, self.count as i64);
        self.batch.extend_from_slice(&body.bytes);
        self.max_timestamp = self.max_timestamp.max(timestamp);
        self.count += 1;
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// True before the first record.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The batch's size in bytes before compression, header included.
    pub fn size_bytes(&self) -> usize {
        self.batch.len()
    }

    /// Compresses and seals the batch. The base offset is 0 and the leader epoch -1, as a producer
    /// writes them.
    ///
    /// # Errors
    ///
    /// [`BatchError::NoRecords`] for an empty batch, [`BatchError::TooLarge`] past 2 GiB.
    pub fn build(
        mut self,
        producer: ProducerStamp,
        transactional: bool,
    ) -> Result<Bytes, BatchError> {
        const MAX_BYTES: usize = i32::MAX as usize;
        if self.is_empty() {
            return Err(BatchError::NoRecords);
        }
        if self.size_bytes() > MAX_BYTES {
            return Err(BatchError::TooLarge { limit: MAX_BYTES });
        }
        // A record takes seven bytes at least: the count is far below 2^31.
        let record_count = self.count as i32;
        let header = BatchHeader {
            base_offset: 0,
            leader_epoch: -1,
            attributes: Attributes::new(self.codec, transactional),
            last_offset_delta: record_count - 1,
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            producer,
            record_count,
        };
        if self.codec != Compression::None {
            let records = &self.batch[HEADER_BYTES..];
            let compressed = compression::compress(self.codec, self.gzip_level, records)?;
            self.batch.truncate(HEADER_BYTES);
            self.batch.extend_from_slice(&compressed);
        }
        header.seal(&mut self.batch)?;
        Ok(self.batch.into())
    }

    /// Bytes of the next record between its length and its body.
    fn prefix_len(&self, timestamp: i64) -> usize {
        let timestamp_delta = if self.is_empty() {
            0
        } else {
            timestamp.wrapping_sub(self.base_timestamp)
        };
        1 + varint::len(timestamp_delta) + varint::len(self.count as i64)
    }
}

impl fmt::Debug for BatchBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchBuilder")
            .field("codec", &self.codec)
            .field("len", &self.len())
            .field("size_bytes", &self.size_bytes())
            .finish()
    }
}

/// Gives a built batch another producer stamp: a retry after the epoch was bumped (KIP-360).
///
/// # Errors
///
/// Those of [`Batches`] where `batch` is not one whole batch.
pub fn restamp(batch: Bytes, producer: ProducerStamp) -> Result<Bytes, BatchError> {
    let mut batch = Batches::new(batch).next().ok_or(BatchError::Cut)??;
    batch.header.producer = producer;
    batch.encode()
}
