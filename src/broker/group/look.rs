//! Looking at a group without changing it.

use bytes::Bytes;

use super::machine::Group;
use super::member::Member;
use super::offsets::Committed;
use super::state::GroupState;
use crate::wire::TopicPartition;

impl Group {
    pub(in crate::broker) fn state(&self) -> GroupState {
        self.state.name()
    }

    pub(in crate::broker) fn generation(&self) -> i32 {
        self.generation
    }

    pub(in crate::broker) fn protocol_type(&self) -> Option<&str> {
        self.protocol_type.as_deref()
    }

    pub(in crate::broker) fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    pub(in crate::broker) fn leader(&self) -> Option<&str> {
        self.leader.as_deref()
    }

    pub(in crate::broker) fn members(&self) -> &[Member] {
        &self.members
    }

    pub(in crate::broker) fn committed(&self, topic: &str, partition: i32) -> Option<&Committed> {
        self.offsets.get(topic, partition)
    }

    pub(in crate::broker) fn all_committed(
        &self,
    ) -> impl Iterator<Item = (&TopicPartition, &Committed)> {
        self.offsets.iter()
    }
}

impl Member {
    pub(in crate::broker) fn id(&self) -> &str {
        &self.id
    }

    pub(in crate::broker) fn instance_id(&self) -> Option<&str> {
        self.instance_id.as_deref()
    }

    pub(in crate::broker) fn client_id(&self) -> &str {
        &self.client_id
    }

    pub(in crate::broker) fn assignment(&self) -> &Bytes {
        &self.assignment
    }
}
