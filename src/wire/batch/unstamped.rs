//! Batches that wait for their producer's stamp.

use std::fmt;

use bytes::{Bytes, BytesMut};

use super::{
    Attributes, BatchBuilder, BatchError, BatchHeader, HEADER_BYTES, ProducerStamp, Records,
};
use crate::wire::compression::{self, Compression, GzipLevel};

/// A batch that is whole but for its producer's stamp and, with it, its CRC. Cheap to clone: the
/// records are shared.
///
/// Under the same stamp it becomes the same bytes each time.
#[derive(Clone, PartialEq, Eq)]
pub struct Unstamped {
    pub(super) codec: Compression,
    pub(super) gzip_level: GzipLevel,
    pub(super) records: Bytes,
    pub(super) count: usize,
    pub(super) base_timestamp: i64,
    pub(super) max_timestamp: i64,
}

impl Unstamped {
    /// How many records there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// True where there is no record.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The batch's size in bytes before compression, header included.
    pub fn size_bytes(&self) -> usize {
        HEADER_BYTES + self.records.len()
    }

    /// How the records are to be compressed.
    pub fn codec(&self) -> Compression {
        self.codec
    }

    /// Compresses and seals the batch. The base offset is 0 and the leader epoch -1, as a producer
    /// writes them.
    ///
    /// # Errors
    ///
    /// [`BatchError::NoRecords`] for an empty batch, [`BatchError::TooLarge`] past 2 GiB.
    pub fn seal(
        &self,
        producer: ProducerStamp,
        transactional: bool,
    ) -> Result<SealedBatch, BatchError> {
        const MAX_BYTES: usize = i32::MAX as usize;
        if self.is_empty() {
            return Err(BatchError::NoRecords);
        }
        if self.size_bytes() > MAX_BYTES {
            return Err(BatchError::TooLarge { limit: MAX_BYTES });
        }
        let header = self.header(Attributes::new(self.codec, transactional), producer);
        let records = match self.codec {
            Compression::None => self.records.clone(),
            codec => compression::compress(codec, self.gzip_level, &self.records)?.into(),
        };
        let header = header.sealed(&records)?;
        Ok(SealedBatch { header, records })
    }

    /// Divides the records by their place in the batch, in the same order. One part may be empty.
    pub fn divide(&self, goes_left: impl Fn(usize) -> bool) -> [Self; 2] {
        let empty = || BatchBuilder::new(self.codec).with_gzip_level(self.gzip_level);
        let mut parts = [empty(), empty()];
        let header = self.header(Attributes::default(), ProducerStamp::NONE);
        let records = Records::new(header, self.records.clone());
        // What a builder has written can be read.
        for (place, record) in records.iter().flatten().enumerate() {
            let part = &mut parts[usize::from(!goes_left(place))];
            part.push_encoded(record.timestamp, record.body);
        }
        parts.map(|mut part| part.take())
    }

    /// The buffer that the records are in, emptied; `None` where somebody else has them too.
    pub fn into_buffer(self) -> Option<Vec<u8>> {
        let mut records = self.records.try_into_mut().ok()?;
        records.clear();
        Some(records.into())
    }

    fn header(&self, attributes: Attributes, producer: ProducerStamp) -> BatchHeader {
        // A record takes seven bytes at least: the count is far below 2^31.
        let record_count = self.count as i32;
        BatchHeader {
            base_offset: 0,
            leader_epoch: -1,
            attributes,
            last_offset_delta: record_count - 1,
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            producer,
            record_count,
        }
    }
}

/// A batch as it is sent, in two parts: the records are shared with the [`Unstamped`] that it comes
/// from, unless they are compressed.
#[derive(Clone)]
pub struct SealedBatch {
    pub(super) header: [u8; HEADER_BYTES],
    pub(super) records: Bytes,
}

impl SealedBatch {
    /// What comes first.
    pub fn header(&self) -> &[u8] {
        &self.header
    }

    /// The records, maybe compressed.
    pub fn records(&self) -> &Bytes {
        &self.records
    }

    /// Bytes of the whole.
    #[expect(clippy::len_without_is_empty, reason = "it has a header at least")]
    pub fn len(&self) -> usize {
        HEADER_BYTES + self.records.len()
    }

    /// The whole in one piece, which copies it.
    pub fn to_bytes(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(self.len());
        bytes.extend_from_slice(&self.header);
        bytes.extend_from_slice(&self.records);
        bytes.freeze()
    }
}

impl fmt::Debug for SealedBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedBatch")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Unstamped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unstamped")
            .field("codec", &self.codec)
            .field("len", &self.len())
            .field("size_bytes", &self.size_bytes())
            .finish()
    }
}
