//! Connections: one request each, bounded in number, size and time.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::{Request, Response, StatusCode};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::site::{Answer, Site};
use crate::app::config::HttpConfig;
use crate::app::conversation::{Answering, converse};
use crate::{Error, ErrorKind};

/// The line and the headers of a request.
const MAX_REQUEST_BYTES: usize = 8 << 10;
const MAX_HEADERS: usize = 64;
/// The pause after a connection that could not be accepted: the process has no file left for it.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a stop waits for answers that are being given.
const STOP_WITHIN: Duration = Duration::from_secs(1);

/// Serves a site until it is stopped or dropped.
#[derive(Debug)]
pub(in crate::app) struct Server {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Server {
    /// Listens where the settings say; none where they say nowhere.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::System`] where it can't listen there.
    pub(in crate::app) async fn start(
        config: &HttpConfig,
        site: Arc<Site>,
    ) -> Result<Option<Self>, Error> {
        let Some(address) = config.listen else {
            return Ok(None);
        };
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|error| {
            let text = format!(
                "http.listen: {address} can't be listened at (another address or port will do, \
                 or none: --set http.listen=)"
            );
            Error::caused(ErrorKind::System, text, error)
        })?;
        let address = listener.local_addr().unwrap_or(address);
        tracing::info!(%address, "listening for GET /healthz, /readyz and /metrics");
        let (stop, stopped) = oneshot::channel();
        let listening = Listening {
            listener,
            site,
            max_connections: config.max_connections,
            time_limit: config.timeout,
        };
        let task = tokio::spawn(listening.run(stopped));
        Ok(Some(Self { stop, task }))
    }

    /// Listens no more, and lets answers that are being given be read.
    pub(in crate::app) async fn stop(self) {
        // Where it has ended by itself there is nothing to stop.
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

struct Listening {
    listener: TcpListener,
    site: Arc<Site>,
    max_connections: usize,
    time_limit: Duration,
}

impl Listening {
    async fn run(self, mut stopped: oneshot::Receiver<()>) {
        // Dropped, it ends what is left.
        let mut connections = JoinSet::new();
        let mut by_age: VecDeque<AbortHandle> = VecDeque::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        self.make_room(&mut by_age);
                        by_age.push_back(connections.spawn(self.converse(stream, peer)));
                    }
                    Err(error) => {
                        tracing::debug!(%error, "a connection can't be accepted");
                        sleep(PAUSE).await;
                    }
                },
                Some(_) = connections.join_next() => {}
                // A server that was dropped is stopped too.
                _ = &mut stopped => break,
            }
        }
        drop(self.listener);
        let all = async { while connections.join_next().await.is_some() {} };
        // The others have had their time.
        let _ = timeout(STOP_WITHIN, all).await;
    }

    /// Ends the oldest connections: an answer takes a moment, so that the oldest is of someone who
    /// does not ask, and must not keep out those who do.
    fn make_room(&self, by_age: &mut VecDeque<AbortHandle>) {
        by_age.retain(|connection| !connection.is_finished());
        while by_age.len() >= self.max_connections
            && let Some(oldest) = by_age.pop_front()
        {
            oldest.abort();
        }
    }

    fn converse(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> impl Future<Output = ()> + Send + use<> {
        let (site, time_limit) = (self.site.clone(), self.time_limit);
        let answering: Answering = Arc::new(move |request| {
            let site = site.clone();
            Box::pin(async move { response(answer(&site, &request).await) })
        });
        let mut how = http1::Builder::new();
        how.keep_alive(false)
            .max_buf_size(MAX_REQUEST_BYTES)
            .max_headers(MAX_HEADERS);
        async move {
            match timeout(time_limit, converse(stream, how, answering)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%peer, %error, "no HTTP request"),
                Err(_) => tracing::debug!(%peer, "no HTTP request in time"),
            }
        }
    }
}

async fn answer(site: &Site, request: &Request<hyper::body::Incoming>) -> Answer {
    site.answer(request.method(), request.uri().path()).await
}

fn response(answer: Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(answer.body)));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if answer.status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}

#[cfg(test)]
mod tests;
