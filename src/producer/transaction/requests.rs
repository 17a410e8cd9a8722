//! The questions to coordinators as the message crate wants them, each asked once and its answer
//! read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, EndTxnRequest, InitProducerIdRequest,
    ProduceRequest, ProducerId, TransactionalId, TxnOffsetCommitRequest,
};
use kafka_protocol::protocol::Request;
use tokio::time::Instant;

use super::machine::{Answer, AskFailure, Coordinator, ProducerEpoch, Protocol, Question};
use crate::cluster::{Channel, Client, Node};
use crate::group::GroupOffsets;
use crate::net::Connection;
use crate::wire::names::{group_id, text, topic_name, transactional_id};
use crate::wire::{ErrorCode, TopicPartition};
use crate::{Error, ErrorKind};

/// The level of `transaction.version` from which each transaction has an epoch (KIP-890).
const EPOCH_EACH: i16 = 2;
/// The last versions of those requests that mean something else from the next one on (KIP-890).
const LAST_ANNOUNCED_OFFSETS: i16 = 4;
const LAST_ANNOUNCED_END: i16 = 4;
const LAST_ANNOUNCED_PRODUCE: i16 = 11;

/// A transactional id, as questions about it are asked.
#[derive(Clone, Debug)]
pub(super) struct Requests {
    pub(super) client: Client,
    pub(super) channel: Channel,
    pub(super) id: Arc<str>,
    pub(super) transaction_timeout: Duration,
}

impl Requests {
    pub(super) async fn find(self, coordinator: Coordinator) -> Result<i32, AskFailure> {
        let deadline = self.deadline();
        let found = match &coordinator {
            Coordinator::Group(group) => self.client.find_coordinator(group, deadline).await,
            Coordinator::Transaction => {
                let id = &self.id;
                self.client.find_transaction_coordinator(id, deadline).await
            }
        };
        found.map_err(|error| match (error.code(), error.kind()) {
            (_, ErrorKind::Authentication) => AskFailure::NotSent(reason(&error)),
            (Some(code), _) => AskFailure::Code(code),
            (None, ErrorKind::Unsupported) => AskFailure::Unsupported(reason(&error)),
            (None, _) => AskFailure::NotSent(reason(&error)),
        })
    }

    pub(super) async fn ask(
        self,
        coordinator: Option<i32>,
        question: Question,
    ) -> Result<Answer, AskFailure> {
        let Some(node) = coordinator else {
            return Err(AskFailure::Code(ErrorCode::COORDINATOR_NOT_AVAILABLE));
        };
        let connection = self.channel.connection(Node::Id(node), self.deadline());
        let connection = connection
            .await
            .map_err(|error| AskFailure::NotSent(reason(&error)))?;
        match question {
            Question::InitProducerId(known) => self.init_producer_id(&connection, known).await,
            Question::AddPartitions(producer, partitions) => {
                self.add_partitions(&connection, producer, &partitions)
                    .await
            }
            Question::AddOffsets(producer, group) => {
                self.add_offsets(&connection, producer, &group).await
            }
            Question::CommitOffsets(producer, offsets, protocol) => {
                self.commit_offsets(&connection, producer, &offsets, protocol)
                    .await
            }
            Question::EndTxn {
                producer,
                commit,
                protocol,
            } => self.end(&connection, producer, commit, protocol).await,
        }
    }

    async fn init_producer_id(
        &self,
        connection: &Connection,
        known: Option<ProducerEpoch>,
    ) -> Result<Answer, AskFailure> {
        let protocol =
            protocol(connection).map_err(|error| AskFailure::Unsupported(reason(&error)))?;
        let known = known.unwrap_or(ProducerEpoch { id: -1, epoch: -1 });
        let timeout = i32::try_from(self.transaction_timeout.as_millis()).unwrap_or(i32::MAX);
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(self.id()))
            .with_transaction_timeout_ms(timeout)
            .with_producer_id(ProducerId(known.id))
            .with_producer_epoch(known.epoch);
        let answer = self.call(connection, i16::MAX, &request).await?;
        checked([answer.error_code])?;
        let producer = ProducerEpoch {
            id: answer.producer_id.0,
            epoch: answer.producer_epoch,
        };
        Ok(Answer::Producer(producer, protocol))
    }

    async fn add_partitions(
        &self,
        connection: &Connection,
        producer: ProducerEpoch,
        partitions: &[TopicPartition],
    ) -> Result<Answer, AskFailure> {
        let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
        for tp in partitions {
            topics.entry(&tp.topic).or_default().push(tp.partition);
        }
        let topics = topics.into_iter().map(|(topic, partitions)| {
            AddPartitionsToTxnTopic::default()
                .with_name(topic_name(topic))
                .with_partitions(partitions)
        });
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(self.id())
            .with_v3_and_below_producer_id(ProducerId(producer.id))
            .with_v3_and_below_producer_epoch(producer.epoch)
            .with_v3_and_below_topics(topics.collect());
        let answer = self.call(connection, i16::MAX, &request).await?;
        let topics = answer.results_by_topic_v3_and_below.iter();
        let results = topics.flat_map(|topic| &topic.results_by_partition);
        checked(results.map(|result| result.partition_error_code))?;
        Ok(Answer::Done)
    }

    async fn add_offsets(
        &self,
        connection: &Connection,
        producer: ProducerEpoch,
        group: &str,
    ) -> Result<Answer, AskFailure> {
        let request = AddOffsetsToTxnRequest::default()
            .with_transactional_id(self.id())
            .with_producer_id(ProducerId(producer.id))
            .with_producer_epoch(producer.epoch)
            .with_group_id(group_id(group));
        let answer = self.call(connection, i16::MAX, &request).await?;
        checked([answer.error_code])?;
        Ok(Answer::Done)
    }

    async fn commit_offsets(
        &self,
        connection: &Connection,
        producer: ProducerEpoch,
        offsets: &GroupOffsets,
        protocol: Protocol,
    ) -> Result<Answer, AskFailure> {
        let mut topics: BTreeMap<&str, Vec<TxnOffsetCommitRequestPartition>> = BTreeMap::new();
        for offset in &offsets.offsets {
            let partition = TxnOffsetCommitRequestPartition::default()
                .with_partition_index(offset.partition.partition)
                .with_committed_offset(offset.next_offset)
                .with_committed_leader_epoch(offset.leader_epoch.unwrap_or(-1))
                .with_committed_metadata(Some(text(&offset.metadata)));
            let topic = topics.entry(&offset.partition.topic).or_default();
            topic.push(partition);
        }
        let topics = topics.into_iter().map(|(topic, partitions)| {
            TxnOffsetCommitRequestTopic::default()
                .with_name(topic_name(topic))
                .with_partitions(partitions)
        });
        let stamp = &offsets.stamp;
        let request = TxnOffsetCommitRequest::default()
            .with_transactional_id(self.id())
            .with_group_id(group_id(&offsets.group))
            .with_producer_id(ProducerId(producer.id))
            .with_producer_epoch(producer.epoch)
            .with_generation_id(stamp.generation)
            .with_member_id(text(&stamp.member_id))
            .with_group_instance_id(stamp.instance_id.as_deref().map(text))
            .with_topics(topics.collect());
        let highest = highest(protocol, LAST_ANNOUNCED_OFFSETS);
        let answer = self.call(connection, highest, &request).await?;
        let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
        checked(partitions.clone().map(|partition| partition.error_code))?;
        if partitions.count() < offsets.offsets.len() {
            return Err(AskFailure::Silent("the answer lacks a partition".into()));
        }
        Ok(Answer::Done)
    }

    async fn end(
        &self,
        connection: &Connection,
        producer: ProducerEpoch,
        commit: bool,
        protocol: Protocol,
    ) -> Result<Answer, AskFailure> {
        let request = EndTxnRequest::default()
            .with_transactional_id(self.id())
            .with_producer_id(ProducerId(producer.id))
            .with_producer_epoch(producer.epoch)
            .with_committed(commit);
        let highest = highest(protocol, LAST_ANNOUNCED_END);
        let answer = self.call(connection, highest, &request).await?;
        checked([answer.error_code])?;
        let next = ProducerEpoch {
            id: answer.producer_id.0,
            epoch: answer.producer_epoch,
        };
        Ok(match protocol {
            Protocol::EpochEach if next.id >= 0 => Answer::Producer(next, protocol),
            _ => Answer::Done,
        })
    }

    async fn call<R: Request>(
        &self,
        connection: &Connection,
        highest: i16,
        request: &R,
    ) -> Result<R::Response, AskFailure> {
        let answer = connection.call_up_to(highest, request, self.deadline());
        answer.await.map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &Error) -> AskFailure {
        tracing::debug!(id = %self.id, %error, "a question to a coordinator failed");
        match error.kind() {
            ErrorKind::Unsupported | ErrorKind::Usage => AskFailure::Unsupported(reason(error)),
            _ => AskFailure::Silent(reason(error)),
        }
    }

    fn id(&self) -> TransactionalId {
        transactional_id(&self.id)
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.client.config().request_timeout
    }
}

/// How the cluster wants transactions spoken.
///
/// # Errors
///
/// [`ErrorKind::Unsupported`] where it has none, or not as we speak them.
fn protocol(connection: &Connection) -> Result<Protocol, Error> {
    connection.version::<AddPartitionsToTxnRequest>()?;
    connection.version::<AddOffsetsToTxnRequest>()?;
    let offsets = connection.version::<TxnOffsetCommitRequest>()?;
    let end = connection.version::<EndTxnRequest>()?;
    let produce = connection.version::<ProduceRequest>()?;
    let epoch_each = connection.transaction_version() >= EPOCH_EACH
        && offsets > LAST_ANNOUNCED_OFFSETS
        && end > LAST_ANNOUNCED_END
        && produce > LAST_ANNOUNCED_PRODUCE;
    Ok(match epoch_each {
        true => Protocol::EpochEach,
        false => Protocol::Announced,
    })
}

fn highest(protocol: Protocol, last_announced: i16) -> i16 {
    match protocol {
        Protocol::Announced => last_announced,
        Protocol::EpochEach => i16::MAX,
    }
}

/// The gravest of several codes: one that no other attempt changes, and not one that only tells
/// that another part of the request failed.
fn checked(codes: impl IntoIterator<Item = i16>) -> Result<(), AskFailure> {
    let failed = codes
        .into_iter()
        .map(ErrorCode)
        .filter(|code| !code.is_ok());
    let gravest = failed.max_by_key(|code| match *code {
        ErrorCode::OPERATION_NOT_ATTEMPTED => 0,
        code if code.is_retriable() => 1,
        code if code.aborts_transaction() => 2,
        _ => 3,
    });
    gravest.map_or(Ok(()), |code| Err(AskFailure::Code(code)))
}

fn reason(error: &Error) -> Arc<str> {
    Arc::from(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_codes_the_gravest_counts() {
        let gravest = |codes: &[ErrorCode]| checked(codes.iter().map(|code| code.0));
        let (skipped, passing) = (
            ErrorCode::OPERATION_NOT_ATTEMPTED,
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        );
        let (aborts, ends) = (
            ErrorCode::TOPIC_AUTHORIZATION_FAILED,
            ErrorCode::PRODUCER_FENCED,
        );
        assert_eq!(gravest(&[ErrorCode::NONE]), Ok(()));
        assert_eq!(gravest(&[skipped, passing]), Err(AskFailure::Code(passing)));
        assert_eq!(
            gravest(&[aborts, passing, skipped]),
            Err(AskFailure::Code(aborts))
        );
        assert_eq!(gravest(&[aborts, ends]), Err(AskFailure::Code(ends)));
    }
}
