//! Looking at a group of the classic protocol without changing it.

use bytes::Bytes;

use super::machine::Classic;
use super::member::Member;
use super::state::GroupState;

impl Classic {
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
