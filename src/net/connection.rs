//! One connection: a task that owns the socket, and handles that send it requests.
//!
//! The task writes whole frames only, so a caller that stops waiting never leaves half a request
//! on the socket; its answer is read and thrown away. When one deadline passes the connection is
//! closed, as answers come in order and nothing behind a late one can be told apart from it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse};
use kafka_protocol::protocol::{Request, StrBytes};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::net::pipeline::Pipeline;
use crate::net::sasl::log_in;
use crate::net::security::Security;
use crate::net::session::{Session, Turn};
use crate::net::tls;
use crate::wire::ErrorCode;
use crate::wire::frame;
use crate::wire::versions::{ApiVersions, FIRST_API_VERSIONS};
use crate::{Error, ErrorKind};

/// Requests that may wait for the socket before a further caller waits in line.
const QUEUE: usize = 64;
/// Requests that may wait for their answers; more stay in the queue.
const MAX_UNDER_WAY: usize = 256;
/// Bytes that may wait to be written before another request is taken from the queue.
const MAX_UNWRITTEN_BYTES: usize = 1 << 20;
/// How long a peer may take to let itself be told that the stream is closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Where the correlation id stands in a request frame: after length, API key and version.
const CORRELATION_ID: std::ops::Range<usize> = 8..12;

/// What a connection needs to know.
#[derive(Clone, Debug)]
pub struct ConnectionConfig {
    /// Sent with every request; brokers log it and set quotas by it.
    pub client_id: Arc<str>,
    /// A frame announced to be larger than this many bytes closes the connection.
    pub max_frame_bytes: usize,
    /// A connection on which nothing happens for this long is closed.
    pub max_idle: Duration,
    /// How the stream is kept from others, and the login that comes first.
    pub security: Security,
}

/// A handle of a connection. Clones share the connection; it is closed when the last is dropped.
#[derive(Clone, Debug)]
pub struct Connection {
    requests: mpsc::Sender<Outgoing>,
    versions: Arc<ApiVersions>,
    peer: Arc<str>,
    client_id: Arc<str>,
    security: Arc<Security>,
    /// None where a login holds for as long as the connection.
    session: Option<Arc<Session>>,
}

#[derive(Debug)]
struct Outgoing {
    frame: BytesMut,
    deadline: Instant,
    reply: Reply,
}

type Reply = oneshot::Sender<Result<Bytes, Error>>;

impl Connection {
    /// Takes over a connected stream, agrees on API versions with the broker and logs in; `peer`
    /// names it in errors. TLS is the stream's own business. Must be called on a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] where the peer is not a Kafka broker of 2.4 or newer,
    /// [`ErrorKind::Authentication`] where a login is refused, [`ErrorKind::Timeout`] where it
    /// did not answer by the deadline.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the stream is closed.
    pub async fn open<S>(
        stream: S,
        peer: Arc<str>,
        config: &ConnectionConfig,
        deadline: Instant,
    ) -> Result<Self, Error>
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (requests, queue) = mpsc::channel(QUEUE);
        let task = Task {
            queue,
            pipeline: Pipeline::default(),
            input: BytesMut::new(),
            output: BytesMut::new(),
            peer: peer.clone(),
            max_frame_bytes: config.max_frame_bytes,
            max_idle: config.max_idle,
            answered: 0,
            unflushed: false,
        };
        tokio::spawn(task.run(stream));
        let mut connection = Self {
            requests,
            versions: Arc::default(),
            peer,
            client_id: config.client_id.clone(),
            security: Arc::new(config.security.clone()),
            session: None,
        };
        connection.versions = Arc::new(connection.agree_on_versions(deadline).await?);
        if let Some(sasl) = &config.security.sasl {
            let lifetime = log_in(&connection, sasl, deadline).await?;
            connection.session = lifetime.map(|lifetime| Arc::new(Session::new(lifetime)));
        }
        Ok(connection)
    }

    /// Sends a request and waits for its answer, in the highest version both sides speak.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Timeout`] at the deadline and [`ErrorKind::Connection`] when the connection
    /// is lost: in both cases the broker may have done what was asked.
    /// [`ErrorKind::Protocol`] for an answer that can't be read. Error codes within an answer
    /// are the caller's to read.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the request may or may not be sent; the connection stays in order.
    pub async fn call<R: Request>(
        &self,
        request: &R,
        deadline: Instant,
    ) -> Result<R::Response, Error> {
        self.call_up_to(i16::MAX, request, deadline).await
    }

    /// As [`Connection::call`], in no higher a version than `highest`: where what is to be said
    /// can't be said in the versions above it.
    ///
    /// # Errors
    ///
    /// As [`Connection::call`].
    ///
    /// # Cancel safety
    ///
    /// As [`Connection::call`].
    pub async fn call_up_to<R: Request>(
        &self,
        highest: i16,
        request: &R,
        deadline: Instant,
    ) -> Result<R::Response, Error> {
        let version = self.version::<R>()?.min(highest);
        let turn = tokio::time::timeout_at(deadline, self.turn(deadline)).await;
        let turn = turn.map_err(|_| self.late(R::KEY))??;
        let answer = self.exchange(request, version, turn, deadline).await?;
        self.decode::<R>(answer, version)
    }

    /// As [`Connection::call`], for a login: whether one holds is not asked.
    pub(super) async fn ask<R: Request>(
        &self,
        request: &R,
        deadline: Instant,
    ) -> Result<R::Response, Error> {
        let version = self.version::<R>()?;
        let answer = self.exchange(request, version, None, deadline).await?;
        self.decode::<R>(answer, version)
    }

    /// Waits for a turn to send, where the login must be renewed from time to time.
    async fn turn(&self, deadline: Instant) -> Result<Option<Turn<'_>>, Error> {
        let Some(session) = &self.session else {
            return Ok(None);
        };
        loop {
            if let Some(turn) = session.turn().await? {
                return Ok(Some(turn));
            }
            // A task of its own: it goes on if this is dropped. Its outcome is in the session.
            let _ = tokio::spawn(self.clone().renew(deadline)).await;
        }
    }

    async fn renew(self, deadline: Instant) {
        if let (Some(session), Some(sasl)) = (&self.session, &self.security.sasl) {
            session.renew(log_in(&self, sasl, deadline)).await;
        }
    }

    fn decode<R: Request>(&self, answer: Bytes, version: i16) -> Result<R::Response, Error> {
        frame::decode_response::<R>(answer, version).map_err(|error| {
            Error::caused(
                ErrorKind::Protocol,
                format!("{}: unreadable answer", self.peer),
                error,
            )
        })
    }

    /// The version in which a request would be sent.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] where there is none that both sides speak.
    pub fn version<R: Request>(&self) -> Result<i16, Error> {
        self.versions
            .pick(api_key::<R>()?)
            .map_err(|error| self.unsupported(&error.to_string()))
    }

    /// True until the connection is known to be lost.
    pub fn is_open(&self) -> bool {
        let over = self
            .session
            .as_ref()
            .is_some_and(|session| session.is_over());
        !over && !self.requests.is_closed()
    }

    /// The peer's address, as in errors.
    pub fn peer(&self) -> &Arc<str> {
        &self.peer
    }

    async fn exchange<R: Request>(
        &self,
        request: &R,
        version: i16,
        turn: Option<Turn<'_>>,
        deadline: Instant,
    ) -> Result<Bytes, Error> {
        let frame =
            frame::request(0, Some(&self.client_id), version, request).map_err(|error| {
                Error::caused(ErrorKind::Usage, "a request that can't be encoded", error)
            })?;
        let (reply, answer) = oneshot::channel();
        let outgoing = Outgoing {
            frame: frame.into(),
            deadline,
            reply,
        };
        let exchange = async {
            self.requests
                .send(outgoing)
                .await
                .map_err(|_| self.lost())?;
            drop(turn);
            answer.await.map_err(|_| self.lost())?
        };
        match tokio::time::timeout_at(deadline, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(self.late(R::KEY)),
        }
    }

    async fn agree_on_versions(&self, deadline: Instant) -> Result<ApiVersions, Error> {
        let request = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str(env!("CARGO_PKG_NAME")))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        let mut response = self
            .ask_versions(&request, FIRST_API_VERSIONS, deadline)
            .await
            .map_err(|error| self.not_kafka(error))?;
        if ErrorCode(response.error_code) == ErrorCode::UNSUPPORTED_VERSION {
            response = self
                .ask_versions(&ApiVersionsRequest::default(), 0, deadline)
                .await?;
        }
        let code = ErrorCode(response.error_code);
        code.ok()
            .map_err(|code| Error::broker(code, format!("{}: asking its versions", self.peer)))?;
        let versions = ApiVersions::from_response(&response);
        versions
            .check()
            .map_err(|error| self.unsupported(&error.to_string()))?;
        Ok(versions)
    }

    /// Asks in one version. The answer to a version that the broker does not know is in version
    /// 0 and begins with error 35 (KIP-511).
    async fn ask_versions(
        &self,
        request: &ApiVersionsRequest,
        version: i16,
        deadline: Instant,
    ) -> Result<ApiVersionsResponse, Error> {
        let answer = self.exchange(request, version, None, deadline).await?;
        let refused = answer.get(4..6) == Some(&ErrorCode::UNSUPPORTED_VERSION.0.to_be_bytes()[..]);
        let version = if refused { 0 } else { version };
        frame::decode_response::<ApiVersionsRequest>(answer, version).map_err(|error| {
            self.unsupported(&format!("it does not answer as Kafka does: {error}"))
        })
    }

    /// What a peer may be that does not answer the first question as Kafka does. Before the
    /// versions are agreed on, bytes that are not Kafka's say that the peer is none.
    fn not_kafka(&self, error: Error) -> Error {
        let protocol = self.security.protocol();
        match error.kind() {
            kind @ (ErrorKind::Timeout | ErrorKind::Connection) => {
                let hint = "is it a Kafka broker, and security.protocol the port's?";
                Error::new(kind, format!("{error} ({hint} It is {protocol}.)"))
            }
            ErrorKind::Protocol => Error::new(ErrorKind::Unsupported, error.to_string()),
            _ => error,
        }
    }

    fn unsupported(&self, why: &str) -> Error {
        Error::new(ErrorKind::Unsupported, format!("{}: {why}", self.peer))
    }

    fn lost(&self) -> Error {
        Error::new(
            ErrorKind::Connection,
            format!("{}: the connection was lost", self.peer),
        )
    }

    fn late(&self, key: i16) -> Error {
        let api = ApiKey::try_from(key).map_or_else(|()| key.to_string(), |api| format!("{api:?}"));
        Error::new(
            ErrorKind::Timeout,
            format!("{}: no answer to {api} in time", self.peer),
        )
    }
}

fn api_key<R: Request>() -> Result<ApiKey, Error> {
    ApiKey::try_from(R::KEY)
        .map_err(|()| Error::new(ErrorKind::Usage, format!("there is no API {}", R::KEY)))
}

/// Owns the socket until it is closed.
struct Task {
    queue: mpsc::Receiver<Outgoing>,
    pipeline: Pipeline<Reply>,
    input: BytesMut,
    output: BytesMut,
    peer: Arc<str>,
    max_frame_bytes: usize,
    max_idle: Duration,
    /// How many answers have come.
    answered: u64,
    /// Bytes were given to the stream that it may hold back: TLS does.
    unflushed: bool,
}

impl Task {
    async fn run<S: AsyncRead + AsyncWrite>(mut self, stream: S) {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let end = self.serve(&mut reader, &mut writer).await;
        self.queue.close();
        let lost = match end {
            Ok(()) => None,
            Err(error) => {
                tracing::debug!(peer = %self.peer, %error, "connection closed");
                Some(error)
            }
        };
        let now = Instant::now().into_std();
        let peer = self.peer.clone();
        let error = |late: bool| match &lost {
            _ if late => Error::new(ErrorKind::Timeout, format!("{peer}: no answer in time")),
            Some(error) => error.clone(),
            None => Error::new(
                ErrorKind::Closed,
                format!("{peer}: the connection was closed"),
            ),
        };
        for (reply, late) in self.pipeline.abandon(now) {
            // Nobody waiting any more is fine.
            let _ = reply.send(Err(error(late)));
        }
        while let Ok(waiting) = self.queue.try_recv() {
            let _ = waiting.reply.send(Err(error(false)));
        }
        // Over TLS a close is a message, and a peer that reads nothing would hold it up for ever.
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, writer.shutdown()).await;
    }

    /// Moves bytes until all handles are gone (`Ok`) or the connection can't be used any more.
    async fn serve(
        &mut self,
        reader: &mut (impl AsyncRead + Unpin),
        writer: &mut (impl AsyncWrite + Unpin),
    ) -> Result<(), Error> {
        let mut idle_until = Instant::now() + self.max_idle;
        loop {
            let until = self
                .pipeline
                .next_deadline()
                .map_or(idle_until, Instant::from_std);
            tokio::select! {
                read = reader.read_buf(&mut self.input) => {
                    self.received(read)?;
                }
                written = write(writer, &mut self.output, &mut self.unflushed),
                    if self.unflushed || self.output.has_remaining() =>
                {
                    written.map_err(|error| self.broken(error))?;
                }
                next = self.queue.recv(), if self.has_room() => match next {
                    Some(outgoing) => self.accept(outgoing),
                    None => return Ok(()),
                },
                () = tokio::time::sleep_until(until) => {
                    let why = if self.pipeline.is_empty() { "idle" } else { "no answer in time" };
                    return Err(self.error(why));
                }
            }
            idle_until = Instant::now() + self.max_idle;
        }
    }

    /// A peer that neither reads nor answers has callers wait, not the memory fill.
    fn has_room(&self) -> bool {
        self.output.len() < MAX_UNWRITTEN_BYTES && self.pipeline.len() < MAX_UNDER_WAY
    }

    fn accept(&mut self, mut outgoing: Outgoing) {
        if outgoing.reply.is_closed() {
            return;
        }
        let id = self
            .pipeline
            .begin(outgoing.deadline.into_std(), outgoing.reply);
        outgoing.frame[CORRELATION_ID].copy_from_slice(&id.to_be_bytes());
        if self.output.is_empty() {
            self.output = outgoing.frame;
        } else {
            self.output.extend_from_slice(&outgoing.frame);
        }
    }

    fn received(&mut self, read: io::Result<usize>) -> Result<(), Error> {
        if read.map_err(|error| self.broken(error))? == 0 {
            return Err(self.closed());
        }
        while let Some(answer) = self.next_frame()? {
            let Some(id) = answer.first_chunk::<4>() else {
                return Err(self.protocol("an answer without a correlation id"));
            };
            let reply = self
                .pipeline
                .complete(i32::from_be_bytes(*id))
                .map_err(|error| self.protocol(&error.to_string()))?;
            let _ = reply.send(Ok(answer));
            self.answered += 1;
        }
        Ok(())
    }

    /// A broker tells its versions to everyone, and then closes a connection that should have
    /// begun with a login and did not.
    fn closed(&self) -> Error {
        let why = "the broker closed the connection";
        if self.answered == 1 {
            self.error(&format!(
                "{why} at the first request (does the port want a login: security.protocol?)"
            ))
        } else {
            self.error(why)
        }
    }

    fn next_frame(&mut self) -> Result<Option<Bytes>, Error> {
        frame::split(&mut self.input, self.max_frame_bytes)
            .map_err(|error| Error::caused(ErrorKind::Protocol, self.peer.to_string(), error))
    }

    fn broken(&self, error: io::Error) -> Error {
        tls::broken(&self.peer, error)
    }

    fn error(&self, why: &str) -> Error {
        Error::new(ErrorKind::Connection, format!("{}: {why}", self.peer))
    }

    fn protocol(&self, why: &str) -> Error {
        Error::new(ErrorKind::Protocol, format!("{}: {why}", self.peer))
    }
}

/// Gives the stream what is to be written; where that is all, has it pass on what it holds back.
async fn write(
    writer: &mut (impl AsyncWrite + Unpin),
    output: &mut BytesMut,
    unflushed: &mut bool,
) -> io::Result<()> {
    if output.has_remaining() {
        writer.write_buf(output).await?;
        *unflushed = true;
    } else {
        writer.flush().await?;
        *unflushed = false;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
