//! Settings of a consumer.

use std::time::Duration;

use crate::cluster::{ClientConfig, LONGEST};
use crate::group::Assignor;
use crate::group::membership::{self, GroupProtocol};
use crate::wire::IsolationLevel;

/// Where a partition begins that has no committed offset, or whose offset is gone:
/// `auto.offset.reset`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OffsetReset {
    /// At the first record there is, so that none is lost.
    #[default]
    Earliest,
    /// At the next record to come.
    Latest,
    /// Nowhere: the application is told and decides.
    None,
}

/// Settings of a [`Consumer`](super::Consumer). Each field's Kafka name is given in its text; the
/// defaults are Kafka's where not said otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerConfig {
    /// `group.id`.
    pub group_id: String,
    /// The topics to share in the group.
    pub topics: Vec<String>,
    /// `group.instance.id`: makes this a static member (KIP-345).
    pub group_instance_id: Option<String>,
    /// `group.protocol`: who shares the partitions out. [`GroupProtocol::Consumer`] (KIP-848) is
    /// for brokers from Kafka 4.0 on; where they don't have it, the classic one is used, with a
    /// warning. The members of a group may have either while it moves from one to the other.
    pub group_protocol: GroupProtocol,
    /// `group.remote.assignor`: with [`GroupProtocol::Consumer`], how the coordinator shares
    /// partitions out, `uniform` or `range` where nothing else is set up there. Default: its own
    /// choice.
    pub remote_assignor: Option<String>,
    /// `partition.assignment.strategy`, in order of preference. With [`GroupProtocol::Consumer`]
    /// this and the next two are the coordinator's to say: they stay at their defaults.
    pub assignors: Vec<Assignor>,
    /// `session.timeout.ms`: a member silent for this long is put out of its group.
    pub session_timeout: Duration,
    /// `heartbeat.interval.ms`.
    pub heartbeat_interval: Duration,
    /// `max.poll.interval.ms`: how long a rebalance may wait for this member, and so the longest
    /// that an application may take to give up partitions.
    pub rebalance_timeout: Duration,
    /// `auto.offset.reset`. Default here: earliest.
    pub auto_offset_reset: OffsetReset,
    /// `isolation.level`: whether records of transactions that are open or were aborted are seen.
    pub isolation_level: IsolationLevel,
    /// `client.rack`: where this member runs. A cluster that knows its brokers' racks and has a
    /// `replica.selector.class` lets it read from the closest replica (KIP-392). Default: empty,
    /// the leaders.
    pub client_rack: String,
    /// `fetch.min.bytes`.
    pub fetch_min_bytes: i32,
    /// `fetch.max.wait.ms`: how long a broker may wait for `fetch.min.bytes`.
    pub fetch_max_wait: Duration,
    /// `fetch.max.bytes`: the budget for all that was fetched and is not done with, waiting or in
    /// the application's hands. Beyond it a partition of which nothing is held is still fetched, so
    /// that there may be one share a partition more. One answer brings half of the budget at most,
    /// or one batch that is larger.
    /// Default here: 8 MiB.
    pub fetch_max_bytes: i32,
    /// `max.partition.fetch.bytes`: the most that one answer brings of a partition. Less where
    /// many partitions share `fetch.max.bytes`: an equal share of it, 32 KiB at least, and no
    /// more than half of it. A batch that is larger comes all the same (KIP-74).
    pub max_partition_fetch_bytes: i32,
    /// `max.poll.records`: the most records handed out at once.
    pub max_poll_records: usize,
    /// `max.decompressed.bytes` (a name of ours): the most that one compressed batch may become,
    /// and about the most that those of one answer may become together. A larger batch stops its
    /// partition.
    pub max_decompressed_bytes: usize,
}

impl Default for ConsumerConfig {
    fn default() -> Self {
        Self {
            group_id: String::new(),
            topics: Vec::new(),
            group_instance_id: None,
            group_protocol: GroupProtocol::Classic,
            remote_assignor: None,
            assignors: vec![Assignor::Range, Assignor::CooperativeSticky],
            session_timeout: Duration::from_secs(45),
            heartbeat_interval: Duration::from_secs(3),
            rebalance_timeout: Duration::from_secs(300),
            auto_offset_reset: OffsetReset::Earliest,
            isolation_level: IsolationLevel::ReadUncommitted,
            client_rack: String::new(),
            fetch_min_bytes: 1,
            fetch_max_wait: Duration::from_millis(500),
            fetch_max_bytes: 8 << 20,
            max_partition_fetch_bytes: 1 << 20,
            max_poll_records: 500,
            max_decompressed_bytes: 64 << 20,
        }
    }
}

impl ConsumerConfig {
    /// The part of the settings that the membership needs.
    pub(super) fn membership(&self, shared: &ClientConfig, seed: u64) -> membership::Config {
        membership::Config {
            protocol: self.group_protocol,
            member_id: new_member_id(),
            remote_assignor: self.remote_assignor.clone(),
            rack: Some(self.client_rack.clone()).filter(|rack| !rack.is_empty()),
            group_id: self.group_id.clone(),
            instance_id: self.group_instance_id.clone(),
            session_timeout: self.session_timeout,
            rebalance_timeout: self.rebalance_timeout,
            heartbeat_interval: self.heartbeat_interval,
            retry_backoff: (shared.retry_backoff, shared.retry_backoff_max),
            assignors: self.assignors.clone(),
            topics: self.topics.clone(),
            // A share is left for the JoinGroup after it.
            revoke_timeout: self.rebalance_timeout.mul_f64(0.9),
            seed,
        }
    }

    /// Keeps waits short enough to be added to any point in time.
    pub(super) fn bounded(self) -> Self {
        Self {
            session_timeout: self.session_timeout.min(LONGEST),
            heartbeat_interval: self.heartbeat_interval.min(LONGEST),
            rebalance_timeout: self.rebalance_timeout.min(LONGEST),
            fetch_max_wait: self.fetch_max_wait.min(LONGEST),
            ..self
        }
    }
}

/// An id that no other member has: a random UUID, as in Kafka's own clients.
fn new_member_id() -> String {
    let random = fastrand::u128(..).to_be_bytes();
    uuid::Builder::from_random_bytes(random)
        .into_uuid()
        .to_string()
}
