//! What the nodes listen on.

use std::sync::Arc;
use std::{fmt, io};

use futures_util::future::BoxFuture;
use tokio_rustls::TlsAcceptor;

use crate::net::Stream;
use crate::tls::{ServerTls, TlsError, check_cpu};
use crate::{Error, ErrorKind};

/// A way to the nodes: each has a port for it. The default is called `plaintext`, and is that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// What it is called: see [`Broker::bootstrap_servers_of`](super::Broker::bootstrap_servers_of).
    pub name: String,
    /// TLS. What it names is read anew each time that a node starts.
    pub tls: Option<ListenerTls>,
    /// Whether a client must log in before it may do anything else.
    pub sasl: bool,
}

impl Default for Listener {
    fn default() -> Self {
        Self {
            name: "plaintext".to_owned(),
            tls: None,
            sasl: false,
        }
    }
}

/// TLS of a listener: made of a [`ServerTls`].
///
/// It brings the code along. A program that makes none of these, such as ours, whose demo has no TLS at
/// its broker, is linked without a server's side of it.
#[derive(Clone)]
pub struct ListenerTls {
    /// What is shown, and who is let in.
    pub config: ServerTls,
    read: fn(&ServerTls) -> Result<Acceptor, TlsError>,
}

impl From<ServerTls> for ListenerTls {
    fn from(config: ServerTls) -> Self {
        let read = acceptor;
        Self { config, read }
    }
}

impl fmt::Debug for ListenerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.config.fmt(f)
    }
}

impl PartialEq for ListenerTls {
    fn eq(&self, other: &Self) -> bool {
        self.config == other.config
    }
}

impl Eq for ListenerTls {}

/// How the connections of each listener begin: by TLS, or without.
pub(super) type Acceptors = Vec<Option<Acceptor>>;

/// Takes connections by TLS.
#[derive(Clone)]
pub(super) struct Acceptor(Arc<dyn Accept>);

trait Accept: Send + Sync {
    fn accept(&self, stream: Box<dyn Stream>) -> BoxFuture<'static, io::Result<Box<dyn Stream>>>;
}

impl Accept for TlsAcceptor {
    fn accept(&self, stream: Box<dyn Stream>) -> BoxFuture<'static, io::Result<Box<dyn Stream>>> {
        let accepting = TlsAcceptor::accept(self, stream);
        Box::pin(async { Ok(Box::new(accepting.await?) as Box<dyn Stream>) })
    }
}

impl Acceptor {
    /// The stream within the stream.
    pub(super) async fn accept(&self, stream: Box<dyn Stream>) -> io::Result<Box<dyn Stream>> {
        self.0.accept(stream).await
    }
}

/// Keys are among what it has.
impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Acceptor")
    }
}

/// Reads the certificates of all listeners, on a thread that may block.
pub(super) async fn acceptors(listeners: &[Listener]) -> Result<Acceptors, Error> {
    let all: Vec<_> = listeners.iter().map(|it| it.tls.clone()).collect();
    let read = move || {
        let acceptors = all.iter().map(Option::as_ref);
        let acceptors = acceptors.map(|tls| tls.map(|tls| (tls.read)(&tls.config)).transpose());
        acceptors.collect::<Result<_, _>>()
    };
    let read = tokio::task::spawn_blocking(read).await;
    read.map_err(|error| Error::caused(ErrorKind::System, "reading certificates", error))?
        .map_err(|error: TlsError| Error::caused(ErrorKind::Usage, "TLS", error))
}

fn acceptor(tls: &ServerTls) -> Result<Acceptor, TlsError> {
    check_cpu()?;
    let acceptor = TlsAcceptor::from(Arc::new(tls.server_config()?));
    Ok(Acceptor(Arc::new(acceptor)))
}

#[cfg(test)]
mod tests;
