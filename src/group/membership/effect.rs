//! What a machine asks of its driver, and what the driver answers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::wire::{ErrorCode, TopicPartition};

/// Names one request, so that an answer that comes too late can be told from the one awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt(pub(super) u64);

/// What is to be done next. Each one that holds an [`Attempt`] is to be answered exactly once,
/// by the method named with it.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Find the group's coordinator: [`handle_coordinator`](super::Membership::handle_coordinator).
    FindCoordinator(Attempt),
    /// Send a JoinGroup: [`handle_join`](super::Membership::handle_join).
    Join(JoinRequest),
    /// This member leads and has to know how many partitions these topics have:
    /// [`handle_partitions`](super::Membership::handle_partitions).
    NeedPartitions {
        /// Names the question.
        attempt: Attempt,
        /// Every topic that a member of the group subscribes to, in order.
        topics: Vec<String>,
    },
    /// Send a SyncGroup: [`handle_sync`](super::Membership::handle_sync).
    Sync(SyncRequest),
    /// Send a Heartbeat: [`handle_heartbeat`](super::Membership::handle_heartbeat).
    Heartbeat(HeartbeatRequest),
    /// Send a LeaveGroup: [`handle_leave_answer`](super::Membership::handle_leave_answer).
    Leave(LeaveRequest),
    /// Send a ConsumerGroupHeartbeat:
    /// [`handle_consumer_heartbeat`](super::Membership::handle_consumer_heartbeat).
    ConsumerHeartbeat(ConsumerHeartbeat),
    /// Partitions of these topics are assigned, and their names are not known:
    /// [`handle_topics`](super::Membership::handle_topics).
    NeedTopics {
        /// Names the question.
        attempt: Attempt,
        /// Their ids.
        topics: Vec<TopicId>,
    },
    /// A rebalance is complete and these partitions were added to what is owned: maybe none.
    Assigned(Vec<TopicPartition>),
    /// Give these partitions up: finish what is in flight, commit, then
    /// [`handle_revoked`](super::Membership::handle_revoked).
    Revoke {
        /// Names the revocation.
        attempt: Attempt,
        /// What goes; never empty, and part of what is owned.
        partitions: Vec<TopicPartition>,
    },
    /// These partitions are gone already, and another member may own them: commit nothing and
    /// forward nothing for them. Never empty. Ends a [`Effect::Revoke`] under way for any of them.
    Lost(Vec<TopicPartition>),
    /// The group can't be joined, and another attempt would end the same. The last effect until
    /// [`handle_leave`](super::Membership::handle_leave).
    Failed(GroupFailure),
    /// The coordinator does not speak the consumer protocol. The last effect until
    /// [`handle_unsupported`](super::Membership::handle_unsupported).
    Unsupported,
    /// The membership has ended as asked. The last effect.
    Left(Ending),
}

/// How a membership has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The coordinator has taken the member out of the group.
    Left,
    /// A static member does not leave: its partitions wait for it until its session ends (KIP-345).
    Stays,
    /// The coordinator was not told, or did not agree: its member stays until the session ends.
    NotLeft(RequestError),
    /// There was no membership: the member never joined, or was removed, or its session was over.
    NoMember,
}

/// A JoinGroup request. Those fields that never change (the group's id) are not repeated here.
#[derive(Clone, Debug, PartialEq)]
pub struct JoinRequest {
    /// Names the request.
    pub attempt: Attempt,
    /// The id the coordinator gave; empty at first (KIP-394).
    pub member_id: String,
    /// The id of a static member (KIP-345).
    pub instance_id: Option<String>,
    /// After how long without a heartbeat the coordinator removes the member.
    pub session_timeout: Duration,
    /// How long the coordinator waits for the members of a rebalance.
    pub rebalance_timeout: Duration,
    /// Assignors by name in order of preference, each with the encoded subscription.
    pub protocols: Vec<(&'static str, Bytes)>,
    /// Why, for the broker's log (KIP-800).
    pub reason: Option<&'static str>,
    /// The request's own deadline: the coordinator holds it for as long as a rebalance takes.
    pub timeout: Duration,
}

/// A SyncGroup request.
#[derive(Clone, Debug, PartialEq)]
pub struct SyncRequest {
    /// Names the request.
    pub attempt: Attempt,
    /// The generation just joined.
    pub generation: i32,
    /// The member's id.
    pub member_id: String,
    /// The id of a static member.
    pub instance_id: Option<String>,
    /// The assignor that the group agreed on.
    pub protocol_name: &'static str,
    /// What each member gets, by member id, encoded; empty from one that does not lead.
    pub assignments: Vec<(String, Bytes)>,
    /// The request's own deadline.
    pub timeout: Duration,
}

/// A Heartbeat request.
#[derive(Clone, Debug, PartialEq)]
pub struct HeartbeatRequest {
    /// Names the request.
    pub attempt: Attempt,
    /// The current generation.
    pub generation: i32,
    /// The member's id.
    pub member_id: String,
    /// The id of a static member.
    pub instance_id: Option<String>,
    /// The request's own deadline.
    pub timeout: Duration,
}

/// A LeaveGroup request, of one that closes or that is to join anew. A JoinGroup that was given up
/// may still wait at the coordinator, and nothing passes it on its connection.
#[derive(Clone, Debug, PartialEq)]
pub struct LeaveRequest {
    /// Names the request.
    pub attempt: Attempt,
    /// The member's id.
    pub member_id: String,
    /// The static member's instance id.
    pub instance_id: Option<String>,
    /// Why, for the broker's log (KIP-800).
    pub reason: &'static str,
    /// The request's own deadline.
    pub timeout: Duration,
}

/// A topic's id (KIP-516).
pub type TopicId = [u8; 16];

/// Topics' names by their ids.
pub type TopicNames = BTreeMap<TopicId, Arc<str>>;

/// Partitions, topic by topic.
pub type TopicPartitions = Vec<(TopicId, Vec<i32>)>;

/// A ConsumerGroupHeartbeat request (KIP-848). What is left out is as it was told last.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsumerHeartbeat {
    /// Names the request.
    pub attempt: Attempt,
    /// The member's id, of its own choice.
    pub member_id: String,
    /// The member's epoch; 0 to join, -1 to leave, -2 to leave and come back.
    pub epoch: i32,
    /// The id of a static member.
    pub instance_id: Option<String>,
    /// What the member wants.
    pub subscribing: Option<Subscribing>,
    /// What it owns.
    pub owned: Option<TopicPartitions>,
    /// The request's own deadline.
    pub timeout: Duration,
}

/// What a member wants, in the terms of a [`ConsumerHeartbeat`].
#[derive(Clone, Debug, PartialEq)]
pub struct Subscribing {
    /// The topics.
    pub topics: Vec<String>,
    /// How long the coordinator waits for the member to give partitions up.
    pub rebalance_timeout: Duration,
    /// The coordinator's assignor, where it is not left to choose.
    pub assignor: Option<String>,
    /// Where the member runs.
    pub rack: Option<String>,
}

/// A ConsumerGroupHeartbeat's good answer.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsumerHeartbeatAnswer {
    /// The member's id, where the coordinator tells it.
    pub member_id: Option<String>,
    /// The member's epoch.
    pub epoch: i32,
    /// The pause until the next heartbeat.
    pub interval: Duration,
    /// What the member may own, where the coordinator tells it.
    pub assignment: Option<TopicPartitions>,
}

/// A JoinGroup's good answer.
#[derive(Clone, Debug, PartialEq)]
pub struct JoinAnswer {
    /// The new generation.
    pub generation: i32,
    /// The assignor that the group agreed on, by name.
    pub protocol_name: String,
    /// The leader's member id.
    pub leader: String,
    /// This member's id.
    pub member_id: String,
    /// The members with their subscriptions; empty unless this member leads.
    pub members: Vec<GroupMember>,
    /// The leader need not assign: a static member came back and nothing changed (KIP-814).
    pub skip_assignment: bool,
}

/// A member as its leader sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupMember {
    /// The member's id.
    pub member_id: String,
    /// The id of a static member.
    pub instance_id: Option<String>,
    /// Its encoded subscription.
    pub metadata: Bytes,
}

/// A SyncGroup's good answer.
#[derive(Clone, Debug, PartialEq)]
pub struct SyncAnswer {
    /// The encoded assignment.
    pub assignment: Bytes,
}

/// Why a request has no good answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// The broker answered with this code.
    Code(ErrorCode),
    /// The broker answered with this code, and with a text.
    Told(ErrorCode, String),
    /// The coordinator asks to join again with the id it has chosen (MEMBER_ID_REQUIRED, KIP-394).
    MemberIdRequired(String),
    /// No connection, or it broke before the answer.
    Disconnected,
    /// No answer within the request's deadline.
    Timeout,
}

/// What an offset commit is stamped with, so that the coordinator can refuse those of a member
/// that it has replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitStamp {
    /// The generation or, by the consumer protocol, the member's epoch (KIP-848).
    pub generation: i32,
    /// The member's id.
    pub member_id: String,
    /// The id of a static member.
    pub instance_id: Option<String>,
}

/// Why the group can't be joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupFailure {
    /// The broker's code, where one was given.
    pub code: Option<ErrorCode>,
    /// What was being done, and what came of it, for a person.
    pub message: String,
}

impl fmt::Display for GroupFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
