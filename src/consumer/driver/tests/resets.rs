//! Positions that go back: topics made again, logs cut off.

use kafka_protocol::messages::ApiKey;
use uuid::Uuid;

use super::broker::Brokers;
use super::*;
use crate::consumer::CommitOffset;
use crate::net::testing;
use crate::wire::ErrorCode;

/// A topic of three records, all of them read and committed.
async fn read_out(brokers: &Brokers) -> Consumer {
    brokers.state().ends[0] = 3;
    let mut consumer = joined(brokers, config()).await;
    read_to_end(&mut consumer, &[0]).await;
    commit(&consumer, 3).await.unwrap();
    consumer
}

async fn commit(consumer: &Consumer, next: i64) -> Result<(), Error> {
    let committed = consumer.commit(vec![CommitOffset::new(tp(0), next)]);
    tokio::time::timeout(LIMIT, committed).await.unwrap()
}

/// Makes the topic again, and waits until the consumer knows; the application does not.
async fn make_again(brokers: &Brokers, end: i64) {
    let before = brokers.count(ApiKey::ListOffsets);
    brokers.state().topic_id = Uuid::from_bytes([2; 16]);
    brokers.state().ends[0] = end;
    testing::until(|| brokers.count(ApiKey::ListOffsets) > before).await;
}

async fn with_topic_id() -> Brokers {
    let brokers = Brokers::start(1, 1).await;
    brokers.state().topic_id = Uuid::from_bytes([1; 16]);
    brokers
}

fn offsets(range: std::ops::Range<i64>) -> Vec<(i32, i64)> {
    range.map(|offset| (0, offset)).collect()
}

#[tokio::test]
async fn a_topic_made_again_is_told_and_read_from_its_beginning() {
    let brokers = with_topic_id().await;
    let mut consumer = read_out(&brokers).await;
    make_again(&brokers, 5).await;
    let lost = next(&mut consumer).await.unwrap();
    assert!(matches!(lost, Event::Lost(it) if it == [tp(0)]));
    let reset = next(&mut consumer).await.unwrap();
    assert!(matches!(reset, Event::Reset(it, 0) if it == tp(0)));
    assert_eq!(read_to_end(&mut consumer, &[0]).await, offsets(0..5));
}

#[tokio::test]
async fn no_offset_of_a_topic_that_was_made_again_is_committed() {
    let brokers = with_topic_id().await;
    let mut consumer = read_out(&brokers).await;
    make_again(&brokers, 5).await;
    let commits = brokers.state().commits.len();
    let early = commit(&consumer, 3).await.unwrap_err();
    assert_eq!(early.code(), Some(ErrorCode::ILLEGAL_GENERATION));
    assert!(early.to_string().contains("t-0"), "{early}");
    let stamped = consumer.stamped(vec![CommitOffset::new(tp(0), 3)]);
    let stamped = tokio::time::timeout(LIMIT, stamped).await.unwrap();
    let early = stamped.unwrap_err();
    assert_eq!(early.code(), Some(ErrorCode::ILLEGAL_GENERATION));
    until(&mut consumer, |event| matches!(event, Event::Lost(_))).await;
    assert!(commit(&consumer, 3).await.is_err(), "it has gone");
    assert_eq!(brokers.state().commits.len(), commits, "unsent");
    until(&mut consumer, |event| matches!(event, Event::Reset(..))).await;
    commit(&consumer, 0).await.unwrap();
    assert_eq!(brokers.state().committed[&0], 0);
}

#[tokio::test]
async fn what_was_asked_of_the_topic_before_it_was_made_again_does_nothing() {
    let brokers = with_topic_id().await;
    let mut consumer = read_out(&brokers).await;
    make_again(&brokers, 5).await;
    consumer.pause(&[tp(0)]);
    consumer.seek(tp(0), 4);
    assert_eq!(read_to_end(&mut consumer, &[0]).await, offsets(0..5));
    consumer.pause(&[tp(0)]);
    consumer.seek(tp(0), 4);
    consumer.resume(&[tp(0)]);
    assert_eq!(read_to_end(&mut consumer, &[0]).await, offsets(4..5));
}

#[tokio::test]
async fn without_a_policy_the_application_decides_where_another_topic_begins() {
    let brokers = with_topic_id().await;
    brokers.state().ends[0] = 3;
    brokers.state().committed.insert(0, 0);
    let none = ConsumerConfig {
        auto_offset_reset: crate::consumer::OffsetReset::None,
        ..config()
    };
    let mut consumer = joined(&brokers, none).await;
    read_to_end(&mut consumer, &[0]).await;
    brokers.state().topic_id = Uuid::from_bytes([2; 16]);
    until(&mut consumer, |it| matches!(it, Event::PartitionFailed(..))).await;
    consumer.seek(tp(0), 1);
    assert_eq!(read_to_end(&mut consumer, &[0]).await, offsets(1..3));
    commit(&consumer, 3).await.unwrap();
}

#[tokio::test]
async fn a_committed_offset_beyond_the_end_is_reset_and_told() {
    let brokers = Brokers::start(1, 1).await;
    brokers.state().ends[0] = 3;
    brokers.state().committed.insert(0, 500);
    let mut consumer = joined(&brokers, config()).await;
    let reset = next(&mut consumer).await.unwrap();
    assert!(matches!(reset, Event::Reset(it, 0) if it == tp(0)));
    assert_eq!(read_to_end(&mut consumer, &[0]).await, offsets(0..3));
}

#[tokio::test]
async fn a_log_that_begins_later_is_no_reset() {
    let brokers = Brokers::start(1, 1).await;
    brokers.state().ends[0] = 12;
    brokers.state().start = 9;
    brokers.state().committed.insert(0, 4);
    let mut consumer = joined(&brokers, config()).await;
    let first = next(&mut consumer).await.unwrap();
    assert!(matches!(first, Event::Records(it) if it.next_offset() == 12));
}

#[tokio::test]
async fn a_log_that_was_cut_off_is_told_and_read_on_from_there() {
    let brokers = Brokers::start(1, 1).await;
    let mut consumer = read_out(&brokers).await;
    brokers.state().cut = Some(2);
    let reset = next(&mut consumer).await.unwrap();
    assert!(matches!(reset, Event::Reset(it, 2) if it == tp(0)));
    brokers.state().cut = None;
    assert_eq!(read_to_end(&mut consumer, &[0]).await, offsets(2..3));
    commit(&consumer, 3).await.unwrap();
}

#[tokio::test]
async fn without_a_policy_the_application_decides_where_a_cut_off_log_goes_on() {
    let brokers = Brokers::start(1, 1).await;
    brokers.state().ends[0] = 3;
    brokers.state().committed.insert(0, 0);
    let none = ConsumerConfig {
        auto_offset_reset: crate::consumer::OffsetReset::None,
        ..config()
    };
    let mut consumer = joined(&brokers, none).await;
    read_to_end(&mut consumer, &[0]).await;
    brokers.state().cut = Some(2);
    let failed = until(&mut consumer, |it| matches!(it, Event::PartitionFailed(..))).await;
    let Event::PartitionFailed(_, error) = failed else {
        unreachable!()
    };
    assert_eq!(error.kind(), crate::ErrorKind::NoOffset);
    assert!(error.to_string().contains("up to offset 3"), "{error}");
    brokers.state().cut = None;
    consumer.seek(tp(0), 1);
    assert_eq!(read_to_end(&mut consumer, &[0]).await, offsets(1..3));
}

/// By the epoch that was committed beside it. Without, the log would be read from its beginning.
#[tokio::test]
async fn a_committed_offset_in_a_log_that_was_cut_off_goes_on_from_there() {
    let brokers = Brokers::start(1, 1).await;
    brokers.state().ends[0] = 3;
    brokers.state().cut = Some(2);
    brokers.state().committed.insert(0, 500);
    brokers.state().committed_epoch = 0;
    let mut consumer = joined(&brokers, config()).await;
    let reset = next(&mut consumer).await.unwrap();
    assert!(matches!(reset, Event::Reset(it, 2) if it == tp(0)));
    assert_eq!(read_to_end(&mut consumer, &[0]).await, offsets(2..3));
}

#[tokio::test]
async fn an_offset_is_committed_with_the_epoch_of_the_record_before_it() {
    let brokers = Brokers::start(1, 1).await;
    let epochs = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = epochs.clone();
    brokers.hook(move |call| {
        if call.api == ApiKey::OffsetCommit {
            let request = call.read::<kafka_protocol::messages::OffsetCommitRequest>();
            let partitions = request.topics.iter().flat_map(|topic| &topic.partitions);
            let committed = partitions.map(|it| (it.committed_offset, it.committed_leader_epoch));
            noted.lock().unwrap().extend(committed);
        }
        None
    });
    let consumer = read_out(&brokers).await;
    commit(&consumer, 0).await.unwrap();
    assert_eq!(*epochs.lock().unwrap(), [(3, 0), (0, -1)]);
}

/// A broker that has lost the lead, or not taken it yet, refuses by it.
#[tokio::test]
async fn whoever_is_asked_for_offsets_or_records_learns_the_epoch_that_is_known() {
    let brokers = Brokers::start(1, 1).await;
    let epochs = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = epochs.clone();
    brokers.hook(move |call| {
        let epoch = match call.api {
            ApiKey::ListOffsets => {
                let request = call.read::<kafka_protocol::messages::ListOffsetsRequest>();
                request.topics[0].partitions[0].current_leader_epoch
            }
            ApiKey::Fetch => {
                let request = call.read::<kafka_protocol::messages::FetchRequest>();
                request.topics.first()?.partitions[0].current_leader_epoch
            }
            _ => return None,
        };
        noted.lock().unwrap().push(epoch);
        None
    });
    read_out(&brokers).await;
    let epochs = epochs.lock().unwrap();
    assert!(epochs.len() >= 2, "{epochs:?}");
    assert!(epochs.iter().all(|epoch| *epoch == 0), "{epochs:?}");
}
