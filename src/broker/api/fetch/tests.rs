use std::time::Duration;

use kafka_protocol::messages::fetch_request::ForgottenTopic;
use kafka_protocol::messages::fetch_response::PartitionData;

use kafka_protocol::messages::TopicName;

use super::*;
use crate::broker::Broker;
use crate::broker::testing::{Peer, batch, begin_epoch, cluster, fetch_request, make_topic};
use crate::wire::names::topic_name;

const MINUTE_MS: i32 = 60_000;

/// A broker with a topic of two partitions, one record in the first.
async fn one_record() -> (Broker, Peer) {
    let broker = cluster(1).await;
    make_topic(&broker, "t", 2, &[]);
    let mut peer = Peer::connect(&broker, 1).await;
    peer.produce("t", 0, batch(&["a"], 1)).await;
    (broker, peer)
}

/// A request for the ends of partitions 0 and 1.
fn both() -> FetchRequest {
    let mut request = fetch_request("t", 0, 1);
    let other = fetch_request("t", 1, 0)
        .topics
        .remove(0)
        .partitions
        .remove(0);
    request.topics[0].partitions.push(other);
    request
}

fn partitions(answer: &FetchResponse) -> Vec<&PartitionData> {
    let topics = answer.responses.iter();
    topics.flat_map(|topic| &topic.partitions).collect()
}

fn size(partition: &PartitionData) -> usize {
    partition.records.as_ref().map_or(0, bytes::Bytes::len)
}

#[tokio::test]
async fn every_version_answers_by_name_or_by_id() {
    let (broker, mut peer) = one_record().await;
    let id = broker.shared.state().topics.get("t").unwrap().id;
    for version in 4..=18 {
        let mut request = fetch_request("t", 0, 0).with_isolation_level((version % 2) as i8);
        if version >= HAS_IDS {
            request.topics[0].topic = TopicName::default();
            request.topics[0].topic_id = id;
        }
        let answer = peer.ask(version, &request).await;
        let partition = partitions(&answer)[0];
        assert_eq!(
            (partition.error_code, partition.high_watermark),
            (0, 1),
            "version {version}"
        );
        assert_eq!(partition.last_stable_offset, 1);
        assert!(size(partition) > 0);
    }
    let mut unknown = fetch_request("t", 0, 0);
    unknown.topics[0].topic = TopicName::default();
    unknown.topics[0].topic_id = Uuid::from_u128(1);
    let answer = peer.ask(13, &unknown).await;
    assert_eq!(
        partitions(&answer)[0].error_code,
        ErrorCode::UNKNOWN_TOPIC_ID.0
    );
}

#[tokio::test]
async fn it_waits_for_as_many_bytes_as_are_wanted_or_for_as_long_as_it_may() {
    let (broker, mut peer) = one_record().await;
    let mut producer = Peer::connect(&broker, 1).await;
    let request = both().with_max_wait_ms(MINUTE_MS).with_min_bytes(100);
    peer.send(12, &request).await;
    broker
        .wait_until_asked(kafka_protocol::messages::ApiKey::Fetch, 1)
        .await;
    // 74 bytes each: the second is enough.
    producer.produce("t", 1, batch(&["a"], 1)).await;
    producer.produce("t", 0, batch(&["b"], 1)).await;
    let answer = peer.answer::<FetchRequest>(12).await.unwrap();
    assert!(
        partitions(&answer)
            .into_iter()
            .all(|partition| size(partition) > 0)
    );

    let mut request = request;
    request.topics[0].partitions[0].fetch_offset = 2;
    request.topics[0].partitions[1].fetch_offset = 1;
    peer.send(12, &request).await;
    broker
        .wait_until_asked(kafka_protocol::messages::ApiKey::Fetch, 2)
        .await;
    producer.produce("t", 1, batch(&["a"], 1)).await;
    broker.clock().advance(Duration::from_secs(60));
    let answer = peer.answer::<FetchRequest>(12).await.unwrap();
    let sizes: Vec<_> = partitions(&answer).into_iter().map(size).collect();
    assert!(sizes[0] == 0 && sizes[1] > 0);
}

#[tokio::test]
async fn an_error_is_told_at_once_but_that_a_topic_is_missing_is_not() {
    let (broker, mut peer) = one_record().await;
    let mut request = both().with_max_wait_ms(MINUTE_MS);
    request.topics[0].partitions[1].fetch_offset = 9;
    let answer = peer.ask(12, &request).await;
    let codes: Vec<_> = partitions(&answer)
        .iter()
        .map(|partition| partition.error_code)
        .collect();
    assert_eq!(codes, [0, ErrorCode::OFFSET_OUT_OF_RANGE.0]);
    assert_eq!(partitions(&answer)[1].high_watermark, -1);

    let missing = fetch_request("missing", 0, 0).topics.remove(0);
    let request = both().with_topics(vec![both().topics.remove(0), missing]);
    peer.send(12, &request.with_max_wait_ms(MINUTE_MS)).await;
    let mut producer = Peer::connect(&broker, 1).await;
    producer.produce("t", 1, batch(&["a"], 1)).await;
    let answer = peer.answer::<FetchRequest>(12).await.unwrap();
    let codes: Vec<_> = partitions(&answer)
        .iter()
        .map(|partition| partition.error_code)
        .collect();
    assert_eq!(codes, [0, 0, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0]);
    assert!(size(partitions(&answer)[1]) > 0);

    let request = fetch_request("missing", 0, 0).with_max_wait_ms(MINUTE_MS);
    peer.ask(12, &request).await;
}

#[tokio::test]
async fn the_limit_is_for_all_partitions_and_the_first_batch_comes_anyway() {
    let (_broker, mut peer) = one_record().await;
    for _ in 0..2 {
        peer.produce("t", 1, batch(&["a"], 1)).await;
    }
    let mut request = both();
    request.topics[0].partitions[0].fetch_offset = 0;
    let sizes = async |peer: &mut Peer, max_bytes| {
        let answer = peer
            .ask(12, &request.clone().with_max_bytes(max_bytes))
            .await;
        partitions(&answer)
            .into_iter()
            .map(size)
            .collect::<Vec<_>>()
    };
    let one = sizes(&mut peer, i32::MAX).await[0];
    assert_eq!(sizes(&mut peer, i32::MAX).await, [one, 2 * one]);
    assert_eq!(sizes(&mut peer, 1).await, [one, 0]);
    assert_eq!(sizes(&mut peer, 2 * one as i32).await, [one, one]);
    request.topics[0].partitions[0].fetch_offset = 1;
    request.topics[0].partitions[1].partition_max_bytes = 1;
    let answer = peer.ask(12, &request).await;
    assert_eq!(size(partitions(&answer)[1]), one);
}

#[tokio::test]
async fn a_session_tells_what_is_new() {
    let (_broker, mut peer) = one_record().await;
    let answer = peer.ask(12, &both().with_session_epoch(0)).await;
    assert_eq!(partitions(&answer).len(), 2);
    let id = answer.session_id;
    assert!(id > 0);
    let next = |epoch| {
        FetchRequest::default()
            .with_session_id(id)
            .with_session_epoch(epoch)
    };
    let answer = peer.ask(12, &next(1)).await;
    assert_eq!((answer.session_id, answer.responses.len()), (id, 0));
    peer.produce("t", 1, batch(&["a"], 1)).await;
    let answer = peer.ask(12, &next(2)).await;
    assert_eq!(partitions(&answer)[0].partition_index, 1);
    let forgotten = ForgottenTopic::default()
        .with_topic(topic_name("t"))
        .with_partitions(vec![1]);
    let forgets = next(3).with_forgotten_topics_data(vec![forgotten]);
    assert_eq!(peer.ask(12, &forgets).await.responses.len(), 0);
    let answer = peer.ask(12, &next(3)).await;
    assert_eq!(answer.error_code, ErrorCode::INVALID_FETCH_SESSION_EPOCH.0);
    assert_eq!(answer.session_id, 0);
}

#[tokio::test]
async fn the_wrong_node_names_the_right_one() {
    let broker = cluster(2).await;
    make_topic(&broker, "t", 1, &[]);
    let id = broker.shared.state().topics.get("t").unwrap().id;
    let mut peer = Peer::connect(&broker, 2).await;
    let mut request = fetch_request("t", 0, 0);
    request.topics[0].topic = TopicName::default();
    request.topics[0].topic_id = id;
    let answer = peer.ask(16, &request).await;
    let partition = partitions(&answer)[0];
    assert_eq!(partition.error_code, ErrorCode::NOT_LEADER_OR_FOLLOWER.0);
    assert_eq!(
        (
            partition.current_leader.leader_id.0,
            partition.current_leader.leader_epoch
        ),
        (1, 0)
    );
    let address = format!("127.0.0.1:{}", answer.node_endpoints[0].port);
    assert!(broker.bootstrap_servers().starts_with(&address));
    // A leader that moves answers those who wait.
    let mut peer = Peer::connect(&broker, 1).await;
    peer.send(16, &request.with_max_wait_ms(MINUTE_MS)).await;
    broker
        .wait_until_asked(kafka_protocol::messages::ApiKey::Fetch, 2)
        .await;
    let topic = "t";
    broker
        .shared
        .state()
        .topics
        .get_mut(topic)
        .unwrap()
        .partitions[0]
        .lead(Some(2));
    broker.shared.tell_of_change();
    let answer = peer.answer::<FetchRequest>(16).await.unwrap();
    assert_eq!(partitions(&answer)[0].current_leader.leader_epoch, 1);
}

#[tokio::test]
async fn a_topic_that_was_made_again_is_another_one() {
    let (broker, mut peer) = one_record().await;
    let id = broker.shared.state().topics.get("t").unwrap().id;
    let mut request = fetch_request("t", 0, 0).with_session_epoch(0);
    request.topics[0].topic = TopicName::default();
    request.topics[0].topic_id = id;
    let session = peer.ask(13, &request).await.session_id;
    let next = |epoch| {
        FetchRequest::default()
            .with_session_id(session)
            .with_session_epoch(epoch)
    };
    broker.shared.state().topics.delete("t");
    let answer = peer.ask(13, &next(1)).await;
    assert_eq!(
        partitions(&answer)[0].error_code,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0
    );
    make_topic(&broker, "t", 1, &[]);
    let answer = peer.ask(13, &next(2)).await;
    assert_eq!(
        partitions(&answer)[0].error_code,
        ErrorCode::INCONSISTENT_TOPIC_ID.0
    );
}

#[tokio::test]
async fn who_has_read_what_is_not_there_is_told_where_to_go_back_to() {
    let (broker, mut peer) = one_record().await;
    begin_epoch(&broker, "t");
    let mut request = fetch_request("t", 0, 5);
    request.topics[0].partitions[0].last_fetched_epoch = 0;
    let answer = peer.ask(12, &request.with_max_wait_ms(MINUTE_MS)).await;
    let partition = partitions(&answer)[0];
    let diverging = &partition.diverging_epoch;
    assert_eq!((partition.error_code, size(partition)), (0, 0));
    assert_eq!((diverging.epoch, diverging.end_offset), (0, 1));
}

#[tokio::test]
async fn a_node_that_starts_again_knows_no_session() {
    let (broker, mut peer) = one_record().await;
    let mut request = both();
    request.session_epoch = 0;
    let session = peer.ask(12, &request).await.session_id;
    assert_ne!(session, 0);
    broker.stop_node(1).await;
    broker.start_node(1).await.unwrap();
    let mut peer = Peer::connect(&broker, 1).await;
    let request = FetchRequest::default()
        .with_session_id(session)
        .with_session_epoch(1);
    let answer = peer.ask(12, &request).await;
    let not_found = ErrorCode::FETCH_SESSION_ID_NOT_FOUND;
    assert_eq!(answer.error_code, not_found.0);
}
