//! One group of the consumer protocol: what it knows, and how it looks things up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::assignor::{ServerAssignor, Subscriber};
use super::convert::Turn;
use super::member::ConsumerMember;
use crate::broker::BrokerConfig;
use crate::broker::config::MigrationPolicy;
use crate::broker::group::{GroupState, Identity};
use crate::broker::topics::Topics;
use crate::wire::ErrorCode;

/// What the coordinator tells the members, and how long it waits for them.
#[derive(Clone, Copy, Debug)]
pub(in crate::broker) struct Settings {
    pub(super) session_timeout: Duration,
    pub(super) heartbeat_interval: Duration,
    pub(super) assignment_interval: Duration,
    pub(super) max_size: usize,
    pub(super) migration: MigrationPolicy,
    /// What a group of the classic protocol waits for its first generation.
    pub(super) initial_delay: Duration,
}

/// See the [module](super).
#[derive(Debug)]
pub(in crate::broker) struct ConsumerGroup {
    pub(super) settings: Settings,
    /// It rises with each change of what the members want or could have.
    pub(super) epoch: i32,
    /// The group's epoch when the members' targets were computed.
    pub(super) target_epoch: i32,
    /// When that was; none where the next may come at once.
    pub(super) assigned_at: Option<Instant>,
    /// Those that there are of the topics that members want: id and number of partitions.
    pub(super) metadata: BTreeMap<Arc<str>, (Uuid, i32)>,
    /// In the order in which they came.
    pub(super) members: Vec<ConsumerMember>,
    /// Since when it has no members; of no meaning where it has.
    pub(super) empty_since: Instant,
    /// It is to be one of the classic protocol from now on.
    pub(super) turn: Option<Turn>,
}

impl Settings {
    pub(in crate::broker::group) fn new(config: &BrokerConfig) -> Self {
        Self {
            session_timeout: config.group_consumer_session_timeout,
            heartbeat_interval: config.group_consumer_heartbeat_interval,
            assignment_interval: config.group_consumer_assignment_interval,
            max_size: config.group_consumer_max_size,
            migration: config.group_consumer_migration_policy,
            initial_delay: config.group_initial_rebalance_delay,
        }
    }
}

impl ConsumerGroup {
    pub(in crate::broker::group) fn new(settings: Settings, now: Instant) -> Self {
        Self {
            settings,
            epoch: 1,
            target_epoch: 0,
            assigned_at: None,
            metadata: BTreeMap::new(),
            members: Vec::new(),
            empty_since: now,
            turn: None,
        }
    }

    pub(super) fn place(&self, id: &str) -> Option<usize> {
        let mut members = self.members.iter();
        members.position(|member| &*member.id == id)
    }

    pub(super) fn place_of_instance(&self, instance: &str) -> Option<usize> {
        let mut members = self.members.iter();
        members.position(|member| member.instance_id.as_deref() == Some(instance))
    }

    /// Finds the member that says it is this one.
    ///
    /// # Errors
    ///
    /// `UNKNOWN_MEMBER_ID`, or `FENCED_INSTANCE_ID` where another has taken the instance over.
    pub(super) fn find(&self, identity: &Identity) -> Result<usize, ErrorCode> {
        let at = match &identity.instance_id {
            None => self.place(&identity.member_id),
            Some(instance) => self.place_of_instance(instance),
        };
        let at = at.ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
        self.check_instance(at, &identity.member_id).map(|()| at)
    }

    /// Says whether the instance is still that of the member.
    ///
    /// # Errors
    ///
    /// `FENCED_INSTANCE_ID`.
    pub(super) fn check_instance(&self, at: usize, id: &Arc<str>) -> Result<(), ErrorCode> {
        if self.members[at].id == *id {
            Ok(())
        } else {
            Err(ErrorCode::FENCED_INSTANCE_ID)
        }
    }

    /// The assignor that most members ask for.
    pub(in crate::broker) fn assignor(&self) -> ServerAssignor {
        let asks = |assignor| move |it: &&ConsumerMember| it.assignor == Some(assignor);
        let votes = |assignor| self.members.iter().filter(asks(assignor)).count();
        // Of those with as many votes, max_by_key takes the last.
        let all = ServerAssignor::ALL.into_iter().rev();
        all.max_by_key(|assignor| votes(*assignor))
            .unwrap_or(ServerAssignor::Uniform)
    }

    /// Looks at the topics that members want; a change begins a new epoch.
    pub(super) fn look_at(&mut self, topics: &Topics) -> bool {
        let wanted = self.members.iter().flat_map(|member| &member.topics);
        let found = wanted.filter_map(|name| {
            let topic = topics.get(name)?;
            let count = i32::try_from(topic.partitions.len()).ok()?;
            Some((name.clone(), (topic.id, count)))
        });
        let metadata = found.collect();
        let has_changed = metadata != self.metadata;
        self.metadata = metadata;
        has_changed
    }

    /// Computes what each is to have, where that is not of this epoch, and was not just computed.
    pub(super) fn assign(&mut self, now: Instant) {
        let interval = self.settings.assignment_interval;
        let is_too_soon = self.assigned_at.is_some_and(|at| now < at + interval);
        if self.epoch <= self.target_epoch || is_too_soon {
            return;
        }
        let subscribers = self.members.iter().map(|member| Subscriber {
            id: &member.id,
            instance_id: member.instance_id.as_deref(),
            topics: self.topics_of(member).collect(),
            target: &member.target,
        });
        let subscribers: Vec<_> = subscribers.collect();
        let counts = self.metadata.values().copied().collect();
        let targets = self.assignor().assign(&subscribers, &counts);
        for (member, target) in self.members.iter_mut().zip(targets) {
            member.target = target;
        }
        self.target_epoch = self.epoch;
        self.assigned_at = Some(now);
    }

    /// Those that there are of the topics that a member wants.
    pub(super) fn topics_of(&self, member: &ConsumerMember) -> impl Iterator<Item = Uuid> {
        let ids = member.topics.iter().filter_map(|it| self.metadata.get(it));
        ids.map(|(id, _)| *id)
    }

    /// Whether a partition is with another member, which may not even want it any more.
    pub(super) fn is_with_another(&self, at: usize, topic: Uuid, index: i32) -> bool {
        let mut members = self.members.iter().enumerate();
        members.any(|(other, member)| {
            let current = &member.current;
            let has = |held: &super::words::Held| {
                held.get(&topic).is_some_and(|it| it.contains_key(&index))
            };
            other != at && (has(&current.assigned) || has(&current.revoking))
        })
    }

    pub(in crate::broker) fn state(&self) -> GroupState {
        let is_reconciled = |it: &ConsumerMember| it.is_reconciled_to(self.target_epoch);
        if self.members.is_empty() {
            GroupState::Empty
        } else if self.epoch > self.target_epoch {
            GroupState::Assigning
        } else if self.members.iter().all(is_reconciled) {
            GroupState::Stable
        } else {
            GroupState::Reconciling
        }
    }
}
