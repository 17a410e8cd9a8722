//! Batches that Java's client wrote: kafka-clients 4.3.1, `MemoryRecords.withTransactionalRecords`
//! with base offset 5, leader epoch 3 and the three records of [`records`].

use super::*;

const NONE: &str = "\
    0000000000000005000000950000000302fa9ba7f30010000000020000018bcfe568000000018bcfe5687b000000\
    000000126700020000001100000003a601000000066b657956612076616c75652c20612076616c75652c20612076\
    616c75652c20612076616c75652c20612076616c7565061672657472792d636f756e740231026e01167265747279\
    2d636f756e7402320e00f601020101000c000104000000";
const GZIP: &str = "\
    00000000000000050000007d00000003029e1406ec0011000000020000018bcfe568000000018bcfe5687b000000\
    0000001267000200000011000000031f8b08000000000000ff5bc6c8c0c0c0969d5a1996a8509698539aaaa34098\
    c12656945a5254a99b9c5f9a57c264c894c7882260c4c7f08d918991918187819105683c004e9b70fa64000000";
const SNAPPY: &str = "\
    000000000000000500000084000000030273ea7bc40012000000020000018bcfe568000000018bcfe5687b000000\
    00000012670002000000110000000382534e415050590000000001000000010000003f6448a601000000066b6579\
    56612076616c75652c2086090044061672657472792d636f756e740231026e013211003c320e00f601020101000c\
    000104000000";
const LZ4: &str = "\
    0000000000000005000000800000000302d590613c0013000000020000018bcfe568000000018bcfe5687b000000\
    00000012670002000000110000000304224d1860408240000000ff04a601000000066b657956612076616c75652c\
    2009000ff903061672657472792d636f756e740231026e011100f001320e00f601020101000c0001040000000000\
    0000";
const ZSTD: &str = "\
    00000000000000050000007c0000000302ccc7e5360014000000020000018bcfe568000000018bcfe5687b000000\
    00000012670002000000110000000328b52ffd0058fc01005403a601000000066b657956612076616c75652c2006\
    1672657472792d636f756e740231026e01320e00f601020101000c0001040000000200681e219d6207010000";

const STAMP: ProducerStamp = ProducerStamp {
    id: 4711,
    epoch: 2,
    base_sequence: 17,
};

fn records() -> [Content; 3] {
    let bytes = |text: &str| text.as_bytes().to_vec();
    let header = |key, value: Option<&str>| (bytes(key), value.map(bytes));
    [
        Content {
            timestamp: 1_700_000_000_000,
            key: Some(bytes("key")),
            value: Some(bytes("a value, a value, a value, a value, a value")),
            headers: vec![
                header("retry-count", Some("1")),
                header("n", None),
                header("retry-count", Some("2")),
            ],
        },
        Content {
            timestamp: 1_700_000_000_123,
            key: None,
            value: None,
            headers: vec![],
        },
        Content {
            timestamp: 1_699_999_999_999,
            key: Some(vec![]),
            value: Some(vec![]),
            headers: vec![],
        },
    ]
}

fn from_hex(hex: &str) -> Bytes {
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

#[test]
fn every_codec_of_java_is_read() {
    for (codec, hex) in Compression::ALL
        .into_iter()
        .zip([NONE, GZIP, SNAPPY, LZ4, ZSTD])
    {
        let batch = one_batch(from_hex(hex));
        assert_eq!(batch.header.attributes, Attributes::new(codec, true));
        assert_eq!(
            (batch.header.base_offset, batch.header.next_offset()),
            (5, 8)
        );
        assert_eq!(
            (batch.header.leader_epoch, batch.header.producer),
            (3, STAMP)
        );
        assert_eq!(read(&batch), records(), "{codec}");
    }
}

#[test]
fn what_is_built_is_byte_for_byte_what_java_builds() {
    let mut builder = BatchBuilder::new(Compression::None);
    for content in records() {
        builder.push(content.timestamp, &content.body());
    }
    let mut batch = one_batch(builder.build(STAMP, true).unwrap());
    // The broker's part, which this client leaves to it.
    batch.header.base_offset = 5;
    batch.header.leader_epoch = 3;
    assert_eq!(batch.encode().unwrap(), from_hex(NONE));
}
