//! Record batches (format 2, uncompressed), written down a second time: what the tests assert
//! about bytes must not rest on the codec under test.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::records::Record;

/// A batch's length field counts from the leader epoch on.
const BEFORE_LENGTH_COUNTS: usize = 12;
/// The checksum is over all that follows it.
const CHECKSUM_FROM: usize = 21;
const CODEC: i16 = 0b111;
const TRANSACTIONAL: i16 = 0b1_0000;
const CONTROL: i16 = 0b10_0000;

/// A field of a batch's head, for a test to set.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Field {
    BaseOffset,
    Magic,
    Attributes,
    LastOffsetDelta,
    ProducerId,
    ProducerEpoch,
    BaseSequence,
    Count,
}

impl Field {
    /// Where it is, and how many bytes it has.
    fn place(self) -> (usize, usize) {
        match self {
            Self::BaseOffset => (0, 8),
            Self::Magic => (16, 1),
            Self::Attributes => (21, 2),
            Self::LastOffsetDelta => (23, 4),
            Self::ProducerId => (43, 8),
            Self::ProducerEpoch => (51, 2),
            Self::BaseSequence => (53, 4),
            Self::Count => (57, 4),
        }
    }
}

/// The same batch with another value of a field, and the checksum that belongs to it.
pub(crate) fn patched(batch: Bytes, field: Field, value: i64) -> Bytes {
    let mut batch = BytesMut::from(batch);
    let (at, size) = field.place();
    batch[at..at + size].copy_from_slice(&value.to_be_bytes()[8 - size..]);
    let checksum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &batch[CHECKSUM_FROM..]);
    batch[CHECKSUM_FROM - 4..CHECKSUM_FROM].copy_from_slice(&(checksum as u32).to_be_bytes());
    batch.freeze()
}

/// Encodes records as one batch.
pub(crate) fn encode(records: &[Record]) -> Bytes {
    let count = i32::try_from(records.len()).expect("a test's batch is small");
    let timestamps = || records.iter().map(|record| record.timestamp);
    let base_timestamp = timestamps().next().expect("a batch has records");
    let mut rest = BytesMut::new();
    rest.put_i16(0); // attributes
    rest.put_i32(count - 1); // last offset delta
    rest.put_i64(base_timestamp);
    rest.put_i64(timestamps().max().unwrap_or(base_timestamp));
    rest.put_i64(-1); // producer id
    rest.put_i16(-1); // producer epoch
    rest.put_i32(-1); // base sequence
    rest.put_i32(count);
    for (delta, record) in (0..).zip(records) {
        let body = encode_record(record, delta, record.timestamp - base_timestamp);
        put_varint(&mut rest, body.len() as i64);
        rest.put(body);
    }
    let checksum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &rest);
    let mut batch = BytesMut::new();
    batch.put_i64(0); // base offset
    batch.put_u32((rest.len() + CHECKSUM_FROM - BEFORE_LENGTH_COUNTS) as u32);
    batch.put_i32(-1); // leader epoch
    batch.put_i8(2); // magic
    batch.put_u32(checksum as u32);
    batch.put(rest);
    batch.freeze()
}

fn encode_record(record: &Record, offset_delta: i64, timestamp_delta: i64) -> BytesMut {
    let mut body = BytesMut::new();
    body.put_i8(0); // attributes
    put_varint(&mut body, timestamp_delta);
    put_varint(&mut body, offset_delta);
    put_bytes(&mut body, record.key.as_deref());
    put_bytes(&mut body, record.value.as_deref());
    put_varint(&mut body, record.headers.len() as i64);
    for (key, value) in &record.headers {
        put_bytes(&mut body, Some(key));
        put_bytes(&mut body, value.as_deref());
    }
    body
}

/// The transactions of a fetched range that were aborted: each one's producer and first offset.
pub(super) type Aborted = Vec<(i64, i64)>;

/// Decodes what a fetch returned, up to a last batch that may be cut off. Control batches are left
/// out, and what was aborted; the `partition` is the caller's. Also returns the offset after the
/// last batch.
pub(super) fn decode(
    mut bytes: Bytes,
    partition: i32,
    mut aborted: Aborted,
) -> (Vec<Record>, Option<i64>) {
    let (mut records, mut next) = (Vec::new(), None);
    while bytes.len() > BEFORE_LENGTH_COUNTS {
        let length = (&bytes[8..]).get_u32() as usize;
        if bytes.len() < BEFORE_LENGTH_COUNTS + length {
            break;
        }
        let batch = bytes.split_to(BEFORE_LENGTH_COUNTS + length);
        next = Some(decode_batch(batch, partition, &mut aborted, &mut records));
    }
    (records, next)
}

/// The codec of each batch of records.
pub(super) fn codecs(mut bytes: Bytes) -> Vec<i16> {
    let mut codecs = Vec::new();
    while let Some((codec, size)) = first(&bytes) {
        let mut attributes = &bytes[CHECKSUM_FROM..];
        if attributes.get_i16() & CONTROL == 0 {
            codecs.push(codec);
        }
        bytes.advance(size.min(bytes.len()));
    }
    codecs
}

/// The codec and the size of the first batch.
pub(super) fn first(mut bytes: &[u8]) -> Option<(i16, usize)> {
    let length = bytes.get(8..)?.try_get_u32().ok()? as usize;
    bytes = bytes.get(CHECKSUM_FROM..)?;
    let attributes = bytes.try_get_i16().ok()?;
    Some((attributes & CODEC, BEFORE_LENGTH_COUNTS + length))
}

fn decode_batch(
    mut batch: Bytes,
    partition: i32,
    aborted: &mut Aborted,
    records: &mut Vec<Record>,
) -> i64 {
    let base_offset = batch.get_i64();
    batch.advance(4 + 4); // length, leader epoch
    assert_eq!(batch.get_i8(), 2, "the batch's format");
    let checksum = batch.get_u32();
    let computed = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &batch);
    assert_eq!(computed as u32, checksum, "the batch's checksum");
    let attributes = batch.get_i16();
    let next = base_offset + i64::from(batch.get_i32()) + 1;
    let base_timestamp = batch.get_i64();
    batch.advance(8); // max timestamp
    let producer = batch.get_i64();
    batch.advance(2 + 4); // producer epoch, base sequence
    let count = batch.get_i32();
    let of_batch = aborted
        .iter()
        .position(|(id, first)| *id == producer && *first <= base_offset);
    if attributes & CONTROL != 0 {
        // Whichever way it ended, it ends here.
        of_batch.map(|at| aborted.remove(at));
    } else if attributes & TRANSACTIONAL == 0 || of_batch.is_none() {
        assert_eq!(attributes & CODEC, 0, "this reader knows no compression");
        for _ in 0..count {
            let length = get_varint(&mut batch) as usize;
            let mut body = batch.split_to(length);
            body.advance(1); // attributes
            let timestamp = base_timestamp + get_varint(&mut body);
            let offset = base_offset + get_varint(&mut body);
            records.push(decode_record(body, partition, offset, timestamp));
        }
    }
    next
}

fn decode_record(mut body: Bytes, partition: i32, offset: i64, timestamp: i64) -> Record {
    let key = get_bytes(&mut body);
    let value = get_bytes(&mut body);
    let headers = (0..get_varint(&mut body))
        .map(|_| {
            let key = get_bytes(&mut body).expect("a header has a key");
            (key, get_bytes(&mut body))
        })
        .collect();
    assert!(body.is_empty(), "the record's length");
    Record {
        partition,
        offset,
        timestamp,
        key,
        value,
        headers,
    }
}

fn put_bytes(buffer: &mut BytesMut, bytes: Option<&[u8]>) {
    put_varint(buffer, bytes.map_or(-1, |bytes| bytes.len() as i64));
    buffer.put(bytes.unwrap_or_default());
}

fn get_bytes(buffer: &mut Bytes) -> Option<Vec<u8>> {
    let length = usize::try_from(get_varint(buffer)).ok()?;
    Some(buffer.split_to(length).to_vec())
}

/// Zigzag, then seven bits a byte, the lowest first.
fn put_varint(buffer: &mut BytesMut, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest > 0x7f {
        buffer.put_u8(rest as u8 | 0x80);
        rest >>= 7;
    }
    buffer.put_u8(rest as u8);
}

fn get_varint(buffer: &mut Bytes) -> i64 {
    let (mut value, mut shift) = (0_u64, 0);
    loop {
        let byte = buffer.get_u8();
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            return (value >> 1) as i64 ^ -((value & 1) as i64);
        }
    }
}
