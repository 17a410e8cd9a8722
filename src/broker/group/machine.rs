//! One group of the classic protocol: what it knows, and how it looks things up. What it does is in
//! the files beside.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::member::{Member, Waits};
use super::moved::Kept;
use super::state::State;
use super::words::{
    Effect, Identity, JoinAnswer, Joined, JoinedMember, NotJoined, SyncAnswer, Ticket,
};
use crate::group::subscription::Subscription;
use crate::wire::ErrorCode;

/// The protocol type of consumers; Connect's and others' have their own.
pub(super) const CONSUMER: &str = "consumer";

/// See the [module](super).
#[derive(Debug)]
pub(in crate::broker) struct Classic {
    /// `group.initial.rebalance.delay.ms`.
    pub(super) initial_delay: Duration,
    pub(super) state: State,
    pub(super) generation: i32,
    /// None where it never had a member: whoever commits to it assigns partitions on their own.
    pub(super) protocol_type: Option<Arc<str>>,
    /// The protocol that this generation goes by.
    pub(super) protocol: Option<Arc<str>>,
    pub(super) leader: Option<Arc<str>>,
    /// In the order in which they came.
    pub(super) members: Vec<Member>,
    /// The ids that were given out and not yet joined with, and until when they hold (KIP-394).
    pub(super) pending: BTreeMap<Arc<str>, Instant>,
    /// The topics of this generation's members, where they can be read.
    pub(super) subscribed: Option<BTreeSet<String>>,
    /// What outlives this coordinator.
    pub(super) kept: Kept,
    effects: VecDeque<Effect>,
}

impl Classic {
    pub(super) fn new(initial_delay: Duration, now: Instant) -> Self {
        Self {
            initial_delay,
            state: State::Empty { since: now },
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: Vec::new(),
            pending: BTreeMap::new(),
            subscribed: None,
            kept: Kept::default(),
            effects: VecDeque::new(),
        }
    }

    /// A stable group of consumers that know what they have.
    pub(super) fn of_members(
        members: Vec<Member>,
        generation: i32,
        initial_delay: Duration,
        now: Instant,
    ) -> Self {
        let mut group = Self::new(initial_delay, now);
        group.state = State::Stable { due: None };
        group.generation = generation;
        group.protocol_type = Some(CONSUMER.into());
        group.leader = members.first().map(|member| member.id.clone());
        group.members = members;
        group.protocol = group.select_protocol();
        group.subscribed = group.topics_of_members();
        group.keep();
        group
    }

    /// The next thing to do.
    pub(super) fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    pub(super) fn member(&mut self, id: &str) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| &*member.id == id)
    }

    pub(super) fn id_of_instance(&self, instance: &str) -> Option<Arc<str>> {
        let mut members = self.members.iter();
        let found = members.find(|member| member.instance_id.as_deref() == Some(instance));
        found.map(|member| member.id.clone())
    }

    /// Finds the member that says it is this one.
    ///
    /// # Errors
    ///
    /// `UNKNOWN_MEMBER_ID`, or `FENCED_INSTANCE_ID` where another has taken the instance over.
    pub(super) fn identify(&mut self, identity: &Identity) -> Result<&mut Member, ErrorCode> {
        if let Some(instance) = &identity.instance_id {
            match self.id_of_instance(instance) {
                None => return Err(ErrorCode::UNKNOWN_MEMBER_ID),
                Some(id) if id != identity.member_id => return Err(ErrorCode::FENCED_INSTANCE_ID),
                Some(_) => {}
            }
        }
        self.member(&identity.member_id)
            .ok_or(ErrorCode::UNKNOWN_MEMBER_ID)
    }

    /// As [`Group::identify`], for one that says which generation it is of.
    pub(super) fn identify_in(
        &mut self,
        identity: &Identity,
        generation: i32,
    ) -> Result<&mut Member, ErrorCode> {
        let current = self.generation;
        let member = self.identify(identity)?;
        if generation != current {
            return Err(ErrorCode::ILLEGAL_GENERATION);
        }
        Ok(member)
    }

    pub(super) fn is_leader(&self, id: &str) -> bool {
        self.leader.as_deref() == Some(id)
    }

    /// The longest that a member asks the others to wait for it.
    pub(super) fn rebalance_timeout(&self) -> Duration {
        let timeouts = self.members.iter().map(|member| member.rebalance_timeout);
        timeouts.max().unwrap_or_default()
    }

    pub(super) fn all_have_joined(&self) -> bool {
        self.pending.is_empty() && self.members.iter().all(Member::is_joining)
    }

    /// Whether the topic's offsets are in use. Of consumers whose topics can't be read, all are
    /// taken to be.
    pub(super) fn is_subscribed_to(&self, topic: &str) -> bool {
        match &self.subscribed {
            Some(topics) => topics.contains(topic),
            None => self.is_of_consumers(),
        }
    }

    pub(super) fn is_of_consumers(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER)
    }

    /// The topics that the members name under the chosen protocol; none where they can't be read.
    pub(super) fn topics_of_members(&self) -> Option<BTreeSet<String>> {
        if !self.is_of_consumers() {
            return None;
        }
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let mut topics = BTreeSet::new();
        for member in &self.members {
            topics.extend(
                Subscription::decode(&member.metadata(protocol))
                    .ok()?
                    .topics,
            );
        }
        Some(topics)
    }

    /// What a member is told of the present generation: the leader also who the others are.
    pub(super) fn joined(&self, id: &str) -> Joined {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let told = |member: &Member| JoinedMember {
            identity: member.identity(),
            metadata: member.metadata(protocol),
        };
        let members = if self.is_leader(id) {
            self.members.iter().map(told).collect()
        } else {
            Vec::new()
        };
        Joined {
            member_id: id.into(),
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_default(),
            skip_assignment: false,
            members,
        }
    }

    /// Takes a member out and answers what it waits for; another leads where it did.
    pub(super) fn remove(&mut self, id: &str) {
        let Some(index) = self.members.iter().position(|member| &*member.id == id) else {
            return;
        };
        let member = self.members.remove(index);
        if self.is_leader(id) {
            self.leader = self.members.first().map(|member| member.id.clone());
        }
        self.refuse(member.waits, ErrorCode::UNKNOWN_MEMBER_ID, "");
    }

    /// Refuses what a member waits for. `id` is the one that it is to go on with.
    pub(super) fn refuse(&mut self, waits: Option<Waits>, code: ErrorCode, id: &str) {
        match waits {
            Some(Waits::ForJoin(ticket)) => {
                let member_id = id.into();
                self.answer_join(ticket, Err(NotJoined { code, member_id }));
            }
            Some(Waits::ForSync(ticket)) => self.answer_sync(ticket, Err(code)),
            None => {}
        }
    }

    /// Has all that wait ask again.
    pub(super) fn send_back(&mut self) {
        let waits = self.members.iter_mut().filter_map(|member| {
            let waits = member.waits.take()?;
            Some((waits, member.id.clone()))
        });
        for (waits, id) in waits.collect::<Vec<_>>() {
            self.refuse(Some(waits), ErrorCode::REBALANCE_IN_PROGRESS, &id);
        }
    }

    /// Has a member wait for something. Where it waits already, that is a retry: whoever sent the
    /// first request has given it up.
    pub(super) fn wait(&mut self, id: &str, waits: Waits) {
        let before = self
            .member(id)
            .and_then(|member| member.waits.replace(waits));
        self.refuse(before, ErrorCode::REBALANCE_IN_PROGRESS, id);
    }

    pub(super) fn answer_join(&mut self, ticket: Ticket, answer: JoinAnswer) {
        self.effects.push_back(Effect::Joined(ticket, answer));
    }

    pub(super) fn answer_sync(&mut self, ticket: Ticket, answer: SyncAnswer) {
        self.effects.push_back(Effect::Synced(ticket, answer));
    }
}
