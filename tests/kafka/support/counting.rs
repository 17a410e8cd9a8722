//! How much a client reads from each address.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use payment_notifier::net::{Connect, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Connects by TCP, and counts. Clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counting(Arc<Mutex<HashMap<String, u64>>>);

impl Counting {
    pub(crate) fn connect(&self) -> Arc<dyn Connect> {
        Arc::new(self.clone())
    }

    pub(crate) fn bytes_from(&self, address: &str) -> u64 {
        self.counts().get(address).copied().unwrap_or(0)
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, HashMap<String, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connect for Counting {
    fn connect(&self, address: String) -> BoxFuture<'static, io::Result<Box<dyn Stream>>> {
        let counting = self.clone();
        async move {
            let stream = TcpStream::connect(&address).await?;
            Ok(Box::new(Counted {
                stream,
                address,
                counting,
            }) as Box<dyn Stream>)
        }
        .boxed()
    }
}

struct Counted {
    stream: TcpStream,
    address: String,
    counting: Counting,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        let read = (buf.filled().len() - before) as u64;
        *self
            .counting
            .counts()
            .entry(self.address.clone())
            .or_default() += read;
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
