//! What a record is handed to. A sink answers each delivery attempt with a [`Verdict`].

mod http;
pub mod telegram;

use std::fmt;
use std::future::Future;
use std::time::Duration;

/// Whatever hands a message on to people.
///
/// Implementations are shared: several deliveries may be under way at once.
pub trait Sink: Send + Sync {
    /// Makes one attempt to hand a message on. It ends in bounded time, and never tries again by
    /// itself: attempts are counted by the caller.
    ///
    /// # Cancel safety
    ///
    /// A dropped future may have delivered the message: treat it as [`Verdict::Uncertain`].
    fn deliver(&self, message: &Message) -> impl Future<Output = Verdict> + Send;

    /// Asks whether the sink can be used again, after [`Verdict::SinkDown`]. Sends no message.
    ///
    /// # Errors
    ///
    /// Why it can't be used yet.
    ///
    /// # Cancel safety
    ///
    /// The future can be dropped at any time.
    fn probe(&self) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// What a sink hands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Plain text.
    pub text: String,
}

/// A sink that can't work as it is configured. The text says what to change, and holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetupError(String);

impl SetupError {
    fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SetupError {}

/// A sink's answer to one delivery attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The sink has it.
    Delivered,
    /// It failed, and another attempt may succeed: an attempt is counted.
    Transient(Failure),
    /// The sink asks to wait this long before anything else is sent. Costs no attempt.
    RetryAfter(Duration, Failure),
    /// This record's fault, final: no attempt can succeed.
    Rejected(Failure),
    /// It may have been delivered: the request was written and no answer came.
    /// Counted and retried like [`Verdict::Transient`], and told apart in headers and metrics.
    Uncertain(Failure),
    /// Nobody's fault among the records: the sink itself can't be used (a revoked token).
    /// The line stops until a probe succeeds; no attempt is counted.
    SinkDown(Failure),
}

/// Why an attempt failed. The text never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The stable kind.
    pub kind: FailureKind,
    /// What happened, for a person.
    pub message: String,
}

impl Failure {
    /// Makes a failure.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.name(), self.message)
    }
}

/// The kinds of failure. [`FailureKind::name`] is stable: it is written into headers and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FailureKind {
    /// The record's value is not an event that can be read.
    Undecodable,
    /// The sink could not be reached: the name, the connection or the TLS handshake failed.
    Unreachable,
    /// No answer within the time limit; the request was written.
    Timeout,
    /// The connection broke after the request was written.
    ConnectionLost,
    /// The sink answered with a server error (HTTP 5xx).
    ServerError,
    /// The sink asked to slow down (HTTP 429).
    RateLimited,
    /// The sink refused this record (HTTP 400).
    BadRequest,
    /// The sink forbids this recipient (HTTP 403).
    Forbidden,
    /// The sink refuses our credentials (HTTP 401, 404).
    Unauthorized,
    /// An answer that the sink's documentation does not have.
    UnexpectedAnswer,
}

impl FailureKind {
    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Undecodable => "undecodable",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::ConnectionLost => "connection-lost",
            Self::ServerError => "server-error",
            Self::RateLimited => "rate-limited",
            Self::BadRequest => "bad-request",
            Self::Forbidden => "forbidden",
            Self::Unauthorized => "unauthorized",
            Self::UnexpectedAnswer => "unexpected-answer",
        }
    }
}
