//! How a member behaves.

use std::time::Duration;

use crate::group::assignor::Assignor;

/// How the members of a group come by their partitions: `group.protocol`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GroupProtocol {
    /// One of the members assigns for all.
    #[default]
    Classic,
    /// The coordinator assigns (KIP-848).
    Consumer,
}

/// How a member behaves.
#[derive(Clone, Debug)]
pub struct Config {
    /// The group's protocol.
    pub protocol: GroupProtocol,
    /// The group's id.
    pub group_id: String,
    /// The id that a member by the consumer protocol goes by: one that nobody else has.
    pub member_id: String,
    /// The id of a static member (KIP-345).
    pub instance_id: Option<String>,
    /// By the classic protocol: After how long without a heartbeat the coordinator removes the member.
    pub session_timeout: Duration,
    /// How long the coordinator waits for the members of a rebalance.
    pub rebalance_timeout: Duration,
    /// By the classic protocol: The pause between heartbeats; a third of the session timeout at most.
    pub heartbeat_interval: Duration,
    /// The shortest and the longest wait before another attempt.
    pub retry_backoff: (Duration, Duration),
    /// By the classic protocol: Assignors in order of preference; not empty. The group is cooperative where all of them are,
    /// and eager otherwise, as in Java.
    pub assignors: Vec<Assignor>,
    /// By the consumer protocol: the coordinator's assignor, where it is not left to choose.
    pub remote_assignor: Option<String>,
    /// By the consumer protocol: where the member runs.
    pub rack: Option<String>,
    /// What to subscribe to: legal names of topics.
    pub topics: Vec<String>,
    /// How long the application may take to give partitions up; below the rebalance timeout.
    pub revoke_timeout: Duration,
    /// Seeds the jitter of waits.
    pub seed: u64,
}
