//! What is built is what is read.

use super::*;

#[test]
fn a_header_says_what_the_records_are() {
    let at = |timestamp| Content {
        timestamp,
        key: None,
        value: None,
        headers: vec![],
    };
    for codec in Compression::ALL {
        let header = one_batch(build(codec, &[at(1000), at(1500), at(-5)])).header;
        let expected = BatchHeader {
            base_offset: 0,
            leader_epoch: -1,
            attributes: Attributes::new(codec, true),
            last_offset_delta: 2,
            base_timestamp: 1000,
            max_timestamp: 1500,
            producer: STAMP,
            record_count: 3,
        };
        assert_eq!(header, expected);
        assert_eq!(header.next_offset(), 3);
        assert_eq!(header.attributes.codec(), Ok(codec));
    }
}

#[test]
fn attributes_are_kafkas_bits() {
    assert_eq!(
        Attributes::new(Compression::Zstd, true),
        Attributes(0b1_0100)
    );
    assert_eq!(Attributes::new(Compression::None, false), Attributes(0));
    assert!(Attributes(1 << 4).is_transactional() && !Attributes(!(1 << 4)).is_transactional());
    assert!(Attributes(1 << 5).is_control() && !Attributes(!(1 << 5)).is_control());
    assert!(Attributes(1 << 6).has_delete_horizon() && !Attributes(!(1 << 6)).has_delete_horizon());
    assert_eq!(
        Attributes(1 << 3).timestamp_type(),
        TimestampType::LogAppendTime
    );
    assert_eq!(
        Attributes(!(1 << 3)).timestamp_type(),
        TimestampType::CreateTime
    );
    assert_eq!(Attributes(5).codec(), Err(BatchError::UnsupportedCodec(5)));
}

#[test]
fn a_batch_without_records_is_refused() {
    let builder = BatchBuilder::new(Compression::None);
    assert!(builder.is_empty());
    assert_eq!(builder.build(STAMP, false), Err(BatchError::NoRecords));
}

#[test]
fn with_log_append_time_the_batchs_timestamp_is_every_records() {
    let mut batch = crafted(2, 1, b"\x0c\0\x50\0\x01\x01\0\x0c\0\x51\x02\x01\x01\0");
    let times = |batch: &RecordBatch| -> Vec<_> {
        let records = batch.decode(0).unwrap();
        records
            .iter()
            .map(|r| {
                r.map(|r| (r.offset, r.timestamp, r.timestamp_type))
                    .unwrap()
            })
            .collect()
    };
    let created = TimestampType::CreateTime;
    assert_eq!(times(&batch), [(100, 1040, created), (101, 959, created)]);
    batch.header.attributes = Attributes(1 << 3);
    let appended = TimestampType::LogAppendTime;
    assert_eq!(
        times(&batch),
        [(100, 2000, appended), (101, 2000, appended)]
    );
    batch.header.max_timestamp = -1;
    assert_eq!(times(&batch)[0], (100, -1, TimestampType::NoTimestampType));
}

#[test]
fn an_empty_compacted_batch_still_moves_the_position_on() {
    let mut batch = crafted(0, 41, b"");
    assert_eq!(batch.header.next_offset(), 142);
    assert_eq!(read(&batch), []);
    // Compressed nothing is nothing, though no codec writes it so.
    batch.header.attributes = Attributes::new(Compression::Gzip, false);
    assert_eq!(read(&batch), []);
}

#[test]
fn offsets_keep_the_gaps_of_compaction() {
    let batch = crafted(2, 9, b"\x0c\0\0\x04\x01\x01\0\x0c\0\0\x0e\x01\x01\0");
    let records = batch.decode(0).unwrap();
    let offsets: Vec<_> = records
        .iter()
        .map(|record| record.unwrap().offset)
        .collect();
    assert_eq!((offsets, batch.header.next_offset()), (vec![102, 107], 110));
}

#[test]
fn a_body_is_forwarded_as_it_was_encoded() {
    // The value's length and the header's key length take more bytes than they need.
    let body: &[u8] = b"\x01\x82\0v\x02\x82\0h\x01";
    let record = [&[(body.len() as u8 + 3) << 1, 0, 0, 0], body].concat();
    let batch = crafted(1, 0, &record);
    let records = batch.decode(0).unwrap();
    let record = records.iter().next().unwrap().unwrap();
    assert_eq!(
        (record.value(), record.headers().next()),
        (Some(&b"v"[..]), Some((&b"h"[..], None)))
    );
    let edited = RecordBody::edited(&record, |_| false, &[(b"n", Some(b"1"))]);
    assert_eq!(&edited.bytes[..], b"\x01\x82\0v\x04\x82\0h\x01\x02n\x021");
    assert_eq!(&record.detach().body.bytes[..], body);
}

#[test]
fn uncompressed_records_share_the_frames_memory() {
    let frame = build(
        Compression::None,
        &[Content {
            timestamp: 0,
            key: None,
            value: Some(b"value".to_vec()),
            headers: vec![],
        }],
    );
    let records = one_batch(frame.clone()).decode(0).unwrap();
    let value = records.iter().next().unwrap().unwrap().value().unwrap();
    assert!(frame.as_ptr_range().contains(&value.as_ptr()));
}

#[test]
fn debug_shows_no_values() {
    let body = RecordBody::new(
        Some(b"mail"),
        Some(b"secret"),
        &[(b"h\xff", Some(b"secret"))],
    );
    let shown = format!("{body:?}");
    assert!(
        shown.contains(r#"key_bytes: Some(4), value_bytes: Some(6), headers: ["h\\xff"]"#),
        "{shown}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn records_come_back_as_they_were(codec in codec(), contents in contents()) {
        let batch = one_batch(build(codec, &contents));
        let latest = contents.iter().map(|content| content.timestamp).max().unwrap();
        prop_assert_eq!(batch.header.max_timestamp, latest);
        prop_assert_eq!(read(&batch), contents);
    }

    #[test]
    fn a_detached_record_is_the_record(contents in contents()) {
        let records = one_batch(build(Compression::None, &contents)).decode(0).unwrap();
        for (offset, record) in records.iter().enumerate() {
            let record = record.unwrap();
            let detached = record.detach();
            prop_assert_eq!(detached.as_ref(), record);
            prop_assert_eq!(detached.offset, offset as i64);
            // Parsing found the fields where encoding had put them.
            prop_assert_eq!(&detached.body, &contents[offset].body());
            prop_assert_eq!(detached.body.encoded_len(), record.wire_len());
        }
    }

    #[test]
    fn edited_differs_in_the_named_headers_alone(
        content in content(),
        append in prop::collection::vec(header(), 0..3),
    ) {
        let drop = |key: &[u8]| key == b"a";
        let batch = one_batch(build(Compression::None, std::slice::from_ref(&content)));
        let records = batch.decode(0).unwrap();
        let record = records.iter().next().unwrap().unwrap();
        let edited = RecordBody::edited(&record, drop, &borrowed(&append));
        let mut expected = content;
        expected.headers.retain(|header| !drop(&header.0));
        expected.headers.extend(append);
        prop_assert_eq!(edited, expected.body());
    }

    #[test]
    fn accessors_agree_and_the_last_duplicate_is_found(content in content()) {
        let body = content.body();
        prop_assert_eq!(body.key(), content.key.as_deref());
        prop_assert_eq!(body.value(), content.value.as_deref());
        prop_assert_eq!(body.headers().len(), content.headers.len());
        prop_assert_eq!(body.headers().collect::<Vec<_>>(), borrowed(&content.headers));
        let last = content.headers.iter().rfind(|header| header.0 == b"a");
        prop_assert_eq!(body.headers().find_last(b"a"), last.map(|header| header.1.as_deref()));
    }

    #[test]
    fn sizes_are_exact(contents in contents()) {
        let mut builder = BatchBuilder::new(Compression::None);
        for content in &contents {
            let (mut before, body) = (builder.clone(), content.body());
            builder.push(content.timestamp, &body);
            // As well where its fields are written, and not what was encoded before.
            let headers = borrowed(&content.headers);
            let fields = BodyRef::new(content.key.as_deref(), content.value.as_deref(), &headers);
            prop_assert_eq!(fields.encoded_len(), body.encoded_len());
            prop_assert_eq!(fields.key(), body.key());
            let (len, size) = (before.len(), before.size_bytes());
            prop_assert!(!before.push_within(builder.size_bytes() - 1, content.timestamp, &body));
            prop_assert_eq!((before.len(), before.size_bytes()), (len, size));
            prop_assert!(before.push_within(builder.size_bytes(), content.timestamp, fields));
            prop_assert_eq!(before.take(), builder.clone().take());
        }
        prop_assert_eq!(builder.len(), contents.len());
        let size = builder.size_bytes();
        prop_assert_eq!(builder.build(STAMP, false).unwrap().len(), size);
    }

    #[test]
    fn a_restamped_batch_differs_in_its_stamp_alone(codec in codec(), contents in contents()) {
        let stamp = ProducerStamp { id: i64::MAX, epoch: i16::MIN, base_sequence: i32::MAX };
        let built = build(codec, &contents);
        let restamped = restamp(built.clone(), stamp).unwrap();
        prop_assert_eq!(restamped.len(), built.len());
        let mut batch = one_batch(restamped);
        prop_assert_eq!(batch.header.producer, stamp);
        batch.header.producer = STAMP;
        prop_assert_eq!(batch.encode().unwrap(), built);
    }

    /// A cursor may be kept between calls, and goes on where it was.
    #[test]
    fn a_cursor_is_an_iterator_that_borrows_nothing(contents in contents(), pause in 0_usize..8) {
        let records = one_batch(build(Compression::None, &contents)).decode(0).unwrap();
        let mut cursor = records.cursor();
        for record in records.iter().take(pause) {
            prop_assert_eq!(cursor.next(&records), Some(record));
        }
        let moved = records.clone();
        for record in records.iter().skip(pause) {
            prop_assert_eq!(cursor.next(&moved), Some(record));
        }
        prop_assert_eq!(cursor.next(&moved), None);
    }
}
