//! Tests of reading and building together.

mod damage;
mod java;
mod oracle;
mod round_trip;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::wire::compression::Compression;

const STAMP: ProducerStamp = ProducerStamp {
    id: 7,
    epoch: 3,
    base_sequence: 40,
};

/// What a test puts into a record.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Content {
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Content {
    fn body(&self) -> RecordBody {
        RecordBody::new(
            self.key.as_deref(),
            self.value.as_deref(),
            &borrowed(&self.headers),
        )
    }

    fn of(record: &RecordRef<'_>) -> Self {
        let owned = |bytes: &[u8]| bytes.to_vec();
        Self {
            timestamp: record.timestamp,
            key: record.key().map(owned),
            value: record.value().map(owned),
            headers: record
                .headers()
                .map(|(key, value)| (owned(key), value.map(owned)))
                .collect(),
        }
    }
}

fn borrowed(headers: &[(Vec<u8>, Option<Vec<u8>>)]) -> Vec<Header<'_>> {
    headers
        .iter()
        .map(|(key, value)| (key.as_slice(), value.as_deref()))
        .collect()
}

/// Few different keys, so that duplicates are common; not all of them UTF-8.
fn header() -> impl Strategy<Value = (Vec<u8>, Option<Vec<u8>>)> {
    let keys = prop::sample::select(vec![&b""[..], b"a", b"retry-count", b"\xff\xfe"]);
    let value = prop::option::of(prop::collection::vec(any::<u8>(), 0..10));
    (keys.prop_map(<[u8]>::to_vec), value)
}

fn content() -> impl Strategy<Value = Content> {
    let bytes = || prop::option::of(prop::collection::vec(any::<u8>(), 0..100));
    let timestamp = prop_oneof![
        0..2_000_000_000_000_i64,
        any::<i64>(),
        Just(i64::MIN),
        Just(-1)
    ];
    let headers = prop::collection::vec(header(), 0..6);
    (timestamp, bytes(), bytes(), headers).prop_map(|(timestamp, key, value, headers)| Content {
        timestamp,
        key,
        value,
        headers,
    })
}

fn contents() -> impl Strategy<Value = Vec<Content>> {
    prop::collection::vec(content(), 1..8)
}

fn codec() -> impl Strategy<Value = Compression> {
    prop::sample::select(&Compression::ALL[..])
}

fn build(codec: Compression, contents: &[Content]) -> Bytes {
    let mut builder = BatchBuilder::new(codec);
    for content in contents {
        builder.push(content.timestamp, &content.body());
    }
    builder.build(STAMP, true).unwrap()
}

/// The only batch in `data`.
fn one_batch(data: Bytes) -> RecordBatch {
    let mut batches = Batches::new(data);
    let batch = batches.next().unwrap().unwrap();
    assert_eq!(batches.unread_bytes(), 0);
    batch
}

fn read(batch: &RecordBatch) -> Vec<Content> {
    let records = batch.decode(1 << 20).unwrap();
    records
        .iter()
        .map(|record| Content::of(&record.unwrap()))
        .collect()
}

/// A batch whose records are these bytes, whatever they are.
fn crafted(record_count: i32, last_offset_delta: i32, records: &[u8]) -> RecordBatch {
    let header = BatchHeader {
        base_offset: 100,
        leader_epoch: 0,
        attributes: Attributes::default(),
        last_offset_delta,
        base_timestamp: 1000,
        max_timestamp: 2000,
        producer: ProducerStamp::NONE,
        record_count,
    };
    let records = Bytes::copy_from_slice(records);
    one_batch(RecordBatch { header, records }.encode().unwrap())
}

/// Length 6, no timestamp or offset delta, null key, null value, no headers.
const PLAIN_RECORD: &[u8] = b"\x0c\0\0\0\x01\x01\0";
