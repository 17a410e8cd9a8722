//! One member of a group.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::words::{Identity, JoinRequest, Protocol, Ticket};

/// See the module.
#[derive(Clone, Debug)]
pub(in crate::broker) struct Member {
    pub(super) id: Arc<str>,
    pub(super) instance_id: Option<Arc<str>>,
    pub(super) client_id: Arc<str>,
    pub(super) session_timeout: Duration,
    pub(super) rebalance_timeout: Duration,
    pub(super) protocols: Vec<Protocol>,
    pub(super) assignment: Bytes,
    /// The request of its that has no answer yet.
    pub(super) waits: Option<Waits>,
    /// It has not been told its first generation: it may not even know its id.
    pub(super) is_new: bool,
    /// It has asked for its part of this generation.
    pub(super) has_synced: bool,
    /// None where that came to pass while it waited: it counts anew when it is answered.
    pub(super) session_ends: Option<Instant>,
}

/// What a member waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waits {
    ForJoin(Ticket),
    ForSync(Ticket),
}

impl Member {
    /// A member that waits for its first generation.
    pub(super) fn new(id: Arc<str>, request: JoinRequest, ticket: Ticket) -> Self {
        Self {
            id,
            instance_id: request.identity.instance_id,
            client_id: request.client_id,
            session_timeout: request.session_timeout,
            rebalance_timeout: request.rebalance_timeout,
            protocols: request.protocols,
            assignment: Bytes::new(),
            waits: Some(Waits::ForJoin(ticket)),
            is_new: true,
            has_synced: false,
            session_ends: None,
        }
    }

    pub(super) fn identity(&self) -> Identity {
        Identity {
            member_id: self.id.clone(),
            instance_id: self.instance_id.clone(),
        }
    }

    pub(super) fn is_joining(&self) -> bool {
        matches!(self.waits, Some(Waits::ForJoin(_)))
    }

    pub(super) fn supports(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|own| &*own.name == protocol)
    }

    /// What it says under a protocol; nothing where it does not know it.
    pub(in crate::broker) fn metadata(&self, protocol: &str) -> Bytes {
        let found = self.protocols.iter().find(|own| &*own.name == protocol);
        found.map_or_else(Bytes::new, |own| own.metadata.clone())
    }

    pub(super) fn begin_session(&mut self, now: Instant) {
        self.session_ends = Some(now + self.session_timeout);
    }
}
