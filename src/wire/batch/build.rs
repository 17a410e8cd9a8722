//! Building batches.

use std::fmt;

use bytes::{BufMut, Bytes};

use super::varint;
use super::{BatchError, Batches, HEADER_BYTES, ProducerStamp, RecordBody, Unstamped};
use crate::wire::compression::{Compression, GzipLevel};

/// The most that stands before a record's body: its length, attributes and the two deltas.
const MAX_PREFIX_BYTES: usize = 10 + 1 + 10 + 10;

/// Joins record bodies to a batch.
///
/// Records are written into the batch's own buffer as they come, so sizes are exact and an
/// uncompressed batch is sent as it was written.
#[derive(Clone)]
pub struct BatchBuilder {
    codec: Compression,
    gzip_level: GzipLevel,
    records: Vec<u8>,
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
            records: Vec::new(),
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

    /// Writes the records into this buffer, which is emptied.
    #[must_use]
    pub fn with_buffer(self, mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        Self {
            records: buffer,
            ..self
        }
    }

    /// True where the batch with this record too would take at most `max_bytes` uncompressed.
    pub fn fits(&self, body: &RecordBody, timestamp: i64, max_bytes: usize) -> bool {
        let len = self.prefix_len(timestamp) + body.encoded_len();
        self.size_bytes() + varint::len(len as i64) + len <= max_bytes
    }

    /// Appends a record; `timestamp` is in milliseconds since 1970, -1 for none.
    pub fn push(&mut self, timestamp: i64, body: &RecordBody) {
        self.push_encoded(timestamp, &body.bytes);
    }

    /// Appends a record whose body is encoded already.
    pub(super) fn push_encoded(&mut self, timestamp: i64, body: &[u8]) {
        if self.is_empty() {
            self.base_timestamp = timestamp;
            self.max_timestamp = timestamp;
        }
        let len = self.prefix_len(timestamp) + body.len();
        let timestamp_delta = timestamp.wrapping_sub(self.base_timestamp);
        // Put together apart from the records, whose room is then asked for once.
        let mut prefix = [0; MAX_PREFIX_BYTES];
        let mut out = &mut prefix[..];
        varint::put(&mut out, len as i64);
        out.put_u8(0);
        varint::put(&mut out, timestamp_delta);
        varint::put(&mut out, self.count as i64);
        let unused = out.len();
        self.records
            .extend_from_slice(&prefix[..MAX_PREFIX_BYTES - unused]);
        self.records.extend_from_slice(body);
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
        HEADER_BYTES + self.records.len()
    }

    /// Takes the batch out, which then lacks its stamp only.
    pub fn take(&mut self) -> Unstamped {
        Unstamped {
            codec: self.codec,
            gzip_level: self.gzip_level,
            records: std::mem::take(&mut self.records).into(),
            count: std::mem::take(&mut self.count),
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
        }
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
        Ok(self.take().seal(producer, transactional)?.to_bytes())
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
