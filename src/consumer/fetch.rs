//! One fetch from one broker: the request out of a session's changes, and records out of the
//! answer.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::{BrokerId, FetchRequest, FetchResponse};
use tokio::time::Instant;
use uuid::Uuid;

use crate::cluster::{Channel, Node};
use crate::consumer::config::ConsumerConfig;
use crate::consumer::records::FetchedRecords;
use crate::consumer::session::{FetchPosition, SessionRequest};
use crate::wire::batch::{BatchError, Batches, RecordBatch, Records};
use crate::wire::names::{text, topic_name};
use crate::wire::{ErrorCode, TopicPartition};
use crate::{Error, ErrorKind};

/// Compressed answers from this size on are decompressed on the blocking pool, so that neither
/// heartbeats nor other partitions wait for them.
const LONG_DECOMPRESSION_BYTES: usize = 128 << 10;

/// From this version on a broker tells of a log that is not the one that was read (KIP-595): from
/// Kafka 2.7 on.
const FIRST_TO_TELL_DIVERGENCE: i16 = 12;

/// What was asked of each partition.
pub(super) type Wanted = BTreeMap<TopicPartition, FetchPosition>;

/// One broker's answer.
#[derive(Debug)]
pub(super) struct FetchAnswer {
    pub(super) session_id: i32,
    pub(super) code: ErrorCode,
    pub(super) partitions: Vec<PartitionAnswer>,
}

/// What an answer says about one partition.
#[derive(Debug)]
pub(super) struct PartitionAnswer {
    pub(super) partition: TopicPartition,
    pub(super) code: ErrorCode,
    pub(super) high_watermark: i64,
    pub(super) asked_offset: i64,
    pub(super) records: FetchedRecords,
    /// Leader epochs of the batches, each with the first offset that is of it.
    pub(super) epochs: Vec<(i32, i64)>,
    /// The last leader epoch that the leader's log has in common with what was read, at most, and
    /// where it ends there; none where the log is the one that was read.
    pub(super) diverging: Option<(i32, i64)>,
    /// The node that the leader would have this partition fetched from (KIP-392).
    pub(super) preferred_replica: Option<i32>,
    /// What could not be read, after the records that could.
    pub(super) unreadable: Option<Unreadable>,
}

/// A batch that can't be read.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) error: BatchError,
    /// The offset after it, where that much of it can be trusted.
    pub(super) next_offset: Option<i64>,
}

/// Sends a fetch and reads its answer.
///
/// # Errors
///
/// As [`Channel::call`]; the fetch session is then in doubt.
pub(super) async fn fetch(
    channel: Channel,
    node: i32,
    session: SessionRequest,
    wanted: Wanted,
    config: &ConsumerConfig,
    deadline: Instant,
) -> Result<FetchAnswer, Error> {
    let highest = highest_version(&wanted);
    let connection = channel.connection(Node::Id(node), deadline).await?;
    let version = connection.version::<FetchRequest>()?.min(highest);
    let request = request(session, config, version);
    let answer = connection.call_up_to(highest, &request, deadline).await?;
    let max_bytes = config.max_decompressed_bytes;
    if compressed_bytes(&answer) < LONG_DECOMPRESSION_BYTES {
        return Ok(read(answer, &wanted, max_bytes));
    }
    tokio::task::spawn_blocking(move || read(answer, &wanted, max_bytes))
        .await
        .map_err(|error| Error::caused(ErrorKind::Closed, "reading a fetch answer", error))
}

/// From version 13 on topics have ids in place of names (KIP-516), so that a topic which was
/// deleted and made again is not taken for what it was. A cluster may not have given any.
fn highest_version(wanted: &Wanted) -> i16 {
    const LAST_WITH_NAMES: i16 = 12;
    let unknown = |position: &FetchPosition| position.topic_id == [0; 16];
    if wanted.values().any(unknown) {
        LAST_WITH_NAMES
    } else {
        i16::MAX
    }
}

/// Names topics both ways: each version encodes its own.
fn request(session: SessionRequest, config: &ConsumerConfig, version: i16) -> FetchRequest {
    let last_epoch = |position: &FetchPosition| match version {
        FIRST_TO_TELL_DIVERGENCE.. => position.last_epoch,
        _ => -1,
    };
    let mut topics: BTreeMap<_, Vec<FetchPartition>> = BTreeMap::new();
    for (tp, position) in session.fetch {
        let partition = FetchPartition::default()
            .with_partition(tp.partition)
            .with_current_leader_epoch(position.leader_epoch)
            .with_fetch_offset(position.offset)
            .with_last_fetched_epoch(last_epoch(&position))
            .with_partition_max_bytes(position.max_bytes);
        let topic = (tp.topic, position.topic_id);
        topics.entry(topic).or_default().push(partition);
    }
    let mut forgotten: BTreeMap<_, Vec<i32>> = BTreeMap::new();
    for (tp, position) in session.forget {
        let topic = (tp.topic, position.topic_id);
        forgotten.entry(topic).or_default().push(tp.partition);
    }
    let topics = topics.into_iter().map(|((topic, id), partitions)| {
        FetchTopic::default()
            .with_topic(topic_name(&topic))
            .with_topic_id(Uuid::from_bytes(id))
            .with_partitions(partitions)
    });
    let forgotten = forgotten.into_iter().map(|((topic, id), partitions)| {
        ForgottenTopic::default()
            .with_topic(topic_name(&topic))
            .with_topic_id(Uuid::from_bytes(id))
            .with_partitions(partitions)
    });
    FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_wait_ms(i32::try_from(config.fetch_max_wait.as_millis()).unwrap_or(i32::MAX))
        .with_min_bytes(config.fetch_min_bytes)
        .with_max_bytes(config.fetch_max_bytes)
        .with_session_id(session.session_id)
        .with_session_epoch(session.session_epoch)
        .with_topics(topics.collect())
        .with_forgotten_topics_data(forgotten.collect())
        .with_rack_id(text(&config.client_rack))
}

/// How many bytes of batches are compressed, by the look of their first batch.
fn compressed_bytes(answer: &FetchResponse) -> usize {
    let data = answer.responses.iter().flat_map(|topic| &topic.partitions);
    let records = data.filter_map(|partition| partition.records.as_ref());
    records
        .filter(|records| is_compressed(records))
        .map(Bytes::len)
        .sum()
}

/// Looks at the codec bits alone: the batch is checked where it is read.
fn is_compressed(records: &Bytes) -> bool {
    const LOW_BYTE_OF_ATTRIBUTES: usize = 22;
    const CODEC: u8 = 0x07;
    records
        .get(LOW_BYTE_OF_ATTRIBUTES)
        .is_some_and(|low| low & CODEC != 0)
}

/// Reads an answer, up to the batch in which the records held take more than `max_bytes`: what
/// is left is fetched again later, so that compressed bytes can't become any number of bytes.
fn read(answer: FetchResponse, wanted: &Wanted, max_bytes: usize) -> FetchAnswer {
    let by_id: HashMap<_, _> = wanted
        .iter()
        .map(|(tp, position)| (position.topic_id, &tp.topic))
        .collect();
    let mut partitions = Vec::new();
    let mut held = 0;
    let is_shared = has_many(&answer);
    for topic in answer.responses {
        let name: Arc<str> = match by_id.get(topic.topic_id.as_bytes()) {
            Some(name) if topic.topic.is_empty() => Arc::clone(name),
            _ => Arc::from(topic.topic.as_str()),
        };
        for mut data in topic.partitions {
            if is_shared {
                data.records = data.records.map(detached);
            }
            let tp = TopicPartition::new(name.clone(), data.partition_index);
            if let Some(position) = wanted.get(&tp) {
                let answer = read_partition(tp, data, position.offset, held, max_bytes);
                held += answer.records.len_bytes();
                partitions.push(answer);
            }
        }
    }
    FetchAnswer {
        session_id: answer.session_id,
        code: ErrorCode(answer.error_code),
        partitions,
    }
}

/// True where more than one partition has records.
fn has_many(answer: &FetchResponse) -> bool {
    let data = answer.responses.iter().flat_map(|topic| &topic.partitions);
    let records = data.filter_map(|partition| partition.records.as_ref());
    records.filter(|records| !records.is_empty()).count() > 1
}

/// Copies records out of their frame: the ones of a partition that is stuck would keep those of
/// all others in memory. Compressed ones will be copied anyway.
fn detached(records: Bytes) -> Bytes {
    if is_compressed(&records) {
        records
    } else {
        Bytes::copy_from_slice(&records)
    }
}

fn read_partition(
    partition: TopicPartition,
    data: PartitionData,
    asked_offset: i64,
    mut held: usize,
    max_bytes: usize,
) -> PartitionAnswer {
    let diverging = &data.diverging_epoch;
    let diverging = (diverging.epoch >= 0).then_some((diverging.epoch, diverging.end_offset));
    let mut batches = Vec::new();
    let mut epochs: Vec<(i32, i64)> = Vec::new();
    let mut next_offset = asked_offset;
    let mut unreadable = None;
    for batch in Batches::new(data.records.unwrap_or_default()) {
        if held > max_bytes {
            break;
        }
        if let Ok(batch) = &batch
            && epochs
                .last()
                .is_none_or(|last| last.0 != batch.header.leader_epoch)
        {
            epochs.push((batch.header.leader_epoch, batch.header.base_offset));
        }
        match wanted_batch(batch, asked_offset, max_bytes) {
            Ok((end, records)) => {
                next_offset = next_offset.max(end);
                held += records.as_ref().map_or(0, Records::size_bytes);
                batches.extend(records);
            }
            Err(error) => {
                unreadable = Some(error);
                break;
            }
        }
    }
    let records = FetchedRecords::new(partition.clone(), asked_offset, next_offset, batches);
    PartitionAnswer {
        partition,
        code: ErrorCode(data.error_code),
        high_watermark: data.high_watermark,
        asked_offset,
        records,
        epochs,
        diverging,
        preferred_replica: Some(data.preferred_read_replica.0).filter(|node| *node >= 0),
        unreadable,
    }
}

/// The offset after a batch, and its records unless they are none of ours: before the offset
/// asked for, or a transaction's marker.
fn wanted_batch(
    batch: Result<RecordBatch, BatchError>,
    asked_offset: i64,
    max_bytes: usize,
) -> Result<(i64, Option<Records>), Unreadable> {
    let unreadable = |next_offset| move |error| Unreadable { error, next_offset };
    let batch = batch.map_err(unreadable(None))?;
    let end = batch.header.next_offset();
    if end <= asked_offset || batch.header.attributes.is_control() {
        return Ok((end, None));
    }
    let records = batch.decode(max_bytes).map_err(unreadable(Some(end)))?;
    Ok((end, Some(records)))
}

#[cfg(test)]
mod tests;
