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
//! # What is where
//!
//! `api` has one file an API: the versions, what is done, what is left out. Below it everything is
//! pure: `topics` with their partitions' `log`s, `nodes`. `server` moves the bytes, `faults`
//! decides what goes wrong.
//!
//! # Invariants
//!
//! - The state is never locked across an await.
//! - Memory is bounded: a partition keeps no more than its retention, and a topic has a limit of
//!   partitions. Frames are limited, but the decoder trusts the lengths within them: the broker is
//!   for peers that mean well.

mod api;
mod clock;
mod config;
mod faults;
mod inspect;
mod log;
mod nodes;
mod server;
mod state;
mod topics;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use kafka_protocol::messages::ApiKey;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub use clock::Clock;
pub use config::BrokerConfig;
pub use faults::{Control, Request};

use crate::{ClientConfig, Error, ErrorKind};
use nodes::Nodes;
use state::Shared;

/// What the cluster calls itself.
const CLUSTER_ID: &str = "payment-notifier-in-memory";
/// A cluster has no more nodes.
const MAX_NODES: i32 = 100;

/// A cluster in memory. It ends when this is dropped.
#[derive(Debug)]
pub struct Broker {
    shared: Arc<Shared>,
    _nodes: JoinSet<()>,
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
        let mut listeners = Vec::new();
        for (id, place) in (1..=config.nodes).zip(0..) {
            let port = match config.first_port {
                0 => 0,
                first => first.saturating_add(place),
            };
            let (listener, address) = bind((Ipv4Addr::LOCALHOST, port).into()).await?;
            listeners.push((id, address, listener));
        }
        let nodes = Nodes::new(listeners.iter().map(|(id, address, _)| (*id, *address)));
        let shared = Arc::new(Shared::new(config, nodes));
        let mut tasks = JoinSet::new();
        for (id, _, listener) in listeners {
            tasks.spawn(server::listen(shared.clone(), id, listener));
        }
        Ok(Self {
            shared,
            _nodes: tasks,
        })
    }

    /// The addresses of all nodes, as `bootstrap.servers` has them: `host:port,host:port`.
    pub fn bootstrap_servers(&self) -> String {
        let state = self.shared.state();
        let addresses = state.nodes.ids().filter_map(|id| state.nodes.address(id));
        let addresses: Vec<_> = addresses.map(|address| address.to_string()).collect();
        addresses.join(",")
    }

    /// Settings of a client of this cluster.
    pub fn client_config(&self) -> ClientConfig {
        let servers = self.bootstrap_servers();
        ClientConfig {
            bootstrap_servers: servers.split(',').map(str::to_owned).collect(),
            ..ClientConfig::default()
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

    /// Waits until there were so many requests of an API since the start.
    ///
    /// # Cancel safety
    ///
    /// The future can be dropped at any time.
    pub async fn wait_until_asked(&self, api: ApiKey, times: u64) {
        let mut asked = self.shared.faults.asked();
        let enough = |asked: &std::collections::BTreeMap<i16, u64>| {
            asked
                .get(&(api as i16))
                .is_some_and(|count| *count >= times)
        };
        // The sender lives as long as this broker.
        let _ = asked.wait_for(enough).await;
    }
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let failed = |error| {
        Error::caused(
            ErrorKind::Connection,
            format!("can't listen on {address}"),
            error,
        )
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}
