//! The cluster as a whole: nodes that stop, roles that move, requests that go wrong.

use std::time::Duration;

use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::{
    ApiVersionsRequest, BrokerId, CreatePartitionsRequest, CreateTopicsRequest,
    DeleteTopicsRequest, MetadataRequest, MetadataResponse,
};

use tokio::net::{TcpListener, TcpStream};

use super::testing::{Peer, cluster, make_topic};
use super::*;
use crate::Client;
use crate::wire::names::{text, topic_name};

async fn metadata(peer: &mut Peer) -> MetadataResponse {
    peer.ask(12, &MetadataRequest::default().with_topics(None))
        .await
}

fn leaders(metadata: &MetadataResponse) -> Vec<(i32, i32)> {
    let partitions = metadata.topics[0].partitions.iter();
    partitions
        .map(|it| (it.leader_id.0, it.leader_epoch))
        .collect()
}

#[tokio::test]
async fn a_node_that_stops_hands_over_and_comes_back_at_its_address() {
    let broker = cluster(3).await;
    make_topic(&broker, "t", 3, &[]);
    let addresses = broker.bootstrap_servers();
    let (mut first, mut second) = (
        Peer::connect(&broker, 1).await,
        Peer::connect(&broker, 2).await,
    );
    broker.stop_node(1).await;
    first.send(12, &MetadataRequest::default()).await;
    assert!(first.answer::<MetadataRequest>(12).await.is_none());
    let told = metadata(&mut second).await;
    assert_eq!(told.brokers.len(), 2);
    assert_eq!(leaders(&told), [(2, 1), (2, 0), (3, 0)]);
    assert_eq!(told.topics[0].partitions[0].offline_replicas, [BrokerId(1)]);
    broker.start_node(1).await.unwrap();
    assert_eq!(broker.bootstrap_servers(), addresses);
    let told = metadata(&mut Peer::connect(&broker, 1).await).await;
    assert_eq!(told.brokers.len(), 3);
    assert_eq!(leaders(&told)[0], (2, 1));
    let again = broker.start_node(1).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Usage);
}

/// Whoever asks the system for any port meanwhile gets another.
#[tokio::test]
async fn the_ports_of_a_node_that_stops_are_kept_for_it() {
    let broker = Broker::start(BrokerConfig::default()).await.unwrap();
    let address = broker.bootstrap_servers();
    for _ in 0..3 {
        let connected = TcpStream::connect(&address).await.unwrap();
        broker.stop_node(1).await;
        drop(connected);
        let refused = TcpStream::connect(&address).await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
        let taken = TcpListener::bind(&address).await.unwrap_err();
        assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
        broker.start_node(1).await.unwrap();
        TcpStream::connect(&address).await.unwrap();
    }
}

#[tokio::test]
async fn roles_move_where_they_are_sent() {
    let broker = cluster(2).await;
    broker.create_topic("t", 1).unwrap();
    assert_eq!(broker.leader("t", 0), Some(1));
    broker.move_leader("t", 0, 2).unwrap();
    let told = metadata(&mut Peer::connect(&broker, 1).await).await;
    assert_eq!(leaders(&told), [(2, 1)]);
    assert_eq!(told.topics[0].partitions[0].replica_nodes, [BrokerId(2)]);
    for to in [1, 2] {
        broker.move_coordinator("g", to).unwrap();
        assert_eq!(broker.coordinator("g"), Some(to));
    }
    broker.stop_node(2).await;
    assert_eq!(
        (broker.leader("t", 0), broker.coordinator("g")),
        (None, Some(1))
    );
    assert!(broker.move_leader("t", 0, 2).is_err());
    assert!(broker.move_leader("u", 0, 1).is_err());
    assert!(broker.move_coordinator("g", 2).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_paused_node_answers_once_it_is_resumed() {
    let broker = cluster(1).await;
    let mut peer = Peer::connect(&broker, 1).await;
    broker.pause_node(1);
    peer.send(12, &MetadataRequest::default()).await;
    let answer = peer.answer::<MetadataRequest>(12);
    let early = tokio::time::timeout(Duration::from_secs(60), answer).await;
    assert!(early.is_err());
    broker.resume_node(1);
    assert!(peer.answer::<MetadataRequest>(12).await.is_some());
}

#[tokio::test]
async fn requests_go_wrong_as_they_are_told_to() {
    let broker = cluster(1).await;
    let request = MetadataRequest::default().with_topics(Some(Vec::new()));
    let fault = || broker.control(ApiKey::Metadata);
    fault().error(ErrorCode::NOT_CONTROLLER);
    let mut peer = Peer::connect(&broker, 1).await;
    assert_eq!(peer.ask(12, &request).await.brokers.len(), 0);
    assert_eq!(peer.ask(12, &request).await.brokers.len(), 1);
    let lose: [fn(Control<'_>); 3] = [
        |fault| fault.drop_before(),
        |fault| fault.drop_after(),
        |fault| fault.cut(10),
    ];
    for lose in lose {
        lose(fault());
        let mut peer = Peer::connect(&broker, 1).await;
        peer.send(12, &request).await;
        assert!(peer.answer::<MetadataRequest>(12).await.is_none());
    }
    // The lowest bit of the throttle time's last byte.
    fault().corrupt(4);
    assert_eq!(peer.ask(12, &request).await.throttle_time_ms, 1);
    assert_eq!(broker.asked(ApiKey::Metadata), 6);
}

#[tokio::test(start_paused = true)]
async fn a_delay_is_over_when_the_clock_is_set_forward() {
    let broker = cluster(1).await;
    let hour = Duration::from_secs(3600);
    broker.control(ApiKey::ApiVersions).delay(hour);
    let mut peer = Peer::connect(&broker, 1).await;
    peer.send(3, &ApiVersionsRequest::default()).await;
    broker.wait_until_asked(ApiKey::ApiVersions, 1).await;
    let began = tokio::time::Instant::now();
    broker.clock().advance(hour);
    assert!(peer.answer::<ApiVersionsRequest>(3).await.is_some());
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn topics_are_made_grown_and_deleted() {
    let broker = cluster(2).await;
    let mut peer = Peer::connect(&broker, 2).await;
    let topic = |name: &str, partitions, replicas| {
        CreatableTopic::default()
            .with_name(topic_name(name))
            .with_num_partitions(partitions)
            .with_replication_factor(replicas)
    };
    let unknown = CreatableTopicConfig::default().with_name(text("no.such.setting"));
    let asked = vec![
        topic("made", 3, 2),
        topic("default", -1, -1),
        topic("a b", 1, 1),
        topic("none", 0, 1),
        topic("many", 1, 3),
        topic("twice", 1, 1),
        topic("twice", 1, 1),
        topic("set", 1, 1).with_configs(vec![unknown]),
    ];
    for version in [2, 7] {
        let request = CreateTopicsRequest::default().with_topics(asked.clone());
        let made = peer.ask(version, &request).await;
        let codes: Vec<_> = made
            .topics
            .iter()
            .map(|it| ErrorCode(it.error_code))
            .collect();
        let first = match version {
            2 => ErrorCode::NONE,
            _ => ErrorCode::TOPIC_ALREADY_EXISTS,
        };
        let expected = [
            first,
            first,
            ErrorCode::INVALID_TOPIC_EXCEPTION,
            ErrorCode::INVALID_PARTITIONS,
            ErrorCode::INVALID_REPLICATION_FACTOR,
            ErrorCode::INVALID_REQUEST,
            ErrorCode::INVALID_CONFIG,
        ];
        assert_eq!(codes, expected);
    }
    let grow = |count| {
        let topic = CreatePartitionsTopic::default().with_name(topic_name("made"));
        CreatePartitionsRequest::default()
            .with_topics(vec![topic.with_count(count).with_assignments(None)])
    };
    assert_eq!(peer.ask(3, &grow(5)).await.results[0].error_code, 0);
    let shrunk = peer.ask(3, &grow(4)).await.results[0].error_code;
    assert_eq!(ErrorCode(shrunk), ErrorCode::INVALID_PARTITIONS);
    let told = metadata(&mut peer).await;
    let counts: Vec<_> = told.topics.iter().map(|it| it.partitions.len()).collect();
    assert_eq!(counts, [1, 5]);
    let names = vec![topic_name("made"), topic_name("missing")];
    let request = DeleteTopicsRequest::default().with_topic_names(names);
    let codes = peer.ask(5, &request).await.responses;
    let codes: Vec<_> = codes.iter().map(|it| ErrorCode(it.error_code)).collect();
    assert_eq!(
        codes,
        [ErrorCode::NONE, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION]
    );
    assert_eq!(metadata(&mut peer).await.topics.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_in_the_process_needs_no_socket() {
    let broker = cluster(2).await;
    let config = broker.in_memory_client_config();
    let client = Client::connect(config).await.unwrap();
    assert_eq!(client.metadata().brokers().len(), 2);
    drop(broker);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(1);
    assert!(client.refresh(deadline).await.is_err());
}

#[tokio::test]
async fn no_topic_is_made_where_no_node_could_lead_it() {
    let broker = cluster(1).await;
    broker.stop_node(1).await;
    assert!(broker.create_topic("t", 1).is_err());
    broker.start_node(1).await.unwrap();
    broker.create_topic("t", 1).unwrap();
    broker.move_leader("t", 0, 1).unwrap();
    assert_eq!(broker.leader("t", 0), Some(1));
}
