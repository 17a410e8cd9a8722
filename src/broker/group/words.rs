//! What the coordinator is asked, and what it answers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use super::consumer::Held;
use crate::wire::ErrorCode;

/// A request that waits for its answer. Each is answered once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::broker) struct Ticket(pub(super) u64);

/// Who asks, or is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::broker) struct Identity {
    /// Empty where the member has none yet, or is named by its instance alone.
    pub(in crate::broker) member_id: Arc<str>,
    /// `group.instance.id` of a static member (KIP-345).
    pub(in crate::broker) instance_id: Option<Arc<str>>,
}

/// Who commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::broker) struct Committer {
    pub(in crate::broker) identity: Identity,
    /// The generation, or the member's epoch; -1 for who is not a member.
    pub(in crate::broker) generation: i32,
    /// In a transaction (KIP-447).
    pub(in crate::broker) is_transactional: bool,
    /// Of the request.
    pub(in crate::broker) version: i16,
}

/// What someone may commit to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::broker) enum Rights {
    All,
    /// The partitions that the member has had since this epoch or before.
    OfEpoch {
        epoch: i32,
        held: Held,
        /// What is said of the others.
        refusal: ErrorCode,
    },
}

impl Rights {
    /// Says whether a partition is among them.
    ///
    /// # Errors
    ///
    /// `STALE_MEMBER_EPOCH` or `ILLEGAL_GENERATION`.
    pub(in crate::broker) fn check(&self, topic: Uuid, partition: i32) -> Result<(), ErrorCode> {
        match self {
            Self::All => Ok(()),
            Self::OfEpoch {
                epoch,
                held,
                refusal,
            } => {
                let held = held.get(&topic).and_then(|held| held.get(&partition));
                let is_theirs = held.is_some_and(|since| since <= epoch);
                is_theirs.then_some(()).ok_or(*refusal)
            }
        }
    }
}

/// A way of sharing partitions that a member knows, and what it says to whoever shares them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::broker) struct Protocol {
    pub(in crate::broker) name: Arc<str>,
    pub(in crate::broker) metadata: Bytes,
}

/// A JoinGroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::broker) struct JoinRequest {
    pub(in crate::broker) identity: Identity,
    pub(in crate::broker) client_id: Arc<str>,
    pub(in crate::broker) session_timeout: Duration,
    pub(in crate::broker) rebalance_timeout: Duration,
    pub(in crate::broker) protocol_type: Arc<str>,
    /// The preferred one first.
    pub(in crate::broker) protocols: Vec<Protocol>,
    /// From version 4: a new member gets its id first, and joins with that (KIP-394).
    pub(in crate::broker) learns_id_first: bool,
    /// From version 9: a leader can be told that it has nothing to assign (KIP-814).
    pub(in crate::broker) can_skip_assignment: bool,
}

/// A member of the new generation, as the leader is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::broker) struct JoinedMember {
    pub(in crate::broker) identity: Identity,
    pub(in crate::broker) metadata: Bytes,
}

/// A JoinGroup that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::broker) struct Joined {
    pub(in crate::broker) member_id: Arc<str>,
    pub(in crate::broker) generation: i32,
    pub(in crate::broker) protocol_type: Option<Arc<str>>,
    pub(in crate::broker) protocol: Option<Arc<str>>,
    pub(in crate::broker) leader: Arc<str>,
    /// The leader has nothing to assign: all keep what they have.
    pub(in crate::broker) skip_assignment: bool,
    /// All members, for the leader; none for the others.
    pub(in crate::broker) members: Vec<JoinedMember>,
}

/// A JoinGroup that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::broker) struct NotJoined {
    pub(in crate::broker) code: ErrorCode,
    /// The id to join with, for `MEMBER_ID_REQUIRED`.
    pub(in crate::broker) member_id: Arc<str>,
}

/// What a JoinGroup is answered.
pub(in crate::broker) type JoinAnswer = Result<Joined, NotJoined>;

/// A SyncGroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::broker) struct SyncRequest {
    pub(in crate::broker) identity: Identity,
    pub(in crate::broker) generation: i32,
    /// What the member takes the group's to be (KIP-559).
    pub(in crate::broker) protocol_type: Option<Arc<str>>,
    pub(in crate::broker) protocol: Option<Arc<str>>,
    /// Who gets what, from the leader.
    pub(in crate::broker) assignments: Vec<(Arc<str>, Bytes)>,
}

/// A SyncGroup that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::broker) struct Synced {
    pub(in crate::broker) protocol_type: Option<Arc<str>>,
    pub(in crate::broker) protocol: Option<Arc<str>>,
    pub(in crate::broker) assignment: Bytes,
}

/// What a SyncGroup is answered.
pub(in crate::broker) type SyncAnswer = Result<Synced, ErrorCode>;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::broker) enum Effect {
    /// Answer a JoinGroup.
    Joined(Ticket, JoinAnswer),
    /// Answer a SyncGroup.
    Synced(Ticket, SyncAnswer),
}
