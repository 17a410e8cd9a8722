mod commits;
mod joining;
mod leaving;
mod random;
mod reconciling;
mod static_members;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::*;
use crate::broker::BrokerConfig;
use crate::broker::group::{Committer, GroupState, Identity, Rights};
use crate::broker::topics::{TopicSettings, Topics};
use crate::wire::ErrorCode;

const SESSION: Duration = Duration::from_secs(45);
const REBALANCE: Duration = Duration::from_secs(60);

/// A group with a clock and topics.
struct Rig {
    group: ConsumerGroup,
    topics: Topics,
    now: Instant,
}

impl Rig {
    /// With a topic of so many partitions; assignments may follow each other at once.
    fn new(partitions: usize) -> Self {
        Self::with(partitions, |_| {})
    }

    fn with(partitions: usize, change: impl FnOnce(&mut BrokerConfig)) -> Self {
        let mut config = BrokerConfig {
            group_consumer_assignment_interval: Duration::ZERO,
            ..BrokerConfig::default()
        };
        change(&mut config);
        let now = Instant::now();
        let mut rig = Self {
            group: ConsumerGroup::new(Settings::new(&config), now),
            topics: Topics::default(),
            now,
        };
        rig.make_topic("payments", partitions);
        rig
    }

    fn make_topic(&mut self, name: &str, partitions: usize) {
        let replicas = vec![vec![1]; partitions];
        let settings = TopicSettings::default();
        self.topics.create(name, replicas, settings).unwrap();
    }

    fn topic(&self, name: &str) -> Uuid {
        self.topics.get(name).unwrap().id
    }

    fn payments(&self, indexes: &[i32]) -> Partitions {
        let topic = self.topic("payments");
        match indexes {
            [] => Partitions::new(),
            _ => Partitions::from([(topic, indexes.iter().copied().collect())]),
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.group.handle_timeout(self.now);
    }

    fn beat(&mut self, beat: &Beat) -> Result<Beaten, ErrorCode> {
        self.group.handle_heartbeat(beat, &self.topics, self.now)
    }

    /// Becomes a member that wants the topic.
    fn join(&mut self, id: &str) -> Beaten {
        self.beat(&joining(id)).unwrap()
    }

    /// A member says nothing new, and that it has these of the topic's partitions.
    fn report(&mut self, id: &str, epoch: i32, owned: &[i32]) -> Result<Beaten, ErrorCode> {
        let owned = self.payments(owned);
        self.beat(&Beat {
            owned: Some(owned),
            ..quiet(id, epoch)
        })
    }

    fn has(&self, id: &str) -> Partitions {
        partitions_of(self.member(id).assigned())
    }

    fn member(&self, id: &str) -> &ConsumerMember {
        let mut members = self.group.members().iter();
        members.find(|member| member.id() == id).unwrap()
    }

    /// What is said of each commit to a partition of the topic.
    fn may_commit(&self, id: &str, epoch: i32, index: i32) -> Result<(), ErrorCode> {
        let rights = self.group.check_commit(&committer(id, epoch))?;
        rights.check(self.topic("payments"), index)
    }
}

/// A heartbeat of a member with nothing to say.
fn quiet(id: &str, epoch: i32) -> Beat {
    Beat {
        identity: Identity {
            member_id: id.into(),
            instance_id: None,
        },
        epoch,
        client_id: "client".into(),
        rack_id: None,
        rebalance_timeout: None,
        topics: None,
        assignor: None,
        owned: None,
    }
}

/// The first heartbeat of a member that wants the topic.
fn joining(id: &str) -> Beat {
    Beat {
        rebalance_timeout: Some(REBALANCE),
        topics: Some(topics(&["payments"])),
        owned: Some(Partitions::new()),
        ..quiet(id, JOINING)
    }
}

fn of_instance(instance: &str, beat: Beat) -> Beat {
    let identity = Identity {
        instance_id: Some(instance.into()),
        ..beat.identity
    };
    Beat { identity, ..beat }
}

fn topics(names: &[&str]) -> BTreeSet<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

fn committer(id: &str, epoch: i32) -> Committer {
    Committer {
        identity: quiet(id, epoch).identity,
        generation: epoch,
        is_transactional: false,
        version: 9,
    }
}
