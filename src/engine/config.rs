//! What the engine is told once, at its start.

use std::sync::Arc;
use std::time::Duration;

use super::pace::Rate;
use super::words::Destination;

/// The engine's settings. The default is the behaviour of the Spring service it replaces.
#[derive(Clone, Debug)]
pub struct Config {
    /// The consumer group of the main path; written into dead letters as
    /// `kafka_dlt-original-consumer-group`.
    pub group: Arc<str>,
    /// How many partitions the dead-letter topic has; at least 1.
    pub dead_letter_partitions: i32,
    /// How many partitions the permanent-failure topic has; at least 1.
    pub permanent_partitions: i32,
    /// Sends of the main path in flight at once, over all its partitions; at least 1.
    pub concurrency: usize,
    /// How fast messages may leave, of both paths together; without a rate, the sink's own answers
    /// alone set the pace.
    pub rate: Option<Rate>,
    /// The wait between two deliveries of a record (Spring's `FixedBackOff` interval).
    pub backoff: Duration,
    /// Deliveries after the first one (Spring's `FixedBackOff` maxAttempts).
    pub max_retries: u32,
    /// Where the main path puts a record that no retry can mend.
    pub final_destination: Destination,
    /// The drain of the dead-letter topic; `None` leaves dead letters where they are.
    pub drain: Option<DrainConfig>,
    /// The wait before each probe of a sink that is down.
    pub probe_interval: Duration,
    /// How long sends and forwards of revoked partitions may take to finish. Longer than a send
    /// may take, or a rebalance during a slow one means that it is made twice; and, with the 5 s
    /// that the last commit may take, shorter than the group's rebalance timeout.
    pub revoke_timeout: Duration,
    /// How long sends and forwards may take to finish at shutdown.
    pub shutdown_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            group: "telegram-notification".into(),
            dead_letter_partitions: 3,
            permanent_partitions: 3,
            concurrency: 1,
            rate: None,
            backoff: Duration::from_secs(1),
            max_retries: 3,
            final_destination: Destination::Permanent,
            drain: Some(DrainConfig::default()),
            probe_interval: Duration::from_secs(10),
            revoke_timeout: Duration::from_secs(40),
            shutdown_timeout: Duration::from_secs(10),
        }
    }
}

/// What a record's forward and the commit of its offset have to do with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forwarding {
    /// They are one transaction: the record leaves one place and arrives in the next, once,
    /// whatever happens on the way (KIP-98, KIP-447).
    Transactional,
    /// The forward is acknowledged before the commit: a crash between the two, or a forward of
    /// which nobody can say whether it was written, makes a second dead letter.
    AtLeastOnce,
}

/// The drain's settings.
#[derive(Clone, Debug)]
pub struct DrainConfig {
    /// The wait between the end of one pass and the start of the next.
    pub interval: Duration,
    /// Drain sends of a record before it goes to the permanent topic.
    pub max_retries: u32,
    /// When a pass ends.
    pub mode: DrainMode,
    /// How long a record rests after its last failure, by its retry count: the first entry for
    /// count 0, the last one also for every higher count. Empty: no rest.
    pub delays: Vec<Duration>,
    /// Ends the engine after one pass; a sink that is down ends the pass too.
    pub one_shot: bool,
    /// How long a one-shot drain waits for what only Kafka can give, before it ends without.
    pub answer_timeout: Duration,
}

impl Default for DrainConfig {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(300),
            max_retries: 3,
            mode: DrainMode::UntilEmpty,
            delays: Vec::new(),
            one_shot: false,
            answer_timeout: Duration::from_secs(60),
        }
    }
}

/// When a pass of the drain ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrainMode {
    /// Once nothing is left, what the pass itself put back included: a record that always fails
    /// has all its attempts within one pass.
    UntilEmpty,
    /// At the offsets that were the ends when the pass began: each record is tried once a pass.
    Snapshot,
}
