//! Records, one after the other.

use std::fmt;

use bytes::Bytes;

use super::body::Spans;
use super::varint::Reader;
use super::{BatchError, BatchHeader, RecordRef, TimestampType};

/// A batch's records, decompressed. Shares the frame's memory where nothing was compressed.
#[derive(Clone)]
pub struct Records {
    header: BatchHeader,
    bytes: Bytes,
}

impl Records {
    pub(super) fn new(header: BatchHeader, bytes: Bytes) -> Self {
        Self { header, bytes }
    }

    /// What the batch says about all its records.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// Bytes that the records take, decompressed.
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The records from the first on.
    pub fn iter(&self) -> RecordIter<'_> {
        RecordIter {
            cursor: self.cursor(),
            records: self,
        }
    }

    /// A position before the first record.
    pub fn cursor(&self) -> RecordCursor {
        RecordCursor {
            at: 0,
            left: self.header.record_count,
        }
    }

    #[inline]
    fn read(&self, at: &mut usize) -> Result<RecordRef<'_>, &'static str> {
        let mut reader = Reader::new(&self.bytes, *at);
        let len = reader.count().ok_or("the length is wrong")?;
        let record = reader.take(len).ok_or("it passes the batch's end")?;
        *at = reader.at();
        self.parse(record.of(&self.bytes))
    }

    #[inline]
    fn parse<'a>(&self, record: &'a [u8]) -> Result<RecordRef<'a>, &'static str> {
        let mut reader = Reader::new(record, 0);
        // The record's attributes: no bit has a meaning yet.
        reader.byte().ok_or("it is empty")?;
        let timestamp_delta = reader.varint().ok_or("the timestamp is wrong")?;
        let offset_delta = reader.varint().ok_or("the offset is wrong")?;
        if !(0..=i64::from(self.header.last_offset_delta)).contains(&offset_delta) {
            return Err("the offset is not in the batch");
        }
        let body = &record[reader.at()..];
        let (timestamp, timestamp_type) = self.timestamp(timestamp_delta);
        Ok(RecordRef {
            offset: self.header.base_offset + offset_delta,
            timestamp,
            timestamp_type,
            body,
            spans: Spans::parse(body)?,
        })
    }

    #[inline]
    fn timestamp(&self, delta: i64) -> (i64, TimestampType) {
        let header = &self.header;
        let (timestamp, kind) = match header.attributes.timestamp_type() {
            TimestampType::LogAppendTime => (header.max_timestamp, TimestampType::LogAppendTime),
            // Java's arithmetic wraps, so that any two timestamps have a delta.
            kind => (header.base_timestamp.wrapping_add(delta), kind),
        };
        if timestamp == -1 {
            return (timestamp, TimestampType::NoTimestampType);
        }
        (timestamp, kind)
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records")
            .field("header", &self.header)
            .field("size_bytes", &self.size_bytes())
            .finish()
    }
}

impl<'a> IntoIterator for &'a Records {
    type Item = Result<RecordRef<'a>, BatchError>;
    type IntoIter = RecordIter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// A position among [`Records`] that does not borrow them: one owner can hold both.
///
/// To be used with the records that it came from; with others it yields errors or their records,
/// never a panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordCursor {
    at: usize,
    left: i32,
}

impl RecordCursor {
    /// True where nothing follows, not even an error.
    pub fn is_done(&self, records: &Records) -> bool {
        self.at >= records.bytes.len() && self.left == 0
    }

    /// How many records follow, by the batch's own count.
    pub fn remaining(&self) -> usize {
        usize::try_from(self.left).unwrap_or(0)
    }

    /// The next record; an error is the last thing a cursor yields.
    #[inline]
    pub fn next<'a>(&mut self, records: &'a Records) -> Option<Result<RecordRef<'a>, BatchError>> {
        let start = self.at;
        if self.is_done(records) {
            return None;
        }
        let record = if self.left == 0 {
            Err("the batch goes on after its last record")
        } else {
            self.left -= 1;
            records.read(&mut self.at)
        };
        Some(record.map_err(|what| {
            *self = Self {
                at: records.bytes.len(),
                left: 0,
            };
            BatchError::MalformedRecord { at: start, what }
        }))
    }
}

/// Iterator over [`Records`]. An error ends it.
#[derive(Clone, Debug)]
pub struct RecordIter<'a> {
    cursor: RecordCursor,
    records: &'a Records,
}

// No `size_hint`: the count is the wire's word, and `collect` would allocate by it.
impl<'a> Iterator for RecordIter<'a> {
    type Item = Result<RecordRef<'a>, BatchError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.cursor.next(self.records)
    }
}
