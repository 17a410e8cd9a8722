//! Requests about the offsets that a group has committed.

use std::collections::{BTreeMap, HashMap};

use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::{OffsetCommitRequest, OffsetFetchRequest, OffsetFetchResponse};
use tokio::time::Instant;

use super::{Requests, checked, optional};
use crate::Error;
use crate::cluster::Node;
use crate::group::CommitOffset;
use crate::group::membership::{CommitStamp, RequestError};
use crate::wire::names::{group_id, text, topic_name};
use crate::wire::{ErrorCode, TopicPartition};

/// The first version of OffsetFetch that can be told to wait for open transactions (KIP-447), the
/// last one that asks about one group and knows nothing of its members, …
const FIRST_STABLE_OFFSET_FETCH: i16 = 7;
const LAST_PLAIN_OFFSET_FETCH: i16 = 7;

/// … and the first one that is told which member asks (KIP-848).
const FIRST_STAMPED_OFFSET_FETCH: i16 = 9;

/// Offsets that were looked up.
#[derive(Debug)]
pub(crate) struct Found {
    /// What is known of each partition: its offset, or that it has none.
    pub(crate) offsets: BTreeMap<TopicPartition, Option<i64>>,
    /// The leader epochs that were committed beside them, -1 for none.
    pub(crate) epochs: BTreeMap<TopicPartition, i32>,
    /// Why it is not known of others.
    pub(crate) failure: Option<Error>,
}

/// What an answer tells of a partition: its offset, negative for none, the leader epoch beside it,
/// and an error code.
struct Committed {
    offset: i64,
    epoch: i32,
    code: i16,
}

impl Requests {
    /// Commits; the first refusal of a partition counts for all, and one that the answer leaves
    /// out as refused.
    pub(in crate::group) async fn commit(
        self,
        stamp: &CommitStamp,
        offsets: &[CommitOffset],
        deadline: Instant,
    ) -> Result<(), RequestError> {
        let mut topics: BTreeMap<&str, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
        for offset in offsets {
            let partition = OffsetCommitRequestPartition::default()
                .with_partition_index(offset.partition.partition)
                .with_committed_offset(offset.next_offset)
                .with_committed_leader_epoch(offset.leader_epoch.unwrap_or(-1))
                .with_committed_metadata(Some(text(&offset.metadata)));
            topics
                .entry(&offset.partition.topic)
                .or_default()
                .push(partition);
        }
        let topics = topics.into_iter().map(|(topic, partitions)| {
            let topic = OffsetCommitRequestTopic::default().with_name(topic_name(topic));
            topic.with_partitions(partitions)
        });
        let request = OffsetCommitRequest::default()
            .with_group_id(group_id(&self.group))
            .with_generation_id_or_member_epoch(stamp.generation)
            .with_member_id(text(&stamp.member_id))
            .with_group_instance_id(optional(stamp.instance_id.as_deref()))
            .with_topics(topics.collect());
        let left = deadline.saturating_duration_since(Instant::now());
        let answer = self.call(&request, left).await?;
        let mut answered = 0;
        for partition in answer.topics.iter().flat_map(|topic| &topic.partitions) {
            checked(partition.error_code)?;
            answered += 1;
        }
        if answered < offsets.len() {
            return Err(RequestError::Code(ErrorCode::UNKNOWN_SERVER_ERROR));
        }
        Ok(())
    }

    /// The committed offsets of these partitions. A member by the consumer protocol says that it
    /// is one, so that it learns of none while it is behind the group (KIP-848).
    pub(in crate::group) async fn committed(
        self,
        stamp: Option<CommitStamp>,
        partitions: Vec<TopicPartition>,
    ) -> Found {
        let doing = format!("the committed offsets of group {}", self.group);
        match self.ask_committed(stamp, &partitions, &doing).await {
            Ok(found) => read_committed(found, &doing),
            Err(error) => Found {
                offsets: BTreeMap::new(),
                epochs: BTreeMap::new(),
                failure: Some(error),
            },
        }
    }

    async fn ask_committed(
        &self,
        stamp: Option<CommitStamp>,
        partitions: &[TopicPartition],
        doing: &str,
    ) -> Result<Vec<(TopicPartition, Committed)>, Error> {
        let Some(coordinator) = self.coordinator else {
            return Err(Error::broker(ErrorCode::COORDINATOR_NOT_AVAILABLE, doing));
        };
        let mut topics: HashMap<&str, Vec<i32>> = HashMap::new();
        for tp in partitions {
            topics.entry(&tp.topic).or_default().push(tp.partition);
        }
        let deadline = Instant::now() + self.timeout;
        let connection = self
            .channel
            .connection(Node::Id(coordinator), deadline)
            .await?;
        let version = connection.version::<OffsetFetchRequest>()?;
        let (code, found) = match stamp {
            Some(stamp) if version >= FIRST_STAMPED_OFFSET_FETCH => {
                let request = stamped_request(&self.group, &stamp, topics);
                read_stamped(connection.call(&request, deadline).await?)
            }
            _ => {
                let stable = version >= FIRST_STABLE_OFFSET_FETCH;
                let request = plain_request(&self.group, topics).with_require_stable(stable);
                let highest = LAST_PLAIN_OFFSET_FETCH;
                read_plain(connection.call_up_to(highest, &request, deadline).await?)
            }
        };
        code.ok().map_err(|code| Error::broker(code, doing))?;
        Ok(found)
    }
}

fn plain_request(group: &str, topics: HashMap<&str, Vec<i32>>) -> OffsetFetchRequest {
    let topics = topics.into_iter().map(|(topic, indexes)| {
        let topic = OffsetFetchRequestTopic::default().with_name(topic_name(topic));
        topic.with_partition_indexes(indexes)
    });
    OffsetFetchRequest::default()
        .with_group_id(group_id(group))
        .with_topics(Some(topics.collect()))
}

fn stamped_request(
    group: &str,
    stamp: &CommitStamp,
    topics: HashMap<&str, Vec<i32>>,
) -> OffsetFetchRequest {
    let topics = topics.into_iter().map(|(topic, indexes)| {
        let topic = OffsetFetchRequestTopics::default().with_name(topic_name(topic));
        topic.with_partition_indexes(indexes)
    });
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(group_id(group))
        .with_member_id(Some(text(&stamp.member_id)))
        .with_member_epoch(stamp.generation)
        .with_topics(Some(topics.collect()));
    OffsetFetchRequest::default()
        .with_groups(vec![group])
        .with_require_stable(true)
}

/// The answer's own code, and what it tells of the partitions.
type Answer = (ErrorCode, Vec<(TopicPartition, Committed)>);

fn read_plain(answer: OffsetFetchResponse) -> Answer {
    let mut found = Vec::new();
    for topic in answer.topics {
        for it in topic.partitions {
            let committed = Committed {
                offset: it.committed_offset,
                epoch: it.committed_leader_epoch,
                code: it.error_code,
            };
            let tp = TopicPartition::new(topic.name.as_str(), it.partition_index);
            found.push((tp, committed));
        }
    }
    (ErrorCode(answer.error_code), found)
}

fn read_stamped(answer: OffsetFetchResponse) -> Answer {
    let Some(group) = answer.groups.into_iter().next() else {
        return (ErrorCode::UNKNOWN_SERVER_ERROR, Vec::new());
    };
    let mut found = Vec::new();
    for topic in group.topics {
        for it in topic.partitions {
            let committed = Committed {
                offset: it.committed_offset,
                epoch: it.committed_leader_epoch,
                code: it.error_code,
            };
            let tp = TopicPartition::new(topic.name.as_str(), it.partition_index);
            found.push((tp, committed));
        }
    }
    (ErrorCode(group.error_code), found)
}

/// What is told of each partition: one that has its own trouble, an open transaction for one,
/// keeps none of the others from their offsets.
fn read_committed(told: Vec<(TopicPartition, Committed)>, doing: &str) -> Found {
    let mut found = Found {
        offsets: BTreeMap::new(),
        epochs: BTreeMap::new(),
        failure: None,
    };
    for (tp, committed) in told {
        match ErrorCode(committed.code).ok() {
            Ok(()) => {
                let offset = Some(committed.offset).filter(|offset| *offset >= 0);
                found.epochs.insert(tp.clone(), committed.epoch);
                found.offsets.insert(tp, offset);
            }
            Err(code) => found.failure = Some(Error::broker(code, format!("{doing}: {tp}"))),
        }
    }
    found
}
