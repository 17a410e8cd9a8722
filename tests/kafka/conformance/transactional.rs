//! A transactional producer that says exactly what a test wants to say.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, DescribeTransactionsRequest, EndTxnRequest, FindCoordinatorRequest,
    InitProducerIdRequest, ProduceRequest, ProducerId, TransactionalId,
};
use payment_notifier::wire::ErrorCode;

use super::{Node, text};
use crate::support::cluster::Cluster;
use crate::support::connection::topic_name;
use crate::support::now_ms;
use crate::support::record_batch::{Field, encode, patched};
use crate::support::records::Record;

const FIND: i16 = 3;
/// The coordinators of transactional ids.
const TRANSACTIONS: i8 = 1;
const DESCRIBE: i16 = 0;
const INIT: i16 = 5;
/// By these, clients of transaction version 2 (KIP-890) are known …
pub(super) const PRODUCE: i16 = 12;
pub(super) const END: i16 = 5;
/// … and by these, those before them.
pub(super) const OLD_PRODUCE: i16 = 11;
pub(super) const OLD_END: i16 = 4;
pub(super) const ADD: i16 = 3;

const TRANSACTIONAL: i64 = 0b1_0000;
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Who a producer is: its id and its epoch.
pub(super) type Stamp = (i64, i16);

/// A transactional id, and the node that it is tried on.
pub(super) struct Transactional {
    pub(super) node: Node,
    pub(super) id: TransactionalId,
}

impl Transactional {
    /// A new id, whose coordinator is at work.
    pub(super) async fn new(cluster: &Cluster) -> Self {
        let id = TransactionalId(text(&cluster.unique("transactional")));
        let mut node = Node::of(cluster).await;
        let find = FindCoordinatorRequest::default()
            .with_key(id.0.clone())
            .with_key_type(TRANSACTIONS);
        while node.ask(FIND, &find).await.error_code != 0 {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Self { node, id }
    }

    pub(super) fn init(&self) -> InitProducerIdRequest {
        InitProducerIdRequest::default()
            .with_transactional_id(Some(self.id.clone()))
            .with_transaction_timeout_ms(60_000)
    }

    /// A producer, once the coordinator can give one.
    pub(super) async fn begin(&mut self) -> Stamp {
        let request = self.init();
        loop {
            let answer = self.node.ask(INIT, &request).await;
            match ErrorCode(answer.error_code) {
                ErrorCode::NONE => return (answer.producer_id.0, answer.producer_epoch),
                ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
                | ErrorCode::NOT_COORDINATOR
                | ErrorCode::CONCURRENT_TRANSACTIONS => tokio::time::sleep(LOOK_AGAIN).await,
                code => panic!("no producer: {code}"),
            }
        }
    }

    /// What a producer is told that says who it was (KIP-360).
    pub(super) async fn go_on(&mut self, version: i16, who: Stamp) -> (i16, i16) {
        let request = self.init();
        let request = request
            .with_producer_id(ProducerId(who.0))
            .with_producer_epoch(who.1);
        let answer = self.node.ask(version, &request).await;
        (answer.error_code, answer.producer_epoch)
    }

    pub(super) fn add(
        &self,
        who: Stamp,
        topic: &str,
        partitions: &[i32],
    ) -> AddPartitionsToTxnRequest {
        let topic = AddPartitionsToTxnTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(partitions.to_vec());
        AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(self.id.clone())
            .with_v3_and_below_producer_id(ProducerId(who.0))
            .with_v3_and_below_producer_epoch(who.1)
            .with_v3_and_below_topics(vec![topic])
    }

    /// What each partition is told that is added.
    pub(super) async fn added(
        &mut self,
        version: i16,
        who: Stamp,
        topic: &str,
        partitions: &[i32],
    ) -> Vec<i16> {
        let request = self.add(who, topic, partitions);
        let answer = self.node.ask(version, &request).await;
        let told = answer.results_by_topic_v3_and_below.iter();
        let told = told.flat_map(|topic| &topic.results_by_partition);
        let mut told: Vec<_> = told
            .map(|it| (it.partition_index, it.partition_error_code))
            .collect();
        told.sort_unstable();
        told.into_iter().map(|(_, code)| code).collect()
    }

    /// Writes to partition 0, and returns what that is answered.
    pub(super) async fn write(&mut self, version: i16, topic: &str, batch: Bytes) -> i16 {
        let request = produce(topic, batch).with_transactional_id(Some(self.id.clone()));
        let answer = self.node.ask(version, &request).await;
        answer.responses[0].partition_responses[0].error_code
    }

    /// Ends a transaction: what is answered, and who the producer is from now on.
    pub(super) async fn end(&mut self, version: i16, who: Stamp, commits: bool) -> (i16, Stamp) {
        let request = EndTxnRequest::default()
            .with_transactional_id(self.id.clone())
            .with_producer_id(ProducerId(who.0))
            .with_producer_epoch(who.1)
            .with_committed(commits);
        let answer = self.node.ask(version, &request).await;
        (
            answer.error_code,
            (answer.producer_id.0, answer.producer_epoch),
        )
    }

    /// Waits until every marker of the last transaction is written; says in which state it is.
    pub(super) async fn settled(&mut self) -> String {
        self.wait(|state| !state.starts_with("Prepare")).await
    }

    /// Waits until the transaction is in a state.
    pub(super) async fn until(&mut self, wanted: &str) {
        self.wait(|state| state == wanted).await;
    }

    async fn wait(&mut self, is_enough: impl Fn(&str) -> bool) -> String {
        let request =
            DescribeTransactionsRequest::default().with_transactional_ids(vec![self.id.clone()]);
        loop {
            let answer = self.node.ask(DESCRIBE, &request).await;
            let state = answer.transaction_states[0].transaction_state.to_string();
            if is_enough(&state) {
                return state;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

/// A batch of one record that is part of a transaction.
pub(super) fn record(who: Stamp, sequence: i64, value: &str) -> Bytes {
    let batch = plain_record(who, sequence, value);
    patched(batch, Field::Attributes, TRANSACTIONAL)
}

/// The same, of none.
pub(super) fn plain_record(who: Stamp, sequence: i64, value: &str) -> Bytes {
    // As old as its marker: Kafka begins a new segment where times are far apart.
    let batch = encode(&[Record::new(value).timestamp(now_ms())]);
    let batch = patched(batch, Field::ProducerId, who.0);
    let batch = patched(batch, Field::ProducerEpoch, who.1.into());
    patched(batch, Field::BaseSequence, sequence)
}

/// A request without a transactional id.
pub(super) fn produce(topic: &str, batch: Bytes) -> ProduceRequest {
    let data = PartitionProduceData::default().with_records(Some(batch));
    let data = TopicProduceData::default()
        .with_name(topic_name(topic))
        .with_partition_data(vec![data]);
    ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(5_000)
        .with_topic_data(vec![data])
}
