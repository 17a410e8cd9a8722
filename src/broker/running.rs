//! The tasks of the nodes: what listens, and what serves connections without a socket.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinSet;

use super::listeners::Acceptors;
use super::server::{self, Entrance};
use super::state::Shared;
use crate::net::{Connect, Stream};
use crate::{Error, ErrorKind};

/// Bytes on their way in each direction of a connection without a socket.
const PIPE_BYTES: usize = 64 << 10;

/// Connections that may wait to be accepted, as with [`TcpListener::bind`].
const BACKLOG: u32 = 1024;

/// How often, and after which pause, a port is asked for that was let go of a moment ago.
const ATTEMPTS: u32 = 100;
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// The nodes that run. Their tasks end when this is dropped.
#[derive(Debug)]
pub(super) struct Running {
    shared: Arc<Shared>,
    nodes: Mutex<BTreeMap<i32, Node>>,
    /// The ports of those that were stopped: while nobody has them, the system gives them away.
    kept: Mutex<BTreeMap<i32, Vec<TcpSocket>>>,
}

/// One that runs.
#[derive(Debug)]
struct Node {
    /// Where it listens.
    addresses: Vec<SocketAddr>,
    acceptors: Acceptors,
    tasks: JoinSet<()>,
}

impl Running {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            nodes: Mutex::default(),
            kept: Mutex::default(),
        }
    }

    /// Has a node listen.
    pub(super) fn begin(&self, node: i32, listeners: Vec<TcpListener>, acceptors: Acceptors) {
        let addresses = listeners.iter().filter_map(|it| it.local_addr().ok());
        let mut begun = Node {
            addresses: addresses.collect(),
            acceptors,
            tasks: JoinSet::new(),
        };
        for (listener, at) in listeners.into_iter().zip(0..) {
            let entrance = begun.entrance(node, at);
            let listening = server::listen(self.shared.clone(), entrance, listener);
            begun.tasks.spawn(listening);
        }
        self.nodes().insert(node, begun);
    }

    /// Ends all that a node does, and waits until it has ended. Its ports are kept for it.
    pub(super) async fn end(&self, node: i32) {
        let ended = self.nodes().remove(&node);
        if let Some(mut ended) = ended {
            ended.tasks.shutdown().await;
            let mut kept = Vec::new();
            for address in ended.addresses {
                kept.extend(keep_soon(address).await);
            }
            self.kept().insert(node, kept);
        }
    }

    /// Has a node that was stopped listen where it did; nobody could take its ports in between.
    pub(super) async fn listen_again(
        &self,
        node: i32,
        addresses: &[SocketAddr],
    ) -> Result<Vec<TcpListener>, Error> {
        let mut kept = self.kept().remove(&node).unwrap_or_default();
        let mut listeners = Vec::new();
        for address in addresses {
            let is_its = |it: &TcpSocket| it.local_addr().is_ok_and(|own| own == *address);
            let listener = match kept.iter().position(is_its) {
                Some(at) => listen(kept.swap_remove(at)),
                None => TcpListener::bind(address).await,
            };
            listeners.push(listener.map_err(|error| failed(address, error))?);
        }
        Ok(listeners)
    }

    /// Ends all that all nodes do.
    pub(super) fn end_all(&self) {
        self.nodes().clear();
    }

    fn serve(&self, address: &str) -> io::Result<Box<dyn Stream>> {
        let found = {
            let state = self.shared.state();
            state.nodes.up().find_map(|id| {
                let mut own = state.nodes.addresses(id).iter();
                Some((id, own.position(|it| it.to_string() == address)?))
            })
        };
        let mut nodes = self.nodes();
        let found = found.and_then(|(id, at)| Some((id, at, nodes.get_mut(&id)?)));
        let (id, at, node) = found.ok_or(io::ErrorKind::ConnectionRefused)?;
        while node.tasks.try_join_next().is_some() {}
        let (client, broker) = tokio::io::duplex(PIPE_BYTES);
        let serving = server::serve(self.shared.clone(), node.entrance(id, at), Box::new(broker));
        node.tasks.spawn(serving);
        Ok(Box::new(client))
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<i32, Vec<TcpSocket>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn nodes(&self) -> MutexGuard<'_, BTreeMap<i32, Node>> {
        // The map is never left half changed.
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Node {
    fn entrance(&self, node: i32, listener: usize) -> Entrance {
        Entrance {
            node,
            listener,
            acceptor: self.acceptors.get(listener).cloned().flatten(),
        }
    }
}

/// Connections within the process.
impl Connect for Running {
    fn connect(&self, address: String) -> BoxFuture<'static, io::Result<Box<dyn Stream>>> {
        Box::pin(std::future::ready(self.serve(&address)))
    }
}

/// Takes an address once nobody listens there. A process that is being started has a copy of the
/// listener until it runs its own program.
async fn keep_soon(address: SocketAddr) -> Option<TcpSocket> {
    for _ in 0..ATTEMPTS {
        match keep(address) {
            Ok(kept) => return Some(kept),
            Err(_) => tokio::time::sleep(LOOK_AGAIN).await,
        }
    }
    None
}

/// Takes an address without listening there: who connects is refused, and nobody else is given it.
fn keep(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Connections that were closed a moment ago still have the port.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.set_reuseaddr(false)?;
    Ok(socket)
}

/// Listens where an address was kept.
fn listen(kept: TcpSocket) -> io::Result<TcpListener> {
    kept.set_reuseaddr(true)?;
    kept.listen(BACKLOG)
}

fn failed(address: &SocketAddr, error: io::Error) -> Error {
    let text = format!("can't listen on {address}");
    Error::caused(ErrorKind::Connection, text, error)
}

/// Listens on addresses; gives those that they are, should a port have been 0.
pub(super) async fn bind(
    addresses: &[SocketAddr],
) -> Result<(Vec<TcpListener>, Vec<SocketAddr>), Error> {
    let mut bound = (Vec::new(), Vec::new());
    for address in addresses {
        let failed = |error| failed(address, error);
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        bound.1.push(listener.local_addr().map_err(failed)?);
        bound.0.push(listener);
    }
    Ok(bound)
}
