//! A record's key, value and headers as bytes that move from batch to batch unchanged.

use std::fmt;

use bytes::Bytes;

use super::RecordRef;
use super::varint::{self, Reader, Span};

/// A record header: a key, which need not be UTF-8, and a value, which may be null.
pub type Header<'a> = (&'a [u8], Option<&'a [u8]>);

/// Where the fields of a body are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spans {
    key: Option<Span>,
    value: Option<Span>,
    /// Where the header count is: key and value are all that comes before.
    count_at: usize,
    headers_at: usize,
    header_count: usize,
}

impl Spans {
    /// Goes through a body to its last byte.
    #[inline]
    pub(super) fn parse(body: &[u8]) -> Result<Self, &'static str> {
        let mut reader = Reader::new(body, 0);
        let key = reader.nullable().ok_or("the key passes its end")?;
        let value = reader.nullable().ok_or("the value passes its end")?;
        let count_at = reader.at();
        let header_count = reader.count().ok_or("the header count is wrong")?;
        let headers_at = reader.at();
        for _ in 0..header_count {
            reader.header().ok_or("a header passes its end")?;
        }
        if reader.at() != body.len() {
            return Err("it goes on after its last header");
        }
        Ok(Self {
            key,
            value,
            count_at,
            headers_at,
            header_count,
        })
    }

    #[inline]
    pub(super) fn key(self, body: &[u8]) -> Option<&[u8]> {
        self.key.map(|span| span.of(body))
    }

    #[inline]
    pub(super) fn value(self, body: &[u8]) -> Option<&[u8]> {
        self.value.map(|span| span.of(body))
    }

    #[inline]
    pub(super) fn headers(self, body: &[u8]) -> Headers<'_> {
        Headers {
            body,
            reader: Reader::new(body, self.headers_at),
            left: self.header_count,
        }
    }
}

/// The headers of a record in the order of the wire, duplicates included.
#[derive(Clone)]
pub struct Headers<'a> {
    body: &'a [u8],
    reader: Reader<'a>,
    left: usize,
}

impl<'a> Headers<'a> {
    /// The last header with this key: the one that counts where there are duplicates.
    pub fn find_last(self, key: &[u8]) -> Option<Option<&'a [u8]>> {
        let same_key = self.filter(|header| header.0 == key);
        same_key.last().map(|header| header.1)
    }

    /// The next header's key, and the header as it is encoded.
    fn next_encoded(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let start = self.reader.at();
        let (key, _) = self.next()?;
        Some((key, &self.body[start..self.reader.at()]))
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let (key, value) = self.reader.header()?;
        Some((key.of(self.body), value.map(|span| span.of(self.body))))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Headers<'_> {}

impl fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self
            .clone()
            .map(|header| header.0.escape_ascii().to_string());
        f.debug_list().entries(keys).finish()
    }
}

/// A record's body as it goes into a batch: one that is encoded, or the fields of one, which are
/// encoded where they are written to.
///
/// `Debug` shows sizes and header keys, never a value.
#[derive(Clone, Copy)]
pub struct BodyRef<'a> {
    content: Content<'a>,
    encoded_len: usize,
}

#[derive(Clone, Copy)]
enum Content<'a> {
    Encoded(&'a RecordBody),
    Fields(Option<&'a [u8]>, Option<&'a [u8]>, &'a [Header<'a>]),
}

impl<'a> BodyRef<'a> {
    /// Of a key, a value (null is a tombstone) and headers.
    #[inline]
    pub fn new(key: Option<&'a [u8]>, value: Option<&'a [u8]>, headers: &'a [Header<'a>]) -> Self {
        Self {
            content: Content::Fields(key, value, headers),
            encoded_len: fields_len(key, value, headers),
        }
    }

    /// The key.
    #[inline]
    pub fn key(&self) -> Option<&'a [u8]> {
        match self.content {
            Content::Encoded(body) => body.key(),
            Content::Fields(key, ..) => key,
        }
    }

    /// Size in bytes within a batch.
    #[inline]
    pub fn encoded_len(&self) -> usize {
        self.encoded_len
    }

    /// Appends its bytes.
    #[inline]
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self.content {
            Content::Encoded(body) => out.extend_from_slice(&body.bytes),
            Content::Fields(key, value, headers) => {
                put_nullable(out, key);
                put_nullable(out, value);
                varint::put(out, size(headers.len()));
                put_headers(out, headers);
            }
        }
    }
}

impl<'a> From<&'a RecordBody> for BodyRef<'a> {
    #[inline]
    fn from(body: &'a RecordBody) -> Self {
        Self {
            content: Content::Encoded(body),
            encoded_len: body.encoded_len(),
        }
    }
}

impl fmt::Debug for BodyRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, value, headers) = match self.content {
            Content::Encoded(body) => return body.fmt(f),
            Content::Fields(key, value, headers) => (key, value, headers),
        };
        let keys = headers
            .iter()
            .map(|header| header.0.escape_ascii().to_string());
        f.debug_struct("BodyRef")
            .field("key_bytes", &key.map(<[u8]>::len))
            .field("value_bytes", &value.map(<[u8]>::len))
            .field("headers", &keys.collect::<Vec<_>>())
            .finish()
    }
}

/// A record's body, ready for a batch. Cheap to clone: the bytes are shared.
///
/// `Debug` shows sizes and header keys, never a value: values are people's payments.
#[derive(Clone, PartialEq, Eq)]
pub struct RecordBody {
    pub(super) bytes: Bytes,
    pub(super) spans: Spans,
}

impl RecordBody {
    /// Encodes a body.
    pub fn new(key: Option<&[u8]>, value: Option<&[u8]>, headers: &[Header<'_>]) -> Self {
        let mut out = Vec::with_capacity(fields_len(key, value, headers));
        let key = put_nullable(&mut out, key);
        let value = put_nullable(&mut out, value);
        let count_at = out.len();
        varint::put(&mut out, size(headers.len()));
        let headers_at = out.len();
        put_headers(&mut out, headers);
        let spans = Spans {
            key,
            value,
            count_at,
            headers_at,
            header_count: headers.len(),
        };
        Self {
            bytes: out.into(),
            spans,
        }
    }

    /// Copies a record's body with other headers: those whose key satisfies `drop` are left out,
    /// all duplicates of them, and `append` comes after the rest.
    ///
    /// Key, value and the headers that stay are copied as they are encoded.
    pub fn edited(
        record: &RecordRef<'_>,
        drop: impl Fn(&[u8]) -> bool,
        append: &[Header<'_>],
    ) -> Self {
        let mut headers = record.headers();
        let mut kept = Vec::with_capacity(headers.len());
        while let Some((key, encoded)) = headers.next_encoded() {
            if !drop(key) {
                kept.push(encoded);
            }
        }
        let header_count = kept.len() + append.len();
        let mut out =
            Vec::with_capacity(record.wire_len() + headers_len(append) + varint::len(i64::MAX));
        out.extend_from_slice(&record.body[..record.spans.count_at]);
        varint::put(&mut out, size(header_count));
        let headers_at = out.len();
        for encoded in kept {
            out.extend_from_slice(encoded);
        }
        put_headers(&mut out, append);
        // Key and value are where they were.
        let spans = Spans {
            headers_at,
            header_count,
            ..record.spans
        };
        Self {
            bytes: out.into(),
            spans,
        }
    }

    /// The key.
    pub fn key(&self) -> Option<&[u8]> {
        self.spans.key(&self.bytes)
    }

    /// The value; null is a tombstone.
    pub fn value(&self) -> Option<&[u8]> {
        self.spans.value(&self.bytes)
    }

    /// The headers.
    pub fn headers(&self) -> Headers<'_> {
        self.spans.headers(&self.bytes)
    }

    /// Size in bytes, within a batch and in memory.
    pub fn encoded_len(&self) -> usize {
        self.bytes.len()
    }
}

impl fmt::Debug for RecordBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordBody")
            .field("key_bytes", &self.key().map(<[u8]>::len))
            .field("value_bytes", &self.value().map(<[u8]>::len))
            .field("headers", &self.headers())
            .finish()
    }
}

/// Lengths in memory are below 2^63.
fn size(len: usize) -> i64 {
    len as i64
}

#[inline]
fn put_nullable(out: &mut Vec<u8>, bytes: Option<&[u8]>) -> Option<Span> {
    let Some(bytes) = bytes else {
        varint::put(out, -1);
        return None;
    };
    varint::put(out, size(bytes.len()));
    let span = Span::new(out.len(), bytes.len());
    out.extend_from_slice(bytes);
    Some(span)
}

fn put_headers(out: &mut Vec<u8>, headers: &[Header<'_>]) {
    for (key, value) in headers {
        put_nullable(out, Some(key));
        put_nullable(out, *value);
    }
}

#[inline]
fn fields_len(key: Option<&[u8]>, value: Option<&[u8]>, headers: &[Header<'_>]) -> usize {
    let fields = nullable_len(key) + nullable_len(value);
    fields + varint::len(size(headers.len())) + headers_len(headers)
}

#[inline]
fn nullable_len(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| varint::len(size(bytes.len())) + bytes.len())
}

fn headers_len(headers: &[Header<'_>]) -> usize {
    let len = |(key, value): &Header<'_>| nullable_len(Some(key)) + nullable_len(*value);
    headers.iter().map(len).sum()
}
