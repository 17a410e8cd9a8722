use super::*;
use crate::wire::batch::{Attributes, Batches, ProducerStamp, RecordBatch, TimestampType};

fn edited(edit: impl FnOnce(&mut RecordBatch)) -> Bytes {
    let batch = Batches::new(batch(&["a", "b"], NOW_MS)).next();
    let mut batch = batch.unwrap().unwrap();
    edit(&mut batch);
    batch.encode().unwrap()
}

fn with_bytes(at: usize, bytes: &[u8]) -> Bytes {
    let mut batch = batch(&["a", "b"], NOW_MS).to_vec();
    batch[at..at + bytes.len()].copy_from_slice(bytes);
    batch.into()
}

#[test]
fn what_a_client_may_not_write_is_refused() {
    let good = batch(&["a"], NOW_MS);
    let twice = Bytes::from([&good[..], &good[..]].concat());
    let producer = |base_sequence| ProducerStamp {
        id: 7,
        epoch: 0,
        base_sequence,
    };
    let invalid = [
        ("nothing", Bytes::new()),
        ("less than a batch", good.slice(..good.len() - 1)),
        ("two batches", twice),
        ("an old format", with_bytes(16, &[1])),
        ("an offset", edited(|batch| batch.header.base_offset = 1)),
        (
            "too few records",
            edited(|batch| batch.header.record_count = 1),
        ),
        (
            "none at all",
            edited(|batch| {
                batch.header.record_count = 0;
                batch.header.last_offset_delta = 0;
            }),
        ),
        (
            "a negative count",
            edited(|batch| batch.header.record_count = -1),
        ),
        (
            "offsets past the end",
            edited(|batch| {
                batch.header.last_offset_delta = i32::MAX;
                batch.header.record_count = i32::MIN;
            }),
        ),
        (
            "a control batch",
            edited(|batch| batch.header.attributes = Attributes(1 << 5)),
        ),
        (
            "a producer without a sequence",
            edited(|batch| batch.header.producer = producer(-1)),
        ),
    ];
    let corrupt = [
        ("another byte", with_bytes(good.len() - 1, b"?")),
        ("another crc", with_bytes(17, &[0; 4])),
        ("no format", with_bytes(16, &[3])),
        ("a negative length", with_bytes(8, &[0xff; 4])),
        ("a short length", with_bytes(8, &[0, 0, 0, 48])),
    ];
    let invalid = invalid.map(|(what, batch)| (what, batch, ErrorCode::INVALID_RECORD));
    let corrupt = corrupt.map(|(what, batch)| (what, batch, ErrorCode::CORRUPT_MESSAGE));
    let others = [
        (
            "an unknown codec",
            edited(|batch| batch.header.attributes = Attributes(6)),
            ErrorCode::UNKNOWN_SERVER_ERROR,
        ),
        (
            "the future",
            batch(&["a"], NOW_MS + 3_600_001),
            ErrorCode::INVALID_TIMESTAMP,
        ),
    ];
    let mut log = Log::default();
    for (what, batch, code) in invalid.into_iter().chain(corrupt).chain(others) {
        assert_eq!(append(&mut log, &batch), Err(code), "{what}");
    }
    assert_eq!((log.start(), log.end()), (0, 0));
    // What follows a batch and is less than one is left out.
    let trailing = Bytes::from([&good[..], &good[..20]].concat());
    assert!(append(&mut log, &trailing).is_ok());
    assert_eq!(
        log.bytes(&read(&log, 0, 1 << 20, true).unwrap()).len(),
        good.len()
    );
}

#[test]
fn the_topic_says_how_large_a_batch_may_be() {
    let good = batch(&["a"], NOW_MS);
    let size = good.len();
    let limit = |bytes: usize| rules(&[("max.message.bytes", &bytes.to_string())]);
    let mut log = Log::default();
    let refused = append_by(&mut log, &good, 0, &limit(size - 1));
    assert_eq!(refused, Err(ErrorCode::MESSAGE_TOO_LARGE));
    assert!(append_by(&mut log, &good, 0, &limit(size)).is_ok());
}

#[test]
fn a_batch_is_kept_as_it_came_but_for_its_offset_and_epoch() {
    for codec in Compression::ALL {
        let mut log = Log::default();
        append(&mut log, &batch(&["first"], 1)).unwrap();
        let sent = batch_by(&["a", "b"], 5, codec, ProducerStamp::NONE);
        assert_eq!(
            append_by(&mut log, &sent, 3, &rules(&[]))
                .unwrap()
                .base_offset,
            1
        );
        let kept = log.bytes(&read(&log, 1, 1 << 20, true).unwrap());
        assert_eq!(kept[17..], sent[17..], "{codec}");
        let kept = Batches::new(kept).next().unwrap().unwrap();
        assert_eq!((kept.header.base_offset, kept.header.leader_epoch), (1, 3));
        let records: Vec<_> = log.records().skip(1).collect();
        assert_eq!(records.len(), 2);
        assert_eq!((records[1].offset, records[1].timestamp), (2, 6));
        assert_eq!(records[1].body.value(), Some(&b"b"[..]));
    }
}

#[test]
fn the_broker_stamps_where_the_topic_wants_it() {
    let stamps = rules(&[("message.timestamp.type", "LogAppendTime")]);
    let mut log = Log::default();
    // A clock that is wrong does not matter then.
    let sent = batch(&["a", "b"], NOW_MS * 2);
    let appended = append_by(&mut log, &sent, 0, &stamps).unwrap();
    assert_eq!(appended.log_append_time_ms, NOW_MS);
    for record in log.records() {
        assert_eq!(record.timestamp, NOW_MS);
        assert_eq!(record.timestamp_type, TimestampType::LogAppendTime);
    }
    assert_eq!(log.records().count(), 2);
    // A producer can't do so.
    let mut log = Log::default();
    let claims = edited(|batch| batch.header.attributes = Attributes(1 << 3));
    append(&mut log, &claims).unwrap();
    let mut types = log.records().map(|record| record.timestamp_type);
    assert!(types.all(|kind| kind == TimestampType::CreateTime));
}
