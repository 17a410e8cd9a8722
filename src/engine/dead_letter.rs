//! A record that failed, made into the record that is forwarded.

use super::headers as h;
use super::words::Moment;
use crate::sink::{Failure, FailureKind};
use crate::wire::batch::{RecordBody, RecordRef};

/// The longest text of a failure that is written into a header, in bytes: a record near the
/// broker's size limit must not outgrow it by what a sink said.
const MAX_TEXT: usize = 1_000;

/// Where a record was read.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition.
    pub partition: i32,
    /// The consumer group.
    pub group: &'a str,
}

/// The failed deliveries of a record since it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    count: u32,
    reached: bool,
    span: Option<(Failed, Failed)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Failed {
    failure: Failure,
    at_ms: i64,
}

impl Attempts {
    /// Counts one that failed.
    pub fn note(&mut self, failure: Failure, now: Moment) {
        self.count = self.count.saturating_add(1);
        self.reached |= failure.kind != FailureKind::Unreachable;
        let failed = Failed {
            failure,
            at_ms: now.wall_ms,
        };
        match &mut self.span {
            Some((_, last)) => *last = failed,
            None => self.span = Some((failed.clone(), failed)),
        }
    }

    /// How many failed.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// True if the sink was reached at least once.
    pub fn reached_sink(&self) -> bool {
        self.reached
    }
}

/// The record to forward: key, value and every header that is not the engine's own stay byte for
/// byte, in order and with duplicates.
///
/// The original coordinates are those of the first failure: where the record has some, they
/// stay. The newest failure replaces the one before it. `count` becomes the record's only
/// [`RETRY_COUNT`](h::RETRY_COUNT); without it those it has stay.
pub fn dead_letter_body(
    record: &RecordRef<'_>,
    origin: Origin<'_>,
    attempts: &Attempts,
    count: Option<u32>,
) -> RecordBody {
    let mut headers = Edit::default();
    if !h::has_coordinates(record) {
        add_coordinates(&mut headers, record, origin);
    }
    if let Some((first, last)) = &attempts.span {
        replace_failure(&mut headers, record, last, attempts.count);
        if h::text(record, h::FIRST_FAILURE).is_none() {
            add_first_failure(&mut headers, record, first);
        }
    }
    if let Some(count) = count {
        headers.replace(h::RETRY_COUNT, count.to_string());
    }
    headers.apply(record)
}

fn add_coordinates(headers: &mut Edit, record: &RecordRef<'_>, origin: Origin<'_>) {
    headers.add(h::ORIGINAL_TOPIC, origin.topic);
    headers.add(h::ORIGINAL_PARTITION, origin.partition.to_be_bytes());
    headers.add(h::ORIGINAL_OFFSET, record.offset.to_be_bytes());
    headers.add(h::ORIGINAL_TIMESTAMP, record.timestamp.to_be_bytes());
    headers.add(h::ORIGINAL_TIMESTAMP_TYPE, record.timestamp_type.name());
    headers.add(h::ORIGINAL_GROUP, origin.group);
}

fn replace_failure(headers: &mut Edit, record: &RecordRef<'_>, last: &Failed, failed: u32) {
    let kind = format!("payment_notifier.{}", last.failure.kind.name());
    let before =
        h::text(record, h::DELIVERY_ATTEMPTS).and_then(|text| h::parse_count(text.as_bytes()));
    headers.replace(h::EXCEPTION_FQCN, kind.as_str());
    headers.replace(h::EXCEPTION_CAUSE_FQCN, kind);
    headers.replace(h::EXCEPTION_MESSAGE, clip(&last.failure.message));
    headers.drop(h::EXCEPTION_STACKTRACE);
    headers.replace(h::LAST_FAILURE, clip(&last.failure.to_string()));
    headers.replace(h::LAST_FAILURE_TIME, last.at_ms.to_string());
    let attempts = before.unwrap_or(0).saturating_add(failed);
    headers.replace(h::DELIVERY_ATTEMPTS, attempts.to_string());
}

/// A dead letter of the Spring service has its first failure in the exception headers, which
/// are about to be replaced.
fn add_first_failure(headers: &mut Edit, record: &RecordRef<'_>, first: &Failed) {
    let kind =
        h::text(record, h::EXCEPTION_CAUSE_FQCN).or_else(|| h::text(record, h::EXCEPTION_FQCN));
    let (text, at_ms) = match kind {
        Some(kind) => {
            let message = h::text(record, h::EXCEPTION_MESSAGE).unwrap_or_default();
            (format!("{kind}: {message}"), record.timestamp)
        }
        None => (first.failure.to_string(), first.at_ms),
    };
    headers.replace(h::FIRST_FAILURE, clip(&text));
    headers.replace(h::FIRST_FAILURE_TIME, at_ms.to_string());
}

/// The longest beginning that is not too long.
fn clip(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT)]
}

/// Headers to leave out, and headers to put at the end.
#[derive(Default)]
struct Edit {
    dropped: Vec<&'static str>,
    added: Vec<(&'static str, Vec<u8>)>,
}

impl Edit {
    fn drop(&mut self, name: &'static str) {
        self.dropped.push(name);
    }

    fn add(&mut self, name: &'static str, value: impl AsRef<[u8]>) {
        self.added.push((name, value.as_ref().to_vec()));
    }

    fn replace(&mut self, name: &'static str, value: impl AsRef<[u8]>) {
        self.drop(name);
        self.add(name, value);
    }

    fn apply(&self, record: &RecordRef<'_>) -> RecordBody {
        let added: Vec<_> = self
            .added
            .iter()
            .map(|(name, value)| (name.as_bytes(), Some(value.as_slice())))
            .collect();
        let dropped = |key: &[u8]| self.dropped.iter().any(|name| key == name.as_bytes());
        RecordBody::edited(record, dropped, &added)
    }
}

#[cfg(test)]
mod tests;
