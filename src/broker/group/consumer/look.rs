//! Looking at a group without changing it.

use std::sync::Arc;
use std::time::Instant;

use super::machine::ConsumerGroup;
use super::member::ConsumerMember;
use super::words::{Held, Partitions};

impl ConsumerGroup {
    pub(in crate::broker) fn epoch(&self) -> i32 {
        self.epoch
    }

    pub(in crate::broker) fn target_epoch(&self) -> i32 {
        self.target_epoch
    }

    pub(in crate::broker) fn members(&self) -> &[ConsumerMember] {
        &self.members
    }

    pub(in crate::broker::group) fn is_subscribed_to(&self, topic: &str) -> bool {
        self.members.iter().any(|it| it.topics.contains(topic))
    }

    /// None where it has members.
    pub(in crate::broker::group) fn empty_since(&self) -> Option<Instant> {
        self.members.is_empty().then_some(self.empty_since)
    }
}

impl ConsumerMember {
    pub(in crate::broker) fn id(&self) -> &str {
        &self.id
    }

    pub(in crate::broker) fn instance_id(&self) -> Option<&str> {
        self.instance_id.as_deref()
    }

    pub(in crate::broker) fn rack_id(&self) -> Option<&str> {
        self.rack_id.as_deref()
    }

    pub(in crate::broker) fn client_id(&self) -> &str {
        &self.client_id
    }

    pub(in crate::broker) fn topics(&self) -> impl Iterator<Item = &Arc<str>> {
        self.topics.iter()
    }

    pub(in crate::broker) fn epoch(&self) -> i32 {
        self.current.epoch
    }

    /// Whether it is of the classic protocol.
    pub(in crate::broker) fn is_classic(&self) -> bool {
        self.classic.is_some()
    }

    /// What it has, without what it was told to give up.
    pub(in crate::broker) fn assigned(&self) -> &Held {
        &self.current.assigned
    }

    /// What it was told to give up, and has not yet.
    pub(in crate::broker) fn revoking(&self) -> &Held {
        &self.current.revoking
    }

    pub(in crate::broker) fn target(&self) -> &Partitions {
        &self.target
    }
}
