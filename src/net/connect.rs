//! How a stream to a broker comes about: TCP, unless something else is put in its place.

use std::fmt;
use std::io;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};

/// What a connection is made of.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Makes streams to brokers in place of TCP: within the process, through a tunnel.
pub trait Connect: fmt::Debug + Send + Sync {
    /// Connects to an address, `host:port` as the cluster tells it.
    fn connect(&self, address: String) -> BoxFuture<'static, io::Result<Box<dyn Stream>>>;
}

/// The way in which a client connects. The default is TCP.
#[derive(Clone, Debug, Default)]
pub struct Connector(pub(crate) Option<Arc<dyn Connect>>);

impl Connector {
    /// Connects in a way of one's own.
    pub fn new(connect: Arc<dyn Connect>) -> Self {
        Self(Some(connect))
    }
}

/// The same way, not one that does the same.
impl PartialEq for Connector {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        }
    }
}

impl Eq for Connector {}
