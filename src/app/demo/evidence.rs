//! What is known of a demo from those who don't work for the engine: the topics, the committed
//! offsets, and Telegram's own record of its calls.

use std::fmt;

use bytes::Bytes;

use super::script::{Answer, Fate};
use crate::engine::{Totals, headers};

/// Where a record is in its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct At {
    pub(super) partition: i32,
    pub(super) offset: i64,
}

/// Written as `p2@3`.
impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("p{}@{}", self.partition, self.offset))
    }
}

/// All that an account is taken from.
#[derive(Clone, Debug, Default)]
pub(super) struct Evidence {
    /// What was published, as its publisher knows.
    pub(super) published: Vec<Published>,
    /// The source topic.
    pub(super) source: Vec<Stored>,
    /// The dead-letter topic.
    pub(super) dead_letters: Vec<Stored>,
    /// The permanent-failure topic.
    pub(super) permanent: Vec<Stored>,
    /// How far both groups have come.
    pub(super) progress: Vec<Progress>,
    /// Telegram's record, in the order of the calls.
    pub(super) calls: Vec<Call>,
    /// The engine's own sums, once it has ended: held against the rest, and taken for nothing.
    pub(super) engine: Option<Sums>,
}

/// A record that was acknowledged.
#[derive(Clone, Debug)]
pub(super) struct Published {
    pub(super) number: usize,
    /// None for whatever somebody else published.
    pub(super) fate: Option<Fate>,
    pub(super) at: At,
    pub(super) value: Bytes,
}

/// A record of a topic.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) at: At,
    pub(super) value: Option<Bytes>,
    pub(super) headers: Vec<(Bytes, Option<Bytes>)>,
}

/// One group in one partition.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    pub(super) group: String,
    pub(super) topic: String,
    pub(super) partition: i32,
    /// The offset that the group would go on with.
    pub(super) committed: i64,
    /// Where the partition ends.
    pub(super) end: i64,
}

/// A call of `sendMessage`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) text: String,
    pub(super) answer: Answer,
}

/// What the engine says it did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) main: Totals,
    pub(super) drain: Totals,
}

impl Stored {
    /// The value of the last header of that name, as text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.header(name)?).ok()
    }

    /// The place in the source topic that a forwarded record names as its origin.
    pub(super) fn origin(&self) -> Option<At> {
        let partition = self.header(headers::ORIGINAL_PARTITION)?.try_into().ok()?;
        let offset = self.header(headers::ORIGINAL_OFFSET)?.try_into().ok()?;
        Some(At {
            partition: i32::from_be_bytes(partition),
            offset: i64::from_be_bytes(offset),
        })
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        let mut named = self.headers.iter().rev();
        let (_, value) = named.find(|(key, _)| key == name.as_bytes())?;
        value.as_deref()
    }
}

impl Progress {
    pub(super) fn is_through(&self) -> bool {
        self.committed >= self.end
    }
}

/// A message's text as it would be sent at first, and whether it is of a retry.
pub(super) fn split_retry(text: &str) -> (&str, bool) {
    let body = text.trim_end_matches('\n');
    let last = body.rfind('\n').map_or(0, |end| end + 1);
    if body[last..].starts_with("[재시도 발송") {
        (&text[..last], true)
    } else {
        (text, false)
    }
}
