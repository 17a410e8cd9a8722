//! One group: what it has committed, and who is in it.

use std::collections::VecDeque;
use std::time::Instant;

use super::commit::EMPTY_GROUP_RETENTION;
use super::consumer::ConsumerGroup;
use super::machine::{CONSUMER, Classic};
use super::offsets::{Committed, Offsets};
use super::state::GroupState;
use super::words::Effect;
use crate::wire::TopicPartition;

/// See the module.
#[derive(Debug)]
pub(in crate::broker) struct Group {
    pub(super) offsets: Offsets,
    pub(super) kind: Kind,
    /// Of what it was before.
    effects: VecDeque<Effect>,
}

/// The protocol that a group goes by.
#[derive(Debug)]
pub(super) enum Kind {
    Classic(Box<Classic>),
    Consumer(ConsumerGroup),
}

impl Group {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            offsets: Offsets::default(),
            kind,
            effects: VecDeque::new(),
        }
    }

    /// Goes by the consumer protocol from now on. Whoever waits has to ask again.
    pub(super) fn become_consumer(&mut self, consumer: ConsumerGroup) {
        if let Kind::Classic(classic) = &mut self.kind {
            classic.send_back();
            self.effects
                .extend(std::iter::from_fn(|| classic.poll_effect()));
        }
        self.kind = Kind::Consumer(consumer);
    }

    /// The group as one of the classic protocol; none where it is of the other.
    pub(in crate::broker) fn classic(&self) -> Option<&Classic> {
        match &self.kind {
            Kind::Classic(classic) => Some(classic),
            Kind::Consumer(_) => None,
        }
    }

    /// The group as one of the consumer protocol (KIP-848); none where it is of the other.
    pub(in crate::broker) fn consumer(&self) -> Option<&ConsumerGroup> {
        match &self.kind {
            Kind::Classic(_) => None,
            Kind::Consumer(consumer) => Some(consumer),
        }
    }

    pub(in crate::broker) fn state(&self) -> GroupState {
        match &self.kind {
            Kind::Classic(classic) => classic.state(),
            Kind::Consumer(consumer) => consumer.state(),
        }
    }

    /// How many generations there were, or the group's epoch.
    pub(in crate::broker) fn generation(&self) -> i32 {
        match &self.kind {
            Kind::Classic(classic) => classic.generation(),
            Kind::Consumer(consumer) => consumer.epoch(),
        }
    }

    pub(in crate::broker) fn protocol_type(&self) -> Option<&str> {
        match &self.kind {
            Kind::Classic(classic) => classic.protocol_type(),
            Kind::Consumer(_) => Some(CONSUMER),
        }
    }

    pub(in crate::broker) fn committed(&self, topic: &str, partition: i32) -> Option<&Committed> {
        self.offsets.get(topic, partition)
    }

    /// Whether an open transaction may still change what is committed.
    pub(in crate::broker) fn is_pending(&self, topic: &str, partition: i32) -> bool {
        self.offsets.is_pending(topic, partition)
    }

    pub(in crate::broker) fn all_committed(
        &self,
    ) -> impl Iterator<Item = (&TopicPartition, &Committed)> {
        self.offsets.iter()
    }

    /// Whether the topic's offsets are in use.
    pub(super) fn is_subscribed_to(&self, topic: &str) -> bool {
        match &self.kind {
            Kind::Classic(classic) => classic.is_subscribed_to(topic),
            Kind::Consumer(consumer) => consumer.is_subscribed_to(topic),
        }
    }

    /// Another node coordinates the group from now on, or none does.
    pub(super) fn handle_move(&mut self, is_coordinated: bool, now: Instant) {
        match &mut self.kind {
            Kind::Classic(classic) => classic.handle_move(is_coordinated, now),
            Kind::Consumer(consumer) => consumer.handle_move(is_coordinated, now),
        }
    }

    /// When something is due.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match &self.kind {
            Kind::Classic(classic) => classic.poll_timeout(),
            Kind::Consumer(consumer) => consumer.poll_timeout(),
        }
    }

    /// Does what is due, and becomes a group of the classic protocol where it is to.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        match &mut self.kind {
            Kind::Classic(classic) => classic.handle_timeout(now),
            Kind::Consumer(consumer) => {
                consumer.handle_timeout(now);
                if let Some(classic) = consumer.poll_turn(now) {
                    self.kind = Kind::Classic(Box::new(classic));
                }
            }
        }
    }

    /// The next thing to do.
    pub(super) fn poll_effect(&mut self) -> Option<Effect> {
        let before = self.effects.pop_front();
        match &mut self.kind {
            Kind::Classic(classic) => before.or_else(|| classic.poll_effect()),
            // It keeps nobody waiting.
            Kind::Consumer(_) => before,
        }
    }

    /// When it can go, as nobody has any use for it.
    pub(super) fn expires(&self) -> Option<Instant> {
        let unused_since = match &self.kind {
            Kind::Classic(classic) => classic.unused_since(),
            Kind::Consumer(consumer) => consumer.empty_since(),
        };
        let unused_since = unused_since.filter(|_| self.offsets.is_empty());
        Some(unused_since? + EMPTY_GROUP_RETENTION)
    }
}
