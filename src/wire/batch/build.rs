//! Building batches.

use std::fmt;

use bytes::Bytes;

use super::varint;
use super::{BatchError, Batches, BodyRef, HEADER_BYTES, ProducerStamp, Unstamped};
use crate::wire::compression::{Compression, GzipLevel};

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

    /// Appends a record; `timestamp` is in milliseconds since 1970, -1 for none.
    pub fn push<'a>(&mut self, timestamp: i64, body: impl Into<BodyRef<'a>>) {
        let body = body.into();
        let prefix = self.prefix(timestamp, body.encoded_len());
        self.append(&prefix, timestamp, body.encoded_len(), |out| {
            body.write(out);
        });
    }

    /// Appends a record where the batch then takes at most `max_bytes` uncompressed; false where it
    /// would take more.
    #[inline]
    pub fn push_within<'a>(
        &mut self,
        max_bytes: usize,
        timestamp: i64,
        body: impl Into<BodyRef<'a>>,
    ) -> bool {
        let body = body.into();
        let prefix = self.prefix(timestamp, body.encoded_len());
        let fits = self.size_bytes() + prefix.len() + body.encoded_len() <= max_bytes;
        if fits {
            self.append(&prefix, timestamp, body.encoded_len(), |out| {
                body.write(out);
            });
        }
        fits
    }

    /// Appends a record whose body is encoded already.
    pub(super) fn push_encoded(&mut self, timestamp: i64, body: &[u8]) {
        let prefix = self.prefix(timestamp, body.len());
        self.append(&prefix, timestamp, body.len(), |out| {
            out.extend_from_slice(body);
        });
    }

    /// What stands before the next record's body.
    #[inline]
    fn prefix(&self, timestamp: i64, body_len: usize) -> Prefix {
        let timestamp_delta = match self.is_empty() {
            true => 0,
            false => timestamp.wrapping_sub(self.base_timestamp),
        };
        let timestamp_delta = varint::encoded(timestamp_delta);
        let offset_delta = varint::encoded(self.count as i64);
        let len = 1 + timestamp_delta.1 + offset_delta.1 + body_len;
        Prefix {
            length: varint::encoded(len as i64),
            timestamp_delta,
            offset_delta,
        }
    }

    #[inline]
    fn append(
        &mut self,
        prefix: &Prefix,
        timestamp: i64,
        body_len: usize,
        write_body: impl FnOnce(&mut Vec<u8>),
    ) {
        if self.is_empty() {
            self.base_timestamp = timestamp;
            self.max_timestamp = timestamp;
        }
        self.records.reserve(prefix.len() + body_len);
        prefix.write(&mut self.records);
        write_body(&mut self.records);
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
}

/// What stands before a record's body: its length, attributes and the two deltas.
struct Prefix {
    length: (u128, usize),
    timestamp_delta: (u128, usize),
    offset_delta: (u128, usize),
}

impl Prefix {
    #[inline]
    fn len(&self) -> usize {
        self.length.1 + 1 + self.timestamp_delta.1 + self.offset_delta.1
    }

    #[inline]
    fn write(&self, out: &mut Vec<u8>) {
        const NO_ATTRIBUTES: (u128, usize) = (0, 1);
        let parts = [
            self.length,
            NO_ATTRIBUTES,
            self.timestamp_delta,
            self.offset_delta,
        ];
        // Nearly always all of it goes into one word, which is put together without memory.
        if self.len() <= size_of::<u64>() {
            let (word, len) = parts.iter().fold((0, 0), |(word, len), part| {
                (word | (part.0 as u64) << (8 * len), len + part.1)
            });
            out.extend_from_slice(&word.to_le_bytes()[..len]);
        } else {
            for (bytes, len) in parts {
                out.extend_from_slice(&bytes.to_le_bytes()[..len]);
            }
        }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_prefix_is_its_numbers_one_after_the_other(
            numbers: [i64; 3],
            shifts in proptest::array::uniform3(0_u32..64),
        ) {
            let [length, timestamp_delta, offset_delta] =
                std::array::from_fn(|at| numbers[at] >> shifts[at]);
            let prefix = Prefix {
                length: varint::encoded(length),
                timestamp_delta: varint::encoded(timestamp_delta),
                offset_delta: varint::encoded(offset_delta),
            };
            let mut expected = Vec::new();
            varint::put(&mut expected, length);
            expected.push(0);
            varint::put(&mut expected, timestamp_delta);
            varint::put(&mut expected, offset_delta);
            let mut written = Vec::new();
            prefix.write(&mut written);
            prop_assert_eq!(prefix.len(), expected.len());
            prop_assert_eq!(written, expected);
        }
    }
}
