//! Transactions from their beginning to their end, on one node and on several.

mod offsets;

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, ApiKey, ApiVersionsRequest, EndTxnRequest, EndTxnResponse,
    InitProducerIdRequest, ListOffsetsRequest, ProducerId, TransactionalId,
};

use crate::broker::testing::{Peer, cluster, fetch_request, make_topic, produce_request};
use crate::broker::transactions::Producer;
use crate::broker::{Broker, BrokerConfig, TransactionState, TransactionVersion, TransactionView};
use crate::wire::batch::{BatchBuilder, ProducerStamp, RecordBody};
use crate::wire::compression::Compression;
use crate::wire::names::{text, topic_name};
use crate::wire::{ErrorCode, TopicPartition};

/// The versions of requests by which clients of transaction version 2 are known.
const INIT: i16 = 5;
const PRODUCE: i16 = 12;
const END: i16 = 5;
/// … and those of the clients before them.
const OLD_PRODUCE: i16 = 11;
const OLD_END: i16 = 4;
const ADD: i16 = 3;

fn transactional_id() -> TransactionalId {
    TransactionalId(text("an id"))
}

async fn init(peer: &mut Peer) -> Result<Producer, ErrorCode> {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(Some(transactional_id()))
        .with_transaction_timeout_ms(60_000);
    let answer = peer.ask(INIT, &request).await;
    let producer = Producer {
        id: answer.producer_id.0,
        epoch: answer.producer_epoch,
    };
    ErrorCode(answer.error_code).ok().map(|()| producer)
}

/// A record of a transaction.
fn record(producer: Producer, sequence: i32) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.push(1, &RecordBody::new(None, Some(b"v"), &[]));
    let stamp = ProducerStamp {
        id: producer.id,
        epoch: producer.epoch,
        base_sequence: sequence,
    };
    builder.build(stamp, true).unwrap()
}

async fn write_by(
    peer: &mut Peer,
    version: i16,
    partition: i32,
    record: Bytes,
) -> Result<i64, ErrorCode> {
    let request = produce_request("topic", partition, record);
    let request = request.with_transactional_id(Some(transactional_id()));
    let answer = peer.ask(version, &request).await;
    let told = &answer.responses[0].partition_responses[0];
    ErrorCode(told.error_code).ok().map(|()| told.base_offset)
}

async fn write(peer: &mut Peer, producer: Producer, sequence: i32) -> Result<i64, ErrorCode> {
    write_by(peer, PRODUCE, 0, record(producer, sequence)).await
}

async fn add(peer: &mut Peer, producer: Producer, partitions: &[i32]) -> Vec<ErrorCode> {
    let topic = AddPartitionsToTxnTopic::default()
        .with_name(topic_name("topic"))
        .with_partitions(partitions.to_vec());
    let request = AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(transactional_id())
        .with_v3_and_below_producer_id(ProducerId(producer.id))
        .with_v3_and_below_producer_epoch(producer.epoch)
        .with_v3_and_below_topics(vec![topic]);
    let answer = peer.ask(ADD, &request).await;
    let told = &answer.results_by_topic_v3_and_below[0].results_by_partition;
    let codes = told.iter().map(|told| ErrorCode(told.partition_error_code));
    codes.collect()
}

async fn end_by(
    peer: &mut Peer,
    version: i16,
    producer: Producer,
    commits: bool,
) -> EndTxnResponse {
    let request = EndTxnRequest::default()
        .with_transactional_id(transactional_id())
        .with_producer_id(ProducerId(producer.id))
        .with_producer_epoch(producer.epoch)
        .with_committed(commits);
    peer.ask(version, &request).await
}

/// Ends a transaction as clients of version 2 do.
async fn end(peer: &mut Peer, producer: Producer, commits: bool) -> Result<Producer, ErrorCode> {
    let answer = end_by(peer, END, producer, commits).await;
    let next = Producer {
        id: answer.producer_id.0,
        epoch: answer.producer_epoch,
    };
    ErrorCode(answer.error_code).ok().map(|()| next)
}

/// What a reader of committed records is told of partition 0.
async fn read_committed(peer: &mut Peer) -> PartitionData {
    let request = fetch_request("topic", 0, 0).with_isolation_level(1);
    let mut answer = peer.ask(12, &request).await;
    answer.responses.remove(0).partitions.remove(0)
}

async fn of_version(version: Option<TransactionVersion>) -> Broker {
    let config = BrokerConfig {
        transaction_version: version,
        ..BrokerConfig::default()
    };
    Broker::start(config).await.unwrap()
}

async fn latest(peer: &mut Peer, isolation: i8) -> i64 {
    let partition = ListOffsetsPartition::default().with_timestamp(-1);
    let topic = ListOffsetsTopic::default()
        .with_name(topic_name("topic"))
        .with_partitions(vec![partition]);
    let request = ListOffsetsRequest::default()
        .with_isolation_level(isolation)
        .with_topics(vec![topic]);
    let answer = peer.ask(7, &request).await;
    answer.topics[0].partitions[0].offset
}

#[tokio::test]
async fn what_is_committed_is_read_and_what_is_aborted_is_told_of() {
    let broker = cluster(1).await;
    make_topic(&broker, "topic", 1, &[]);
    let mut peer = Peer::connect(&broker, 1).await;
    let first = init(&mut peer).await.unwrap();
    assert_eq!(write(&mut peer, first, 0).await, Ok(0));
    assert_eq!(write(&mut peer, first, 1).await, Ok(1));
    let told = read_committed(&mut peer).await;
    assert_eq!((told.high_watermark, told.last_stable_offset), (2, 0));
    assert_eq!(told.records.unwrap_or_default().len(), 0);
    assert_eq!(
        (latest(&mut peer, 0).await, latest(&mut peer, 1).await),
        (2, 0)
    );

    let second = end(&mut peer, first, true).await.unwrap();
    assert_eq!((second.id, second.epoch), (first.id, first.epoch + 1));
    assert_eq!(write(&mut peer, second, 0).await, Ok(3));
    let third = end(&mut peer, second, false).await.unwrap();
    let told = read_committed(&mut peer).await;
    assert_eq!((told.high_watermark, told.last_stable_offset), (5, 5));
    let aborted = told.aborted_transactions.unwrap();
    let aborted: Vec<_> = aborted
        .iter()
        .map(|it| (it.producer_id.0, it.first_offset))
        .collect();
    assert_eq!(aborted, [(first.id, 3)]);
    assert_eq!(latest(&mut peer, 1).await, 5);
    assert_eq!(broker.records("topic", 0).len(), 3);

    // The first epoch is over, here and there.
    let fenced = Err(ErrorCode::INVALID_PRODUCER_EPOCH);
    assert_eq!(write(&mut peer, first, 2).await.map(drop), fenced);
    assert_eq!(write(&mut peer, third, 0).await, Ok(5));
}

#[tokio::test]
async fn an_older_client_says_first_where_it_writes() {
    let broker = of_version(Some(TransactionVersion::V0)).await;
    make_topic(&broker, "topic", 2, &[]);
    let mut peer = Peer::connect(&broker, 1).await;
    let producer = init(&mut peer).await.unwrap();
    let none = ErrorCode::NONE;
    let refused = [
        (10, ErrorCode::INVALID_TXN_STATE),
        (OLD_PRODUCE, ErrorCode::TRANSACTION_ABORTABLE),
    ];
    for (version, code) in refused {
        let written = write_by(&mut peer, version, 0, record(producer, 0)).await;
        assert_eq!(written, Err(code));
    }
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    let not_tried = ErrorCode::OPERATION_NOT_ATTEMPTED;
    assert_eq!(
        add(&mut peer, producer, &[0, 7]).await,
        [not_tried, unknown]
    );
    assert_eq!(add(&mut peer, producer, &[0, 1]).await, [none, none]);
    for sequence in 0..3 {
        let record = record(producer, sequence);
        let written = write_by(&mut peer, OLD_PRODUCE, 0, record).await;
        assert_eq!(written, Ok(sequence.into()));
    }
    let answer = end_by(&mut peer, OLD_END, producer, true).await;
    assert_eq!(answer.error_code, 0);
    assert_eq!(read_committed(&mut peer).await.last_stable_offset, 4);
    // A partition that was added and not written to has its marker too.
    assert_eq!(broker.log_range("topic", 1), Some((0, 1)));
}

#[tokio::test]
async fn versions_and_features_are_those_of_the_cluster() {
    let cases = [
        (Some(TransactionVersion::V2), Some(13), Some(5), Some(2)),
        (Some(TransactionVersion::V0), Some(11), Some(4), None),
        (None, Some(11), None, None),
    ];
    for (version, produce, end_txn, feature) in cases {
        let broker = of_version(version).await;
        let mut peer = Peer::connect(&broker, 1).await;
        let request = ApiVersionsRequest::default()
            .with_client_software_name(text("tests"))
            .with_client_software_version(text("1"));
        let answer = peer.ask(3, &request).await;
        let max = |api: ApiKey| {
            let mut keys = answer.api_keys.iter();
            let found = keys.find(|key| key.api_key == api as i16);
            found.map(|key| key.max_version)
        };
        assert_eq!(
            (max(ApiKey::Produce), max(ApiKey::EndTxn)),
            (produce, end_txn)
        );
        let mut finalized = answer.finalized_features.iter();
        let finalized = finalized.find(|it| *it.name == *"transaction.version");
        assert_eq!(finalized.map(|it| it.max_version_level), feature);
        // What is not told of is not there.
        let producer = Producer { id: 0, epoch: 0 };
        let request = EndTxnRequest::default()
            .with_transactional_id(transactional_id())
            .with_producer_id(ProducerId(producer.id));
        peer.send(5, &request).await;
        let answered = peer.answer::<EndTxnRequest>(5).await;
        assert_eq!(answered.is_some(), end_txn == Some(5));
    }
}

#[tokio::test]
async fn a_transaction_that_takes_too_long_is_aborted() {
    let broker = cluster(1).await;
    make_topic(&broker, "topic", 1, &[]);
    let mut peer = Peer::connect(&broker, 1).await;
    let producer = init(&mut peer).await.unwrap();
    write(&mut peer, producer, 0).await.unwrap();
    let ongoing = broker.transaction("an id").unwrap();
    assert_eq!(ongoing.state, TransactionState::Ongoing);
    assert_eq!(ongoing.partitions, [TopicPartition::new("topic", 0)]);
    broker.clock().advance(Duration::from_secs(60));
    let is_over = |it: &TransactionView| it.state == TransactionState::CompleteAbort;
    let over = broker.wait_for_transaction("an id", is_over).await;
    assert_eq!((over.producer_id, over.producer_epoch), (producer.id, 1));
    assert_eq!(broker.log_range("topic", 0), Some((0, 2)));
    assert_eq!(read_committed(&mut peer).await.last_stable_offset, 2);
    let fenced = Err(ErrorCode::INVALID_PRODUCER_EPOCH);
    assert_eq!(write(&mut peer, producer, 1).await.map(drop), fenced);
    let invalid = Err(ErrorCode::INVALID_TXN_STATE);
    assert_eq!(end(&mut peer, producer, true).await, invalid);
}

#[tokio::test]
async fn markers_wait_for_a_leader() {
    let broker = cluster(2).await;
    // Partition 1 has its only replica on node 2.
    broker.create_topic("topic", 2).unwrap();
    broker.move_coordinator("an id", 1).unwrap();
    let (mut one, mut two) = (
        Peer::connect(&broker, 1).await,
        Peer::connect(&broker, 2).await,
    );
    let producer = init(&mut one).await.unwrap();
    write(&mut one, producer, 0).await.unwrap();
    let record = record(producer, 0);
    write_by(&mut two, PRODUCE, 1, record).await.unwrap();
    broker.stop_node(2).await;
    let next = end(&mut one, producer, true).await.unwrap();
    assert_eq!(broker.log_range("topic", 0), Some((0, 2)));
    let concurrent = Err(ErrorCode::CONCURRENT_TRANSACTIONS);
    assert_eq!(write(&mut one, next, 0).await.map(drop), concurrent);
    assert_eq!(
        init(&mut one).await,
        Err(ErrorCode::CONCURRENT_TRANSACTIONS)
    );
    broker.start_node(2).await.unwrap();
    assert_eq!(broker.log_range("topic", 1), Some((0, 2)));
    assert_eq!(write(&mut one, next, 0).await, Ok(2));
}

#[tokio::test]
async fn another_coordinator_goes_on() {
    let broker = cluster(2).await;
    make_topic(&broker, "topic", 1, &[]);
    broker.move_coordinator("an id", 1).unwrap();
    let (mut one, mut two) = (
        Peer::connect(&broker, 1).await,
        Peer::connect(&broker, 2).await,
    );
    assert_eq!(init(&mut two).await, Err(ErrorCode::NOT_COORDINATOR));
    let producer = init(&mut one).await.unwrap();
    write(&mut one, producer, 0).await.unwrap();
    broker.move_coordinator("an id", 2).unwrap();
    broker.move_leader("topic", 0, 2).unwrap();
    let moved = Err(ErrorCode::NOT_COORDINATOR);
    assert_eq!(end(&mut one, producer, true).await, moved);
    assert_eq!(
        add(&mut one, producer, &[0]).await,
        [ErrorCode::NOT_COORDINATOR]
    );
    assert_eq!(write(&mut two, producer, 1).await, Ok(1));
    assert!(end(&mut two, producer, true).await.is_ok());
    assert_eq!(read_committed(&mut two).await.last_stable_offset, 3);
}
