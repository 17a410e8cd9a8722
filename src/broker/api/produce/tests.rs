use kafka_protocol::messages::{ApiKey, TopicName};

use super::*;
use crate::broker::testing::{Peer, batch, batch_by, cluster, make_topic, produce_request};
use crate::wire::batch::{BatchBuilder, ProducerStamp, RecordBody};
use crate::wire::names::text;

#[tokio::test]
async fn what_is_appended_is_there_to_read() {
    let broker = cluster(1).await;
    make_topic(&broker, "payments", 2, &[]);
    let mut peer = Peer::connect(&broker, 1).await;
    for (offset, values) in [(0, &["a", "b"][..]), (2, &["c"])] {
        let appended = peer.produce("payments", 1, batch(values, 1000)).await;
        assert_eq!(appended.error_code, 0);
        assert_eq!(
            (appended.base_offset, appended.log_append_time_ms),
            (offset, -1)
        );
    }
    let fetched = peer.fetch("payments", 1, 0).await;
    assert_eq!((fetched.error_code, fetched.high_watermark), (0, 3));
    let values: Vec<_> = broker
        .records("payments", 1)
        .into_iter()
        .filter_map(|record| record.value)
        .collect();
    assert_eq!(values, ["a", "b", "c"]);
    assert_eq!(broker.log_range("payments", 1), Some((0, 3)));
    assert_eq!(broker.log_range("payments", 2), None);
}

#[tokio::test]
async fn acks_0_has_no_answer_and_a_failure_closes_the_connection() {
    let broker = cluster(1).await;
    make_topic(&broker, "payments", 1, &[]);
    let mut peer = Peer::connect(&broker, 1).await;
    let request = produce_request("payments", 0, batch(&["a"], 1)).with_acks(0);
    peer.send(9, &request).await;
    assert_eq!(peer.fetch("payments", 0, 0).await.high_watermark, 1);
    let request = produce_request("nowhere", 0, batch(&["a"], 1)).with_acks(0);
    peer.send(9, &request).await;
    assert!(peer.answer::<ProduceRequest>(9).await.is_none());
}

#[tokio::test]
async fn acks_0_has_no_answer_to_a_refusal_by_a_fault_either() {
    let broker = cluster(1).await;
    make_topic(&broker, "payments", 1, &[]);
    let mut peer = Peer::connect(&broker, 1).await;
    let fault = broker.control(ApiKey::Produce);
    fault.error(ErrorCode::NOT_LEADER_OR_FOLLOWER);
    let request = produce_request("payments", 0, batch(&["a"], 1)).with_acks(0);
    peer.send(9, &request).await;
    assert!(peer.answer::<ProduceRequest>(9).await.is_none());
    assert_eq!(broker.log_range("payments", 0), Some((0, 0)));
}

fn of(answer: &ProduceResponse) -> &PartitionProduceResponse {
    &answer.responses[0].partition_responses[0]
}

#[tokio::test]
async fn every_version_appends_by_name_or_by_id() {
    let broker = cluster(1).await;
    make_topic(&broker, "t", 1, &[]);
    let id = broker.shared.state().topics.get("t").unwrap().id;
    let mut peer = Peer::connect(&broker, 1).await;
    for version in 3..=13 {
        let mut request = produce_request("t", 0, batch(&["a"], 1));
        if version == 13 {
            request.topic_data[0].name = TopicName::default();
            request.topic_data[0].topic_id = id;
        }
        let answer = peer.ask(version, &request).await;
        let expected = (0, i64::from(version - 3));
        assert_eq!((of(&answer).error_code, of(&answer).base_offset), expected);
    }
    let mut request = produce_request("", 0, batch(&["a"], 1));
    request.topic_data[0].topic_id = uuid::Uuid::from_u128(1);
    let answer = peer.ask(13, &request).await;
    assert_eq!(of(&answer).error_code, ErrorCode::UNKNOWN_TOPIC_ID.0);
}

#[tokio::test]
async fn what_can_not_be_appended_is_answered_with_its_reason() {
    let broker = cluster(3).await;
    make_topic(&broker, "t", 1, &[("min.insync.replicas", "3")]);
    let mut peer = Peer::connect(&broker, 1).await;
    let good = || produce_request("t", 0, batch(&["a"], 1));
    let zstd = batch_by(&["a"], 1, Compression::Zstd, ProducerStamp::NONE);
    let mut transactional = good();
    let own = BatchBuilder::new(Compression::None);
    transactional.topic_data[0].partition_data[0].records = Some({
        let mut own = own;
        own.push(1, &RecordBody::new(None, None, &[]));
        own.build(
            ProducerStamp {
                id: 1,
                epoch: 0,
                base_sequence: 0,
            },
            true,
        )
        .unwrap()
    });
    let with_id = transactional
        .clone()
        .with_transactional_id(Some(text("x").into()));
    let cases = [
        (9, good(), ErrorCode::NONE),
        (9, good().with_acks(2), ErrorCode::INVALID_REQUIRED_ACKS),
        (
            9,
            produce_request("missing", 0, batch(&["a"], 1)),
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ),
        (
            9,
            produce_request("t", 1, batch(&["a"], 1)),
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ),
        (
            6,
            produce_request("t", 0, zstd.clone()),
            ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
        ),
        (7, produce_request("t", 0, zstd), ErrorCode::NONE),
        (
            9,
            transactional,
            ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        ),
        (9, with_id, ErrorCode::INVALID_PRODUCER_ID_MAPPING),
    ];
    for (version, request, code) in cases {
        let answer = peer.ask(version, &request).await;
        assert_eq!(of(&answer).error_code, code.0, "{request:?}");
    }
    broker.shared.state().nodes.set_up(3, false);
    let answer = peer.ask(9, &good()).await;
    assert_eq!(of(&answer).error_code, ErrorCode::NOT_ENOUGH_REPLICAS.0);
    let answer = peer.ask(9, &good().with_acks(1)).await;
    assert_eq!(of(&answer).error_code, 0);
}

#[tokio::test]
async fn the_wrong_node_names_the_right_one() {
    let broker = cluster(2).await;
    make_topic(&broker, "t", 1, &[]);
    let mut peer = Peer::connect(&broker, 2).await;
    let answer = peer
        .ask(10, &produce_request("t", 0, batch(&["a"], 1)))
        .await;
    assert_eq!(of(&answer).error_code, ErrorCode::NOT_LEADER_OR_FOLLOWER.0);
    assert_eq!(of(&answer).current_leader.leader_id.0, 1);
    assert_eq!(answer.node_endpoints[0].node_id.0, 1);
}
