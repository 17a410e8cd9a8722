//! The tables but `[kafka]`: what is consumed, how it is retried, and whom it is sent to.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::formats::{self, ChatId, Listen, Rate, RateOf};
use super::kafka::KafkaConfig;
use super::kind::{Choice, File, Hidden, List, Optional, Switch, Text, span, whole};
use super::reader::Reader;
use super::table::{Fallback, Key, Table, table};
use crate::secret::Secret;

table! {
    /// The three topics.
    "topics" => TopicsConfig {
        /// The topic of the payment events.
        "source" => source: String = Text(formats::topic), default "payment-notification";
        /// Where an event waits for a drain after its retries failed.
        /// By default the source's name and `.DLQ`.
        "dead_letter" => dead_letter: String = Text(formats::topic), default "{topics.source}.DLQ";
        /// Where an event ends that never worked. By default the source's name and `.permanent`.
        "permanent" => permanent: String = Text(formats::topic), default "{topics.source}.permanent";
        /// The number of partitions of a topic that is created.
        "partitions" => partitions: i32 = whole(1, 100_000), default "3";
        /// The number of replicas of a topic that is created.
        "replication_factor" => replication_factor: i16 = whole(1, 1_000), default "1";
        /// Whether missing topics are created at the start; else a missing topic is an error.
        "create" => create: bool = Switch, default "true";
    }
}

/// Where a group without a committed offset begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AutoOffsetReset {
    /// At the oldest record.
    #[default]
    Earliest,
    /// At the records published from now on.
    Latest,
    /// Nowhere: the service ends.
    None,
}

const RESETS: Choice<AutoOffsetReset> = Choice(&[
    ("earliest", AutoOffsetReset::Earliest),
    ("latest", AutoOffsetReset::Latest),
    ("none", AutoOffsetReset::None),
]);

table! {
    /// The consumption of the source topic.
    "consumer" => ConsumerConfig {
        /// The consumer group. Its offsets are in Kafka: another service can take over with it.
        "group_id" => group_id: String = Text(formats::name), default "telegram-notification";
        /// Where to begin without a committed offset: `earliest`, `latest` or `none` (the service
        /// ends with an error that names the partition, as Java's client does).
        /// Kafka's default is latest. Ours isn't: it would lose the payments made before the
        /// first start, or after the committed offsets expired.
        "auto_offset_reset" => auto_offset_reset: AutoOffsetReset = RESETS, default "earliest";
        /// How many messages are sent at a time, each of another partition.
        "concurrency" => concurrency: usize = whole(1, 1_000), default "1";
        /// How long a stop waits for the messages being sent.
        "shutdown_timeout" => shutdown_timeout: Duration = span(0), default "10s";
    }
}

/// Where a record goes at once that no retry can mend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FinalTopic {
    /// To the permanent topic.
    #[default]
    Permanent,
    /// To the dead-letter topic, to be drained in vain first.
    DeadLetter,
}

const FINAL_TOPICS: Choice<FinalTopic> = Choice(&[
    ("permanent", FinalTopic::Permanent),
    ("dead-letter", FinalTopic::DeadLetter),
]);

/// How a record gets from one topic to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Forwarding {
    /// In one transaction with the commit of its offset.
    #[default]
    Transactional,
    /// Acknowledged before the commit of its offset.
    AtLeastOnce,
}

const FORWARDINGS: Choice<Forwarding> = Choice(&[
    ("transactional", Forwarding::Transactional),
    ("at-least-once", Forwarding::AtLeastOnce),
]);

table! {
    /// The retries of a message that could not be sent, before it becomes a dead letter.
    "retry" => RetryConfig {
        /// The pause before each retry. Other partitions go on meanwhile.
        "backoff" => backoff: Duration = span(0), default "1s";
        /// The number of retries: one less than the number of deliveries.
        "max_retries" => max_retries: u32 = whole(0, 1_000_000), default "3";
        /// Where a record goes at once that no retry can mend, such as one that can't be read:
        /// to the `permanent` topic or to the `dead-letter` one.
        "final" => final_topic: FinalTopic = FINAL_TOPICS, default "permanent";
        /// How a record gets from one topic to the next: `transactional` (its forward and the
        /// commit of its offset are one transaction, so that it is in one place at a time,
        /// whatever happens), or `at-least-once` (the forward is acknowledged first: a crash at
        /// the wrong moment makes a second dead letter).
        "forwarding" => forwarding: Forwarding = FORWARDINGS, default "transactional";
        /// What the transactional ids begin with, for access lists (`Write` on prefixed
        /// transactional ids). What follows is the process's own.
        "transaction_id_prefix" => transaction_id_prefix: String = Text(formats::name), default "{consumer.group_id}-";
    }
}

/// When a pass of the drain ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DrainMode {
    /// When the dead-letter topic is empty, so that a record may be tried several times.
    #[default]
    UntilEmpty,
    /// At the end the topic had when the pass began, so that each record is tried once.
    Snapshot,
}

const DRAIN_MODES: Choice<DrainMode> = Choice(&[
    ("until-empty", DrainMode::UntilEmpty),
    ("snapshot", DrainMode::Snapshot),
]);

table! {
    /// The drain: a pass over the dead letters, sending each again.
    "drain" => DrainConfig {
        /// Whether `run` drains by its timer. The `drain` command always does.
        "enabled" => enabled: bool = Switch, default "true";
        /// The time from the end of a pass to the next one; the first is at the start.
        "interval" => interval: Duration = span(1), default "5m";
        /// The drain's own consumer group. By default the consumer's and `-dlq-retry`.
        "group_id" => group_id: String = Text(formats::name), default "{consumer.group_id}-dlq-retry";
        /// How often a dead letter is sent again before it goes to the permanent topic.
        "max_retries" => max_retries: u32 = whole(0, 1_000_000), default "3";
        /// How many records are taken up at a time.
        "max_poll_records" => max_poll_records: usize = whole(1, 100_000), default "10";
        /// When a pass ends: `until-empty`, or `snapshot` (each record is tried once a pass).
        "mode" => mode: DrainMode = DRAIN_MODES, default "until-empty";
        /// How long a dead letter rests before its first, second, … retry; the last one holds
        /// for all after it. An array, or text separated by commas; empty for no rest.
        "delays" => delays: Vec<Duration> = List { of: span(0), min: 0 }, default "";
    }
}

table! {
    /// The Telegram bot.
    "telegram" => TelegramConfig {
        /// The root of the Bot API.
        "base_url" => base_url: String = Text(formats::base_url), default "https://api.telegram.org";
        /// The bot's token, a secret. Either this or `token_file` is needed.
        "token" => token: Option<Secret> = Hidden(formats::token), unset "123456:replace-me";
        /// A file that holds the token and nothing else. Best, only its owner can read it.
        "token_file" => token_file: Option<PathBuf> = Optional(File), unset "/run/secrets/telegram-token";
        /// Whom to write to: a chat's number, or a channel's name as `@name`. Needed.
        "chat_id" => chat_id: Option<String> = Optional(ChatId), unset "@replace_me";
        /// How long one message may take, from connecting to the answer. More than 15s shorter
        /// than max.poll.interval.ms: it has to end before a rebalance does.
        "timeout" => timeout: Duration = span(1), default "30s";
        /// A limit on the messages sent, as messages/duration. By default there is none.
        /// Telegram asks for about 1/1s a chat, 20/1m a group and 30/1s a bot. Where it
        /// complains, the sending waits as long as it says, with or without a limit.
        "rate" => rate: Option<Rate> = Optional(RateOf), unset "20/1m";
        /// The time between looks at a Telegram that can't be used, as with a revoked token.
        /// Nothing else is sent to it until it can.
        "probe_interval" => probe_interval: Duration = span(1), default "10s";
    }
}

table! {
    /// The text of a message.
    "message" => MessageConfig {
        /// A file with another text. In it stand `{mail}`, `{concertTitle}`, `{startDt}`,
        /// `{confirmDt}`, `{amount}`, and `{n}` on the line that only a drain sends.
        "template_file" => template_file: Option<PathBuf> = Optional(File), unset "message.txt";
    }
}

table! {
    /// What a host's supervisor asks for while the service runs: GET /healthz, /readyz and
    /// /metrics. None of it holds a secret or anything of a message.
    "http" => HttpConfig {
        /// Where to listen: an IP address and a port. Only this machine can ask by default;
        /// `0.0.0.0:9464` lets everyone who can reach it. Port 0 takes any that is free, which the
        /// log then tells. Empty: nowhere.
        "listen" => listen: Option<SocketAddr> = Listen, default "127.0.0.1:9464";
        /// How many connections there may be: one more ends the oldest.
        "max_connections" => max_connections: usize = whole(1, 10_000), default "64";
        /// How long one request and its answer may take.
        "timeout" => timeout: Duration = span(1), default "10s";
    }
}

table! {
    /// When the service counts as well.
    "health" => HealthConfig {
        /// How long the loop that does the work may take to answer before /healthz says that it
        /// does not go round. Shorter than http.timeout.
        "answer_within" => answer_within: Duration = span(1), default "5s";
        /// How long a partition may be unable to go on, or no commit be acknowledged, before
        /// /readyz says so.
        "stuck_after" => stuck_after: Duration = span(0), default "5m";
    }
}

/// Every table, in the order in which they are read and printed.
pub(super) fn tables() -> impl Iterator<Item = &'static Table> {
    const TABLES: [Table; 9] = [
        KafkaConfig::TABLE,
        TopicsConfig::TABLE,
        ConsumerConfig::TABLE,
        RetryConfig::TABLE,
        DrainConfig::TABLE,
        TelegramConfig::TABLE,
        MessageConfig::TABLE,
        HttpConfig::TABLE,
        HealthConfig::TABLE,
    ];
    const { &TABLES }.iter()
}

/// Every key.
pub(super) fn keys() -> impl Iterator<Item = &'static Key> {
    tables().flat_map(|table| table.keys)
}

impl TopicsConfig {
    /// The rules between keys.
    pub(super) fn check(&self, reader: &mut Reader) {
        reader.require(
            self.source != self.dead_letter,
            ["topics.dead_letter", "topics.source"],
            "must not be the source topic: its records would be sent for ever",
        );
        reader.require(
            self.source != self.permanent,
            ["topics.permanent", "topics.source"],
            "must not be the source topic: its records would be sent for ever",
        );
        reader.require(
            self.dead_letter != self.permanent,
            ["topics.permanent", "topics.dead_letter"],
            "must not be the dead-letter topic: its records would be drained for ever",
        );
    }
}

impl HealthConfig {
    /// The rules between keys.
    pub(super) fn check(&self, http: &HttpConfig, reader: &mut Reader) {
        reader.require(
            self.answer_within < http.timeout,
            ["health.answer_within", "http.timeout"],
            "must be shorter than http.timeout, or the request ends before its answer",
        );
    }
}

impl DrainConfig {
    /// The rules between keys.
    pub(super) fn check(&self, consumer: &ConsumerConfig, reader: &mut Reader) {
        reader.require(
            self.group_id != consumer.group_id,
            ["drain.group_id", "consumer.group_id"],
            "must not be the consumer's group: the two would take each other's partitions",
        );
    }
}

/// What is left of a rebalance, after the longest send, to commit its offset and join again.
const REJOINING: Duration = Duration::from_secs(15);

impl TelegramConfig {
    /// The rules between keys.
    pub(super) fn check(&self, kafka: &KafkaConfig, reader: &mut Reader) {
        reader.require(
            self.timeout + REJOINING < kafka.max_poll_interval,
            ["telegram.timeout", "kafka.max.poll.interval.ms"],
            "must be more than 15s shorter than kafka.max.poll.interval.ms, \
             or a rebalance may end before the message being sent",
        );
    }
}
