use bytes::Bytes;

use super::*;
use crate::wire::compression::Compression;

const STAMP: ProducerStamp = ProducerStamp {
    id: 7,
    epoch: 3,
    base_sequence: 40,
};

fn one_batch(data: Bytes) -> RecordBatch {
    let mut batches = Batches::new(data);
    let batch = batches.next().unwrap().unwrap();
    assert_eq!(batches.unread_bytes(), 0);
    batch
}

fn records(batch: &RecordBatch) -> Vec<Record> {
    let records = batch.decode(1 << 20).unwrap();
    records
        .iter()
        .map(|record| record.unwrap().detach())
        .collect()
}

#[test]
fn round_trip_with_every_codec() {
    let headers: &[Header<'_>] = &[(b"a", Some(b"1")), (b"\xff", None), (b"a", Some(b""))];
    let full = RecordBody::new(Some(b"key"), Some(b"value"), headers);
    let null = RecordBody::new(None, None, &[]);
    for codec in Compression::ALL {
        let mut builder = BatchBuilder::new(codec);
        builder.push(1000, &full);
        builder.push(999, &null);
        let batch = one_batch(builder.build(STAMP, true).unwrap());
        assert_eq!(batch.header.attributes.codec(), Ok(codec));
        assert!(batch.header.attributes.is_transactional());
        assert_eq!(
            (batch.header.base_timestamp, batch.header.max_timestamp),
            (1000, 1000)
        );
        assert_eq!(
            (batch.header.producer, batch.header.next_offset()),
            (STAMP, 2)
        );
        let got = records(&batch);
        assert_eq!(got.len(), 2);
        assert_eq!(
            (got[0].offset, got[0].timestamp, &got[0].body),
            (0, 1000, &full)
        );
        assert_eq!(
            (got[1].offset, got[1].timestamp, &got[1].body),
            (1, 999, &null)
        );
        assert_eq!(got[0].as_ref().headers().collect::<Vec<_>>(), headers);
    }
}

#[test]
fn edited_keeps_all_but_the_dropped_headers() {
    let headers: &[Header<'_>] = &[(b"n", Some(b"1")), (b"x", None), (b"n", None), (b"x", None)];
    let mut builder = BatchBuilder::new(Compression::None);
    builder.push(5, &RecordBody::new(Some(b"k"), None, headers));
    let record = records(&one_batch(
        builder.build(ProducerStamp::NONE, false).unwrap(),
    ))
    .remove(0);
    let edited = RecordBody::edited(&record.as_ref(), |key| key == b"n", &[(b"n", Some(b"2"))]);
    let expected: &[Header<'_>] = &[(b"x", None), (b"x", None), (b"n", Some(b"2"))];
    assert_eq!(edited, RecordBody::new(Some(b"k"), None, expected));
}

#[test]
fn a_cut_batch_is_left_out() {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.push(5, &RecordBody::new(None, Some(b"v"), &[]));
    let batch = builder.build(ProducerStamp::NONE, false).unwrap();
    let two = [&batch[..], &batch[..]].concat();
    for cut in batch.len()..two.len() {
        let mut batches = Batches::new(Bytes::copy_from_slice(&two[..cut]));
        assert!(batches.next().unwrap().is_ok());
        assert_eq!(batches.next(), None);
        assert_eq!(batches.unread_bytes(), cut - batch.len());
    }
}
