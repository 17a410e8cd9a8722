//! How an in-memory broker is set up.

use std::time::Duration;

use super::listeners::Listener;
use super::sasl::Logins;
use super::transactions::TransactionVersion;

/// Settings of a [`Broker`](super::Broker). Each field's Kafka name is given in its text; the
/// defaults are Kafka's where not said otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerConfig {
    /// How many nodes there are, with the ids 1, 2, 3, …; at most 100. Default: 1.
    pub nodes: i32,
    /// The port of node 1 on 127.0.0.1, and those after it for its further listeners and for
    /// further nodes; 0 takes free ones. Default: 0.
    pub first_port: u16,
    /// `listeners`: what each node listens on. Clients are told the addresses of the listener by
    /// which they came. Default: one without TLS and without a login.
    pub listeners: Vec<Listener>,
    /// Who may log in, where a listener asks for that. Default: nobody.
    pub logins: Logins,
    /// `connections.max.reauth.ms`: how long a login holds before it must be renewed (KIP-368).
    /// Default: for as long as the connection does.
    pub connections_max_reauth: Option<Duration>,
    /// `auto.create.topics.enable`: topics that are produced to or asked for come into being.
    pub auto_create_topics: bool,
    /// `num.partitions`: of topics that say nothing themselves. Default: 1.
    pub num_partitions: i32,
    /// `default.replication.factor`: of topics that say nothing themselves. Default: 1.
    pub default_replication_factor: usize,
    /// `group.initial.rebalance.delay.ms`: how long an empty group waits for more members before
    /// its first assignment. Default: none, as on clusters for tests; Kafka's is 3 s.
    pub group_initial_rebalance_delay: Duration,
    /// `group.min.session.timeout.ms`: shorter sessions are refused. Default: 6 s.
    pub group_min_session_timeout: Duration,
    /// `group.max.session.timeout.ms`: longer sessions are refused. Default: 30 min.
    pub group_max_session_timeout: Duration,
    /// `group.version`, a feature of the cluster (KIP-848): 1 has the consumer protocol, 0 is what
    /// brokers before it are. Default: 1.
    pub group_version: i16,
    /// `group.consumer.session.timeout.ms`: how long a member of the consumer protocol may say
    /// nothing. Default: 45 s.
    pub group_consumer_session_timeout: Duration,
    /// `group.consumer.heartbeat.interval.ms`: how often members of the consumer protocol are told
    /// to say something. Default: 5 s.
    pub group_consumer_heartbeat_interval: Duration,
    /// `group.consumer.assignment.interval.ms`: how long a group of the consumer protocol waits
    /// from one assignment to the next (KIP-1263). Default: 1 s.
    pub group_consumer_assignment_interval: Duration,
    /// `group.consumer.max.size`: a group of the consumer protocol has no more members. Default:
    /// 1,000; Kafka has no bound.
    pub group_consumer_max_size: usize,
    /// `group.consumer.migration.policy`: whether a group goes from one protocol to the other
    /// with its members. Default: both ways.
    pub group_consumer_migration_policy: MigrationPolicy,
    /// What transactions are like: the feature `transaction.version` (KIP-584, KIP-890). With
    /// version 0 the requests that only clients of version 2 send are missing, as they are on
    /// Kafka 3; with none there are no transactions at all. Default: 2, as of new clusters.
    pub transaction_version: Option<TransactionVersion>,
    /// `transaction.max.timeout.ms`: longer transactions are refused. Default: 15 min.
    pub transaction_max_timeout: Duration,
    /// `transactional.id.expiration.ms`: how long a transactional id is remembered that nobody
    /// uses. Default: 7 days.
    pub transactional_id_expiration: Duration,
    /// `message.max.bytes`: the largest record batch, for topics that say nothing themselves.
    pub message_max_bytes: usize,
    /// `log.retention.bytes`: what a partition keeps, oldest first out. Default: 256 MiB; Kafka
    /// has no bound.
    pub log_retention_bytes: u64,
    /// `log.retention.ms`: how long records are kept. Default: 7 days.
    pub log_retention: Duration,
    /// `socket.request.max.bytes`: a larger request closes its connection.
    pub socket_request_max_bytes: usize,
}

/// How a group goes from one protocol to the other while it has members. Without any it always
/// does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MigrationPolicy {
    /// From the classic protocol to the consumer protocol, and back.
    Bidirectional,
    /// To the consumer protocol, when the first member of that joins.
    Upgrade,
    /// To the classic protocol, when the last member of the other leaves.
    Downgrade,
    /// Not at all.
    Disabled,
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self {
            nodes: 1,
            first_port: 0,
            listeners: vec![Listener::default()],
            logins: Logins::default(),
            connections_max_reauth: None,
            auto_create_topics: true,
            num_partitions: 1,
            default_replication_factor: 1,
            group_initial_rebalance_delay: Duration::ZERO,
            group_min_session_timeout: Duration::from_secs(6),
            group_max_session_timeout: Duration::from_secs(30 * 60),
            group_version: 1,
            group_consumer_session_timeout: Duration::from_secs(45),
            group_consumer_heartbeat_interval: Duration::from_secs(5),
            group_consumer_assignment_interval: Duration::from_secs(1),
            group_consumer_max_size: 1000,
            group_consumer_migration_policy: MigrationPolicy::Bidirectional,
            transaction_version: Some(TransactionVersion::V2),
            transaction_max_timeout: Duration::from_secs(15 * 60),
            transactional_id_expiration: Duration::from_secs(7 * 24 * 60 * 60),
            message_max_bytes: 1_048_588,
            log_retention_bytes: 256 << 20,
            log_retention: Duration::from_secs(7 * 24 * 60 * 60),
            socket_request_max_bytes: 100 << 20,
        }
    }
}
