//! What the scenarios begin with: a cluster, a scripted sink, the service.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kafka_protocol::messages::ApiKey;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::app::config::{Config, Sources};
use crate::app::connect::client_config;
use crate::app::handler::PaymentHandler;
use crate::app::http::{Measured, Site};
use crate::app::service::{Paths, join};
use crate::broker::{Broker, BrokerConfig};
use crate::consumer::{ConsumerConfig, Event, IsolationLevel};
use crate::engine;
use crate::engine::run::{Outcome, Questions, Service};
use crate::producer::{Producer, ProducerConfig, ProducerRecord};
use crate::sink::{Failure, FailureKind, Message, Sink, Verdict};
use crate::{Client, ClientConfig, Consumer, Error};

/// The source topic's name; the others' are the defaults too.
pub(super) const SOURCE: &str = "payment-notification";
pub(super) const DEAD_LETTER: &str = "payment-notification.DLQ";
pub(super) const PERMANENT: &str = "payment-notification.permanent";
pub(super) const GROUP: &str = "telegram-notification";

/// A call of the sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    /// When, since the stage was set.
    pub(super) at: Duration,
    pub(super) text: String,
}

/// What the sink does about a call: takes so long, and then answers; or never answers.
pub(super) type Answer = (Duration, Option<Verdict>);

type Script = Box<dyn FnMut(&Call) -> Answer + Send>;

/// A sink that does as it is told and remembers its calls.
#[derive(Clone)]
pub(super) struct Scripted {
    script: Arc<Mutex<Script>>,
    usable: Arc<Mutex<Result<(), Failure>>>,
    calls: watch::Sender<Vec<Call>>,
    probes: watch::Sender<Vec<Duration>>,
    delivered: Arc<Mutex<BTreeSet<u32>>>,
    started: Instant,
}

impl Sink for Scripted {
    async fn deliver(&self, message: &Message) -> Verdict {
        let call = Call {
            at: self.started.elapsed(),
            text: message.text.clone(),
        };
        self.calls.send_modify(|calls| calls.push(call.clone()));
        let (wait, verdict) = (self.script.lock().unwrap())(&call);
        tokio::time::sleep(wait).await;
        match verdict {
            Some(verdict) => {
                if verdict == Verdict::Delivered {
                    self.delivered.lock().unwrap().insert(number(&call));
                }
                verdict
            }
            None => std::future::pending().await,
        }
    }

    async fn probe(&self) -> Result<(), Failure> {
        let at = self.started.elapsed();
        self.probes.send_modify(|probes| probes.push(at));
        self.usable.lock().unwrap().clone()
    }
}

/// See the module.
pub(super) struct Stage {
    pub(super) broker: Broker,
    pub(super) sink: Scripted,
    variables: Vec<(String, String)>,
}

/// A service that can be run.
type Assembled = (
    Arc<Site>,
    Service<Measured<PaymentHandler<Scripted>>>,
    engine::Config,
    Questions,
);

/// A service that runs.
pub(super) struct Running {
    /// What is told of it.
    pub(super) site: Arc<Site>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<Outcome, Error>>,
}

impl Stage {
    /// A cluster of one node without topics, and a sink that takes everything at once.
    pub(super) async fn new() -> Self {
        Self::on(BrokerConfig::default()).await
    }

    pub(super) async fn on(config: BrokerConfig) -> Self {
        let broker = Broker::start(config).await.unwrap();
        Self {
            broker,
            sink: Scripted {
                script: Arc::new(Mutex::new(Box::new(|_| {
                    (Duration::ZERO, Some(Verdict::Delivered))
                }))),
                usable: Arc::new(Mutex::new(Ok(()))),
                calls: watch::Sender::default(),
                probes: watch::Sender::default(),
                delivered: Arc::default(),
                started: Instant::now(),
            },
            variables: Vec::new(),
        }
    }

    /// Sets a key, named as its variable is.
    pub(super) fn set(mut self, name: &str, value: &str) -> Self {
        self.variables
            .push((format!("NOTIFIER_{name}"), value.to_owned()));
        self
    }

    /// Has the sink answer calls so from now on.
    pub(super) fn answer(&self, script: impl FnMut(&Call) -> Answer + Send + 'static) {
        *self.sink.script.lock().unwrap() = Box::new(script);
    }

    /// Says what a probe of the sink finds.
    pub(super) fn usable(&self, usable: Result<(), Failure>) {
        *self.sink.usable.lock().unwrap() = usable;
    }

    /// The time since the stage was set.
    pub(super) fn elapsed(&self) -> Duration {
        self.sink.started.elapsed()
    }

    /// The calls so far.
    pub(super) fn calls(&self) -> Vec<Call> {
        self.sink.calls.borrow().clone()
    }

    /// When the sink was asked whether it can be used.
    pub(super) fn probes(&self) -> Vec<Duration> {
        self.sink.probes.borrow().clone()
    }

    /// The payments that the sink took.
    pub(super) fn delivered(&self) -> BTreeSet<u32> {
        self.sink.delivered.lock().unwrap().clone()
    }

    /// True where both groups have committed all that there is.
    pub(super) fn is_settled(&self) -> bool {
        let drain = format!("{GROUP}-dlq-retry");
        let is_done = |group: &str, topic: &str, partition| {
            let end = self
                .broker
                .log_range(topic, partition)
                .map_or(0, |(_, end)| end);
            let committed = self.broker.committed(group, topic, partition);
            committed.map_or(0, |committed| committed.offset) == end
        };
        (0..3).all(|partition| {
            is_done(GROUP, SOURCE, partition) && is_done(&drain, DEAD_LETTER, partition)
        })
    }

    /// The payments in a topic, by partition and offset, as a reader of committed records finds
    /// them.
    pub(super) async fn read(&self, topic: &str) -> Vec<u32> {
        let group = ConsumerConfig {
            group_id: format!("reader-{:016x}", fastrand::u64(..)),
            topics: vec![topic.to_owned()],
            isolation_level: IsolationLevel::ReadCommitted,
            ..ConsumerConfig::default()
        };
        let mut consumer = Consumer::join(&self.client().await, group).unwrap();
        let (mut payments, mut ended) = (BTreeMap::new(), BTreeSet::new());
        while ended.len() < 3 {
            match consumer.next().await.unwrap() {
                Event::Records(mut records) => {
                    let partition = records.partition().partition;
                    while let Some(record) = records.next() {
                        let record = record.unwrap();
                        let number = amount(record.value().unwrap());
                        payments.insert((partition, record.offset), number);
                    }
                }
                Event::EndOfPartition(tp, _) => drop(ended.insert(tp.partition)),
                _ => {}
            }
        }
        consumer.close().await.unwrap();
        payments.into_values().collect()
    }

    /// The calls, once there are so many.
    pub(super) async fn wait_for_calls(&self, count: usize) -> Vec<Call> {
        let mut calls = self.sink.calls.subscribe();
        let calls = calls.wait_for(|calls| calls.len() >= count).await.unwrap();
        calls.clone()
    }

    pub(super) async fn client(&self) -> Client {
        Client::connect(self.broker.in_memory_client_config())
            .await
            .unwrap()
    }

    /// The next offset of a partition of the source topic in the main path's group.
    pub(super) fn committed(&self, partition: i32) -> Option<i64> {
        let committed = self.broker.committed(GROUP, SOURCE, partition);
        committed.map(|committed| committed.offset)
    }

    /// Waits until the main path has committed this much of a partition.
    pub(super) async fn wait_for_committed(&self, partition: i32, offset: i64) {
        let committed = self
            .broker
            .wait_for_committed(GROUP, SOURCE, partition, offset);
        committed.await;
    }

    /// Has the cluster hear nothing more of a service, nor it of the cluster.
    pub(super) fn cut_off(&self, client_id: &'static str) {
        for key in 0..100 {
            if let Ok(api) = ApiKey::try_from(key) {
                let control = self.broker.control(api).always();
                control
                    .when(move |request| request.client_id == client_id)
                    .drop_before();
            }
        }
    }

    /// Starts the service.
    pub(super) async fn run(&self) -> Running {
        self.start("a").await
    }

    /// Starts the service under a client id of its own.
    pub(super) async fn run_as(&self, client_id: &str) -> Running {
        self.start(client_id).await
    }

    async fn start(&self, client_id: &str) -> Running {
        let (site, service, engine, questions) = self.assemble(client_id).await;
        let (stop, stopped) = oneshot::channel();
        let stopped = async move {
            // Without a word there is no stop.
            if stopped.await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let task = tokio::spawn(service.run_watched(engine, stopped, questions));
        let stop = Some(stop);
        Running { site, stop, task }
    }

    /// The service as `run` has it, with all that it needs to run.
    pub(super) async fn assemble(&self, client_id: &str) -> Assembled {
        let config = self.config();
        let site = Arc::new(Site::new(config.health.clone()));
        let in_memory = self.broker.in_memory_client_config();
        let client = ClientConfig {
            connector: in_memory.connector,
            client_id: client_id.to_owned(),
            ..client_config(&config.kafka, &config.security)
        };
        let client = Client::connect(client).await.unwrap();
        let (service, engine) = join(client, self.sink.clone(), config, Paths::Service)
            .await
            .unwrap();
        let (service, questions) = site.show(service);
        (site, service, engine, questions)
    }

    pub(super) fn config(&self) -> Config {
        let fixed = [
            (
                "NOTIFIER_KAFKA_BOOTSTRAP_SERVERS",
                self.broker.bootstrap_servers(),
            ),
            ("NOTIFIER_TELEGRAM_TOKEN", "1:abc".to_owned()),
            ("NOTIFIER_TELEGRAM_CHAT_ID", "-100".to_owned()),
        ];
        let fixed = fixed.map(|(name, value)| (name.to_owned(), value));
        let all = fixed.into_iter().chain(self.variables.iter().cloned());
        let all = all.map(|(name, value)| (OsString::from(name), OsString::from(value)));
        match Config::load(&Sources::gather(None, all, Vec::new())) {
            Ok(loaded) => loaded.config,
            Err(problems) => panic!("{problems}"),
        }
    }

    /// Publishes payments, each told apart by its number, to partitions of a topic.
    pub(super) async fn publish(&self, topic: &str, payments: &[(u32, i32)]) {
        if self.broker.log_range(topic, 0).is_none() {
            self.broker.create_topic(topic, 3).unwrap();
        }
        let client = self.client().await;
        let producer = Producer::new(&client, ProducerConfig::default());
        for (number, partition) in payments {
            let record = ProducerRecord {
                partition: Some(*partition),
                ..ProducerRecord::new(topic, None, Some(payment(*number).as_bytes()))
            };
            producer.send(&record).await.unwrap().await.unwrap();
        }
    }
}

impl Running {
    /// Stops in order, and gives what came of it.
    pub(super) async fn stop(mut self) -> Result<Outcome, Error> {
        if let Some(stop) = self.stop.take() {
            // It may have ended by itself.
            let _ = stop.send(());
        }
        (&mut self.task).await.unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A payment's JSON; its number is its amount.
fn payment(number: u32) -> String {
    format!(
        r#"{{"mail":"a@example.com","concertTitle":"c","startDt":"2024-12-24T19:00:00","confirmDt":"2024-12-24T19:00:00","amount":{number}}}"#
    )
}

/// Which payment a record is.
fn amount(value: &[u8]) -> u32 {
    let value: serde_json::Value = serde_json::from_slice(value).unwrap();
    u32::try_from(value["amount"].as_u64().unwrap()).unwrap()
}

/// Which payment a call is about.
pub(super) fn number(call: &Call) -> u32 {
    let amount = call
        .text
        .lines()
        .find_map(|line| line.strip_prefix("결제 금액: "));
    let amount = amount.and_then(|line| line.strip_suffix("원")).unwrap();
    amount.replace(',', "").parse().unwrap()
}

/// Which retry of the drain a call is.
pub(super) fn retry(call: &Call) -> Option<u32> {
    let line = call
        .text
        .lines()
        .find_map(|line| line.strip_prefix("[재시도 발송 - 시도 횟수: "));
    line.map(|line| line.trim_end_matches(']').parse().unwrap())
}

/// Telegram's 503, in the sink's words.
pub(super) fn busy() -> Verdict {
    Verdict::Transient(failure(FailureKind::ServerError))
}

pub(super) fn failure(kind: FailureKind) -> Failure {
    Failure::new(kind, "as the script says")
}
