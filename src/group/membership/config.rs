//! How a member behaves.

use std::time::Duration;

use crate::group::assignor::Assignor;

/// How a member behaves.
#[derive(Clone, Debug)]
pub struct Config {
    /// The group's id.
    pub group_id: String,
    /// The id of a static member (KIP-345).
    pub instance_id: Option<String>,
    /// After how long without a heartbeat the coordinator removes the member.
    pub session_timeout: Duration,
    /// How long the coordinator waits for the members of a rebalance.
    pub rebalance_timeout: Duration,
    /// The pause between heartbeats; a third of the session timeout at most.
    pub heartbeat_interval: Duration,
    /// The shortest and the longest wait before another attempt.
    pub retry_backoff: (Duration, Duration),
    /// Assignors in order of preference; not empty. The group is cooperative where all of them are,
    /// and eager otherwise, as in Java.
    pub assignors: Vec<Assignor>,
    /// What to subscribe to: legal names of topics.
    pub topics: Vec<String>,
    /// How long the application may take to give partitions up; below the rebalance timeout.
    pub revoke_timeout: Duration,
    /// Seeds the jitter of waits.
    pub seed: u64,
}
