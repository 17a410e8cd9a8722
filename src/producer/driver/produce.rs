//! One produce request, from batches to answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::cluster::{Channel, Node};
use crate::producer::{BatchOut, PartitionAnswer, RequestFailure};
use crate::wire::batch::{BatchError, Unstamped};
use crate::wire::compression::Compression;
use crate::wire::names::{topic_name, transactional_id};
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
    let (turn, request) = tokio::join!(biased; turns.lock(), encoded(batches, encoding, timeout));
    let connection = channel
        .connection(Node::Id(node), deadline)
        .await
        .map_err(|error| {
            tracing::debug!(node, %error, "produce request not sent");
            RequestFailure::NotSent
        })?;
    let request = request.map_err(|error| {
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
    let sent = connection.send_up_to(highest, &request, deadline).await;
    drop(turn);
    let sent = sent.map_err(failed)?;
    Ok(read(sent.answer().await.map_err(failed)?))
}

async fn encoded(
    batches: Vec<BatchOut>,
    encoding: Encoding,
    timeout: Duration,
) -> Result<ProduceRequest, Box<dyn std::error::Error + Send + Sync>> {
    let records = batches.iter().map(|batch| &batch.records);
    let compressed = records.filter(|records| records.codec() != Compression::None);
    let bytes: usize = compressed.map(Unstamped::size_bytes).sum();
    if bytes < LONG_COMPRESSION_BYTES {
        return Ok(request(&batches, &encoding, timeout)?);
    }
    let compressing = move || request(&batches, &encoding, timeout);
    Ok(tokio::task::spawn_blocking(compressing).await??)
}

fn request(
    batches: &[BatchOut],
    encoding: &Encoding,
    timeout: Duration,
) -> Result<ProduceRequest, BatchError> {
    let transactional = encoding.transactional_id.is_some();
    let mut topics: BTreeMap<&str, Vec<PartitionProduceData>> = BTreeMap::new();
    for batch in batches {
        let data = PartitionProduceData::default()
            .with_index(batch.partition.partition)
            .with_records(Some(batch.records.stamped(batch.stamp, transactional)?));
        topics.entry(&batch.partition.topic).or_default().push(data);
    }
    let topics = topics.into_iter().map(|(topic, partitions)| {
        TopicProduceData::default()
            .with_name(topic_name(topic))
            .with_partition_data(partitions)
    });
    let id = encoding.transactional_id.as_deref();
    Ok(ProduceRequest::default()
        .with_transactional_id(id.map(transactional_id))
        .with_acks(-1)
        .with_timeout_ms(i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX))
        .with_topic_data(topics.collect()))
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
