//! The client's error type.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::wire::ErrorCode;

/// What went wrong, coarsely; [`Error::code`] tells the broker's own code where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The broker answered with an error code.
    Broker,
    /// The deadline passed.
    Timeout,
    /// No connection could be made, or it was lost.
    Connection,
    /// One side does not accept who the other is: a login or a certificate was refused, or ours
    /// can't be read.
    Authentication,
    /// The peer is not a Kafka broker, or one that is too old or too new.
    Unsupported,
    /// Bytes that are not what the protocol says.
    Protocol,
    /// The caller asked for something that can't be: a wrong setting or a wrong argument.
    Usage,
    /// A partition has no offset to begin at, and `auto.offset.reset` is none (Java's
    /// NoOffsetForPartitionException).
    NoOffset,
    /// The client, or the part of it that was called, has been closed.
    Closed,
    /// The operating system refused something that has nothing to do with Kafka.
    System,
}

/// An error of the Kafka client. Cheap to clone; never holds a secret.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

struct Inner {
    kind: ErrorKind,
    code: Option<ErrorCode>,
    message: String,
    in_doubt: bool,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// Makes an error of a kind with a text for a person.
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            kind,
            code: None,
            message: message.into(),
            in_doubt: false,
            source: None,
        }))
    }

    /// Makes an error from a broker's answer; `doing` names what was asked and of what.
    pub(crate) fn broker(code: ErrorCode, doing: impl fmt::Display) -> Self {
        Self::coded(code, format!("{doing}: {code}"))
    }

    /// Makes an error from a broker's answer that was put into words already.
    pub(crate) fn coded(code: ErrorCode, message: String) -> Self {
        Self(Arc::new(Inner {
            kind: ErrorKind::Broker,
            code: Some(code),
            message,
            in_doubt: false,
            source: None,
        }))
    }

    /// Makes an error of who we are, or who the broker is, not being accepted; with the broker's
    /// code where it gave one.
    pub(crate) fn refused(code: Option<ErrorCode>, message: String) -> Self {
        Self(Arc::new(Inner {
            kind: ErrorKind::Authentication,
            code,
            message,
            in_doubt: false,
            source: None,
        }))
    }

    /// The same kind, with a cause.
    pub(crate) fn caused(
        kind: ErrorKind,
        message: impl Into<String>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        let source = Some(source.into());
        Self(Arc::new(Inner {
            kind,
            code: None,
            message: message.into(),
            in_doubt: false,
            source,
        }))
    }

    /// What went wrong, coarsely.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The broker's error code, where a broker answered with one.
    pub fn code(&self) -> Option<ErrorCode> {
        self.0.code
    }

    /// The same error, and what was asked may have been done all the same.
    pub(crate) fn with_doubt(mut self, in_doubt: bool) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.in_doubt = in_doubt;
        }
        self
    }

    /// True where what was asked may have been done all the same: a record may have been written,
    /// a transaction may have been committed.
    pub fn is_in_doubt(&self) -> bool {
        self.0.in_doubt
    }

    /// True where another producer with the same `transactional.id` has taken over or, on clusters
    /// before KIP-890, the coordinator has aborted a transaction that was open for too long: this
    /// producer is at its end.
    pub fn is_fenced(&self) -> bool {
        self.0.code == Some(ErrorCode::PRODUCER_FENCED)
    }

    /// True where the same call may succeed later without anyone's help.
    pub fn is_retriable(&self) -> bool {
        match self.0.kind {
            ErrorKind::Timeout | ErrorKind::Connection => true,
            ErrorKind::Broker => self.0.code.is_some_and(ErrorCode::is_retriable),
            _ => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        let mut cause = self.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({self})", self.0.kind)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}
