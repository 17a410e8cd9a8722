//! Connections to the brokers, made when first needed and made again when lost.
//!
//! A broker handles the requests of one connection one after the other, so a request that waits
//! at the broker (a long poll, a JoinGroup) would hold up all behind it. Whoever waits like that
//! has a [`Channel`] of its own: connections are shared within a channel only.

mod logins;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kafka_protocol::protocol::Request;
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::cluster::config::ClientConfig;
use crate::cluster::metadata::Metadata;
use crate::cluster::pool::logins::{Logins, is_refusal};
use crate::net::{Connection, ConnectionConfig, Stream, TrafficSums, tls};
use crate::{Error, ErrorKind};

/// Which broker a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Node {
    /// The broker with this node id.
    Id(i32),
    /// Any broker: one that is known, else one of the bootstrap servers.
    Any,
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "broker {id}"),
            Self::Any => f.write_str("any broker"),
        }
    }
}

type Slots = HashMap<(u64, Node), Arc<Place>>;

/// The connections of one client.
#[derive(Debug)]
pub(crate) struct Pool {
    config: ClientConfig,
    connection: ConnectionConfig,
    metadata: watch::Receiver<Arc<Metadata>>,
    slots: Mutex<Slots>,
    logins: Logins,
    next_channel: AtomicU64,
    next_bootstrap: AtomicUsize,
    /// The brokers that are known may not be the cluster's any more.
    bootstrap_first: AtomicBool,
}

/// A place for one connection. Whoever holds its slot makes the connection; the others wait, and
/// share what comes of it.
#[derive(Debug, Default)]
struct Place {
    slot: tokio::sync::Mutex<Slot>,
    /// How many attempts have failed, to be read without the lock.
    failed: AtomicU64,
}

#[derive(Debug, Default)]
struct Slot {
    connection: Option<Connection>,
    address: Option<String>,
    failures: u32,
    last_failure: Option<Error>,
    not_before: Option<Instant>,
}

impl Pool {
    pub(crate) fn new(config: ClientConfig, metadata: watch::Receiver<Arc<Metadata>>) -> Arc<Self> {
        Arc::new(Self {
            connection: config.connection(),
            logins: Logins::new(config.reconnect_backoff_max),
            config,
            metadata,
            slots: Mutex::default(),
            next_channel: AtomicU64::new(0),
            next_bootstrap: AtomicUsize::new(0),
            bootstrap_first: AtomicBool::new(false),
        })
    }

    pub(crate) fn channel(self: &Arc<Self>) -> Channel {
        let id = self.next_channel.fetch_add(1, Ordering::Relaxed);
        Channel(Arc::new(ChannelInner {
            id,
            pool: self.clone(),
        }))
    }

    /// What has gone over its connections.
    pub(crate) fn traffic(&self) -> TrafficSums {
        self.connection.traffic.sums()
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        // The map is never left half changed.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connection(
        &self,
        channel: u64,
        node: Node,
        deadline: Instant,
    ) -> Result<Connection, Error> {
        let place = self.slots().entry((channel, node)).or_default().clone();
        let connecting = async {
            let before = place.failed.load(Ordering::Relaxed);
            let mut slot = place.slot.lock().await;
            if place.failed.load(Ordering::Relaxed) != before
                && let Some(failure) = &slot.last_failure
            {
                return Err(failure.clone());
            }
            let made = self.fill(&mut slot, node, deadline).await;
            if made.is_err() {
                place.failed.fetch_add(1, Ordering::Relaxed);
            }
            made
        };
        match tokio::time::timeout_at(deadline, connecting).await {
            Ok(connection) => connection,
            Err(_) => Err(Error::new(
                ErrorKind::Timeout,
                format!("{node}: no connection in time"),
            )),
        }
    }

    /// Gives the slot's connection, or makes it.
    async fn fill(
        &self,
        slot: &mut Slot,
        node: Node,
        deadline: Instant,
    ) -> Result<Connection, Error> {
        let address = self.address(node)?;
        if let Some(connection) = slot.usable(address.as_deref()) {
            return Ok(connection);
        }
        if let Some(not_before) = slot.not_before {
            tokio::time::sleep_until(not_before).await;
        }
        // The metadata may have changed while this waited.
        let address = self.address(node)?;
        let setup_ends = Instant::now() + self.config.connection_setup_timeout;
        let limit = deadline.min(setup_ends);
        let connecting = async {
            match &address {
                Some(address) => self.connect(address, limit).await,
                None => self.connect_bootstrap(limit).await,
            }
        };
        match self.logins.enter(limit, connecting).await {
            Ok(connection) => {
                let kept = Some(connection.clone());
                *slot = Slot {
                    connection: kept,
                    address,
                    ..Slot::default()
                };
                Ok(connection)
            }
            Err(error) => {
                self.connection.traffic.not_connected();
                slot.address = address;
                slot.failures = slot.failures.saturating_add(1);
                slot.not_before = Some(Instant::now() + self.backoff(slot.failures));
                // One who had less time than that says nothing about the broker to the others.
                slot.last_failure =
                    (limit == setup_ends || Instant::now() < deadline).then(|| error.clone());
                Err(error)
            }
        }
    }

    /// Where a node is reached; none means the bootstrap servers.
    fn address(&self, node: Node) -> Result<Option<String>, Error> {
        let metadata = self.metadata.borrow();
        let broker = match node {
            Node::Id(id) => Some(metadata.brokers().get(&id).ok_or_else(|| {
                Error::new(
                    ErrorKind::Connection,
                    format!("{node} is not known to the cluster"),
                )
            })?),
            Node::Any => None,
        };
        Ok(broker.map(|broker| join_host_port(&broker.host, broker.port)))
    }

    /// Tries the known brokers in random order, then the bootstrap servers, until one answers: a
    /// cluster whose brokers have all been replaced is found again (KIP-899).
    async fn connect_bootstrap(&self, deadline: Instant) -> Result<Connection, Error> {
        let mut addresses: Vec<String> = {
            let metadata = self.metadata.borrow();
            let brokers = metadata.brokers().values();
            brokers
                .map(|broker| join_host_port(&broker.host, broker.port))
                .collect()
        };
        fastrand::shuffle(&mut addresses);
        let servers = &self.config.bootstrap_servers;
        let first = self.next_bootstrap.fetch_add(1, Ordering::Relaxed);
        addresses.extend((0..servers.len()).map(|i| servers[(first + i) % servers.len()].clone()));
        if self.bootstrap_first.swap(false, Ordering::Relaxed) {
            addresses.rotate_right(servers.len());
        }
        let mut failures = Vec::new();
        for (tried, address) in addresses.iter().enumerate() {
            // Each gets its share of the time, so that one that never answers leaves some.
            let left = deadline.saturating_duration_since(Instant::now());
            let share = left / (addresses.len() - tried) as u32;
            match self.connect(address, Instant::now() + share).await {
                Ok(connection) => return Ok(connection),
                // It would say the same at the next address.
                Err(error) if is_refusal(&error) => return Err(error),
                Err(error) => failures.push(error),
            }
        }
        Err(all_failed(failures))
    }

    /// Connects to one address, trying all that its name stands for in turn.
    async fn connect(&self, address: &str, deadline: Instant) -> Result<Connection, Error> {
        if let Some(own) = &self.config.connector.0 {
            let stream = in_time(address, deadline, own.connect(address.to_owned())).await?;
            return self.open(stream, address, deadline).await;
        }
        let looked_up = tokio::time::timeout_at(deadline, lookup_host(address)).await;
        let found = looked_up.map_err(|_| late(address))?.map_err(|error| {
            Error::caused(
                ErrorKind::Connection,
                format!("{address}: the name can't be resolved"),
                error,
            )
        })?;
        let found: Vec<SocketAddr> = found.collect();
        let mut failure = Error::new(ErrorKind::Connection, format!("{address}: has no address"));
        for (tried, socket_address) in found.iter().enumerate() {
            let left = deadline.saturating_duration_since(Instant::now());
            let limit = Instant::now() + left / (found.len() - tried) as u32;
            match self.connect_to(address, *socket_address, limit).await {
                Ok(connection) => return Ok(connection),
                Err(error) if is_refusal(&error) => return Err(error),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    async fn connect_to(
        &self,
        address: &str,
        socket_address: SocketAddr,
        deadline: Instant,
    ) -> Result<Connection, Error> {
        let connecting = async {
            let stream = TcpStream::connect(socket_address).await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        let stream = in_time(address, deadline, connecting).await?;
        self.open(Box::new(stream), address, deadline).await
    }

    async fn open(
        &self,
        stream: Box<dyn Stream>,
        address: &str,
        deadline: Instant,
    ) -> Result<Connection, Error> {
        let peer = Arc::from(address);
        match &self.config.security.tls {
            None => Connection::open(stream, peer, &self.connection, deadline).await,
            Some(tls) => {
                let stream = tls::handshake(stream, address, tls, deadline).await?;
                Connection::open(Box::new(stream), peer, &self.connection, deadline).await
            }
        }
    }

    /// Doubles with each failure up to the maximum, and differs by 20 % either way, so that
    /// clients do not come back all at once (KIP-144).
    fn backoff(&self, failures: u32) -> Duration {
        jittered_backoff(
            self.config.reconnect_backoff,
            self.config.reconnect_backoff_max,
            failures,
        )
    }
}

async fn in_time<S>(
    address: &str,
    deadline: Instant,
    connecting: impl Future<Output = io::Result<S>>,
) -> Result<S, Error> {
    let connected = tokio::time::timeout_at(deadline, connecting).await;
    let connected = connected.map_err(|_| late(address))?;
    connected.map_err(|error| Error::caused(ErrorKind::Connection, address.to_owned(), error))
}

fn late(address: &str) -> Error {
    Error::new(
        ErrorKind::Timeout,
        format!("{address}: no connection in time"),
    )
}

/// The pause after a number of failures in a row: doubling from `min` to `max`, 20 % either way.
pub(crate) fn jittered_backoff(min: Duration, max: Duration, failures: u32) -> Duration {
    let doubled = min.saturating_mul(1 << failures.saturating_sub(1).min(16));
    doubled.min(max).mul_f64(0.8 + 0.4 * fastrand::f64())
}

fn join_host_port(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

fn all_failed(mut failures: Vec<Error>) -> Error {
    if failures.len() == 1 {
        return failures.remove(0);
    }
    // A peer that answers and is no Kafka broker says more than one that does not answer.
    let kind = failures
        .iter()
        .map(Error::kind)
        .find(|kind| !matches!(kind, ErrorKind::Connection | ErrorKind::Timeout))
        .unwrap_or(ErrorKind::Connection);
    let told: Vec<String> = failures.iter().map(ToString::to_string).collect();
    Error::new(
        kind,
        format!("no broker can be reached: {}", told.join("; ")),
    )
}

impl Slot {
    /// The connection, where it is open and still to the address that the node has now. Failures
    /// at another address say nothing about this one.
    fn usable(&mut self, address: Option<&str>) -> Option<Connection> {
        if self.address.as_deref() != address {
            *self = Self::default();
        }
        self.connection.take_if(|connection| !connection.is_open());
        self.connection.clone()
    }
}

/// A set of connections that nothing else shares. Clones are the same channel; its connections
/// are closed when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Channel(Arc<ChannelInner>);

#[derive(Debug)]
struct ChannelInner {
    id: u64,
    pool: Arc<Pool>,
}

impl Channel {
    /// Gives the channel's connection to a node, making it where there is none. After a failure
    /// the next attempt waits a jittered, doubling backoff.
    ///
    /// # Errors
    ///
    /// As [`Connection::open`]; [`ErrorKind::Authentication`] where one side does not accept the
    /// other, and [`ErrorKind::Connection`] where the node is not known or its
    /// address can't be resolved or refuses. Nothing was sent.
    ///
    /// # Cancel safety
    ///
    /// When dropped, a connection being made is given up.
    pub async fn connection(&self, node: Node, deadline: Instant) -> Result<Connection, Error> {
        self.0.pool.connection(self.0.id, node, deadline).await
    }

    /// Sends a request to a node and waits for its answer.
    ///
    /// # Errors
    ///
    /// As [`Channel::connection`] and [`Connection::call`].
    ///
    /// # Cancel safety
    ///
    /// As [`Connection::call`].
    pub async fn call<R: Request>(
        &self,
        node: Node,
        request: &R,
        deadline: Instant,
    ) -> Result<R::Response, Error> {
        self.connection(node, deadline)
            .await?
            .call(request, deadline)
            .await
    }
}

impl Channel {
    /// Has the next connection to any broker be a new one, and begin at the bootstrap servers
    /// instead of the known brokers (KIP-1102).
    pub(super) fn rebootstrap(&self) {
        let pool = &self.0.pool;
        pool.slots().remove(&(self.0.id, Node::Any));
        pool.bootstrap_first.store(true, Ordering::Relaxed);
    }
}

impl Drop for ChannelInner {
    fn drop(&mut self) {
        self.pool
            .slots()
            .retain(|(channel, _), _| *channel != self.id);
    }
}

#[cfg(test)]
mod tests;
