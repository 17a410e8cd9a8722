mod isolation;

use bytes::Bytes;
use kafka_protocol::messages::FetchResponse;
use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};

use super::*;
use crate::consumer::testing::{batch, tp, wire};
use crate::wire::IsolationLevel;
use crate::wire::batch::Attributes;
use crate::wire::compression::{self, Compression, GzipLevel};

fn answer(partitions: Vec<(i32, Bytes)>) -> FetchResponse {
    let partitions = partitions.into_iter().map(|(index, records)| {
        PartitionData::default()
            .with_partition_index(index)
            .with_high_watermark(1000)
            .with_records(Some(records))
    });
    let topic = FetchableTopicResponse::default().with_topic(topic_name("t"));
    FetchResponse::default().with_responses(vec![topic.with_partitions(partitions.collect())])
}

fn wanted(offsets: &[(i32, i64)]) -> Wanted {
    let position = |offset| FetchPosition {
        topic_id: [0; 16],
        offset,
        leader_epoch: -1,
        last_epoch: -1,
        max_bytes: 1,
    };
    let offsets = offsets.iter();
    offsets
        .map(|&(p, offset)| (tp(p), position(offset)))
        .collect()
}

fn rules(max_bytes: usize) -> Rules {
    Rules {
        max_bytes,
        isolation: IsolationLevel::ReadUncommitted,
    }
}

/// What was read of the first partition: offsets, and where to go on.
fn read_one(records: Bytes, from: i64) -> (Vec<i64>, i64, bool) {
    let mut answer = read(
        answer(vec![(0, records)]),
        &wanted(&[(0, from)]),
        rules(1 << 20),
    );
    let mut partition = answer.partitions.remove(0);
    let mut offsets = Vec::new();
    while let Some(Ok(record)) = partition.records.next() {
        offsets.push(record.offset);
    }
    let next = partition.records.next_offset();
    (offsets, next, partition.unreadable.is_some())
}

#[test]
fn records_before_the_offset_and_markers_are_left_out() {
    let mut marker = batch(4, 0, &[0]);
    marker.header.attributes = Attributes(1 << 5);
    let all = wire(&[batch(0, 3, &[0, 1, 3]), marker, batch(5, 2, &[0])]);
    assert_eq!(read_one(all, 2), (vec![3, 5], 8, false));
}

#[test]
fn a_batch_that_is_cut_off_is_fetched_again() {
    let whole = wire(&[batch(0, 1, &[0, 1]), batch(2, 0, &[0])]);
    assert_eq!(
        read_one(whole.slice(..whole.len() - 1), 0),
        (vec![0, 1], 2, false)
    );
    assert_eq!(read_one(whole.slice(..5), 0), (vec![], 0, false));
}

#[test]
fn damage_ends_the_reading_and_is_told() {
    let mut damaged = wire(&[batch(0, 1, &[0, 1]), batch(2, 0, &[0])]).to_vec();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    assert_eq!(read_one(damaged.into(), 0), (vec![0, 1], 2, true));
}

#[test]
fn partitions_that_were_not_asked_for_are_ignored() {
    let records = wire(&[batch(0, 0, &[0])]);
    let answer = answer(vec![(7, records.clone()), (0, records)]);
    let read = read(answer, &wanted(&[(0, 0)]), rules(1 << 20));
    let names: Vec<_> = read.partitions.into_iter().map(|it| it.partition).collect();
    assert_eq!(names, [tp(0)]);
}

/// Few compressed bytes may stand for any number of bytes: each batch within the limit, and all
/// of them far beyond.
#[test]
fn what_an_answer_may_become_is_bounded() {
    const LIMIT: usize = 10_000;
    let large = |base| {
        let mut large = batch(base, 0, &[0]);
        let zeros = vec![0; 8_000];
        large.records = compression::compress(Compression::Gzip, GzipLevel::default(), &zeros)
            .unwrap()
            .into();
        large.header.attributes = Attributes::new(Compression::Gzip, false);
        large
    };
    let many: Vec<_> = (0..20).map(large).collect();
    let answer = answer(vec![(0, wire(&many)), (1, wire(&many))]);
    let read = read(answer, &wanted(&[(0, 0), (1, 0)]), rules(LIMIT));
    let held: usize = read
        .partitions
        .iter()
        .map(|it| it.records.len_bytes())
        .sum();
    assert!(held <= 2 * LIMIT, "{held}");
    let next: Vec<_> = read
        .partitions
        .iter()
        .map(|it| it.records.next_offset())
        .collect();
    assert_eq!(next, [2, 0], "the rest is fetched again");
}

/// Where the value of a partition's first record is.
fn value_of(partition: &mut PartitionAnswer) -> *const u8 {
    let record = partition.records.next().unwrap().unwrap();
    record.value().unwrap().as_ptr()
}

#[test]
fn a_partition_keeps_no_other_ones_records_in_memory() {
    let one = wire(&[batch(0, 0, &[0])]);
    let frame = Bytes::from([&one[..], &one[..]].concat());
    let wanted = wanted(&[(0, 0), (1, 0)]);
    let alone = answer(vec![(0, frame.slice(..one.len())), (1, Bytes::new())]);
    let mut alone = read(alone, &wanted, rules(1 << 20));
    let value = value_of(&mut alone.partitions[0]);
    assert!(frame.as_ptr_range().contains(&value), "not copied");

    let both = [frame.slice(..one.len()), frame.slice(one.len()..)];
    let both = read(answer((0..).zip(both).collect()), &wanted, rules(1 << 20));
    assert_eq!(both.partitions.len(), 2);
    for mut partition in both.partitions {
        let value = value_of(&mut partition);
        assert!(!frame.as_ptr_range().contains(&value));
    }
}

#[test]
fn topics_are_known_by_their_ids_where_the_answer_has_no_names() {
    let mut by_id = answer(vec![(0, wire(&[batch(0, 0, &[0])]))]);
    by_id.responses[0].topic = topic_name("");
    by_id.responses[0].topic_id = Uuid::from_bytes([7; 16]);
    let mut stranger = by_id.responses[0].clone();
    stranger.topic_id = Uuid::from_bytes([8; 16]);
    by_id.responses.push(stranger);
    let mut wanted = wanted(&[(0, 0)]);
    for position in wanted.values_mut() {
        position.topic_id = [7; 16];
    }
    let read = read(by_id, &wanted, rules(1 << 20));
    let found: Vec<_> = read.partitions.iter().map(|it| &it.partition).collect();
    assert_eq!(found, [&tp(0)]);
}

#[test]
fn names_are_kept_to_while_an_id_is_not_known() {
    let mut wanted = wanted(&[(0, 0), (1, 0)]);
    for position in wanted.values_mut() {
        position.topic_id = [7; 16];
    }
    assert_eq!(highest_version(&wanted), i16::MAX);
    wanted.values_mut().next().unwrap().topic_id = [0; 16];
    assert_eq!(highest_version(&wanted), 12);
}

fn fetching(partitions: &[(&str, i32)]) -> SessionRequest {
    let position = FetchPosition {
        topic_id: [0; 16],
        offset: 0,
        leader_epoch: -1,
        last_epoch: -1,
        max_bytes: 1,
    };
    let named =
        |(topic, partition): &(&str, i32)| (TopicPartition::new(*topic, *partition), position);
    SessionRequest {
        session_id: 0,
        session_epoch: 0,
        fetch: partitions.iter().map(named).collect(),
        forget: Vec::new(),
    }
}

#[test]
fn a_request_has_the_order_of_the_session_and_names_a_topic_once() {
    let session = fetching(&[("a", 1), ("a", 2), ("b", 0), ("c", 0), ("c", 1), ("a", 0)]);
    let request = request(session, &ConsumerConfig::default(), 12);
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|it| it.partition);
        (topic.topic.as_str(), partitions.collect())
    });
    let expected = [("a", vec![1, 2, 0]), ("b", vec![0]), ("c", vec![0, 1])];
    assert_eq!(topics.collect::<Vec<_>>(), expected);
}

#[test]
fn an_answer_may_bring_half_of_the_budget_and_is_not_held_back_for_more() {
    for (budget, least, asked) in [(800, 1, (1, 400)), (800, 700, (400, 400)), (1, 1, (1, 1))] {
        let config = ConsumerConfig {
            fetch_max_bytes: budget,
            fetch_min_bytes: least,
            ..ConsumerConfig::default()
        };
        let request = request(fetching(&[]), &config, 12);
        assert_eq!((request.min_bytes, request.max_bytes), asked);
    }
}
