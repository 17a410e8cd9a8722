//! One produce request, from batches to answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::ProduceResponse;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::cluster::{Channel, Node};
use crate::producer::{BatchOut, PartitionAnswer, RequestFailure};
use crate::wire::batch::{BatchError, SealedBatch, Unstamped};
use crate::wire::compression::Compression;
use crate::wire::frame::Produce;
use crate::wire::{ErrorCode, TopicPartition};
use crate::{Error, ErrorKind};

/// Requests from this size on are compressed on the blocking pool, so that neither heartbeats nor
/// other requests wait for them.
const LONG_COMPRESSION_BYTES: usize = 128 << 10;

/// The last version of Produce in which the broker takes no partition into a transaction by itself
/// (KIP-890).
const LAST_ANNOUNCED: i16 = 11;

/// Whose batches they are, and how that is told.
#[derive(Clone, Debug)]
pub(in crate::producer) struct Encoding {
    transactional_id: Option<Arc<str>>,
    highest: i16,
}

/// Of no transaction.
impl Default for Encoding {
    fn default() -> Self {
        Self {
            transactional_id: None,
            highest: i16::MAX,
        }
    }
}

impl Encoding {
    /// For batches of a transaction, whose partitions were announced to its coordinator or not.
    pub(in crate::producer) fn transactional(transactional_id: Arc<str>, announced: bool) -> Self {
        Self {
            transactional_id: Some(transactional_id),
            highest: if announced { LAST_ANNOUNCED } else { i16::MAX },
        }
    }
}

/// Keeps the produce requests to a node in order until they are on its connection: a partition's
/// batches may be in several of them.
pub(super) type Turns = Arc<Mutex<()>>;

/// Sends one produce request and reads its answer. It goes out behind those that were begun
/// before with the same `turns`.
pub(super) async fn produce(
    channel: &Channel,
    node: i32,
    batches: Vec<BatchOut>,
    encoding: Encoding,
    turns: Turns,
    timeout: Duration,
) -> Result<Vec<PartitionAnswer>, RequestFailure> {
    let deadline = Instant::now() + timeout;
    let highest = encoding.highest;
    // In line from the first, and compressed while it waits.
    let transactional_id = encoding.transactional_id;
    let sealing = sealed(batches, transactional_id.is_some());
    let (turn, sealed) = tokio::join!(biased; turns.lock(), sealing);
    let connection = channel
        .connection(Node::Id(node), deadline)
        .await
        .map_err(|error| {
            tracing::debug!(node, %error, "produce request not sent");
            RequestFailure::NotSent
        })?;
    let sealed = sealed.map_err(|error| {
        tracing::error!(node, %error, "a batch could not be encoded");
        RequestFailure::NotSent
    })?;
    let failed = |error: Error| {
        tracing::debug!(node, %error, "produce request failed");
        match error.kind() {
            ErrorKind::Timeout => RequestFailure::TimedOut,
            ErrorKind::Protocol => RequestFailure::BadAnswer,
            ErrorKind::Usage | ErrorKind::Unsupported => RequestFailure::NotSent,
            _ => RequestFailure::Disconnected,
        }
    };
    let request = Produce {
        transactional_id: transactional_id.as_deref(),
        timeout_ms: i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX),
        topics: by_topic(&sealed),
    };
    let sent = connection.produce_up_to(highest, &request, deadline).await;
    drop(turn);
    let sent = sent.map_err(failed)?;
    Ok(read(sent.answer().await.map_err(failed)?))
}

type Sealed = Vec<(TopicPartition, SealedBatch)>;

async fn sealed(
    batches: Vec<BatchOut>,
    transactional: bool,
) -> Result<Sealed, Box<dyn std::error::Error + Send + Sync>> {
    let records = batches.iter().map(|batch| &batch.records);
    let compressed = records.filter(|records| records.codec() != Compression::None);
    let bytes: usize = compressed.map(Unstamped::size_bytes).sum();
    if bytes < LONG_COMPRESSION_BYTES {
        return Ok(seal(batches, transactional)?);
    }
    Ok(tokio::task::spawn_blocking(move || seal(batches, transactional)).await??)
}

fn seal(batches: Vec<BatchOut>, transactional: bool) -> Result<Sealed, BatchError> {
    let seal = |batch: BatchOut| {
        let sealed = batch.records.seal(batch.stamp, transactional)?;
        Ok((batch.partition, sealed))
    };
    batches.into_iter().map(seal).collect()
}

fn by_topic(batches: &[(TopicPartition, SealedBatch)]) -> Vec<(&str, Vec<(i32, SealedBatch)>)> {
    let mut topics: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for (tp, batch) in batches {
        let topic = topics.entry(&tp.topic).or_default();
        topic.push((tp.partition, batch.clone()));
    }
    topics.into_iter().collect()
}

fn read(answer: ProduceResponse) -> Vec<PartitionAnswer> {
    let mut answers = Vec::new();
    for topic in answer.responses {
        let name: Arc<str> = Arc::from(topic.name.as_str());
        for told in topic.partition_responses {
            let record_errors = told.record_errors.into_iter().map(|error| {
                let why = error.batch_index_error_message.map(|text| text.to_string());
                (error.batch_index, why)
            });
            answers.push(PartitionAnswer {
                partition: TopicPartition::new(name.clone(), told.index),
                code: ErrorCode(told.error_code),
                base_offset: told.base_offset,
                log_append_time: told.log_append_time_ms,
                record_errors: record_errors.collect(),
                message: told.error_message.map(|text| text.to_string()),
            });
        }
    }
    answers
}
