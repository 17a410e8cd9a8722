//! What the engine's tests share: records, a lazy source of them, verdicts, and an engine whose
//! effects read as short lines.

mod rig;

use std::collections::VecDeque;
use std::time::Duration;

use super::*;
use crate::sink::{Failure, FailureKind, Verdict};
use crate::wire::TopicPartition;
use crate::wire::batch::{Header, RecordBody, TimestampType};
pub(super) use rig::Rig;

/// When the tests' wall clock starts.
pub(super) const WALL_MS: i64 = 1_700_000_000_000;

/// A record with these headers.
pub(super) fn record_with_headers(offset: i64, headers: &[Header<'_>]) -> Record {
    Record {
        offset,
        timestamp: 1_000,
        timestamp_type: TimestampType::CreateTime,
        body: RecordBody::new(Some(b"key"), Some(b"value"), headers),
    }
}

/// A record that was drained this many times.
pub(super) fn dead_letter(offset: i64, count: &str) -> Record {
    record_with_headers(offset, &[(b"retry-count", Some(count.as_bytes()))])
}

/// Records, or bytes that can't be read.
pub(super) struct Chunk(pub(super) VecDeque<Result<Record, String>>);

impl RecordSource for Chunk {
    fn next(&mut self) -> Option<Result<Record, String>> {
        self.0.pop_front()
    }
}

impl<const N: usize> From<[Record; N]> for Chunk {
    fn from(records: [Record; N]) -> Self {
        Self(records.map(Ok).into())
    }
}

/// Any failure that counts.
pub(super) fn transient() -> Verdict {
    Verdict::Transient(Failure::new(FailureKind::ServerError, "503"))
}

/// The sink was not reached.
pub(super) fn unreachable() -> Verdict {
    Verdict::Transient(Failure::new(FailureKind::Unreachable, "refused"))
}

/// The sink asks to wait.
pub(super) fn retry_after(seconds: u64) -> Verdict {
    let failure = Failure::new(FailureKind::RateLimited, "429");
    Verdict::RetryAfter(Duration::from_secs(seconds), failure)
}

/// The sink refuses our credentials.
pub(super) fn sink_down() -> Verdict {
    Verdict::SinkDown(Failure::new(FailureKind::Unauthorized, "401"))
}

/// The sink refuses the record.
pub(super) fn rejected() -> Verdict {
    Verdict::Rejected(Failure::new(FailureKind::BadRequest, "400"))
}

/// A partition of the one topic of a path.
pub(super) fn tp(path: Path, partition: i32) -> TopicPartition {
    let topic = match path {
        Path::Main => "pay",
        Path::Drain => "pay.DLQ",
    };
    TopicPartition::new(topic, partition)
}
