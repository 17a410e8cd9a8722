//! Record batches, what is compressed in them, and the headers of dead letters.

use bytes::Bytes;
use payment_notifier::engine::Moment;
use payment_notifier::engine::dead_letter::{Attempts, Origin, dead_letter_body};
use payment_notifier::engine::headers::{RETRY_COUNT, retry_count};
use payment_notifier::sink::{Failure, FailureKind};
use payment_notifier::wire::batch::{
    Attributes, BatchHeader, Batches, HEADER_BYTES, ProducerStamp, RecordBatch,
};
use payment_notifier::wire::compression::{Compression, GzipLevel, compress, decompress};

/// What a batch may become.
const LIMIT_BYTES: usize = 1 << 20;

/// Batches with a right length, magic and CRC: without them none gets past the first look.
pub fn batch(data: &[u8]) {
    let _ = Batches::new(Bytes::copy_from_slice(data)).count();
    let mut sealed = data.to_vec();
    if seal(&mut sealed).is_none() {
        return;
    }
    let sealed = Bytes::from(sealed);
    for batch in Batches::new(sealed.clone()).flatten() {
        assert_eq!(batch.encode().expect("as large as it was"), sealed);
        let Ok(records) = batch.decode(LIMIT_BYTES) else {
            continue;
        };
        assert!(
            batch.header.attributes.codec() == Ok(Compression::None)
                || records.size_bytes() <= LIMIT_BYTES
        );
        let offsets = batch.header.base_offset..batch.header.next_offset();
        for record in records.iter().flatten() {
            assert!(offsets.contains(&record.offset));
            let copy = record.detach().body;
            assert_eq!((copy.key(), copy.value()), (record.key(), record.value()));
            assert!(copy.headers().eq(record.headers()));
        }
    }
}

fn seal(batch: &mut [u8]) -> Option<()> {
    const LENGTH_AT: usize = 8;
    const MAGIC_AT: usize = 16;
    const CRC_AT: usize = 17;
    const COVERED_FROM: usize = 21;
    if batch.len() < HEADER_BYTES {
        return None;
    }
    let length = u32::try_from(batch.len() - LENGTH_AT - 4).ok()?;
    batch[LENGTH_AT..][..4].copy_from_slice(&length.to_be_bytes());
    batch[MAGIC_AT] = 2;
    let crc = crc_fast::crc32_iscsi(&batch[COVERED_FROM..]);
    batch[CRC_AT..][..4].copy_from_slice(&crc.to_be_bytes());
    Some(())
}

/// Gzip data, and any data as gzip's.
pub fn gzip(data: &[u8]) {
    codec(Compression::Gzip, data);
}

/// Snappy, with Java's framing or without.
pub fn snappy(data: &[u8]) {
    codec(Compression::Snappy, data);
}

/// LZ4 frames.
pub fn lz4(data: &[u8]) {
    codec(Compression::Lz4, data);
}

/// Zstandard frames.
pub fn zstd(data: &[u8]) {
    codec(Compression::Zstd, data);
}

fn codec(codec: Compression, data: &[u8]) {
    if let Ok(out) = decompress(codec, data, LIMIT_BYTES) {
        assert!(out.len() <= LIMIT_BYTES);
    }
    let written = compress(codec, GzipLevel::FASTEST, data).expect("any bytes can be written");
    let back = decompress(codec, &written, data.len()).expect("what was written can be read");
    assert_eq!(back, data);
}

/// The records of a batch, each of which failed and is forwarded.
pub fn headers(data: &[u8]) {
    let batch = RecordBatch {
        header: BatchHeader {
            base_offset: 0,
            leader_epoch: 0,
            attributes: Attributes::default(),
            last_offset_delta: i32::MAX,
            base_timestamp: 0,
            max_timestamp: 0,
            producer: ProducerStamp::NONE,
            record_count: i32::MAX,
        },
        records: Bytes::copy_from_slice(data),
    };
    let Ok(records) = batch.decode(LIMIT_BYTES) else {
        return;
    };
    let origin = Origin {
        topic: "payments",
        partition: 1,
        group: "notifier",
    };
    let mut attempts = Attempts::default();
    let now = Moment {
        at: std::time::Instant::now(),
        wall_ms: 1,
    };
    attempts.note(Failure::new(FailureKind::Timeout, "no answer"), now);
    for record in records.iter().flatten() {
        let count = retry_count(&record).unwrap_or(0);
        assert!(i32::try_from(count).is_ok());
        let forwarded = dead_letter_body(&record, origin, &attempts, Some(7));
        assert_eq!(
            (forwarded.key(), forwarded.value()),
            (record.key(), record.value())
        );
        let counts = |(key, _): &(&[u8], _)| *key == RETRY_COUNT.as_bytes();
        assert_eq!(forwarded.headers().filter(counts).count(), 1);
        assert!(theirs(forwarded.headers()).eq(theirs(record.headers())));
    }
}

type Header<'a> = payment_notifier::wire::batch::Header<'a>;

/// The headers that are none of the engine's.
fn theirs<'a>(headers: impl Iterator<Item = Header<'a>>) -> impl Iterator<Item = Header<'a>> {
    headers.filter(|(key, _)| {
        let ours = ["kafka_dlt-", "payment-notifier-", RETRY_COUNT];
        !ours.iter().any(|name| key.starts_with(name.as_bytes()))
    })
}
