//! Measures how fast this crate's producer or consumer goes, and what it costs.
//!
//! ```text
//! throughput --mode produce --bootstrap localhost:9092 --topic t --size 100 --compression lz4
//! throughput --mode consume --bootstrap localhost:9092 --topic t --n 1000000
//! ```
//!
//! Prints one line of JSON: records, seconds and rates; the process's CPU seconds and largest
//! resident memory in KiB (Linux); seconds to the first record.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use payment_notifier::consumer::{ConsumerConfig, Event};
use payment_notifier::producer::{ProducerConfig, ProducerRecordRef};
use payment_notifier::wire::compression::Compression;
use payment_notifier::{Client, ClientConfig, Consumer, Producer};
use serde_json::json;

/// Deliveries that are not yet waited for, at most.
const MAX_UNDER_WAY: usize = 50_000;

type Failure = Box<dyn std::error::Error>;

/// Measures the producer or the consumer.
#[derive(Debug, Parser)]
struct Arguments {
    /// What to measure.
    #[arg(long)]
    mode: Mode,
    /// Where to ask first: `host:port`, with commas between.
    #[arg(long)]
    bootstrap: String,
    /// The topic; it is there already.
    #[arg(long)]
    topic: String,
    /// How many records.
    #[arg(long, default_value_t = 1_000_000)]
    n: usize,
    /// Bytes of a record's value.
    #[arg(long, default_value = "100")]
    size: usize,
    /// The consumer's group; one of its own where nothing is said.
    #[arg(long)]
    group: Option<String>,
    /// How the producer compresses: `none`, `gzip`, `snappy`, `lz4` or `zstd`.
    #[arg(long, default_value_t)]
    compression: Compression,
    /// The producer's `batch.size`. (Kafka's default is 16 KiB, that of librdkafka and franz-go 1 MB.)
    #[arg(long, default_value_t = 1_000_000)]
    batch_bytes: usize,
    /// How many records the producer is handed at once; with 1 each is sent by itself.
    #[arg(long, default_value = "100")]
    at_once: NonZeroUsize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    Consume,
    Produce,
}

/// When the first record was there, and when the last.
struct Measured {
    first: Instant,
    last: Instant,
    bytes: usize,
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

async fn measure(arguments: &Arguments) -> Result<serde_json::Value, Failure> {
    let started = Instant::now();
    let client = Client::connect(ClientConfig {
        bootstrap_servers: arguments.bootstrap.split(',').map(str::to_owned).collect(),
        ..ClientConfig::default()
    })
    .await?;
    let measured = match arguments.mode {
        Mode::Consume => consume(&client, arguments).await?,
        Mode::Produce => produce(&client, arguments).await?,
    };
    let seconds = measured.last.duration_since(started).as_secs_f64();
    let (cpu_s, rss_kb) = cost();
    let mode = match arguments.mode {
        Mode::Consume => "consume",
        Mode::Produce => "produce",
    };
    Ok(json!({
        "peer": "payment-notifier",
        "mode": mode,
        "n": arguments.n,
        "s": rounded(seconds),
        "rec_s": (arguments.n as f64 / seconds).round(),
        "mb_s": rounded(measured.bytes as f64 / 1e6 / seconds),
        "cpu_s": cpu_s,
        "rss_kb": rss_kb,
        "first_s": rounded(measured.first.duration_since(started).as_secs_f64()),
    }))
}

async fn produce(client: &Client, arguments: &Arguments) -> Result<Measured, Failure> {
    let config = ProducerConfig {
        compression: arguments.compression,
        batch_bytes: arguments.batch_bytes,
        ..ProducerConfig::default()
    };
    let producer = Producer::new(client, config);
    let topic: Arc<str> = arguments.topic.as_str().into();
    let value = vec![b'x'; arguments.size];
    let record = |_| ProducerRecordRef::new(&topic, None, Some(&value));
    let records = (0..arguments.n).map(record);
    let first = match arguments.at_once.get() {
        1 => send_each(&producer, records).await?,
        at_once => send_together(&producer, records, at_once).await?,
    };
    Ok(Measured {
        first,
        last: Instant::now(),
        bytes: arguments.n * arguments.size,
    })
}

/// Sends records one by one, and tells when the first was acknowledged.
async fn send_each(
    producer: &Producer,
    records: impl Iterator<Item = ProducerRecordRef<'_>>,
) -> Result<Instant, Failure> {
    let mut under_way = VecDeque::new();
    let mut first = None;
    for record in records {
        if under_way.len() == MAX_UNDER_WAY
            && let Some(oldest) = under_way.pop_front()
        {
            oldest.await?;
            first.get_or_insert_with(Instant::now);
        }
        under_way.push_back(producer.send(record).await?);
    }
    for delivery in under_way {
        delivery.await?;
        first.get_or_insert_with(Instant::now);
    }
    Ok(first.unwrap_or_else(Instant::now))
}

/// Sends so many records at once, and tells when the first were acknowledged.
async fn send_together(
    producer: &Producer,
    mut records: impl ExactSizeIterator<Item = ProducerRecordRef<'_>> + Send,
    at_once: usize,
) -> Result<Instant, Failure> {
    let mut under_way = VecDeque::new();
    let mut first = None;
    loop {
        while records.len() > 0 && under_way.len() * at_once < MAX_UNDER_WAY {
            let some = records.by_ref().take(at_once);
            under_way.push_back(producer.send_all(some).await);
        }
        let Some(oldest) = under_way.pop_front() else {
            return Ok(first.unwrap_or_else(Instant::now));
        };
        for result in oldest.await {
            result?;
        }
        first.get_or_insert_with(Instant::now);
    }
}

async fn consume(client: &Client, arguments: &Arguments) -> Result<Measured, Failure> {
    let group_id = arguments.group.clone();
    let group_id = group_id.unwrap_or_else(|| format!("throughput-{}", std::process::id()));
    let mut consumer = Consumer::join(
        client,
        ConsumerConfig {
            group_id,
            topics: vec![arguments.topic.clone()],
            max_poll_records: usize::MAX,
            ..ConsumerConfig::default()
        },
    )?;
    let (mut left, mut bytes, mut first) = (arguments.n, 0, None);
    while left > 0 {
        match consumer.next().await? {
            Event::Records(mut records) => {
                first.get_or_insert_with(Instant::now);
                while let Some(record) = records.next() {
                    bytes += record?.value().map_or(0, <[u8]>::len);
                    left = left.saturating_sub(1);
                }
            }
            Event::Revoking(partitions) => consumer.revoked(&partitions),
            _ => {}
        }
    }
    let last = Instant::now();
    consumer.close().await?;
    Ok(Measured {
        first: first.unwrap_or(last),
        last,
        bytes,
    })
}

/// CPU seconds and the largest resident memory in KiB; null where the system does not tell.
fn cost() -> (Option<f64>, Option<u64>) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the name, in brackets, which may hold anything: user and system time are the 12th
    // and 13th field, in hundredths of a second.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let mut times = fields.split_whitespace().skip(11).map(str::parse::<f64>);
    let cpu_s = match (times.next(), times.next()) {
        (Some(Ok(user)), Some(Ok(system))) => Some((user + system) / 100.0),
        _ => None,
    };
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let rss_kb = peak.and_then(|peak| peak.split_whitespace().next()?.parse().ok());
    (cpu_s, rss_kb)
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
