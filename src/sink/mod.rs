//! What a record is handed to. A sink answers each delivery attempt with a [`Verdict`].

use std::fmt;
use std::time::Duration;

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
