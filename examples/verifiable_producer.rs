//! Produces numbers and tells what became of each in the JSON of Kafka's own system tests, so
//! that this crate's [`Producer`] can stand in any harness that knows Java's `VerifiableProducer`.
//!
//! ```text
//! verifiable_producer --bootstrap-server localhost:9092 --topic numbers --max-messages 1000
//! ```
//!
//! Events: `startup_complete`, for each record `producer_send_success` or `producer_send_error`,
//! then `shutdown_complete` and `tool_data`. SIGINT and SIGTERM end it in order: what was sent is
//! still told. `exception` is Kafka's name of the error, not that of a Java class.

mod verifiable;

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;
use payment_notifier::producer::{Acked, Producer, ProducerConfig, ProducerRecord};
use payment_notifier::{Client, ClientConfig, Error};
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use verifiable::{Failure, Place, Properties, exit_code, signals, tell};

/// Records that are sent and not yet told of, at most.
const MAX_UNDER_WAY: usize = 10_000;
/// Longer than anyone runs this.
const NEVER: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// Produces increasing numbers, and tells in JSON what became of each.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    place: Place,
    /// How many records; -1 for no end.
    #[arg(long, default_value_t = -1, allow_negative_numbers = true)]
    max_messages: i64,
    /// How many records a second, about; -1 for no limit.
    #[arg(long, default_value_t = -1, allow_negative_numbers = true)]
    throughput: i64,
    /// Who must have a record before it counts: this producer is idempotent, so always all.
    #[arg(long, default_value = "-1", allow_negative_numbers = true, value_parser = ["-1", "all"])]
    acks: String,
    /// The timestamp of the first record, in milliseconds since 1970; later ones follow as time
    /// passes. -1 for the time of sending.
    #[arg(long, default_value_t = -1, allow_negative_numbers = true)]
    message_create_time: i64,
    /// Stands before each value, with a dot.
    #[arg(long)]
    value_prefix: Option<String>,
    /// Keys run from 0 to below this number, again and again; without it there are none.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    repeating_keys: Option<u64>,
    /// A Java properties file. Settings that are not known here are named and ignored.
    #[arg(long = "producer.config", alias = "command-config", value_name = "FILE", value_parser = Properties::read)]
    config: Option<Properties>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    exit_code(run(Arguments::parse()).await)
}

async fn run(mut arguments: Arguments) -> Result<(), Failure> {
    let mut properties = arguments.config.take().unwrap_or_default();
    let client = arguments.place.client(&mut properties)?;
    let settings = settings(&mut properties, &client)?;
    properties.note_ignored()?;

    let client = Client::connect(client).await?;
    let mut stop = pin!(signals()?);
    let producer = Producer::new(&client, settings);
    tell("startup_complete", ())?;
    let mut run = Run {
        arguments,
        producer,
        began: Instant::now(),
        under_way: FuturesOrdered::new(),
        sent: 0,
        acked: 0,
    };
    run.send_all(stop.as_mut()).await?;
    while let Some(outcome) = run.under_way.next().await {
        run.tell_outcome(outcome)?;
    }
    tell("shutdown_complete", ())?;
    Ok(run.sum_up()?)
}

fn settings(properties: &mut Properties, client: &ClientConfig) -> Result<ProducerConfig, Failure> {
    let mut config = ProducerConfig {
        retry_backoff: client.retry_backoff,
        retry_backoff_max: client.retry_backoff_max,
        ..ProducerConfig::default()
    };
    properties.apply("batch.size", &mut config.batch_bytes)?;
    properties.apply("max.request.size", &mut config.max_request_bytes)?;
    properties.apply("buffer.memory", &mut config.buffer_bytes)?;
    properties.apply(
        "max.in.flight.requests.per.connection",
        &mut config.max_in_flight,
    )?;
    properties.apply_millis("linger.ms", &mut config.linger)?;
    properties.apply_millis("delivery.timeout.ms", &mut config.delivery_timeout)?;
    Ok(config)
}

/// What is sent, and what became of it.
struct Run {
    arguments: Arguments,
    producer: Producer,
    began: Instant,
    /// Oldest first: records are told of in the order they were sent.
    under_way: FuturesOrdered<BoxFuture<'static, Outcome>>,
    sent: u64,
    acked: u64,
}

/// A record, and what became of it.
struct Outcome {
    key: Option<String>,
    value: String,
    result: Result<Acked, Error>,
}

impl Run {
    /// Sends until all are sent or it is told to stop, and tells what ends meanwhile.
    async fn send_all(&mut self, mut stop: Pin<&mut impl Future<Output = ()>>) -> io::Result<()> {
        // Negative: no end.
        let last = u64::try_from(self.arguments.max_messages).unwrap_or(u64::MAX);
        while self.sent < last {
            let due = self.due(self.sent);
            tokio::select! {
                biased;
                () = stop.as_mut() => break,
                Some(outcome) = self.under_way.next() => self.tell_outcome(outcome)?,
                () = sleep_until(due), if self.under_way.len() < MAX_UNDER_WAY => {
                    tokio::select! {
                        () = stop.as_mut() => break,
                        () = self.send() => {}
                    }
                }
            }
        }
        Ok(())
    }

    /// When a record is due by the throughput asked for.
    fn due(&self, number: u64) -> Instant {
        match self.arguments.throughput {
            ..0 => self.began,
            // None a second, and so never.
            0 => self.began + NEVER,
            rate => self.began + Duration::from_secs_f64(number as f64 / rate as f64),
        }
    }

    /// Sends the next record, as soon as there is room for it.
    async fn send(&mut self) {
        let number = self.sent.to_string();
        let value = match &self.arguments.value_prefix {
            Some(prefix) => format!("{prefix}.{number}"),
            None => number,
        };
        let keys = self.arguments.repeating_keys;
        let key = keys.map(|count| (self.sent % count).to_string());
        let topic = &*self.arguments.place.topic;
        let record = ProducerRecord {
            timestamp_ms: self.create_time(),
            ..ProducerRecord::new(
                topic,
                key.as_deref().map(str::as_bytes),
                Some(value.as_bytes()),
            )
        };
        let delivery = self.producer.send(&record).await;
        self.sent += 1;
        self.under_way.push_back(Box::pin(async move {
            let result = match delivery {
                Ok(delivery) => delivery.await,
                Err(error) => Err(error),
            };
            Outcome { key, value, result }
        }));
    }

    /// The timestamp asked for; none where it is the time of sending.
    fn create_time(&self) -> Option<i64> {
        let first = self.arguments.message_create_time;
        let passed = i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX);
        (first >= 0).then(|| first.saturating_add(passed))
    }

    fn tell_outcome(&mut self, outcome: Outcome) -> io::Result<()> {
        let Outcome { key, value, result } = outcome;
        let topic = &self.arguments.place.topic;
        match result {
            Ok(Acked {
                partition, offset, ..
            }) => {
                self.acked += 1;
                let facts = json!({
                    "topic": topic, "partition": partition, "offset": offset,
                    "key": key, "value": value,
                });
                tell("producer_send_success", facts)
            }
            Err(error) => {
                let exception = error.code().map_or_else(
                    || format!("{:?}", error.kind()),
                    |code| code.name().to_owned(),
                );
                let facts = json!({
                    "topic": topic, "key": key, "value": value,
                    "exception": exception, "message": error.to_string(),
                });
                tell("producer_send_error", facts)
            }
        }
    }

    fn sum_up(&self) -> io::Result<()> {
        let facts = json!({
            "sent": self.sent,
            "acked": self.acked,
            "target_throughput": self.arguments.throughput,
            "avg_throughput": self.acked as f64 / self.began.elapsed().as_secs_f64(),
        });
        tell("tool_data", facts)
    }
}
