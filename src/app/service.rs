//! Puts the service together: client, topics, consumers, producer, sink.

use std::sync::Arc;
use std::time::Duration;

use super::config::{
    Assignor, AutoOffsetReset, Config, DrainMode, FinalTopic, Forwarding, KafkaConfig, TopicsConfig,
};
use super::connect::connect;
use super::handler::PaymentHandler;
use crate::cluster::{Client, NewTopic, TopicOutcome};
use crate::consumer::{Consumer, ConsumerConfig, OffsetReset};
use crate::engine::run::{Service, Topics, Transactions};
use crate::engine::{self, Destination};
use crate::producer::{Producer, ProducerConfig};
use crate::sink::Sink;
use crate::sink::telegram::{Telegram, TelegramConfig};
use crate::wire::ErrorCode;
use crate::wire::compression::GzipLevel;
use crate::{Error, ErrorKind, group};

/// Kafka's default of `max.message.bytes`.
const KAFKA_MAX_MESSAGE_BYTES: usize = 1_048_588;
/// What a forwarded record may have beyond its source: the headers that tell its history. A
/// record of the largest size allowed must not be too large to be forwarded.
const FORWARD_HEADROOM_BYTES: usize = 64 << 10;
/// How much longer than the sink's time limit a send of a revoked partition may take.
const REVOKE_MARGIN: Duration = Duration::from_secs(10);

/// Which paths are to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paths {
    /// The main path, and the drain on its timer unless it is disabled.
    Service,
    /// One pass of the drain.
    OneDrain,
}

/// Connects and gets everything ready to run.
///
/// # Errors
///
/// What can't be reached, is forbidden or is missing, by name.
pub(super) async fn assemble(
    config: Config,
    paths: Paths,
) -> Result<(Service<PaymentHandler<Telegram>>, engine::Config), Error> {
    let sink = telegram(&config)?;
    let client = connect(&config.kafka, &config.security).await?;
    let nodes = client.metadata().brokers().len();
    tracing::info!(brokers = nodes, "connected to Kafka");
    join(client, sink, config, paths).await
}

/// Makes what is missing and joins the groups.
///
/// # Errors
///
/// What is forbidden or is missing, by name.
pub(super) async fn join<S: Sink + 'static>(
    client: Client,
    sink: S,
    config: Config,
    paths: Paths,
) -> Result<(Service<PaymentHandler<S>>, engine::Config), Error> {
    let counts = prepare_topics(&client, &config.topics).await?;
    let engine = engine_config(&config, paths, &counts);
    let drains = paths == Paths::OneDrain || config.drain.enabled;
    let main = (paths == Paths::Service).then(|| main_consumer(&config));
    let drain = drains.then(|| drain_consumer(&config, paths));
    let join = |consumer: Option<_>| consumer.map(|it| Consumer::join(&client, it)).transpose();
    let service = Service {
        main: join(main)?,
        drain: join(drain)?,
        producer: Producer::new(&client, forwarding(&config.kafka)),
        transactions: transactions(&config, paths),
        handler: Arc::new(PaymentHandler {
            template: config.template,
            sink,
        }),
        topics: Topics {
            dead_letter: Arc::from(config.topics.dead_letter),
            permanent: Arc::from(config.topics.permanent),
        },
        client,
    };
    Ok((service, engine))
}

/// How many partitions the dead-letter and the permanent-failure topic have.
struct Counts {
    dead_letter: i32,
    permanent: i32,
}

/// Creates what is missing, if allowed, and checks that a dead letter finds its partition.
async fn prepare_topics(client: &Client, topics: &TopicsConfig) -> Result<Counts, Error> {
    let source = prepare_topic(client, topics, &topics.source).await?;
    let dead_letter = prepare_topic(client, topics, &topics.dead_letter).await?;
    let permanent = prepare_topic(client, topics, &topics.permanent).await?;
    if dead_letter < source {
        let text = format!(
            "topic {} has {dead_letter} partitions and {} has {source}: a dead letter goes to the \
             partition of its source, so the dead-letter topic needs at least as many \
             (kafka-topics --alter --partitions {source})",
            topics.dead_letter, topics.source
        );
        return Err(Error::new(ErrorKind::Usage, text));
    }
    Ok(Counts {
        dead_letter,
        permanent,
    })
}

async fn prepare_topic(client: &Client, topics: &TopicsConfig, name: &str) -> Result<i32, Error> {
    let timeout = client.config().request_timeout;
    let admin = client.admin();
    if let Some(count) = admin.partition_count(name, timeout).await? {
        return Ok(count);
    }
    if !topics.create {
        let doing = format!("topic {name} (and topics.create is false)");
        return Err(Error::broker(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, doing));
    }
    let mut configs = Vec::new();
    if name != topics.source {
        let limit = KAFKA_MAX_MESSAGE_BYTES + FORWARD_HEADROOM_BYTES;
        configs.push(("max.message.bytes".to_owned(), limit.to_string()));
    }
    let topic = NewTopic {
        configs,
        name: name.to_owned(),
        partitions: topics.partitions,
        replication_factor: topics.replication_factor,
    };
    if admin.create_topic(&topic, timeout).await? == TopicOutcome::Created {
        let NewTopic {
            partitions,
            replication_factor,
            ..
        } = topic;
        tracing::info!(
            topic = name,
            partitions,
            replication_factor,
            "topic created"
        );
    }
    let count = admin.partition_count(name, timeout).await?;
    count.ok_or_else(|| {
        Error::broker(
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            format!("topic {name}, just created"),
        )
    })
}

fn telegram(config: &Config) -> Result<Telegram, Error> {
    let telegram = TelegramConfig {
        base_url: config.telegram.base_url.clone(),
        token: config.bot.token.clone(),
        token_file: config.bot.token_file.clone(),
        chat_id: config.bot.chat_id.clone(),
        timeout: config.telegram.timeout,
    };
    Telegram::new(telegram).map_err(|error| Error::caused(ErrorKind::Usage, "telegram", error))
}

pub(super) fn producer_config(kafka: &KafkaConfig) -> ProducerConfig {
    ProducerConfig {
        linger: kafka.linger,
        batch_bytes: kafka.batch_size,
        max_request_bytes: kafka.max_request_size,
        delivery_timeout: kafka.delivery_timeout,
        retry_backoff: kafka.retry_backoff,
        retry_backoff_max: kafka.retry_backoff_max,
        compression: kafka.compression_type,
        gzip_level: GzipLevel::new(kafka.compression_gzip_level),
        ..ProducerConfig::default()
    }
}

/// The source's records may be as large as a request of their producer.
fn forwarding(kafka: &KafkaConfig) -> ProducerConfig {
    let producer = producer_config(kafka);
    ProducerConfig {
        max_request_bytes: producer.max_request_bytes + FORWARD_HEADROOM_BYTES,
        ..producer
    }
}

/// A name of its own for each process: two of the same name would put each other out. A static
/// member's stays, so that what a crash left open is aborted at the next start.
fn transactions(config: &Config, paths: Paths) -> Option<Transactions> {
    let kafka = &config.kafka;
    if config.retry.forwarding == Forwarding::AtLeastOnce {
        return None;
    }
    let instance = kafka.group_instance_id.as_deref();
    let instance = match instance.filter(|_| paths == Paths::Service) {
        Some(instance) => instance.to_owned(),
        None => format!("{:016x}", fastrand::u64(..)),
    };
    let producer = forwarding(kafka);
    let timeout = kafka.transaction_timeout.min(kafka.session_timeout / 2);
    Some(Transactions {
        id_prefix: format!("{}{instance}-", config.retry.transaction_id_prefix),
        timeout,
        producer: ProducerConfig {
            delivery_timeout: producer.delivery_timeout.min(timeout),
            // What goes together is flushed together.
            linger: TOGETHER,
            ..producer
        },
    })
}

/// Longer than it takes to hand the records of a transaction to its producer.
const TOGETHER: Duration = Duration::from_millis(100);

fn main_consumer(config: &Config) -> ConsumerConfig {
    ConsumerConfig {
        group_id: config.consumer.group_id.clone(),
        topics: vec![config.topics.source.clone()],
        auto_offset_reset: match config.consumer.auto_offset_reset {
            AutoOffsetReset::Earliest => OffsetReset::Earliest,
            AutoOffsetReset::Latest => OffsetReset::Latest,
            AutoOffsetReset::None => OffsetReset::None,
        },
        ..consumer_config(&config.kafka)
    }
}

/// Dead letters are drained from the first one on, whatever the main path does.
///
/// One pass is no static member: the service's own has that name, and would be put out by it.
fn drain_consumer(config: &Config, paths: Paths) -> ConsumerConfig {
    let common = consumer_config(&config.kafka);
    ConsumerConfig {
        group_instance_id: match paths {
            Paths::Service => common.group_instance_id.clone(),
            Paths::OneDrain => None,
        },
        group_id: config.drain.group_id.clone(),
        topics: vec![config.topics.dead_letter.clone()],
        auto_offset_reset: OffsetReset::Earliest,
        max_poll_records: config.drain.max_poll_records,
        ..common
    }
}

fn consumer_config(kafka: &KafkaConfig) -> ConsumerConfig {
    let assignors = kafka
        .partition_assignment_strategy
        .iter()
        .map(|assignor| match assignor {
            Assignor::Range => group::Assignor::Range,
            Assignor::CooperativeSticky => group::Assignor::CooperativeSticky,
        });
    ConsumerConfig {
        group_instance_id: kafka.group_instance_id.clone(),
        group_protocol: kafka.group_protocol,
        remote_assignor: kafka.group_remote_assignor.clone(),
        assignors: assignors.collect(),
        session_timeout: kafka.session_timeout,
        heartbeat_interval: kafka.heartbeat_interval,
        rebalance_timeout: kafka.max_poll_interval,
        fetch_min_bytes: kafka.fetch_min_bytes,
        isolation_level: kafka.isolation_level,
        client_rack: kafka.client_rack.clone().unwrap_or_default(),
        fetch_max_wait: kafka.fetch_max_wait,
        fetch_max_bytes: kafka.fetch_max_bytes,
        max_partition_fetch_bytes: kafka.max_partition_fetch_bytes,
        max_decompressed_bytes: kafka.max_decompressed_bytes,
        ..ConsumerConfig::default()
    }
}

fn engine_config(config: &Config, paths: Paths, counts: &Counts) -> engine::Config {
    let drains = paths == Paths::OneDrain || config.drain.enabled;
    let drain = engine::DrainConfig {
        interval: config.drain.interval,
        max_retries: config.drain.max_retries,
        mode: match config.drain.mode {
            DrainMode::UntilEmpty => engine::DrainMode::UntilEmpty,
            DrainMode::Snapshot => engine::DrainMode::Snapshot,
        },
        delays: config.drain.delays.clone(),
        one_shot: paths == Paths::OneDrain,
        answer_timeout: config.kafka.default_api_timeout,
    };
    let rate = config.telegram.rate.map(|rate| engine::Rate {
        messages: rate.messages,
        per: rate.per,
    });
    engine::Config {
        group: Arc::from(config.consumer.group_id.as_str()),
        dead_letter_partitions: counts.dead_letter,
        permanent_partitions: counts.permanent,
        concurrency: config.consumer.concurrency,
        rate,
        backoff: config.retry.backoff,
        max_retries: config.retry.max_retries,
        final_destination: match config.retry.final_topic {
            FinalTopic::Permanent => Destination::Permanent,
            FinalTopic::DeadLetter => Destination::DeadLetter,
        },
        drain: drains.then_some(drain),
        probe_interval: config.telegram.probe_interval,
        revoke_timeout: config.telegram.timeout + REVOKE_MARGIN,
        shutdown_timeout: config.consumer.shutdown_timeout,
    }
}
