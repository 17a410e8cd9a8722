//! Bytes that are cut, damaged or made to do harm.

use super::*;

fn error_of(batch: &RecordBatch) -> &'static str {
    let records = batch.decode(1 << 20).unwrap();
    let mut left = records.iter().skip_while(Result::is_ok);
    let error = left.next().unwrap().unwrap_err();
    assert_eq!(left.next(), None, "an error is the last thing");
    match error {
        BatchError::MalformedRecord { what, .. } => what,
        other => panic!("{other}"),
    }
}

/// The batch's first error, with the header's field at `at` overwritten and a right CRC.
fn header_error(at: usize, field: &[u8]) -> Option<BatchError> {
    let mut bytes = crafted(1, 0, PLAIN_RECORD).encode().unwrap().to_vec();
    bytes[at..at + field.len()].copy_from_slice(field);
    let crc = crc_fast::crc32_iscsi(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    Batches::new(bytes.into()).find_map(Result::err)
}

#[test]
fn headers_that_cant_be_are_refused() {
    let malformed = |what| Some(BatchError::MalformedBatch { at: 0, what });
    assert_eq!(
        header_error(8, &[0xff; 4]),
        malformed("the length is negative")
    );
    assert_eq!(
        header_error(8, &48_i32.to_be_bytes()),
        malformed("the length is too small")
    );
    assert_eq!(
        header_error(0, &[0xff; 8]),
        malformed("the base offset is negative")
    );
    assert_eq!(
        header_error(23, &[0xff; 4]),
        malformed("the last offset delta is negative")
    );
    assert_eq!(
        header_error(57, &[0xff; 4]),
        malformed("the record count is negative")
    );
    let past = malformed("the offsets pass the largest there can be");
    assert_eq!(header_error(0, &i64::MAX.to_be_bytes()), past);
    assert_eq!(header_error(0, &(i64::MAX - 1).to_be_bytes()), None);
}

#[test]
fn older_formats_are_named() {
    for magic in [0, 1, 3, -1] {
        // Magic 0 and 1 have smaller headers: the byte alone must be enough.
        let bytes = [&[0; 16][..], &[magic as u8]].concat();
        let mut batches = Batches::new(bytes.into());
        assert_eq!(
            batches.next(),
            Some(Err(BatchError::UnsupportedMagic { at: 0, magic }))
        );
        assert_eq!(batches.next(), None);
    }
}

#[test]
fn a_huge_length_is_a_cut_batch() {
    assert_eq!(header_error(8, &i32::MAX.to_be_bytes()), None);
}

#[test]
fn records_that_cant_be_are_refused() {
    let cases: &[(&[u8], &str)] = &[
        (b"", "the length is wrong"),
        (b"\x01", "the length is wrong"),
        (b"\x0c\0\0\0\x01\x01", "it passes the batch's end"),
        (b"\xfe\xff\xff\xff\x0f", "it passes the batch's end"),
        (b"\0", "it is empty"),
        (b"\x02\0", "the timestamp is wrong"),
        (b"\x04\0\0", "the offset is wrong"),
        (b"\x0c\0\0\x02\x01\x01\0", "the offset is not in the batch"),
        (b"\x0c\0\0\x01\x01\x01\0", "the offset is not in the batch"),
        (b"\x0c\0\0\0\x08\x01\0", "the key passes its end"),
        (b"\x0c\0\0\0\x01\x04\0", "the value passes its end"),
        (b"\x0c\0\0\0\x01\x01\x01", "the header count is wrong"),
        (b"\x0c\0\0\0\x01\x01\x02", "a header passes its end"),
        (b"\x10\0\0\0\x01\x01\x02\x01\x01", "a header passes its end"),
        (
            b"\x0e\0\0\0\x01\x01\0\0",
            "it goes on after its last header",
        ),
    ];
    for (record, what) in cases {
        assert_eq!(error_of(&crafted(1, 0, record)), *what, "{record:02x?}");
    }
}

#[test]
fn too_few_and_too_many_records_are_refused() {
    assert_eq!(
        error_of(&crafted(2, 1, PLAIN_RECORD)),
        "the length is wrong"
    );
    assert_eq!(
        error_of(&crafted(0, 0, PLAIN_RECORD)),
        "the batch goes on after its last record"
    );
}

#[test]
fn hostile_counts_cost_nothing() {
    let batch = crafted(i32::MAX, i32::MAX, PLAIN_RECORD);
    let records = batch.decode(0).unwrap();
    assert_eq!(records.iter().size_hint().0, 0);
    assert_eq!(records.iter().count(), 2, "one record and one error");
    // 2^31 - 1 headers.
    let headers = b"\x14\0\0\0\x01\x01\xfe\xff\xff\xff\x0f";
    assert_eq!(error_of(&crafted(1, 0, headers)), "a header passes its end");
}

#[test]
fn decompression_stops_at_the_limit() {
    let bomb = Content {
        timestamp: 0,
        key: None,
        value: Some(vec![0; 1 << 20]),
        headers: vec![],
    };
    for codec in &Compression::ALL[1..] {
        let batch = one_batch(build(*codec, std::slice::from_ref(&bomb)));
        let limit = 1 << 19;
        assert_eq!(
            batch.decode(limit).unwrap_err(),
            BatchError::TooLarge { limit },
            "{codec}"
        );
        assert!(batch.decode(2 << 20).is_ok());
    }
}

#[test]
fn a_damaged_batch_ends_the_iteration_and_says_where() {
    let good = crafted(1, 0, PLAIN_RECORD).encode().unwrap();
    let mut data = [&good[..], &good[..], &good[..]].concat();
    data[good.len() + 65] ^= 1;
    let mut batches = Batches::new(data.into());
    assert!(batches.next().unwrap().is_ok());
    let error = batches.next().unwrap().unwrap_err();
    assert!(
        matches!(error, BatchError::BadCrc { at, .. } if at == good.len()),
        "{error}"
    );
    assert_eq!(batches.next(), None);
}

#[test]
fn a_cursor_of_other_records_does_not_panic() {
    let many = crafted(3, 0, &PLAIN_RECORD.repeat(3)).decode(0).unwrap();
    let one = crafted(1, 0, PLAIN_RECORD).decode(0).unwrap();
    let mut cursor = many.cursor();
    while let Some(Ok(_)) = cursor.next(&many) {}
    assert_eq!(cursor.next(&one), None);
    let mut cursor = many.cursor();
    cursor.next(&many);
    cursor.next(&many);
    assert!(cursor.next(&one).unwrap().is_err());
}

#[test]
fn restamping_needs_a_whole_batch() {
    let batch = crafted(1, 0, PLAIN_RECORD).encode().unwrap();
    let cut = batch.slice(..batch.len() - 1);
    assert_eq!(restamp(cut, STAMP), Err(BatchError::Cut));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn cut_anywhere_only_whole_batches_come_out(
        codec in codec(),
        batches in prop::collection::vec(contents(), 1..4),
        cut: prop::sample::Index,
    ) {
        let built: Vec<_> = batches.iter().map(|contents| build(codec, contents)).collect();
        let data = Bytes::from(built.concat());
        let cut = cut.index(data.len() + 1);
        let mut ends = built.iter().scan(0, |end, batch| {
            *end += batch.len();
            Some(*end)
        });
        let whole = ends.by_ref().take_while(|end| *end <= cut).count();
        let data = data.slice(..cut);
        let got: Vec<_> = Batches::new(data).map(|batch| read(&batch.unwrap())).collect();
        prop_assert_eq!(got, &batches[..whole]);
    }

    /// Fields outside the CRC are the base offset, the length, the leader epoch and the magic.
    #[test]
    fn a_damaged_byte_never_makes_a_wrong_record(
        codec in codec(),
        contents in contents(),
        at: prop::sample::Index,
        flip in 1_u8..,
    ) {
        let mut bytes = build(codec, &contents).to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        let mut batches = Batches::new(bytes.into());
        match batches.next() {
            // A larger length is a cut batch.
            None => prop_assert!((8..12).contains(&at)),
            Some(Err(_)) => {}
            Some(Ok(batch)) => {
                prop_assert!((0..8).contains(&at) || (12..16).contains(&at));
                prop_assert_eq!(read(&batch), contents);
            }
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for batch in Batches::new(bytes.into()).flatten() {
            let _ = batch.decode(1 << 16).map(|records| records.iter().count());
        }
    }

    #[test]
    fn random_records_never_panic(
        bytes in prop::collection::vec(prop_oneof![0..8_u8, any::<u8>()], 0..100),
        count in 0..20,
        codec in 0..8_i16,
    ) {
        let mut batch = crafted(count, 10, &bytes);
        batch.header.attributes = Attributes(codec);
        if let Ok(records) = batch.decode(1 << 16) {
            for record in records.iter().flatten() {
                prop_assert_eq!(record.headers().count(), record.headers().len());
                prop_assert_eq!(Content::of(&record), Content::of(&record.detach().as_ref()));
            }
        }
    }

    /// Damage that the CRC does not see, as a broken producer would cause it.
    #[test]
    fn damaged_records_with_a_right_crc_never_panic(
        codec in codec(),
        contents in contents(),
        at: prop::sample::Index,
        byte: u8,
    ) {
        let mut batch = one_batch(build(codec, &contents));
        let mut records = batch.records.to_vec();
        let at = at.index(records.len());
        records[at] = byte;
        batch.records = records.into();
        if let Ok(records) = batch.decode(1 << 16) {
            prop_assert!(records.iter().count() <= contents.len() + 1);
        }
    }
}
