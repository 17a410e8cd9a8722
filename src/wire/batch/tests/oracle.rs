//! The message crate's own codec as a second opinion, on the cases that it gets right.

use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{
    Compression as TheirCompression, NO_PARTITION_LEADER_EPOCH, Record as TheirRecord,
    RecordBatchDecoder, RecordBatchEncoder, RecordEncodeOptions,
    TimestampType as TheirTimestampType,
};

use super::*;

/// No duplicate keys, and all of them UTF-8: its headers are a map with text keys.
fn plain_content() -> impl Strategy<Value = Content> {
    let headers = prop::collection::btree_map("[a-z-]{1,8}", prop::option::of("[a-z]{0,8}"), 0..4);
    let bytes = || prop::option::of(prop::collection::vec(any::<u8>(), 0..100));
    (
        1_000_000_000_000..1_000_000_100_000_i64,
        bytes(),
        bytes(),
        headers,
    )
        .prop_map(|(timestamp, key, value, headers)| {
            let bytes = String::into_bytes;
            let header = |(key, value): (String, Option<String>)| (bytes(key), value.map(bytes));
            let headers = headers.into_iter().map(header).collect();
            Content {
                timestamp,
                key,
                value,
                headers,
            }
        })
}

fn theirs(offset: usize, content: &Content) -> TheirRecord {
    let bytes = |bytes: &Option<Vec<u8>>| bytes.clone().map(Bytes::from);
    let header = |(key, value): &(Vec<u8>, Option<Vec<u8>>)| {
        (
            StrBytes::from_string(String::from_utf8(key.clone()).unwrap()),
            bytes(value),
        )
    };
    TheirRecord {
        transactional: true,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
        producer_id: STAMP.id,
        producer_epoch: STAMP.epoch,
        timestamp_type: TheirTimestampType::Creation,
        offset: offset as i64,
        sequence: STAMP.base_sequence + offset as i32,
        timestamp: content.timestamp,
        key: bytes(&content.key),
        value: bytes(&content.value),
        headers: content
            .headers
            .iter()
            .map(header)
            .collect::<IndexMap<_, _>>(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn it_reads_what_we_build(contents in prop::collection::vec(plain_content(), 1..6)) {
        let mut built = build(Compression::None, &contents);
        let decoded = RecordBatchDecoder::decode(&mut built).unwrap();
        let expected: Vec<_> = contents.iter().enumerate().map(|(i, c)| theirs(i, c)).collect();
        prop_assert_eq!(decoded.records, expected);
    }

    #[test]
    fn we_read_what_it_builds(contents in prop::collection::vec(plain_content(), 1..6)) {
        let records: Vec<_> = contents.iter().enumerate().map(|(i, c)| theirs(i, c)).collect();
        let mut encoded = bytes::BytesMut::new();
        let options = RecordEncodeOptions { version: 2, compression: TheirCompression::None };
        RecordBatchEncoder::encode(&mut encoded, &records, &options).unwrap();
        let batch = one_batch(encoded.freeze());
        prop_assert_eq!(batch.header.producer, STAMP);
        prop_assert!(batch.header.attributes.is_transactional());
        prop_assert_eq!(batch.header.next_offset(), contents.len() as i64);
        prop_assert_eq!(read(&batch), contents);
    }
}
