//! One fetch from one broker: the request out of a session's changes, and what its answer says.

mod read;

use std::collections::BTreeMap;

use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use kafka_protocol::messages::{BrokerId, FetchRequest};
use tokio::time::Instant;
use uuid::Uuid;

use crate::cluster::{Channel, Node};
use crate::consumer::config::ConsumerConfig;
use crate::consumer::records::FetchedRecords;
use crate::consumer::session::{FetchPosition, SessionRequest};
use crate::wire::batch::BatchError;
use crate::wire::names::{text, topic_name};
use crate::wire::{ErrorCode, TopicPartition};
use crate::{Error, ErrorKind};
use read::{Rules, compressed_bytes, read};

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
    /// Where the partition ends for this reader: the high watermark, or the last stable offset.
    pub(super) end: i64,
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
    let rules = Rules {
        max_bytes: config.max_decompressed_bytes,
        isolation: config.isolation_level,
    };
    if compressed_bytes(&answer) < LONG_DECOMPRESSION_BYTES {
        return Ok(read(answer, &wanted, rules));
    }
    tokio::task::spawn_blocking(move || read(answer, &wanted, rules))
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

/// What an answer may bring, unless its first batch is larger. Half of the budget: while its records
/// are taken out, it is in memory twice.
pub(super) fn most_bytes(config: &ConsumerConfig) -> i32 {
    (config.fetch_max_bytes / 2).max(1)
}

/// Names topics both ways: each version encodes its own.
fn request(session: SessionRequest, config: &ConsumerConfig, version: i16) -> FetchRequest {
    let last_epoch = |position: &FetchPosition| match version {
        FIRST_TO_TELL_DIVERGENCE.. => position.last_epoch,
        _ => -1,
    };
    let mut topics: Vec<FetchTopic> = Vec::new();
    for (tp, position) in session.fetch {
        let partition = FetchPartition::default()
            .with_partition(tp.partition)
            .with_current_leader_epoch(position.leader_epoch)
            .with_fetch_offset(position.offset)
            .with_last_fetched_epoch(last_epoch(&position))
            .with_partition_max_bytes(position.max_bytes);
        let id = Uuid::from_bytes(position.topic_id);
        // In the session's order, where a topic's partitions follow one another; only those of the
        // first may come last once more.
        let is_same = |of: &FetchTopic| of.topic.as_str() == &*tp.topic && of.topic_id == id;
        let at = match (topics.last().is_some_and(is_same), topics.first()) {
            (true, _) => topics.len() - 1,
            (false, Some(first)) if is_same(first) => 0,
            (false, _) => {
                let topic = FetchTopic::default().with_topic(topic_name(&tp.topic));
                topics.push(topic.with_topic_id(id));
                topics.len() - 1
            }
        };
        topics[at].partitions.push(partition);
    }
    let mut forgotten: BTreeMap<_, Vec<i32>> = BTreeMap::new();
    for (tp, position) in session.forget {
        let topic = (tp.topic, position.topic_id);
        forgotten.entry(topic).or_default().push(tp.partition);
    }
    let forgotten = forgotten.into_iter().map(|((topic, id), partitions)| {
        ForgottenTopic::default()
            .with_topic(topic_name(&topic))
            .with_topic_id(Uuid::from_bytes(id))
            .with_partitions(partitions)
    });
    FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_wait_ms(i32::try_from(config.fetch_max_wait.as_millis()).unwrap_or(i32::MAX))
        .with_min_bytes(config.fetch_min_bytes.min(most_bytes(config)))
        .with_max_bytes(most_bytes(config))
        .with_isolation_level(config.isolation_level.on_the_wire())
        .with_session_id(session.session_id)
        .with_session_epoch(session.session_epoch)
        .with_topics(topics)
        .with_forgotten_topics_data(forgotten.collect())
        .with_rack_id(text(&config.client_rack))
}

#[cfg(test)]
mod tests;
