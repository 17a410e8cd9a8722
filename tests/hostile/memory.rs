//! Memory in proportion to the bytes, whatever they say.

use allocation_counter::measure;
use bytes::{BufMut, Bytes};
use kafka_protocol::messages::{
    DescribeConfigsRequest, FetchRequest, ListGroupsRequest, MetadataRequest,
};
use kafka_protocol::protocol::Request;
use payment_notifier::wire::compression::{Compression, GzipLevel, compress, decompress};
use payment_notifier::wire::frame::decode_response;

/// What the smallest element of an answer becomes, for each of its bytes.
const MOST_FOR_A_BYTE: u64 = 48;
const MIB: u64 = 1 << 20;

/// The most that is allocated at a time while an answer is decoded, and whether it could be.
fn peak<R: Request>(version: i16, frame: &[u8]) -> (u64, bool) {
    let frame = Bytes::copy_from_slice(frame);
    let mut decoded = false;
    let info = measure(|| decoded = decode_response::<R>(frame, version).is_ok());
    (info.bytes_max, decoded)
}

/// A frame of a flexible version whose only array has this many of these elements.
fn array(before: &[u8], count: u32, element: &[u8], after: &[u8]) -> Vec<u8> {
    // The correlation id, and no tagged fields.
    let mut frame = vec![0; 5];
    frame.put_slice(before);
    let mut compact = count + 1;
    while compact >= 0x80 {
        frame.put_u8(compact as u8 | 0x80);
        compact >>= 7;
    }
    frame.put_u8(compact as u8);
    frame.extend(element.repeat(count as usize));
    frame.put_slice(after);
    frame
}

#[test]
fn an_answer_takes_memory_in_proportion_to_its_bytes() {
    const COUNT: u32 = 100_000;
    // Groups with four empty texts.
    let groups = array(&[0; 6], COUNT, &[1, 1, 1, 1, 0], &[0]);
    let (bytes, decoded) = peak::<ListGroupsRequest>(5, &groups);
    assert!(
        decoded && bytes <= MOST_FOR_A_BYTE * groups.len() as u64,
        "{bytes}"
    );
    // Settings with nothing: a name, no value, three flags, no synonyms, a type, no text.
    let element = [1, 0, 0, 0, 0, 1, 0, 0, 0];
    let results = [&[0, 0, 0, 0, 2, 0, 0, 0, 2, 1][..]].concat();
    let configs = array(&results, COUNT, &element, &[0, 0]);
    let (bytes, decoded) = peak::<DescribeConfigsRequest>(4, &configs);
    assert!(
        decoded && bytes <= MOST_FOR_A_BYTE * configs.len() as u64,
        "{bytes}"
    );
}

/// Each is a map entry to the message crate, and a map takes hundreds of bytes.
#[test]
fn tagged_fields_that_nobody_knows_are_few() {
    const COUNT: u32 = 100_000;
    // Groups with four empty texts and an empty tagged field.
    let groups = array(&[0; 6], COUNT, &[1, 1, 1, 1, 1, 99, 0], &[0]);
    let (bytes, decoded) = peak::<ListGroupsRequest>(5, &groups);
    assert!(!decoded && bytes < MIB, "{bytes}");
}

/// As large a frame as a connection takes may have so many elements that they would take some
/// gigabytes, each within its bytes.
#[test]
fn the_largest_answer_takes_64_mib_at_most() {
    const ROOM: u64 = 64 * MIB;
    let group = [1, 1, 1, 1, 0];
    let largest = array(&[0; 6], 100_000_000 / 5, &group, &[0]);
    let (bytes, decoded) = peak::<ListGroupsRequest>(5, &largest);
    assert!(!decoded && bytes < 4096, "{bytes}");
    let groups = |count| peak::<ListGroupsRequest>(5, &array(&[0; 6], count, &group, &[0]));
    let (bytes, decoded) = groups(400_000);
    assert!(decoded && (ROOM / 2..=ROOM).contains(&bytes), "{bytes}");
    assert!(!groups(450_000).1);

    // Topics with a partition each that has nothing: no list is long, and all of them are.
    let topic = [
        &[0, 0, 1][..],
        &[0; 16],
        &[0, 2],
        &[0; 14],
        &[1, 1, 1, 0],
        &[0; 4],
        &[0],
    ]
    .concat();
    let head = [&[0; 4][..], &[1, 0], &[0; 4]].concat();
    let topics = array(&head, 100_000_000 / topic.len() as u32, &topic, &[0]);
    let (bytes, decoded) = peak::<MetadataRequest>(12, &topics);
    assert!(!decoded && bytes < 4096, "{bytes}");
    let few = array(&head, 1000, &topic, &[0]);
    assert!(peak::<MetadataRequest>(12, &few).1);
}

#[test]
fn a_count_reserves_nothing() {
    // Two thousand million brokers, and as many topics of a fetch.
    let brokers = b"\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff\x07\0\0\0\0\0\0";
    let (bytes, decoded) = peak::<MetadataRequest>(12, brokers);
    assert!(!decoded && bytes < 4096, "{bytes}");
    let topics = b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xff\xff\xff\xff\x07\0\0\0\0\0\0";
    let (bytes, decoded) = peak::<FetchRequest>(12, topics);
    assert!(!decoded && bytes < 4096, "{bytes}");
}

/// A bomb may hold its limit twice, while it moves from the codec's buffer to ours.
#[test]
fn a_bomb_takes_little_more_than_its_limit() {
    let zeros = vec![0; 64 << 20];
    for codec in &Compression::ALL[1..] {
        let bomb = compress(*codec, GzipLevel::default(), &zeros).unwrap();
        let limit = 4 * MIB;
        let info = measure(|| {
            assert!(
                decompress(*codec, &bomb, limit as usize).is_err(),
                "{codec}"
            );
        });
        assert!(info.bytes_max <= 3 * limit, "{codec}: {}", info.bytes_max);
    }
}
