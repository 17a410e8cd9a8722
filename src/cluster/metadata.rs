//! A snapshot of the cluster's brokers, topics and leaders.
//!
//! # Invariants
//!
//! - A leader that is known with a leader epoch is never replaced by one of an older epoch of the
//!   same topic (KIP-320): a broker that lags behind can't lead a client back.
//! - A topic that was deleted and made again has another id, and begins anew.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use kafka_protocol::messages::MetadataResponse;
use kafka_protocol::messages::metadata_response::{
    MetadataResponsePartition, MetadataResponseTopic,
};

use crate::wire::{ErrorCode, TopicPartition};

/// A broker and where it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// The node id.
    pub id: i32,
    /// The host, a name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The rack, where the broker has one.
    pub rack: Option<String>,
}

/// A topic as the cluster describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// The topic's id (KIP-516); all zero where the broker does not tell it.
    pub id: [u8; 16],
    /// What is wrong with the topic; `NONE` where nothing is.
    pub error: ErrorCode,
    /// Its partitions by index.
    pub partitions: Vec<Partition>,
}

/// A partition as the cluster describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// The node that leads it; none while there is no leader.
    pub leader: Option<i32>,
    /// The leader's epoch, -1 where the broker does not tell it.
    pub leader_epoch: i32,
}

/// A snapshot of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    brokers: BTreeMap<i32, Broker>,
    controller: Option<i32>,
    topics: HashMap<Arc<str>, Topic>,
}

impl Metadata {
    /// The brokers that are up, by node id.
    pub fn brokers(&self) -> &BTreeMap<i32, Broker> {
        &self.brokers
    }

    /// The node that topics are created at.
    pub fn controller(&self) -> Option<i32> {
        self.controller
    }

    /// A topic that was asked for.
    pub fn topic(&self, name: &str) -> Option<&Topic> {
        self.topics.get(name)
    }

    /// A partition, where topic and partition are known.
    pub fn partition(&self, tp: &TopicPartition) -> Option<Partition> {
        let index = usize::try_from(tp.partition).ok()?;
        self.topics.get(&tp.topic)?.partitions.get(index).copied()
    }

    /// The node that leads a partition now.
    pub fn leader(&self, tp: &TopicPartition) -> Option<i32> {
        self.partition(tp)?.leader
    }

    /// How many partitions a topic has; none while it is unknown or in error.
    pub fn partition_count(&self, topic: &str) -> Option<i32> {
        let topic = self.topics.get(topic)?;
        (!topic.partitions.is_empty()).then_some(topic.partitions.len() as i32)
    }

    /// How many partitions each known topic has; 0 for one that is known not to exist.
    pub fn partition_counts(&self) -> BTreeMap<String, i32> {
        let counts = self.topics.iter().filter(|(_, topic)| {
            !topic.partitions.is_empty() || topic.error == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
        });
        counts
            .map(|(name, topic)| (name.to_string(), topic.partitions.len() as i32))
            .collect()
    }

    /// The names of the topics that have ids, by those.
    pub fn topic_names(&self) -> BTreeMap<[u8; 16], Arc<str>> {
        let topics = self.topics.iter().filter(|(_, topic)| topic.id != [0; 16]);
        topics
            .map(|(name, topic)| (topic.id, name.clone()))
            .collect()
    }

    /// Takes over an answer about `topics`; those that the answer leaves out stay as they were.
    #[must_use]
    pub fn updated(&self, response: MetadataResponse) -> Self {
        let brokers = response.brokers.into_iter().map(|broker| {
            let id = broker.node_id.0;
            let port = u16::try_from(broker.port).unwrap_or_default();
            let rack = broker.rack.map(|rack| rack.to_string());
            (
                id,
                Broker {
                    id,
                    host: broker.host.to_string(),
                    port,
                    rack,
                },
            )
        });
        let mut next = Self {
            brokers: brokers.collect(),
            controller: (response.controller_id.0 >= 0).then_some(response.controller_id.0),
            topics: self.topics.clone(),
        };
        for answer in response.topics {
            let Some(name) = &answer.name else { continue };
            let name: Arc<str> = Arc::from(name.as_str());
            let topic = merge(self.topics.get(&name), &answer);
            next.topics.insert(name, topic);
        }
        next
    }
}

fn merge(known: Option<&Topic>, answer: &MetadataResponseTopic) -> Topic {
    let id = *answer.topic_id.as_bytes();
    let error = ErrorCode(answer.error_code);
    // An answer that tells of an error, or an old broker's, has no id to compare.
    let known = known.filter(|known| known.id == id || id == [0; 16]);
    // A passing error (no leader for all partitions, say) does not make a topic unknown.
    if let Some(known) = known
        && error.is_retriable()
        && error != ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
        && answer.partitions.is_empty()
    {
        return Topic {
            error,
            ..known.clone()
        };
    }
    let count = answer
        .partitions
        .iter()
        .map(|partition| partition.partition_index.saturating_add(1))
        .max();
    // Partitions are numbered without gaps, so a count beyond the answer's own is not one.
    let count = usize::try_from(count.unwrap_or(0))
        .unwrap_or(0)
        .min(answer.partitions.len());
    let mut partitions = vec![
        Partition {
            leader: None,
            leader_epoch: -1
        };
        count
    ];
    for told in &answer.partitions {
        let index = usize::try_from(told.partition_index).unwrap_or(usize::MAX);
        if let Some(slot) = partitions.get_mut(index) {
            *slot = newest(known.and_then(|known| known.partitions.get(index)), told);
        }
    }
    Topic {
        id,
        error,
        partitions,
    }
}

fn newest(known: Option<&Partition>, told: &MetadataResponsePartition) -> Partition {
    let leader = (told.leader_id.0 >= 0).then_some(told.leader_id.0);
    let told = Partition {
        leader,
        leader_epoch: told.leader_epoch,
    };
    match known {
        Some(known) if told.leader_epoch >= 0 && told.leader_epoch < known.leader_epoch => *known,
        _ => told,
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::{BrokerId, TopicName};
    use kafka_protocol::protocol::StrBytes;

    use super::*;

    fn answer(topic: &str, id: u128, leaders: &[(i32, i32)]) -> MetadataResponse {
        let partitions = leaders.iter().enumerate().map(|(index, &(leader, epoch))| {
            MetadataResponsePartition::default()
                .with_partition_index(index as i32)
                .with_leader_id(BrokerId(leader))
                .with_leader_epoch(epoch)
        });
        let topic = MetadataResponseTopic::default()
            .with_name(Some(TopicName(StrBytes::from_string(topic.into()))))
            .with_topic_id(uuid::Uuid::from_u128(id))
            .with_partitions(partitions.collect());
        MetadataResponse::default().with_topics(vec![topic])
    }

    fn leaders(metadata: &Metadata) -> Vec<Option<i32>> {
        metadata
            .topic("t")
            .unwrap()
            .partitions
            .iter()
            .map(|known| known.leader)
            .collect()
    }

    #[test]
    fn an_older_leader_epoch_does_not_replace_a_newer_one() {
        let metadata = Metadata::default().updated(answer("t", 1, &[(1, 5), (2, 5)]));
        let metadata = metadata.updated(answer("t", 1, &[(3, 4), (3, 6)]));
        assert_eq!(leaders(&metadata), [Some(1), Some(3)]);
    }

    #[test]
    fn a_topic_made_again_begins_anew() {
        let metadata = Metadata::default().updated(answer("t", 1, &[(1, 5), (2, 5)]));
        let metadata = metadata.updated(answer("t", 2, &[(3, 0)]));
        assert_eq!(leaders(&metadata), [Some(3)]);
        assert_eq!(metadata.partition_count("t"), Some(1));
    }

    #[test]
    fn a_passing_error_keeps_what_is_known_and_a_deleted_topic_does_not() {
        let metadata = Metadata::default().updated(answer("t", 1, &[(1, 5)]));
        let mut passing = answer("t", 1, &[]);
        passing.topics[0].error_code = ErrorCode::LEADER_NOT_AVAILABLE.0;
        assert_eq!(leaders(&metadata.updated(passing.clone())), [Some(1)]);
        passing.topics[0].topic_id = uuid::Uuid::nil();
        assert_eq!(leaders(&metadata.updated(passing)), [Some(1)]);
        let mut gone = answer("t", 0, &[]);
        gone.topics[0].error_code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0;
        assert_eq!(metadata.updated(gone).partition_count("t"), None);
    }

    #[test]
    fn hostile_partition_indexes_cost_nothing() {
        let mut hostile = answer("t", 1, &[(1, 1)]);
        hostile.topics[0].partitions[0].partition_index = i32::MAX;
        let metadata = Metadata::default().updated(hostile);
        assert_eq!(leaders(&metadata), [None]);
        assert_eq!(metadata.leader(&TopicPartition::new("t", -1)), None);
    }
}
