//! From an attempt's verdict to the record's next step: the table of retries.

use std::time::Duration;

use super::config::{Config, DrainConfig};
use super::dead_letter::Attempts;
use super::headers;
use super::words::{Destination, Moment, Path};
use crate::sink::{Failure, FailureKind, Verdict};
use crate::wire::batch::RecordRef;

/// A clock of another machine may be this far ahead, in milliseconds.
const CLOCK_SKEW_MS: i64 = 60_000;

/// What becomes of a record after an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It has come to its end.
    Done,
    /// It is sent again after this wait.
    Again(Duration),
    /// It is the next one of its partition to be sent, once the line is open; the attempt does
    /// not count.
    Held(Hold),
    /// It is forwarded.
    Forward(Destination),
}

/// What closes the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// The sink asked for this wait.
    For(Duration, Failure),
    /// The sink can't be used.
    Stop(Failure),
}

/// Decides a record's next step and counts the attempt where it counts.
///
/// | verdict | main | drain |
/// |---|---|---|
/// | `Delivered` | done | done |
/// | `RetryAfter`, `SinkDown` | held, not counted | held, not counted |
/// | `Rejected` | final destination | permanent |
/// | `Transient`, `Uncertain` | again, then dead letter | dead letter |
/// | … the sink never reached | again, then the line stops | the line stops, not counted |
pub(super) fn step(
    config: &Config,
    path: Path,
    verdict: Verdict,
    attempts: &mut Attempts,
    now: Moment,
) -> Step {
    let failure = match verdict {
        Verdict::Delivered => return Step::Done,
        Verdict::RetryAfter(wait, failure) => return Step::Held(Hold::For(wait, failure)),
        Verdict::SinkDown(failure) => return Step::Held(Hold::Stop(failure)),
        Verdict::Rejected(failure) => {
            attempts.note(failure, now);
            return Step::Forward(match path {
                Path::Main => config.final_destination,
                Path::Drain => Destination::Permanent,
            });
        }
        Verdict::Transient(failure) | Verdict::Uncertain(failure) => failure,
    };
    match path {
        Path::Drain if failure.kind == FailureKind::Unreachable => {
            return Step::Held(Hold::Stop(failure));
        }
        Path::Drain => attempts.note(failure, now),
        Path::Main => {
            attempts.note(failure.clone(), now);
            if attempts.count() <= config.max_retries {
                return Step::Again(config.backoff);
            }
            if !attempts.reached_sink() {
                *attempts = Attempts::default();
                return Step::Held(Hold::Stop(failure));
            }
        }
    }
    Step::Forward(Destination::DeadLetter)
}

/// True if a dead letter has rested for as long as its count asks for.
///
/// It rests from its last failure, or from its own timestamp where that is not known. A time in
/// the future, beyond what clocks differ by, is no time: it would block its partition.
pub(super) fn is_rested(
    drain: &DrainConfig,
    record: &RecordRef<'_>,
    count: u32,
    now: Moment,
) -> bool {
    let index = usize::try_from(count).unwrap_or(usize::MAX);
    let Some(delay) = drain.delays.get(index).or(drain.delays.last()) else {
        return true;
    };
    let since = headers::text(record, headers::LAST_FAILURE_TIME)
        .and_then(|time| time.parse().ok())
        .unwrap_or(record.timestamp);
    if since < 0 || since > now.wall_ms.saturating_add(CLOCK_SKEW_MS) {
        return true;
    }
    let delay = i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
    since.saturating_add(delay) <= now.wall_ms
}

#[cfg(test)]
mod tests;
