//! From one protocol to the other, with the members (`group.consumer.migration.policy`).

use std::sync::Arc;
use std::time::Instant;

use super::classic::{ClassicPart, by_id};
use super::machine::{ConsumerGroup, Settings};
use super::member::{ConsumerMember, Current};
use super::words::Held;
use crate::broker::config::MigrationPolicy;
use crate::broker::group::join::MAX_MEMBERS;
use crate::broker::group::machine::Classic;
use crate::broker::group::{GroupState, Member};
use crate::broker::topics::Topics;
use crate::group::subscription::{Subscription, decode_assignment, encode_assignment};
use crate::wire::ErrorCode;

/// How a group is to become one of the classic protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::broker::group) struct Turn {
    /// Its members have to join again; else they have what they are to have.
    pub(in crate::broker::group) rebalances: bool,
}

impl MigrationPolicy {
    /// Whether members of the classic protocol may join a group of the consumer protocol.
    pub(super) fn mixes(self) -> bool {
        self != Self::Disabled
    }

    fn upgrades(self) -> bool {
        matches!(self, Self::Bidirectional | Self::Upgrade)
    }

    fn downgrades(self) -> bool {
        matches!(self, Self::Bidirectional | Self::Downgrade)
    }
}

impl ConsumerGroup {
    /// What a group of the classic protocol becomes when a member of the consumer protocol joins
    /// it: all have what they had.
    ///
    /// # Errors
    ///
    /// `GROUP_ID_NOT_FOUND` where the policy has no such thing, or its members are not consumers.
    pub(in crate::broker::group) fn of_classic(
        settings: Settings,
        classic: &Classic,
        topics: &Topics,
        now: Instant,
    ) -> Result<Self, ErrorCode> {
        if classic.state() == GroupState::Empty {
            return Ok(Self::new(settings, now));
        }
        let is_possible = settings.migration.upgrades()
            && classic.is_of_consumers()
            && classic.members().len() <= settings.max_size;
        if !is_possible {
            return Err(ErrorCode::GROUP_ID_NOT_FOUND);
        }
        let protocol = classic.protocol.clone();
        let protocol = protocol.or_else(|| classic.select_protocol());
        let protocol = protocol.unwrap_or_default();
        let mut group = Self::new(settings, now);
        group.epoch = classic.generation();
        group.target_epoch = classic.generation();
        for member in classic.members() {
            let of_classic = ConsumerMember::of_classic(member, &protocol, group.epoch, topics);
            let mut member = of_classic.ok_or(ErrorCode::GROUP_ID_NOT_FOUND)?;
            member.begin_session(settings.session_timeout, now);
            group.members.push(member);
        }
        group.look_at(topics);
        Ok(group)
    }

    /// Whether this member is the last of the consumer protocol.
    pub(super) fn is_last_consumer(&self, at: usize) -> bool {
        let mut members = self.members.iter().enumerate();
        members.all(|(it, member)| member.classic.is_none() == (it == at))
    }

    /// Has the group become one of the classic protocol; false where the policy has no such thing.
    pub(super) fn turn(&mut self, rebalances: bool) -> bool {
        let turns = self.settings.migration.downgrades() && self.members.len() <= MAX_MEMBERS;
        if turns {
            self.turn = Some(Turn { rebalances });
        }
        turns
    }

    /// The group as one of the classic protocol, where it is to become that.
    pub(in crate::broker::group) fn poll_turn(&mut self, now: Instant) -> Option<Classic> {
        let turn = self.turn.take()?;
        let members = self
            .members
            .iter()
            .filter_map(|it| self.as_classic(it, now));
        let initial_delay = self.settings.initial_delay;
        let mut classic = Classic::of_members(members.collect(), self.epoch, initial_delay, now);
        if turn.rebalances {
            classic.prepare_rebalance(now);
        }
        Some(classic)
    }

    fn as_classic(&self, member: &ConsumerMember, now: Instant) -> Option<Member> {
        let part = member.classic.as_ref()?;
        let mut classic = Member {
            id: member.id.clone(),
            instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            session_timeout: part.session_timeout,
            rebalance_timeout: member.rebalance_timeout,
            protocols: part.protocols.clone(),
            assignment: encode_assignment(&self.names_of(&member.target)),
            waits: None,
            is_new: false,
            has_synced: true,
            session_ends: None,
        };
        classic.begin_session(now);
        Some(classic)
    }
}

impl ConsumerMember {
    /// None where what it says or has is not in the consumers' form.
    fn of_classic(member: &Member, protocol: &str, epoch: i32, topics: &Topics) -> Option<Self> {
        let subscription = Subscription::decode(&member.metadata(protocol)).ok()?;
        let assigned = decode_assignment(&member.assignment).ok()?;
        let target = by_id(&assigned, topics);
        let held = target.iter().map(|(topic, indexes)| {
            (
                *topic,
                indexes.iter().map(|index| (*index, epoch)).collect(),
            )
        });
        let assigned: Held = held.collect();
        let mut own = Self::new(&member.id, member.instance_id.as_ref());
        own.client_id = member.client_id.clone();
        own.rebalance_timeout = member.rebalance_timeout;
        own.topics = subscription
            .topics
            .iter()
            .map(|it| Arc::from(&**it))
            .collect();
        own.target = target;
        own.current = Current {
            epoch,
            previous_epoch: epoch,
            assigned,
            ..Current::default()
        };
        own.classic = Some(ClassicPart::new(
            member.session_timeout,
            member.protocols.clone(),
        ));
        Some(own)
    }
}
