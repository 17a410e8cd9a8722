//! One connection: a task that owns the socket, and handles that send it requests.
//!
//! The task writes whole frames only, so a caller that stops waiting never leaves half a request
//! on the socket; its answer is read and thrown away. When one deadline passes the connection is
//! closed, as answers come in order and nothing behind a late one can be told apart from it.

mod agreement;
mod output;
mod task;

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, ProduceRequest};
use kafka_protocol::protocol::Request;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::net::connect::Stream;
use crate::net::connection::task::{Outgoing, Task};
use crate::net::sasl::log_in;
use crate::net::security::Security;
use crate::net::session::{Session, Turn};
use crate::net::throttle::Throttle;
use crate::net::traffic::Traffic;
use crate::wire::frame::{self, Frame, FrameError, Produce};
use crate::wire::versions::ApiVersions;
use crate::{Error, ErrorKind};

/// Requests that may wait for the socket before a further caller waits in line.
const QUEUE: usize = 64;

/// Where an answer is waited for.
type Reply = oneshot::Receiver<Result<Bytes, Error>>;

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
    /// Where what goes over the connection is counted.
    pub traffic: Arc<Traffic>,
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
    throttle: Arc<Throttle>,
    traffic: Arc<Traffic>,
}

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
    pub async fn open(
        stream: Box<dyn Stream>,
        peer: Arc<str>,
        config: &ConnectionConfig,
        deadline: Instant,
    ) -> Result<Self, Error> {
        let (requests, queue) = mpsc::channel(QUEUE);
        let task = Task::new(queue, peer.clone(), config);
        tokio::spawn(task.run(stream));
        let mut connection = Self {
            requests,
            versions: Arc::default(),
            peer,
            client_id: config.client_id.clone(),
            security: Arc::new(config.security.clone()),
            session: None,
            throttle: Arc::default(),
            traffic: config.traffic.clone(),
        };
        connection.versions = Arc::new(connection.agree_on_versions(deadline).await?);
        if let Some(sasl) = &config.security.sasl {
            let lifetime = log_in(&connection, sasl, deadline).await?;
            connection.session = lifetime.map(|lifetime| Arc::new(Session::new(lifetime)));
        }
        Ok(connection)
    }

    /// Sends a request and waits for its answer, in the highest version both sides speak. A broker
    /// that throttles this client is left alone for as long as it says, but no longer than 30
    /// seconds (KIP-219); the deadline goes on meanwhile.
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
        let sent = self.send_up_to(highest, request, deadline).await?;
        sent.answer().await
    }

    /// Sends a request as [`Connection::call_up_to`] does, and returns when it has its place among
    /// those that are written: what is sent after that comes to the broker after it.
    ///
    /// # Errors
    ///
    /// As [`Connection::call`].
    ///
    /// # Cancel safety
    ///
    /// As [`Connection::call`].
    pub(crate) async fn send_up_to<R: Request>(
        &self,
        highest: i16,
        request: &R,
        deadline: Instant,
    ) -> Result<Sent<'_, R>, Error> {
        let version = self.version::<R>()?.min(highest);
        let frame = self.encode(request, version)?;
        self.send_frame(version, frame, deadline).await
    }

    /// Sends a produce request as [`Connection::send_up_to`] does, without a copy of its records.
    pub(crate) async fn produce_up_to(
        &self,
        highest: i16,
        request: &Produce<'_>,
        deadline: Instant,
    ) -> Result<Sent<'_, ProduceRequest>, Error> {
        let version = self.version::<ProduceRequest>()?.min(highest);
        let frame = frame::produce(0, Some(&self.client_id), version, request);
        let frame = frame.map_err(not_encoded)?;
        self.send_frame(version, frame, deadline).await
    }

    async fn send_frame<R: Request>(
        &self,
        version: i16,
        frame: Frame,
        deadline: Instant,
    ) -> Result<Sent<'_, R>, Error> {
        let turn = self.turn_in_time(R::KEY, deadline).await?;
        let reply = self.enqueue(R::KEY, frame, turn, deadline).await?;
        Ok(Sent {
            connection: self,
            version,
            reply,
            deadline,
            request: PhantomData,
        })
    }

    /// As [`Connection::call`], for a login: whether one holds is not asked.
    pub(super) async fn ask<R: Request>(
        &self,
        request: &R,
        deadline: Instant,
    ) -> Result<R::Response, Error> {
        let version = self.version::<R>()?;
        let frame = self.encode(request, version)?;
        let answer = self.exchange(R::KEY, frame, deadline).await?;
        self.decode::<R>(answer, version)
    }

    async fn turn_in_time(&self, key: i16, deadline: Instant) -> Result<Option<Turn<'_>>, Error> {
        let turn = async {
            // First, as nothing renews a login while a turn is held.
            self.throttle.over().await;
            self.turn(deadline).await
        };
        let turn = tokio::time::timeout_at(deadline, turn).await;
        turn.map_err(|_| self.late(key))?
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

    /// Leaves the broker alone for as long as it says in an answer.
    fn obey(&self, pause: Option<Duration>) {
        if let Some(pause) = pause {
            tracing::debug!(peer = %self.peer, ?pause, "throttled by the broker");
            self.traffic.throttled(pause);
            self.throttle.begin(pause);
        }
    }

    fn encode<R: Request>(&self, request: &R, version: i16) -> Result<Frame, Error> {
        let frame = frame::request(0, Some(&self.client_id), version, request);
        Ok(BytesMut::from(frame.map_err(not_encoded)?).into())
    }

    fn decode<R: Request>(&self, answer: Bytes, version: i16) -> Result<R::Response, Error> {
        let codes = frame::error_codes::<R>(&answer, version);
        self.traffic.refused(R::KEY, &codes);
        frame::decode_response::<R>(answer, version).map_err(|error| self.unreadable(R::KEY, error))
    }

    fn unreadable(&self, key: i16, error: FrameError) -> Error {
        self.traffic.unanswered(key, ErrorKind::Protocol);
        Error::caused(
            ErrorKind::Protocol,
            format!("{}: unreadable answer", self.peer),
            error,
        )
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

    /// The level of `transaction.version` that the cluster has agreed on (KIP-890).
    pub fn transaction_version(&self) -> i16 {
        self.versions.transaction_version()
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

    /// Sends a frame and waits for the frame that answers it. It knows neither's type: the program
    /// has it once, not once for each request.
    async fn exchange(&self, key: i16, frame: Frame, deadline: Instant) -> Result<Bytes, Error> {
        let reply = self.enqueue(key, frame, None, deadline).await?;
        self.reply(key, reply, deadline).await
    }

    /// Gives a frame to the task, in the order of the calls.
    async fn enqueue(
        &self,
        key: i16,
        frame: Frame,
        turn: Option<Turn<'_>>,
        deadline: Instant,
    ) -> Result<Reply, Error> {
        let (reply, answer) = oneshot::channel();
        let outgoing = Outgoing {
            frame,
            deadline,
            reply,
        };
        self.traffic.asked(key);
        let enqueued = tokio::time::timeout_at(deadline, self.requests.send(outgoing)).await;
        drop(turn);
        let enqueued = match enqueued {
            Ok(sent) => sent.map_err(|_| self.lost()),
            Err(_) => Err(self.late(key)),
        };
        enqueued.inspect_err(|error| self.traffic.unanswered(key, error.kind()))?;
        Ok(answer)
    }

    async fn reply(&self, key: i16, reply: Reply, deadline: Instant) -> Result<Bytes, Error> {
        let answer = match tokio::time::timeout_at(deadline, reply).await {
            Ok(answer) => answer.unwrap_or_else(|_| Err(self.lost())),
            Err(_) => Err(self.late(key)),
        };
        answer.inspect_err(|error| self.traffic.unanswered(key, error.kind()))
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

/// A request that was sent.
#[must_use = "nobody hears the answer"]
pub(crate) struct Sent<'a, R> {
    connection: &'a Connection,
    version: i16,
    reply: Reply,
    deadline: Instant,
    request: PhantomData<fn() -> R>,
}

impl<R: Request> Sent<'_, R> {
    /// Waits for the answer, until the deadline that it was sent with.
    pub(crate) async fn answer(self) -> Result<R::Response, Error> {
        let connection = self.connection;
        let reply = connection.reply(R::KEY, self.reply, self.deadline);
        let answer = reply.await?;
        connection.obey(frame::throttle_time::<R>(&answer, self.version));
        connection.decode::<R>(answer, self.version)
    }
}

fn not_encoded(error: FrameError) -> Error {
    Error::caused(ErrorKind::Usage, "a request that can't be encoded", error)
}

fn api_key<R: Request>() -> Result<ApiKey, Error> {
    ApiKey::try_from(R::KEY)
        .map_err(|()| Error::new(ErrorKind::Usage, format!("there is no API {}", R::KEY)))
}

#[cfg(test)]
mod tests;
