//! One record, borrowed or on its own.

use std::fmt;

use bytes::Bytes;

use super::body::Spans;
use super::{Headers, RecordBody, TimestampType};

/// A record that borrows from its batch.
///
/// `Debug` shows sizes and header keys, never a value: values are people's payments.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RecordRef<'a> {
    /// The record's offset in its partition.
    pub offset: i64,
    /// Milliseconds since 1970; -1 for none.
    pub timestamp: i64,
    /// Where the timestamp comes from.
    pub timestamp_type: TimestampType,
    pub(super) body: &'a [u8],
    pub(super) spans: Spans,
}

impl<'a> RecordRef<'a> {
    /// The key.
    #[inline]
    pub fn key(&self) -> Option<&'a [u8]> {
        self.spans.key(self.body)
    }

    /// The value; null is a tombstone.
    #[inline]
    pub fn value(&self) -> Option<&'a [u8]> {
        self.spans.value(self.body)
    }

    /// The headers.
    #[inline]
    pub fn headers(&self) -> Headers<'a> {
        self.spans.headers(self.body)
    }

    /// Bytes of key, value and headers as they are on the wire: what
    /// [`detach`](Self::detach) copies.
    #[inline]
    pub fn wire_len(&self) -> usize {
        self.body.len()
    }

    /// Copies the record out of its batch, so that the batch's memory can go.
    pub fn detach(&self) -> Record {
        Record {
            offset: self.offset,
            timestamp: self.timestamp,
            timestamp_type: self.timestamp_type,
            body: RecordBody {
                bytes: Bytes::copy_from_slice(self.body),
                spans: self.spans,
            },
        }
    }
}

impl fmt::Debug for RecordRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordRef")
            .field("offset", &self.offset)
            .field("timestamp", &self.timestamp)
            .field("timestamp_type", &self.timestamp_type)
            .field("key_bytes", &self.key().map(<[u8]>::len))
            .field("value_bytes", &self.value().map(<[u8]>::len))
            .field("headers", &self.headers())
            .finish()
    }
}

/// A record on its own. Cheap to clone: the bytes are shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The record's offset in its partition.
    pub offset: i64,
    /// Milliseconds since 1970; -1 for none.
    pub timestamp: i64,
    /// Where the timestamp comes from.
    pub timestamp_type: TimestampType,
    /// Key, value and headers.
    pub body: RecordBody,
}

impl Record {
    /// Borrows the record, for code that takes either kind.
    pub fn as_ref(&self) -> RecordRef<'_> {
        RecordRef {
            offset: self.offset,
            timestamp: self.timestamp,
            timestamp_type: self.timestamp_type,
            body: &self.body.bytes,
            spans: self.body.spans,
        }
    }
}
