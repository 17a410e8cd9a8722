//! Measures what it costs to forward records in transactions, and without.
//!
//! ```text
//! forwarding --bootstrap localhost:9092 --rate 1000 --seconds 10 --partitions 24
//! forwarding --bootstrap localhost:9092 --rate 1000 --seconds 10 --partitions 24 --at-least-once
//! ```
//!
//! Publishes records at a rate to a topic of its own, has an engine refuse each at once, so that it
//! goes to the permanent-failure topic, and reads it there, committed records alone. Prints one
//! line of JSON: how many arrived a second, and how long a record took from its publishing to its
//! arrival, in milliseconds.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser;
use payment_notifier::cluster::NewTopic;
use payment_notifier::consumer::{ConsumerConfig, Event, IsolationLevel};
use payment_notifier::engine::run::{Handler, Service, Topics, Transactions};
use payment_notifier::producer::{ProducerConfig, ProducerRecord};
use payment_notifier::sink::{Failure, FailureKind, Verdict};
use payment_notifier::wire::batch::Record;
use payment_notifier::{Client, ClientConfig, Consumer, Producer, engine};
use serde_json::json;
use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior, interval};

type Failed = Box<dyn std::error::Error>;

/// Between two lots of records that are published.
const TICK: Duration = Duration::from_millis(10);

/// Measures forwards.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where to ask first: `host:port`, with commas between.
    #[arg(long)]
    bootstrap: String,
    /// Records published a second.
    #[arg(long, default_value_t = 1000)]
    rate: usize,
    /// How long.
    #[arg(long, default_value_t = 10)]
    seconds: usize,
    /// Partitions of each topic.
    #[arg(long, default_value_t = 3)]
    partitions: i32,
    /// Acknowledges each forward before its offset is committed, without a transaction.
    #[arg(long)]
    at_least_once: bool,
}

/// Takes nothing.
struct Refuses;

impl Handler for Refuses {
    async fn deliver(&self, _record: &Record, _retry: Option<u32>) -> Verdict {
        Verdict::Rejected(Failure::new(FailureKind::BadRequest, "refused"))
    }

    async fn probe(&self) -> Result<(), Failure> {
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match measure(&arguments).await {
        Ok(line) if writeln!(io::stdout(), "{line}").is_ok() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            // Nobody is left to tell where even this can't be written.
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(arguments: &Arguments) -> Result<serde_json::Value, Failed> {
    let client = Client::connect(ClientConfig {
        bootstrap_servers: arguments.bootstrap.split(',').map(str::to_owned).collect(),
        ..ClientConfig::default()
    })
    .await?;
    let source = format!("forwarding-{:016x}", fastrand::u64(..));
    for name in ["", ".dead", ".permanent"] {
        let topic = NewTopic {
            name: format!("{source}{name}"),
            partitions: arguments.partitions,
            replication_factor: 1,
            configs: Vec::new(),
        };
        client
            .admin()
            .create_topic(&topic, Duration::from_secs(30))
            .await?;
    }
    let service = service(&client, &source, arguments)?;
    let config = engine::Config {
        group: source.as_str().into(),
        dead_letter_partitions: arguments.partitions,
        permanent_partitions: arguments.partitions,
        concurrency: usize::try_from(arguments.partitions)?,
        drain: None,
        ..engine::Config::default()
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(service.run(config, async {
        // A sender that is dropped says the same.
        let _ = stopped.await;
    }));
    let publishing = tokio::spawn(publish(
        client.clone(),
        source.clone(),
        arguments.rate,
        arguments.seconds,
    ));
    let count = arguments.rate * arguments.seconds;
    let mut latencies = arrivals(&client, &source, count).await?;
    publishing.await??;
    let _ = stop.send(());
    running.await??;
    latencies.sort_unstable();
    let at = |share: usize| latencies[(latencies.len() * share / 100).min(latencies.len() - 1)];
    Ok(json!({
        "forwarding": if arguments.at_least_once { "at-least-once" } else { "transactional" },
        "partitions": arguments.partitions,
        "rate": arguments.rate,
        "n": count,
        "p50_ms": at(50),
        "p99_ms": at(99),
        "cpu_s": cpu_seconds(),
    }))
}

fn service(
    client: &Client,
    source: &str,
    arguments: &Arguments,
) -> Result<Service<Refuses>, Failed> {
    let group = ConsumerConfig {
        group_id: source.to_owned(),
        topics: vec![source.to_owned()],
        ..ConsumerConfig::default()
    };
    let transactions = Transactions {
        id_prefix: format!("{source}-"),
        timeout: Duration::from_secs(10),
        producer: ProducerConfig {
            linger: Duration::from_millis(100),
            ..ProducerConfig::default()
        },
    };
    Ok(Service {
        main: Some(Consumer::join(client, group)?),
        drain: None,
        producer: Producer::new(client, ProducerConfig::default()),
        transactions: (!arguments.at_least_once).then_some(transactions),
        handler: Arc::new(Refuses),
        topics: Topics {
            dead_letter: format!("{source}.dead").into(),
            permanent: format!("{source}.permanent").into(),
        },
        client: client.clone(),
    })
}

/// Publishes records that bear the time of their publishing.
async fn publish(
    client: Client,
    topic: String,
    rate: usize,
    seconds: usize,
) -> Result<(), payment_notifier::Error> {
    let producer = Producer::new(&client, ProducerConfig::default());
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (began, count) = (Instant::now(), rate * seconds);
    let mut published = 0;
    while published < count {
        ticks.tick().await;
        let due = began.elapsed().as_secs_f64() * rate as f64;
        while published < count && (published as f64) <= due {
            let key = published.to_be_bytes();
            let value = now_ms().to_be_bytes();
            let record = ProducerRecord::new(topic.as_str(), Some(&key), Some(&value));
            let _delivery = producer.send(&record).await?;
            published += 1;
        }
    }
    producer.flush().await
}

/// How long each record took to the permanent topic, in milliseconds.
async fn arrivals(client: &Client, source: &str, count: usize) -> Result<Vec<i64>, Failed> {
    let mut consumer = Consumer::join(
        client,
        ConsumerConfig {
            group_id: format!("{source}-arrivals"),
            topics: vec![format!("{source}.permanent")],
            isolation_level: IsolationLevel::ReadCommitted,
            ..ConsumerConfig::default()
        },
    )?;
    let mut latencies = Vec::with_capacity(count);
    while latencies.len() < count {
        match consumer.next().await? {
            Event::Records(mut records) => {
                let now = now_ms();
                while let Some(record) = records.next() {
                    let record = record?;
                    let published = record.value().unwrap_or_default().try_into()?;
                    latencies.push(now - i64::from_be_bytes(published));
                }
            }
            Event::Revoking(partitions) => consumer.revoked(&partitions),
            _ => {}
        }
    }
    consumer.close().await?;
    Ok(latencies)
}

fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// User and system time of this process; none where the system does not tell.
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11).map(str::parse::<f64>);
    Some((times.next()?.ok()? + times.next()?.ok()?) / 100.0)
}
