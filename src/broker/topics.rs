//! Topics, their partitions, and who leads them. Pure.

mod settings;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use uuid::Uuid;

use super::log::Log;
use crate::wire::ErrorCode;

pub(super) use settings::TopicSettings;

/// No topic may have more: what a request asks for must not fill the memory.
const MAX_PARTITIONS: usize = 10_000;
/// … nor may all topics together, however many are asked for.
const MAX_PARTITIONS_IN_ALL: usize = 100_000;
/// Kafka's limit on a topic's name.
const MAX_NAME_BYTES: usize = 249;

/// All topics, by name.
#[derive(Debug, Default)]
pub(super) struct Topics {
    all: BTreeMap<Arc<str>, Topic>,
    /// Of those in `all`, by id.
    names: HashMap<Uuid, Arc<str>>,
    /// How many partitions those in `all` have.
    partitions: usize,
    made: u64,
}

/// One topic.
#[derive(Debug)]
pub(super) struct Topic {
    /// Unlike that of any topic before it, of the same name too (KIP-516).
    pub(super) id: Uuid,
    pub(super) settings: TopicSettings,
    pub(super) partitions: Vec<Partition>,
}

/// One partition.
#[derive(Debug)]
pub(super) struct Partition {
    /// None where no replica is up.
    pub(super) leader: Option<i32>,
    pub(super) leader_epoch: i32,
    /// The nodes that may lead, the preferred one first. All have the same log.
    pub(super) replicas: Vec<i32>,
    pub(super) log: Log,
}

impl Topics {
    pub(super) fn get(&self, name: &str) -> Option<&Topic> {
        self.all.get(name)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Topic> {
        self.all.get_mut(name)
    }

    /// The name of the topic with this id.
    pub(super) fn name(&self, id: Uuid) -> Option<Arc<str>> {
        self.names.get(&id).cloned()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Topic)> {
        self.all.iter()
    }

    /// Makes a topic; `replicas` has the nodes of each partition.
    ///
    /// # Errors
    ///
    /// `INVALID_REPLICATION_FACTOR` for a partition without a node, and as
    /// [`Topics::check_new`].
    pub(super) fn create(
        &mut self,
        name: &str,
        replicas: Vec<Vec<i32>>,
        settings: TopicSettings,
    ) -> Result<&Topic, ErrorCode> {
        self.check_new(name, replicas.len())?;
        check_replicas(&replicas)?;
        self.made += 1;
        self.partitions += replicas.len();
        let name: Arc<str> = name.into();
        let topic = Topic {
            id: Uuid::from_u64_pair(0x7061_796d_656e_7473, self.made),
            settings,
            partitions: replicas.into_iter().map(Partition::new).collect(),
        };
        self.names.insert(topic.id, name.clone());
        Ok(self.all.entry(name).or_insert(topic))
    }

    /// Says whether a topic of this name could be made.
    ///
    /// # Errors
    ///
    /// `INVALID_TOPIC_EXCEPTION`, `TOPIC_ALREADY_EXISTS`, `INVALID_PARTITIONS`, or
    /// `POLICY_VIOLATION` where all topics would have too many partitions.
    pub(super) fn check_new(&self, name: &str, partitions: usize) -> Result<(), ErrorCode> {
        if !is_valid(name) {
            return Err(ErrorCode::INVALID_TOPIC_EXCEPTION);
        }
        if self.all.contains_key(name) {
            return Err(ErrorCode::TOPIC_ALREADY_EXISTS);
        }
        if partitions == 0 || partitions > MAX_PARTITIONS {
            return Err(ErrorCode::INVALID_PARTITIONS);
        }
        self.check_room(partitions)
    }

    /// Adds partitions to a topic; their nodes are given.
    ///
    /// # Errors
    ///
    /// `UNKNOWN_TOPIC_OR_PARTITION`, `INVALID_PARTITIONS`, `POLICY_VIOLATION` or
    /// `INVALID_REPLICATION_FACTOR`, as for a new topic.
    pub(super) fn grow(&mut self, name: &str, replicas: Vec<Vec<i32>>) -> Result<(), ErrorCode> {
        self.check_growth(name, replicas.len())?;
        check_replicas(&replicas)?;
        self.partitions += replicas.len();
        if let Some(topic) = self.all.get_mut(name) {
            let more = replicas.into_iter().map(Partition::new);
            topic.partitions.extend(more);
        }
        Ok(())
    }

    /// Says whether a topic may have so many partitions more.
    ///
    /// # Errors
    ///
    /// `UNKNOWN_TOPIC_OR_PARTITION`, `INVALID_PARTITIONS` or `POLICY_VIOLATION`.
    pub(super) fn check_growth(&self, name: &str, more: usize) -> Result<(), ErrorCode> {
        let topic = self.get(name);
        let topic = topic.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        if topic.partitions.len() + more > MAX_PARTITIONS {
            return Err(ErrorCode::INVALID_PARTITIONS);
        }
        self.check_room(more)
    }

    fn check_room(&self, partitions: usize) -> Result<(), ErrorCode> {
        if self.partitions + partitions > MAX_PARTITIONS_IN_ALL {
            return Err(ErrorCode::POLICY_VIOLATION);
        }
        Ok(())
    }

    pub(super) fn delete(&mut self, name: &str) -> Option<Topic> {
        let topic = self.all.remove(name)?;
        self.names.remove(&topic.id);
        self.partitions -= topic.partitions.len();
        Some(topic)
    }

    /// A partition as a node has it that is asked by a client with some idea of its epoch (-1:
    /// none; KIP-320).
    ///
    /// # Errors
    ///
    /// `UNKNOWN_TOPIC_OR_PARTITION`, `NOT_LEADER_OR_FOLLOWER`, `FENCED_LEADER_EPOCH` or
    /// `UNKNOWN_LEADER_EPOCH`.
    pub(super) fn led_by(
        &mut self,
        node: i32,
        topic: &str,
        partition: i32,
        epoch: i32,
    ) -> Result<&mut Partition, ErrorCode> {
        let found = self
            .get_mut(topic)
            .and_then(|topic| topic.partition_mut(partition));
        let partition = found.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        if partition.leader != Some(node) {
            return Err(ErrorCode::NOT_LEADER_OR_FOLLOWER);
        }
        if epoch >= 0 && epoch < partition.leader_epoch {
            return Err(ErrorCode::FENCED_LEADER_EPOCH);
        }
        if epoch > partition.leader_epoch {
            return Err(ErrorCode::UNKNOWN_LEADER_EPOCH);
        }
        Ok(partition)
    }

    /// Elects leaders anew, now that these nodes are up: one that is up goes on leading.
    pub(super) fn elect(&mut self, is_up: impl Fn(i32) -> bool) {
        let partitions = self
            .all
            .values_mut()
            .flat_map(|topic| &mut topic.partitions);
        for partition in partitions {
            if partition.leader.is_some_and(&is_up) {
                continue;
            }
            let next = partition.replicas.iter().copied().find(|id| is_up(*id));
            if next != partition.leader {
                partition.lead(next);
            }
        }
    }
}

impl Topic {
    pub(super) fn partition(&self, index: i32) -> Option<&Partition> {
        self.partitions.get(usize::try_from(index).ok()?)
    }

    pub(super) fn partition_mut(&mut self, index: i32) -> Option<&mut Partition> {
        self.partitions.get_mut(usize::try_from(index).ok()?)
    }
}

impl Partition {
    fn new(replicas: Vec<i32>) -> Self {
        Self {
            leader: replicas.first().copied(),
            leader_epoch: 0,
            replicas,
            log: Log::default(),
        }
    }

    /// Has a node lead from now on, in a new epoch.
    pub(super) fn lead(&mut self, leader: Option<i32>) {
        self.leader = leader;
        self.leader_epoch += 1;
    }
}

/// The nodes of new partitions, numbered from `first`: the nodes in turn, as Kafka spreads them.
pub(super) fn spread(
    nodes: &[i32],
    first: usize,
    partitions: usize,
    replicas: usize,
) -> Vec<Vec<i32>> {
    let of_one = |partition: usize| {
        let in_turn = nodes
            .iter()
            .cycle()
            .skip((first + partition) % nodes.len().max(1));
        in_turn.take(replicas.min(nodes.len())).copied().collect()
    };
    (0..partitions.min(MAX_PARTITIONS + 1))
        .map(of_one)
        .collect()
}

/// A partition without a node would have no leader for ever.
fn check_replicas(replicas: &[Vec<i32>]) -> Result<(), ErrorCode> {
    if replicas.iter().any(Vec::is_empty) {
        return Err(ErrorCode::INVALID_REPLICATION_FACTOR);
    }
    Ok(())
}

fn is_valid(name: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !name.is_empty()
        && name.len() <= MAX_NAME_BYTES
        && name != "."
        && name != ".."
        && name.bytes().all(is_legal)
}

#[cfg(test)]
mod tests;
