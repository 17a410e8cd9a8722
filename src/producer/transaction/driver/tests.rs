//! The task of a transactional producer against a scripted broker, which announces.

use std::sync::Mutex;
use std::time::Duration;

use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, ApiKey, EndTxnRequest, EndTxnResponse,
    FindCoordinatorRequest, FindCoordinatorResponse, InitProducerIdRequest, InitProducerIdResponse,
    ProduceRequest, ProduceResponse,
};

use super::*;
use crate::ErrorKind;
use crate::cluster::ClientConfig;
use crate::net::testing::{self, Call, Peer, Reply, all_versions, metadata};
use crate::producer::{ProducerRecord, TransactionalProducer};
use crate::wire::batch::Batches;

const LIMIT: Duration = Duration::from_secs(20);

/// What was asked of the broker, in order.
type Asked = Arc<Mutex<Vec<String>>>;

/// A broker that leads topic `t` of one partition and coordinates everything; an abort takes it a
/// while.
async fn broker() -> (Peer, Asked) {
    let asked = Asked::default();
    let noted = asked.clone();
    let peer = Peer::start(move |call, address| {
        if let Some(what) = describe(call) {
            noted.lock().unwrap().push(what);
        }
        match call.api {
            ApiKey::Metadata => call.answer(&metadata(&[(1, address)], &[("t", &[1])])),
            _ => answer(call),
        }
    })
    .await;
    (peer, asked)
}

fn describe(call: &Call) -> Option<String> {
    Some(match call.api {
        ApiKey::FindCoordinator => {
            let request = call.read::<FindCoordinatorRequest>();
            format!("find {} of type {}", request.key, request.key_type)
        }
        ApiKey::InitProducerId => {
            let request = call.read::<InitProducerIdRequest>();
            let (id, timeout) = (request.transactional_id, request.transaction_timeout_ms);
            format!("id for {:?} with {timeout} ms", id.unwrap().0)
        }
        ApiKey::AddPartitionsToTxn => "add".to_owned(),
        ApiKey::Produce => {
            let request = call.read::<ProduceRequest>();
            let data = &request.topic_data[0].partition_data[0];
            let batch = Batches::new(data.records.clone().unwrap()).next().unwrap();
            let header = batch.unwrap().header;
            let id = request.transactional_id.unwrap().0;
            let transactional = header.attributes.is_transactional();
            format!("{id:?} writes, transactional: {transactional}")
        }
        ApiKey::EndTxn => match call.read::<EndTxnRequest>().committed {
            true => "commit".to_owned(),
            false => "abort".to_owned(),
        },
        _ => return None,
    })
}

fn answer(call: &Call) -> Reply {
    match call.api {
        ApiKey::FindCoordinator => {
            call.answer(&FindCoordinatorResponse::default().with_node_id(1.into()))
        }
        ApiKey::InitProducerId => {
            call.answer(&InitProducerIdResponse::default().with_producer_id(7.into()))
        }
        ApiKey::AddPartitionsToTxn => {
            let asked = call.read::<AddPartitionsToTxnRequest>();
            let topics = asked.v3_and_below_topics.into_iter().map(|topic| {
                let result = AddPartitionsToTxnPartitionResult::default();
                AddPartitionsToTxnTopicResult::default()
                    .with_name(topic.name)
                    .with_results_by_partition(vec![result])
            });
            let answer = AddPartitionsToTxnResponse::default();
            call.answer(&answer.with_results_by_topic_v3_and_below(topics.collect()))
        }
        ApiKey::Produce => {
            assert_eq!(call.version, 11, "the next would add partitions by itself");
            let topics = call.read::<ProduceRequest>().topic_data.into_iter();
            let topics = topics.map(|topic| {
                TopicProduceResponse::default()
                    .with_name(topic.name)
                    .with_partition_responses(vec![PartitionProduceResponse::default()])
            });
            call.answer(&ProduceResponse::default().with_responses(topics.collect()))
        }
        ApiKey::EndTxn => {
            assert_eq!(call.version, 4, "the next would have its own epoch");
            let wait = match call.read::<EndTxnRequest>().committed {
                true => Duration::ZERO,
                false => Duration::from_millis(50),
            };
            call.answer_after(wait, &EndTxnResponse::default())
        }
        _ => Reply::Close,
    }
}

async fn producer(peer: &Peer) -> TransactionalProducer {
    let client = Client::connect(ClientConfig {
        bootstrap_servers: vec![peer.address.to_string()],
        ..ClientConfig::default()
    });
    let config = TransactionalConfig {
        transactional_id: "x".into(),
        transaction_timeout: Duration::from_secs(9),
        ..TransactionalConfig::default()
    };
    TransactionalProducer::new(&client.await.unwrap(), config).unwrap()
}

async fn in_time<T>(what: impl Future<Output = T>) -> T {
    let limited = tokio::time::timeout(LIMIT, what);
    limited.await.expect("not done in time")
}

async fn send(transaction: &Transaction) {
    let record = ProducerRecord::new("t", None, Some(b"v"));
    drop(in_time(transaction.send(&record)).await.unwrap());
}

fn asked(asked: &Asked) -> Vec<String> {
    std::mem::take(&mut asked.lock().unwrap())
}

#[tokio::test]
async fn a_transaction_is_spoken_in_order_and_marks_its_batches() {
    let (peer, log) = broker().await;
    let producer = producer(&peer).await;
    let transaction = in_time(producer.begin()).await.unwrap();
    send(&transaction).await;
    in_time(transaction.commit()).await.unwrap();
    let expected = [
        "find x of type 1",
        "id for \"x\" with 9000 ms",
        "add",
        "\"x\" writes, transactional: true",
        "commit",
    ];
    assert_eq!(asked(&log), expected);
}

#[tokio::test]
async fn a_transaction_that_is_dropped_is_aborted_before_the_next_begins() {
    let (peer, log) = broker().await;
    let producer = producer(&peer).await;
    let dropped = in_time(producer.begin()).await.unwrap();
    send(&dropped).await;
    let mut next = Box::pin(producer.begin());
    tokio::select! {
        biased;
        _ = &mut next => panic!("two at a time"),
        () = testing::until(|| log.lock().unwrap().len() == 4) => {}
    }
    asked(&log);
    drop(dropped);
    let next = in_time(next).await.unwrap();
    assert_eq!(asked(&log), ["abort"]);
    in_time(next.commit()).await.unwrap();
    assert_eq!(asked(&log), [""; 0], "there was nothing in it");
}

#[tokio::test]
async fn a_begin_that_nobody_waits_for_holds_up_no_other() {
    let (peer, _) = broker().await;
    let producer = producer(&peer).await;
    let mut given_up = Box::pin(producer.begin());
    let polled = futures_util::poll!(&mut given_up);
    assert!(polled.is_pending());
    drop(given_up);
    let transaction = in_time(producer.begin()).await.unwrap();
    in_time(transaction.abort()).await.unwrap();
}

#[tokio::test]
async fn what_is_sent_in_a_transaction_that_is_aborted_fails_with_it() {
    let (peer, _) = broker().await;
    let producer = producer(&peer).await;
    let transaction = in_time(producer.begin()).await.unwrap();
    let lingering = ProducerRecord::new("t", None, Some(b"v"));
    let delivery = in_time(transaction.send(&lingering)).await.unwrap();
    in_time(transaction.abort()).await.unwrap();
    if let Err(error) = in_time(delivery).await {
        assert_eq!(error.kind(), ErrorKind::Closed, "{error:?}");
    }
}

#[tokio::test]
async fn a_broker_without_transactions_is_told_apart() {
    let peer = Peer::start_raw(|call, address| match call.api {
        ApiKey::ApiVersions => {
            let mut versions = all_versions();
            versions
                .api_keys
                .retain(|api| api.api_key != ApiKey::EndTxn as i16);
            call.answer(&versions)
        }
        ApiKey::Metadata => call.answer(&metadata(&[(1, address)], &[("t", &[1])])),
        _ => answer(call),
    })
    .await;
    let producer = producer(&peer).await;
    for _ in 0..2 {
        let error = in_time(producer.begin()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error:?}");
        assert!(error.to_string().contains("EndTxn"), "{error}");
    }
}

#[tokio::test]
async fn the_task_ends_with_its_handles() {
    let (peer, _) = broker().await;
    let producer = producer(&peer).await;
    let transaction = in_time(producer.begin()).await.unwrap();
    send(&transaction).await;
    drop(producer);
    in_time(transaction.commit()).await.unwrap();
    in_time(testing::until(|| peer.open() == 0)).await;
}

#[tokio::test]
async fn settings_that_cannot_be_are_told_at_once() {
    let (peer, _) = broker().await;
    let client = Client::connect(ClientConfig {
        bootstrap_servers: vec![peer.address.to_string()],
        ..ClientConfig::default()
    });
    let client = client.await.unwrap();
    let nameless = TransactionalProducer::new(&client, TransactionalConfig::default());
    assert_eq!(nameless.unwrap_err().kind(), ErrorKind::Usage);
}
