//! Finding batches in what a broker sent.

use std::fmt;

use bytes::{Buf, Bytes};

use super::header::{CRC_COVERS_FROM, MAGIC, MAGIC_AT, UNCOUNTED_BYTES};
use super::{BatchError, BatchHeader, HEADER_BYTES, Records, SealedBatch};
use crate::wire::compression::{self, Compression};

/// The whole batches in the `records` of a fetch response or a produce request.
///
/// A fetch response may end with a batch that is cut off: it is left out without an error, and
/// [`unread_bytes`](Self::unread_bytes) tells. Batches may also hold records before the offset that
/// was asked for. After an error the iteration ends.
#[derive(Clone)]
pub struct Batches {
    data: Bytes,
    at: usize,
}

impl Batches {
    /// Reads `data` without copying it.
    pub fn new(data: Bytes) -> Self {
        Self { data, at: 0 }
    }

    /// Bytes that have not become a batch: at the end, those of a batch that is cut off.
    pub fn unread_bytes(&self) -> usize {
        self.data.len() - self.at
    }

    fn read(&mut self) -> Result<Option<RecordBatch>, BatchError> {
        let at = self.at;
        let rest = &self.data[at..];
        let Some(magic) = rest.get(MAGIC_AT) else {
            return Ok(None);
        };
        let magic = magic.cast_signed();
        if magic != MAGIC {
            return Err(BatchError::UnsupportedMagic { at, magic });
        }
        let malformed = |what| BatchError::MalformedBatch { at, what };
        let size = (&rest[8..]).get_i32();
        let size = usize::try_from(size).map_err(|_| malformed("the length is negative"))?;
        let size = size.saturating_add(UNCOUNTED_BYTES);
        if size < HEADER_BYTES {
            return Err(malformed("the length is too small"));
        }
        let Some(batch) = rest.get(..size) else {
            return Ok(None);
        };
        let (header, stored) = BatchHeader::read(batch);
        let computed = crc_fast::crc32_iscsi(&batch[CRC_COVERS_FROM..]);
        if stored != computed {
            return Err(BatchError::BadCrc {
                at,
                stored,
                computed,
            });
        }
        header.check().map_err(malformed)?;
        let records = self.data.slice(at + HEADER_BYTES..at + size);
        self.at += size;
        Ok(Some(RecordBatch { header, records }))
    }
}

impl fmt::Debug for Batches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unread = self.unread_bytes();
        f.debug_struct("Batches")
            .field("unread_bytes", &unread)
            .finish()
    }
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.read();
        if batch.is_err() {
            // What follows can't be trusted to be where it seems: the length may be what is wrong.
            self.at = self.data.len();
        }
        batch.transpose()
    }
}

/// One batch, whole and with the right CRC; its records still as on the wire.
///
/// `Debug` shows the records' size alone: they are people's payments.
#[derive(Clone, PartialEq, Eq)]
pub struct RecordBatch {
    /// What the batch says about all its records.
    pub header: BatchHeader,
    /// The records, compressed as the header's attributes say.
    pub records: Bytes,
}

impl RecordBatch {
    /// Makes the records readable: uncompressed ones are shared, others are decompressed into one
    /// buffer.
    ///
    /// # Errors
    ///
    /// [`BatchError::TooLarge`] where the records would take more than `max_decompressed_bytes`,
    /// and the errors of an unknown codec or of damaged compressed data.
    pub fn decode(&self, max_decompressed_bytes: usize) -> Result<Records, BatchError> {
        let bytes = match self.header.attributes.codec()? {
            Compression::None => self.records.clone(),
            // What compaction leaves of a batch is a header alone.
            _ if self.records.is_empty() => Bytes::new(),
            codec => compression::decompress(codec, &self.records, max_decompressed_bytes)?,
        };
        Ok(Records::new(self.header, bytes))
    }

    /// Writes the batch as it goes over the wire, with its length and a fresh CRC.
    ///
    /// # Errors
    ///
    /// [`BatchError::TooLarge`] past 2 GiB.
    pub fn encode(&self) -> Result<Bytes, BatchError> {
        let batch = SealedBatch {
            header: self.header.sealed(&self.records)?,
            records: self.records.clone(),
        };
        Ok(batch.to_bytes())
    }
}

impl fmt::Debug for RecordBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordBatch")
            .field("header", &self.header)
            .field("records_bytes", &self.records.len())
            .finish()
    }
}
