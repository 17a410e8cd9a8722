//! The tasks of the nodes: what listens, and what serves connections without a socket.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::server;
use super::state::Shared;
use crate::net::{Connect, Stream};
use crate::{Error, ErrorKind};

/// Bytes on their way in each direction of a connection without a socket.
const PIPE_BYTES: usize = 64 << 10;

/// The nodes that run. Their tasks end when this is dropped.
#[derive(Debug)]
pub(super) struct Running {
    shared: Arc<Shared>,
    nodes: Mutex<BTreeMap<i32, JoinSet<()>>>,
}

impl Running {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            nodes: Mutex::default(),
        }
    }

    /// Has a node listen.
    pub(super) fn begin(&self, node: i32, listener: TcpListener) {
        let mut nodes = self.nodes();
        let tasks = nodes.entry(node).or_default();
        tasks.spawn(server::listen(self.shared.clone(), node, listener));
    }

    /// Ends all that a node does, and waits until it has ended.
    pub(super) async fn end(&self, node: i32) {
        let tasks = self.nodes().remove(&node);
        if let Some(mut tasks) = tasks {
            tasks.shutdown().await;
        }
    }

    /// Ends all that all nodes do.
    pub(super) fn end_all(&self) {
        self.nodes().clear();
    }

    fn serve(&self, address: &str) -> io::Result<Box<dyn Stream>> {
        let node = {
            let state = self.shared.state();
            let mut up = state.nodes.up();
            up.find(|(_, it)| it.to_string() == address)
                .map(|(id, _)| id)
        };
        let mut nodes = self.nodes();
        let found = node.and_then(|node| Some((node, nodes.get_mut(&node)?)));
        let (node, tasks) = found.ok_or(io::ErrorKind::ConnectionRefused)?;
        while tasks.try_join_next().is_some() {}
        let (client, broker) = tokio::io::duplex(PIPE_BYTES);
        tasks.spawn(server::serve(self.shared.clone(), node, broker));
        Ok(Box::new(client))
    }

    fn nodes(&self) -> MutexGuard<'_, BTreeMap<i32, JoinSet<()>>> {
        // The map is never left half changed.
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Connections within the process.
impl Connect for Running {
    fn connect(&self, address: String) -> BoxFuture<'static, io::Result<Box<dyn Stream>>> {
        Box::pin(std::future::ready(self.serve(&address)))
    }
}

/// Listens on an address; gives the one that it has, should the port have been 0.
pub(super) async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let failed = |error| {
        let text = format!("can't listen on {address}");
        Error::caused(ErrorKind::Connection, text, error)
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}
