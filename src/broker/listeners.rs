//! What the nodes listen on.

use std::fmt;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;

use crate::tls::{ServerTls, TlsError, check_cpu};
use crate::{Error, ErrorKind};

/// A way to the nodes: each has a port for it. The default is called `plaintext`, and is that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// What it is called: see [`Broker::bootstrap_servers_of`](super::Broker::bootstrap_servers_of).
    pub name: String,
    /// TLS. What it names is read anew each time that a node starts.
    pub tls: Option<ServerTls>,
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

/// How the connections of each listener begin: by TLS, or without.
pub(super) type Acceptors = Vec<Option<Acceptor>>;

/// Takes connections by TLS.
#[derive(Clone)]
pub(super) struct Acceptor(pub(super) TlsAcceptor);

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
        let acceptors = all.iter().map(|tls| tls.as_ref().map(acceptor).transpose());
        acceptors.collect::<Result<_, _>>()
    };
    let read = tokio::task::spawn_blocking(read).await;
    read.map_err(|error| Error::caused(ErrorKind::System, "reading certificates", error))?
        .map_err(|error: TlsError| Error::caused(ErrorKind::Usage, "TLS", error))
}

fn acceptor(tls: &ServerTls) -> Result<Acceptor, TlsError> {
    check_cpu()?;
    Ok(Acceptor(TlsAcceptor::from(Arc::new(tls.server_config()?))))
}

#[cfg(test)]
mod tests;
