//! A Kafka broker in memory: for demonstrations, for tests, and for whoever wants to try a
//! client against any fault.
//!
//! It speaks the real protocol on loopback TCP ports, to any client, and keeps all it is given in
//! memory. One [`Broker`] is a cluster of one or more nodes in this process, each with its port;
//! they share what they know as if replication took no time, so leaders and coordinators can move
//! without loss. [`Broker::control`] makes requests fail, wait or lose their answers; the clock it
//! goes by can be [set forward](Clock::advance).
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), payment_notifier::Error> {
//! use kafka_protocol::messages::ApiKey;
//! use payment_notifier::Client;
//! use payment_notifier::broker::{Broker, BrokerConfig};
//!
//! let broker = Broker::start(BrokerConfig::default()).await?;
//! // The first request is lost; the client asks again.
//! broker.control(ApiKey::Metadata).drop_before();
//! let client = Client::connect(broker.client_config()).await?;
//! assert!(broker.asked(ApiKey::Metadata) >= 2);
//! # Ok(())
//! # }
//! ```
//!
//! # Trying a handler
//!
//! A [`Handler`](crate::engine::run::Handler) works on it as on Kafka: what it answers becomes
//! retries, dead letters and commits, and all of them can be looked at. Where the runtime's time
//! is paused (tokio's feature `test-util`), a backoff of a minute takes none:
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use payment_notifier::broker::{Broker, BrokerConfig};
//! use payment_notifier::consumer::ConsumerConfig;
//! use payment_notifier::engine::run::{Handler, Service, Topics};
//! use payment_notifier::producer::{ProducerConfig, ProducerRecord};
//! use payment_notifier::sink::{Failure, FailureKind, Verdict};
//! use payment_notifier::wire::batch::Record;
//! use payment_notifier::{Client, Consumer, Producer, engine};
//!
//! /// Takes short mails alone.
//! struct Mailer;
//!
//! impl Handler for Mailer {
//!     async fn deliver(&self, record: &Record, _retry: Option<u32>) -> Verdict {
//!         match record.body.value().unwrap_or_default().len() {
//!             0..10 => Verdict::Delivered,
//!             _ => Verdict::Transient(Failure::new(FailureKind::ServerError, "too long for now")),
//!         }
//!     }
//!
//!     async fn probe(&self) -> Result<(), Failure> {
//!         Ok(())
//!     }
//! }
//!
//! #[tokio::main(flavor = "current_thread", start_paused = true)]
//! async fn main() -> Result<(), payment_notifier::Error> {
//!     let broker = Broker::start(BrokerConfig::default()).await?;
//!     for topic in ["mails", "mails.dead", "mails.permanent"] {
//!         broker.create_topic(topic, 1)?;
//!     }
//!     let client = Client::connect(broker.in_memory_client_config()).await?;
//!     let producer = Producer::new(&client, ProducerConfig::default());
//!     for mail in ["short", "rather long"] {
//!         let record = ProducerRecord::new("mails", None, Some(mail.as_bytes()));
//!         let _delivery = producer.send(&record).await?;
//!     }
//!
//!     let group = ConsumerConfig {
//!         group_id: "mailer".into(),
//!         topics: vec!["mails".into()],
//!         ..ConsumerConfig::default()
//!     };
//!     let service = Service {
//!         main: Some(Consumer::join(&client, group)?),
//!         drain: None,
//!         producer,
//!         transactions: None,
//!         handler: Arc::new(Mailer),
//!         topics: Topics {
//!             dead_letter: "mails.dead".into(),
//!             permanent: "mails.permanent".into(),
//!         },
//!         client,
//!     };
//!     let config = engine::Config {
//!         group: "mailer".into(),
//!         dead_letter_partitions: 1,
//!         permanent_partitions: 1,
//!         backoff: Duration::from_secs(60),
//!         drain: None,
//!         ..engine::Config::default()
//!     };
//!     let began = tokio::time::Instant::now();
//!     let both_are_done = async {
//!         broker.wait_for_committed("mailer", "mails", 0, 2).await;
//!     };
//!     let outcome = service.run(config, both_are_done).await?;
//!
//!     assert_eq!((outcome.main.delivered, outcome.main.dead_lettered), (1, 1));
//!     assert!(began.elapsed() >= Duration::from_secs(3 * 60));
//!     let dead = broker.records("mails.dead", 0);
//!     assert_eq!(dead[0].value.as_deref(), Some(&b"rather long"[..]));
//!     Ok(())
//! }
//! ```
//!
//! # What is where
//!
//! `api` has one file an API: the versions, what is done, what is left out. Below it everything is
//! pure: `topics` with their partitions' `log`s, the coordinators of `group`s and of
//! `transactions`, whose `markers` are written by themselves, fetch `sessions`, `nodes`, `sasl`.
//! `server` moves the bytes, `faults` decides what goes wrong.
//!
//! # Invariants
//!
//! - The state is never locked across an await.
//! - Memory is bounded: a partition keeps no more than its retention (of batches' bytes: some 80 a
//!   batch come on top), and partitions, groups, members and fetch sessions have limits. Frames are
//!   limited, but the decoder trusts the lengths within them: the broker is for peers that mean
//!   well.

mod api;
mod clock;
mod config;
mod faults;
mod group;
mod inspect;
mod listeners;
mod log;
mod markers;
mod nodes;
mod running;
mod sasl;
mod server;
mod sessions;
mod state;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod timers;
mod topics;
mod transactions;
mod waiting;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use kafka_protocol::messages::ApiKey;
use tokio::task::JoinSet;

pub use clock::Clock;
pub use config::{BrokerConfig, MigrationPolicy};
pub use faults::{Control, Request};
pub use group::{Committed, GroupState};
pub use inspect::{GroupKind, GroupView, MemberView, StoredRecord, TransactionView};
pub use listeners::{Listener, ListenerTls};
pub use sasl::{Logins, TokenCheck};
pub use transactions::{TransactionState, TransactionVersion};

use crate::net::Connector;
use crate::wire::ErrorCode;
use crate::{ClientConfig, Error, ErrorKind};
use nodes::Nodes;
use running::Running;
use state::Shared;

/// What the cluster calls itself.
const CLUSTER_ID: &str = "payment-notifier-in-memory";
/// A cluster has no more nodes.
const MAX_NODES: i32 = 100;

/// A cluster in memory. It ends when this is dropped.
#[derive(Debug)]
pub struct Broker {
    shared: Arc<Shared>,
    running: Arc<Running>,
    _timers: JoinSet<()>,
}

impl Broker {
    /// Starts the nodes, each on a port of 127.0.0.1. Must be called on a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`] for settings that can't be, [`ErrorKind::Connection`] where a port is
    /// taken.
    ///
    /// # Cancel safety
    ///
    /// When dropped, nothing was started.
    pub async fn start(config: BrokerConfig) -> Result<Self, Error> {
        if !(1..=MAX_NODES).contains(&config.nodes) {
            let text = format!("a cluster has 1 to {MAX_NODES} nodes");
            return Err(Error::new(ErrorKind::Usage, text));
        }
        if config.listeners.is_empty() {
            return Err(Error::new(ErrorKind::Usage, "a broker has a listener"));
        }
        let acceptors = listeners::acceptors(&config.listeners).await?;
        let mut bound = BTreeMap::new();
        let mut ports = ports(config.first_port);
        for id in 1..=config.nodes {
            let own = ports.by_ref().take(config.listeners.len());
            let own: Vec<_> = own.map(|port| (Ipv4Addr::LOCALHOST, port).into()).collect();
            bound.insert(id, running::bind(&own).await?);
        }
        let addresses = bound.iter().map(|(id, (_, own))| (*id, own.clone()));
        let shared = Arc::new(Shared::new(config, Nodes::new(addresses)));
        let running = Arc::new(Running::new(shared.clone()));
        for (id, (listeners, _)) in bound {
            running.begin(id, listeners, acceptors.clone());
        }
        let mut timers = JoinSet::new();
        timers.spawn(timers::run(shared.clone()));
        Ok(Self {
            shared,
            running,
            _timers: timers,
        })
    }

    /// The addresses of all nodes, as `bootstrap.servers` has them: `host:port,host:port`. Those
    /// of the first listener.
    pub fn bootstrap_servers(&self) -> String {
        self.addresses(0)
    }

    /// The same for the listener of this name; none where there is no such listener.
    pub fn bootstrap_servers_of(&self, listener: &str) -> Option<String> {
        let mut all = self.shared.config.listeners.iter();
        let place = all.position(|it| it.name == listener)?;
        Some(self.addresses(place))
    }

    fn addresses(&self, listener: usize) -> String {
        let state = self.shared.state();
        let ids = state.nodes.ids();
        let addresses = ids.filter_map(|id| state.nodes.address(id, listener));
        let addresses: Vec<_> = addresses.map(|address| address.to_string()).collect();
        addresses.join(",")
    }

    /// Settings of a client of this cluster, in this process or another. What it needs for TLS and
    /// a login is not among them.
    pub fn client_config(&self) -> ClientConfig {
        let servers = self.bootstrap_servers();
        ClientConfig {
            bootstrap_servers: servers.split(',').map(str::to_owned).collect(),
            ..ClientConfig::default()
        }
    }

    /// The same for a client on the same runtime that uses no sockets: where the runtime's time
    /// is paused (`tokio::time::pause`), it goes on only when neither the client nor the broker
    /// has anything left to do, so that hours take no time and nothing times out by chance.
    pub fn in_memory_client_config(&self) -> ClientConfig {
        ClientConfig {
            connector: Connector::new(self.running.clone()),
            ..self.client_config()
        }
    }

    /// The clock that the cluster goes by.
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Makes requests of an API go wrong: says which ones first, then how.
    pub fn control(&self, api: ApiKey) -> Control<'_> {
        self.shared.faults.control(api)
    }

    /// Has everything go well again, but for what is waiting already.
    pub fn clear_faults(&self) {
        self.shared.faults.clear();
    }

    /// How many requests of an API there were, refused ones among them.
    pub fn asked(&self, api: ApiKey) -> u64 {
        let asked = self.shared.faults.asked();
        let asked = asked.borrow().get(&(api as i16)).copied();
        asked.unwrap_or_default()
    }

    /// How many logins were refused.
    pub fn refused_logins(&self) -> u64 {
        self.shared.refused_logins.load(Ordering::Relaxed)
    }

    /// Waits until there were so many requests of an API since the start.
    ///
    /// # Cancel safety
    ///
    /// The future can be dropped at any time.
    pub async fn wait_until_asked(&self, api: ApiKey, times: u64) {
        let mut asked = self.shared.faults.asked();
        let enough = |asked: &BTreeMap<i16, u64>| {
            let count = asked.get(&(api as i16)).copied();
            count.unwrap_or_default() >= times
        };
        // The sender lives as long as this broker.
        let _ = asked.wait_for(enough).await;
    }

    /// Stops a node: its connections are closed, and it takes no more. What it led is led by
    /// another replica that is up, or by none; the groups that it coordinated go to another node,
    /// and its fetch sessions are forgotten.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the node is stopped, and may still be listening for a moment.
    pub async fn stop_node(&self, node: i32) {
        self.shared.change_nodes(|nodes| nodes.set_up(node, false));
        self.running.end(node).await;
        self.shared.state().sessions.node_stopped(node);
    }

    /// Starts a node that was stopped, at the address it had.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`] where there is no such node or it is up, or a certificate can't be
    /// read, [`ErrorKind::Connection`] where its port was taken by somebody else.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the node may not be up.
    pub async fn start_node(&self, node: i32) -> Result<(), Error> {
        let addresses = {
            let state = self.shared.state();
            let addresses = state.nodes.addresses(node).to_vec();
            (!addresses.is_empty() && !state.nodes.is_up(node)).then_some(addresses)
        };
        let Some(addresses) = addresses else {
            let text = format!("there is no node {node} that is stopped");
            return Err(Error::new(ErrorKind::Usage, text));
        };
        let acceptors = listeners::acceptors(&self.shared.config.listeners).await?;
        let listeners = self.running.listen_again(node, &addresses).await?;
        self.running.begin(node, listeners, acceptors);
        self.shared.change_nodes(|nodes| nodes.set_up(node, true));
        Ok(())
    }

    /// Has the cluster take a node for dead, whatever it does itself: others lead and coordinate in
    /// its place. That is what becomes of a node that is paused for longer than
    /// `broker.session.timeout.ms`.
    pub fn fence_node(&self, node: i32) {
        self.shared.change_nodes(|nodes| nodes.set_up(node, false));
    }

    /// Has the cluster take a node for alive again.
    pub fn unfence_node(&self, node: i32) {
        self.shared.change_nodes(|nodes| nodes.set_up(node, true));
    }

    /// Has a node answer nothing, with its connections open, until it is resumed: what a stopped
    /// process or a lost network looks like. It goes on leading and coordinating until it is
    /// [fenced](Broker::fence_node).
    pub fn pause_node(&self, node: i32) {
        self.shared.paused.send_modify(|paused| {
            paused.insert(node);
        });
    }

    /// Has a node go on that was paused.
    pub fn resume_node(&self, node: i32) {
        self.shared.paused.send_modify(|paused| {
            paused.remove(&node);
        });
        self.shared.settle_transactions(&mut self.shared.state());
    }

    /// Has another node lead a partition from now on, whether it was a replica or not.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`] where the partition or the node does not exist, or the node is down.
    pub fn move_leader(&self, topic: &str, partition: i32, to: i32) -> Result<(), Error> {
        let mut state = self.shared.state();
        let is_up = state.nodes.is_up(to);
        let found = state.topics.get_mut(topic);
        let found = found.and_then(|topic| topic.partition_mut(partition));
        let Some(moved) = found.filter(|_| is_up) else {
            let text = format!("{topic}-{partition} can't be led by node {to}");
            return Err(Error::new(ErrorKind::Usage, text));
        };
        if !moved.replicas.contains(&to) {
            moved.replicas[0] = to;
        }
        moved.lead(Some(to));
        self.shared.settle_transactions(&mut state);
        drop(state);
        self.shared.tell_of_change();
        Ok(())
    }

    /// Which node leads a partition; none where there is no such partition, or no replica is up.
    pub fn leader(&self, topic: &str, partition: i32) -> Option<i32> {
        let state = self.shared.state();
        state.topics.get(topic)?.partition(partition)?.leader
    }

    /// Has another node coordinate a group from now on.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`] where that node does not exist or is down.
    pub fn move_coordinator(&self, group: &str, to: i32) -> Result<(), Error> {
        if !self.shared.state().nodes.is_up(to) {
            return Err(Error::new(ErrorKind::Usage, format!("node {to} is not up")));
        }
        let change = |nodes: &mut Nodes| nodes.move_coordinator(group, to);
        self.shared.change_nodes(change);
        Ok(())
    }

    /// Which node coordinates a group; none where no node is up.
    pub fn coordinator(&self, group: &str) -> Option<i32> {
        self.shared.state().nodes.coordinator(group)
    }

    /// Makes a topic, its partitions spread over the nodes, each with one replica.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Broker`] with the code that a client would get.
    pub fn create_topic(&self, name: &str, partitions: usize) -> Result<(), Error> {
        let failed = |code: ErrorCode| Error::broker(code, format!("creating topic {name}"));
        let mut state = self.shared.state();
        let nodes: Vec<i32> = state.nodes.up().collect();
        let replicas = topics::spread(&nodes, 0, partitions, 1);
        let settings = topics::TopicSettings::default();
        state
            .topics
            .create(name, replicas, settings)
            .map_err(failed)?;
        drop(state);
        self.shared.tell_of_change();
        Ok(())
    }
}

/// From the first one on; free ones where that is 0.
fn ports(first: u16) -> impl Iterator<Item = u16> {
    (0..).map(move |place| match first {
        0 => 0,
        first => first.saturating_add(place),
    })
}

/// A client within the process may still hold its way to the nodes.
impl Drop for Broker {
    fn drop(&mut self) {
        self.running.end_all();
    }
}
