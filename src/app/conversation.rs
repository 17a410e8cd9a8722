//! HTTP over a connection that was accepted. Who answers is a trait object: two serve HTTP, and the
//! program has the protocol once.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Gives the answer to a request.
pub(super) type Answering =
    Arc<dyn Fn(Request<Incoming>) -> BoxFuture<'static, Response<Full<Bytes>>> + Send + Sync>;

/// Has requests answered, one after the other, until the connection ends.
///
/// # Errors
///
/// Why it ended, where it did not end in order.
///
/// # Cancel safety
///
/// When dropped, the connection is closed.
pub(super) async fn converse(
    stream: TcpStream,
    how: http1::Builder,
    answering: Answering,
) -> hyper::Result<()> {
    let service = service_fn(|request| {
        let answer = answering(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    how.serve_connection(TokioIo::new(stream), service).await
}
