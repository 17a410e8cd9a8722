//! Finding offsets, and fetching.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::{ApiKey, FetchRequest, FetchResponse, ListOffsetsRequest};

use super::broker::{Brokers, offset_fetch};
use super::*;
use crate::consumer::FetchedRecords;
use crate::consumer::testing::{batch, wire};
use crate::net::testing;
use crate::wire::batch::Attributes;
use crate::wire::compression::{self, Compression, GzipLevel};
use crate::wire::names::topic_name;
use crate::wire::{ErrorCode, IsolationLevel};

fn all(partition: i32, offsets: std::ops::Range<i64>) -> Vec<(i32, i64)> {
    offsets.map(|offset| (partition, offset)).collect()
}

#[tokio::test]
async fn what_is_there_is_read_from_the_committed_offset_or_the_beginning() {
    let brokers = Brokers::start(1, 2).await;
    brokers.state().ends = vec![12, 7];
    brokers.state().committed.insert(0, 9);
    let mut consumer = joined(&brokers, config()).await;
    let read = read_to_end(&mut consumer, &[0, 1]).await;
    assert_eq!(read, [all(0, 9..12), all(1, 0..7)].concat());
}

#[tokio::test]
async fn fetches_and_first_offsets_are_of_the_isolation_level() {
    for isolation_level in [
        IsolationLevel::ReadUncommitted,
        IsolationLevel::ReadCommitted,
    ] {
        let brokers = Brokers::start(1, 1).await;
        brokers.state().ends[0] = 3;
        let asked = Arc::new(Mutex::new(BTreeSet::new()));
        let asking = asked.clone();
        brokers.hook(move |call| {
            let level = match call.api {
                ApiKey::Fetch => call.read::<FetchRequest>().isolation_level,
                ApiKey::ListOffsets => call.read::<ListOffsetsRequest>().isolation_level,
                _ => return None,
            };
            asking.lock().unwrap().insert((call.api as i16, level));
            None
        });
        let config = ConsumerConfig {
            isolation_level,
            ..config()
        };
        let mut consumer = joined(&brokers, config).await;
        assert_eq!(consumer.isolation_level(), isolation_level);
        assert_eq!(read_to_end(&mut consumer, &[0]).await, all(0, 0..3));
        let level = i8::from(isolation_level == IsolationLevel::ReadCommitted);
        let apis = [ApiKey::Fetch, ApiKey::ListOffsets].map(|api| (api as i16, level));
        assert_eq!(*asked.lock().unwrap(), BTreeSet::from(apis));
    }
}

#[tokio::test]
async fn a_leader_that_moved_is_followed() {
    let brokers = Brokers::start(2, 1).await;
    brokers.state().ends[0] = 3;
    let mut consumer = joined(&brokers, config()).await;
    assert_eq!(read_to_end(&mut consumer, &[0]).await, all(0, 0..3));
    brokers.state().leaders[0] = 2;
    brokers.state().ends[0] = 6;
    assert_eq!(read_to_end(&mut consumer, &[0]).await, all(0, 3..6));
}

/// The drain's case: what came during the pause comes before the end is told.
#[tokio::test]
async fn a_paused_partition_is_not_fetched_and_ends_anew_after_what_came_meanwhile() {
    let brokers = Brokers::start(1, 1).await;
    brokers.state().ends[0] = 2;
    let mut consumer = joined(&brokers, config()).await;
    assert_eq!(read_to_end(&mut consumer, &[0]).await, all(0, 0..2));
    for round in 1..=5 {
        consumer.pause(&[tp(0)]);
        if round % 2 == 0 {
            // The fetch under way ends, and no other follows.
            let mut before = usize::MAX;
            while std::mem::replace(&mut before, brokers.count(ApiKey::Fetch)) != before {
                tokio::time::sleep(Duration::from_millis(60)).await;
            }
        }
        brokers.state().ends[0] += 2;
        consumer.resume(&[tp(0)]);
        let read = read_to_end(&mut consumer, &[0]).await;
        assert_eq!(read, all(0, round * 2..round * 2 + 2), "round {round}");
    }
}

/// Nothing is new, so that a fetch session has nothing to say.
#[tokio::test]
async fn an_end_is_told_again_after_a_resumption_and_a_seek_to_it() {
    let brokers = Brokers::start(1, 1).await;
    brokers.state().ends[0] = 2;
    let mut consumer = joined(&brokers, config()).await;
    read_to_end(&mut consumer, &[0]).await;
    for _ in 0..3 {
        consumer.pause(&[tp(0)]);
        consumer.resume(&[tp(0)]);
        assert_eq!(read_to_end(&mut consumer, &[0]).await, []);
        consumer.seek(tp(0), 2);
        assert_eq!(read_to_end(&mut consumer, &[0]).await, []);
        consumer.seek(tp(0), 1);
        assert_eq!(read_to_end(&mut consumer, &[0]).await, all(0, 1..2));
    }
}

/// A budget that is full with one answer.
fn small() -> ConsumerConfig {
    ConsumerConfig {
        fetch_max_bytes: 40,
        ..config()
    }
}

async fn some_records(consumer: &mut Consumer) -> FetchedRecords {
    match until(consumer, |event| matches!(event, Event::Records(_))).await {
        Event::Records(records) => records,
        _ => unreachable!(),
    }
}

#[tokio::test]
async fn fetching_stops_while_the_application_holds_the_budget() {
    let brokers = Brokers::start(1, 1).await;
    brokers.state().ends[0] = 200;
    let mut consumer = joined(&brokers, small()).await;
    let held = some_records(&mut consumer).await;
    let beats = brokers.count(ApiKey::Heartbeat);
    testing::until(|| brokers.count(ApiKey::Heartbeat) >= beats + 5).await;
    assert_eq!(brokers.count(ApiKey::Fetch), 1);
    let next = held.next_offset();
    drop(held);
    assert_eq!(read_to_end(&mut consumer, &[0]).await, all(0, next..200));
}

#[tokio::test]
async fn a_partition_that_holds_the_budget_starves_no_other() {
    let brokers = Brokers::start(1, 2).await;
    brokers.state().ends = vec![100, 100];
    let mut consumer = joined(&brokers, small()).await;
    let held = some_records(&mut consumer).await;
    let other = 1 - held.partition().partition;
    assert_eq!(
        read_to_end(&mut consumer, &[other]).await,
        all(other, 0..100)
    );
}

/// A batch that becomes too large stops its partition: nothing of it is skipped, and whoever
/// looks into it is told where and what to do.
#[tokio::test]
async fn a_decompression_bomb_stops_its_partition_with_advice() {
    let brokers = Brokers::start(1, 1).await;
    brokers.state().ends[0] = 9;
    brokers.hook(move |call| {
        (call.api == ApiKey::Fetch).then(|| {
            let mut bomb = batch(2, 5, &[0]);
            let zeros = vec![0; 1 << 20];
            let compressed = compression::compress(Compression::Zstd, GzipLevel::default(), &zeros);
            bomb.records = compressed.unwrap().into();
            bomb.header.attributes = Attributes::new(Compression::Zstd, false);
            let data = PartitionData::default()
                .with_high_watermark(9)
                .with_records(Some(wire(&[batch(0, 1, &[0, 1]), bomb])));
            let topic = FetchableTopicResponse::default().with_topic(topic_name("t"));
            let topics = vec![topic.with_partitions(vec![data])];
            call.answer(&FetchResponse::default().with_responses(topics))
        })
    });
    let small = ConsumerConfig {
        max_decompressed_bytes: 10_000,
        ..config()
    };
    let mut consumer = joined(&brokers, small).await;
    let failed = until(&mut consumer, |it| matches!(it, Event::PartitionFailed(..))).await;
    let Event::PartitionFailed(failed, error) = failed else {
        unreachable!()
    };
    assert_eq!((failed, error.kind()), (tp(0), crate::ErrorKind::Protocol));
    assert_eq!(
        error.to_string(),
        "t-0: the records from offset 2 on can't be read: the record batch is larger than 10000 \
         bytes (raise max.decompressed.bytes, or move the group to offset 8 to go on without them)"
    );
    // What comes before it is there to be handled.
    let records = until(&mut consumer, |it| matches!(it, Event::Records(_))).await;
    let Event::Records(records) = records else {
        unreachable!()
    };
    assert_eq!((records.len(), records.next_offset()), (2, 2));
}

#[tokio::test]
async fn an_offset_out_of_range_is_reset_by_the_policy() {
    let brokers = Brokers::start(1, 1).await;
    brokers.state().ends[0] = 3;
    brokers.state().committed.insert(0, 500);
    let mut consumer = joined(&brokers, config()).await;
    assert_eq!(read_to_end(&mut consumer, &[0]).await, all(0, 0..3));
}

#[tokio::test]
async fn without_a_policy_the_application_decides() {
    let brokers = Brokers::start(1, 1).await;
    brokers.state().ends[0] = 3;
    let none = ConsumerConfig {
        auto_offset_reset: crate::consumer::OffsetReset::None,
        ..config()
    };
    let mut consumer = joined(&brokers, none).await;
    let failed = until(&mut consumer, |it| matches!(it, Event::PartitionFailed(..))).await;
    let Event::PartitionFailed(failed, error) = failed else {
        unreachable!()
    };
    assert_eq!((failed, error.kind()), (tp(0), crate::ErrorKind::NoOffset));
    consumer.seek(tp(0), 1);
    assert_eq!(read_to_end(&mut consumer, &[0]).await, all(0, 1..3));
}

/// A foreign transaction that commits offsets of one partition holds up that one alone.
#[tokio::test]
async fn a_partition_whose_offset_is_not_stable_waits_and_the_others_do_not() {
    let brokers = Brokers::start(1, 2).await;
    brokers.state().ends = vec![5, 5];
    brokers.state().committed = [(0, 2), (1, 2)].into();
    let open = Arc::new(AtomicUsize::new(1));
    let closed = open.clone();
    let committed = brokers.state().committed.clone();
    brokers.hook(move |call| {
        if call.api != ApiKey::OffsetFetch || open.load(Ordering::SeqCst) == 0 {
            return None;
        }
        let unstable = ErrorCode::UNSTABLE_OFFSET_COMMIT.0;
        let code = |p| Some(if p == 0 { unstable } else { 0 });
        Some(call.answer(&offset_fetch(call, &committed, code)))
    });
    let mut consumer = joined(&brokers, config()).await;
    assert_eq!(read_to_end(&mut consumer, &[1]).await, all(1, 2..5));
    closed.store(0, Ordering::SeqCst);
    assert_eq!(read_to_end(&mut consumer, &[0]).await, all(0, 2..5));
}

/// What an answer does not speak of is not without an offset: by the policy it would skip or
/// repeat all there is.
#[tokio::test]
async fn an_offset_that_an_answer_leaves_out_is_asked_for_again() {
    let brokers = Brokers::start(1, 1).await;
    brokers.state().ends[0] = 5;
    brokers.state().committed.insert(0, 4);
    let mut empty = 2;
    brokers.hook(move |call| {
        let leave_out = call.api == ApiKey::OffsetFetch && empty > 0;
        empty -= i32::from(leave_out);
        leave_out.then(|| call.answer(&offset_fetch(call, &BTreeMap::new(), |_| None)))
    });
    let mut consumer = joined(&brokers, config()).await;
    assert_eq!(read_to_end(&mut consumer, &[0]).await, all(0, 4..5));
}

#[tokio::test]
async fn passing_errors_of_a_partition_are_got_over() {
    let brokers = Brokers::start(1, 1).await;
    brokers.state().ends[0] = 3;
    let codes = [
        ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ErrorCode::UNKNOWN_SERVER_ERROR,
        ErrorCode::KAFKA_STORAGE_ERROR,
        ErrorCode::FENCED_LEADER_EPOCH,
        ErrorCode::UNKNOWN_LEADER_EPOCH,
    ];
    brokers.state().fetch_codes.insert(0, codes.into());
    let mut consumer = joined(&brokers, config()).await;
    assert_eq!(read_to_end(&mut consumer, &[0]).await, all(0, 0..3));
}

#[tokio::test]
async fn a_broker_that_refuses_every_fetch_is_asked_less_and_less_often() {
    for code in [
        ErrorCode::UNKNOWN_SERVER_ERROR,
        ErrorCode::FETCH_SESSION_ID_NOT_FOUND,
    ] {
        let brokers = Brokers::start(1, 1).await;
        brokers.hook(move |call| {
            let refusal = FetchResponse::default().with_error_code(code.0);
            (call.api == ApiKey::Fetch).then(|| call.answer(&refusal))
        });
        let _consumer = joined(&brokers, config()).await;
        let started = tokio::time::Instant::now();
        testing::until(|| brokers.count(ApiKey::Fetch) >= 10).await;
        // 5, 10, 20, 40 ms and then 50 each, less a fifth.
        assert!(
            started.elapsed() > Duration::from_millis(200),
            "{:?}",
            started.elapsed()
        );
    }
}

/// Kafka 2.4 has these versions; fields that came later must not be set.
#[tokio::test]
async fn a_broker_of_the_oldest_version_is_spoken_to() {
    const OLDEST: [(ApiKey, i16); 9] = [
        (ApiKey::Fetch, 11),
        (ApiKey::ListOffsets, 5),
        (ApiKey::Metadata, 9),
        (ApiKey::OffsetCommit, 8),
        (ApiKey::OffsetFetch, 6),
        (ApiKey::JoinGroup, 6),
        (ApiKey::LeaveGroup, 4),
        (ApiKey::SyncGroup, 4),
        (ApiKey::FindCoordinator, 3),
    ];
    let brokers = Brokers::start(1, 1).await;
    brokers.state().ends[0] = 3;
    brokers.state().oldest = OLDEST.into();
    let mut consumer = joined(&brokers, config()).await;
    assert_eq!(read_to_end(&mut consumer, &[0]).await, all(0, 0..3));
    brokers.state().heartbeat = ErrorCode::REBALANCE_IN_PROGRESS.0;
    until(&mut consumer, |event| matches!(event, Event::Revoking(_))).await;
    consumer.revoked(&[tp(0)]);
    until(&mut consumer, |event| matches!(event, Event::Assigned(_))).await;
    consumer.close().await.unwrap();
    assert_eq!(brokers.count(ApiKey::LeaveGroup), 1);
}
