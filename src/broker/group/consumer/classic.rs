//! Members of the classic protocol in a group of the consumer protocol: JoinGroup, SyncGroup,
//! Heartbeat and LeaveGroup. All are answered at once: to such a member the group looks like one in
//! which somebody else leads and everyone else has joined already.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::machine::ConsumerGroup;
use super::member::{ConsumerMember, MemberState};
use super::words::Partitions;
use crate::broker::group::machine::CONSUMER;
use crate::broker::group::words::{
    Identity, JoinAnswer, JoinRequest, Joined, NotJoined, Protocol, SyncAnswer, SyncRequest, Synced,
};
use crate::broker::topics::Topics;
use crate::group::subscription::{Subscription, encode_assignment};
use crate::wire::{ErrorCode, TopicPartition};

/// What a member of the classic protocol has beside the others.
#[derive(Clone, Debug)]
pub(super) struct ClassicPart {
    pub(super) session_timeout: Duration,
    pub(super) protocols: Vec<Protocol>,
    /// By when it must have joined again, where it was told to.
    pub(super) join_due: Option<Instant>,
    /// By when it must have synced, where it has joined.
    pub(super) sync_due: Option<Instant>,
}

impl ClassicPart {
    pub(super) fn new(session_timeout: Duration, protocols: Vec<Protocol>) -> Self {
        Self {
            session_timeout,
            protocols,
            join_due: None,
            sync_due: None,
        }
    }

    /// The protocol that it goes by: the one it prefers, as nobody else assigns.
    fn protocol(&self) -> Option<Arc<str>> {
        self.protocols.first().map(|own| own.name.clone())
    }
}

impl ConsumerGroup {
    /// A JoinGroup; `fresh_id` is the id that a new member gets.
    pub(in crate::broker::group) fn handle_join(
        &mut self,
        request: &JoinRequest,
        fresh_id: &Arc<str>,
        topics: &Topics,
        now: Instant,
    ) -> JoinAnswer {
        let refused = |code| NotJoined::new(code, "".into());
        let identity = &request.identity;
        let is_new = identity.member_id.is_empty();
        self.check_join(request).map_err(refused)?;
        if is_new && identity.instance_id.is_none() && request.learns_id_first {
            let code = ErrorCode::MEMBER_ID_REQUIRED;
            return Err(NotJoined::new(code, fresh_id.clone()));
        }
        let subscription = request.protocols.first().map(|own| &own.metadata);
        let subscription = Subscription::decode(subscription.map_or(&[], |it| it));
        let malformed = |_| refused(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        let subscription = subscription.map_err(malformed)?;
        let id = if is_new {
            fresh_id
        } else {
            &identity.member_id
        };
        let at = self.admit_classic(identity, id).map_err(refused)?;
        let wants_others = self.members[at].update_classic(request, &subscription);
        self.take_note(wants_others, topics, now);
        let owned = by_id(&subscription.owned, topics);
        self.reconcile(at, wants_others, Some(&owned), now);
        let member = &mut self.members[at];
        member.begin_session(self.settings.session_timeout, now);
        let due = now + member.rebalance_timeout;
        let protocol = member.classic.as_mut().and_then(|part| {
            part.sync_due = Some(due);
            part.protocol()
        });
        Ok(Joined {
            member_id: member.id.clone(),
            generation: member.current.epoch,
            protocol_type: Some(CONSUMER.into()),
            protocol,
            leader: "".into(),
            skip_assignment: false,
            members: Vec::new(),
        })
    }

    /// Computes what each is to have, where something has changed; but for a group that is to be
    /// one of the classic protocol, whose members do that.
    fn take_note(&mut self, wants_others: bool, topics: &Topics, now: Instant) {
        let has_changed = self.look_at(topics) || wants_others;
        if let Some(turn) = &mut self.turn {
            turn.rebalances = has_changed || self.epoch > self.target_epoch;
            return;
        }
        self.epoch += i32::from(has_changed);
        self.assign(now);
    }

    fn check_join(&self, request: &JoinRequest) -> Result<(), ErrorCode> {
        if !self.settings.migration.mixes() {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        self.check_size(&request.identity)?;
        let parts = || self.members.iter().filter_map(|it| it.classic.as_ref());
        let is_common = |own: &Protocol| {
            parts().all(|part| part.protocols.iter().any(|it| it.name == own.name))
        };
        if &*request.protocol_type != CONSUMER || !request.protocols.iter().any(is_common) {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        Ok(())
    }

    /// Finds the member, or takes it in.
    fn admit_classic(&mut self, identity: &Identity, id: &Arc<str>) -> Result<usize, ErrorCode> {
        let Some(instance) = &identity.instance_id else {
            return Ok(self.place(id).unwrap_or_else(|| self.add(id, None)));
        };
        let known = self.place_of_instance(instance);
        if !identity.member_id.is_empty() {
            let at = known.ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
            return self.check_instance(at, id).map(|()| at);
        }
        let Some(at) = known else {
            return Ok(self.add(id, Some(instance)));
        };
        self.members[at].begin_anew(id);
        if self.is_last_consumer(at) {
            self.turn(false);
        }
        Ok(at)
    }

    /// A SyncGroup.
    pub(in crate::broker::group) fn handle_sync(
        &mut self,
        request: &SyncRequest,
        now: Instant,
    ) -> SyncAnswer {
        let at = self.find_classic(&request.identity, request.generation)?;
        let protocol = self.members[at]
            .classic
            .as_ref()
            .and_then(ClassicPart::protocol);
        let is_own =
            |said: &Option<Arc<str>>, own| said.as_deref().is_none_or(|it| own == Some(it));
        if !is_own(&request.protocol_type, Some(CONSUMER))
            || !is_own(&request.protocol, protocol.as_deref())
        {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        let current = &self.members[at].current;
        if self.target_epoch > current.epoch && current.state != MemberState::Unrevoked {
            self.members[at].call_back(now);
            return Err(ErrorCode::REBALANCE_IN_PROGRESS);
        }
        let assigned = self.names_of(&super::partitions_of(&self.members[at].current.assigned));
        let member = &mut self.members[at];
        member.begin_session(self.settings.session_timeout, now);
        if let Some(part) = &mut member.classic {
            part.sync_due = None;
        }
        Ok(Synced {
            protocol_type: request.protocol_type.clone(),
            protocol: request.protocol.clone(),
            assignment: encode_assignment(&assigned),
        })
    }

    /// A Heartbeat.
    pub(in crate::broker::group) fn handle_classic_heartbeat(
        &mut self,
        identity: &Identity,
        generation: i32,
        now: Instant,
    ) -> Result<(), ErrorCode> {
        let at = self.find_classic(identity, generation)?;
        let timeout = self.settings.session_timeout;
        self.members[at].begin_session(timeout, now);
        let current = &self.members[at].current;
        let is_called = current.epoch < self.target_epoch
            || match current.state {
                MemberState::Stable => false,
                MemberState::Unrevoked => true,
                MemberState::Unreleased => !self.waits_for_others(at),
            };
        if is_called {
            self.members[at].call_back(now);
            return Err(ErrorCode::REBALANCE_IN_PROGRESS);
        }
        Ok(())
    }

    /// A LeaveGroup of these members, of whichever protocol: what is said to each.
    pub(in crate::broker::group) fn handle_classic_leave(
        &mut self,
        who: &[Identity],
        now: Instant,
    ) -> Vec<Result<(), ErrorCode>> {
        let found: Vec<_> = who.iter().map(|who| self.find_leaving(who)).collect();
        let ids = found
            .iter()
            .flatten()
            .map(|at| self.members[*at].id.clone());
        let ids: Vec<Arc<str>> = ids.collect();
        self.fence(&ids, now);
        found.into_iter().map(|found| found.map(|_| ())).collect()
    }

    fn find_leaving(&self, who: &Identity) -> Result<usize, ErrorCode> {
        match &who.instance_id {
            // An operator knows a member by its instance alone.
            Some(instance) if who.member_id.is_empty() => self
                .place_of_instance(instance)
                .ok_or(ErrorCode::UNKNOWN_MEMBER_ID),
            _ => self.find(who),
        }
    }

    /// Finds the member that says it is this one, of the classic protocol and of this generation.
    fn find_classic(&self, identity: &Identity, generation: i32) -> Result<usize, ErrorCode> {
        let at = self.find(identity)?;
        let member = &self.members[at];
        if member.classic.is_none() {
            return Err(ErrorCode::UNKNOWN_MEMBER_ID);
        }
        if member.current.epoch != generation {
            return Err(ErrorCode::ILLEGAL_GENERATION);
        }
        Ok(at)
    }

    /// Whether a member can't get anything yet of what it is still to have.
    fn waits_for_others(&self, at: usize) -> bool {
        let member = &self.members[at];
        let mut target = member.target.iter();
        target.any(|(topic, indexes)| {
            let assigned = member.current.assigned.get(topic);
            let is_missing = |it: &&i32| assigned.is_none_or(|held| !held.contains_key(it));
            let mut missing = indexes.iter().filter(is_missing);
            missing.any(|index| self.is_with_another(at, *topic, *index))
        })
    }

    /// Partitions by the names of their topics; those of topics that are gone are left out.
    pub(super) fn names_of(&self, partitions: &Partitions) -> Vec<TopicPartition> {
        let mut named = Vec::new();
        for (name, (id, _)) in &self.metadata {
            let indexes = partitions.get(id).into_iter().flatten();
            named.extend(indexes.map(|index| TopicPartition::new(name.clone(), *index)));
        }
        named
    }
}

impl ConsumerMember {
    /// Takes over what a JoinGroup says; true where the member wants other topics than before.
    fn update_classic(&mut self, request: &JoinRequest, subscription: &Subscription) -> bool {
        self.client_id = request.client_id.clone();
        self.rebalance_timeout = request.rebalance_timeout;
        self.revocation = None;
        let protocols = request.protocols.clone();
        self.classic = Some(ClassicPart::new(request.session_timeout, protocols));
        let topics = subscription
            .topics
            .iter()
            .map(|it| Arc::from(&**it))
            .collect();
        let wants_others = topics != self.topics;
        self.topics = topics;
        wants_others
    }

    /// Has a member join again, which it has its rebalance timeout for.
    fn call_back(&mut self, now: Instant) {
        let due = now + self.rebalance_timeout;
        if let Some(part) = &mut self.classic {
            part.join_due.get_or_insert(due);
        }
    }
}

/// Partitions by the ids of their topics; those of topics that there are not are left out.
pub(super) fn by_id(named: &[TopicPartition], topics: &Topics) -> Partitions {
    let mut partitions = Partitions::new();
    for TopicPartition { topic, partition } in named {
        if let Some(topic) = topics.get(topic) {
            partitions.entry(topic.id).or_default().insert(*partition);
        }
    }
    partitions
}
