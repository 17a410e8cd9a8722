//! Commits of one group: one at a time, each of the newest offset of every partition.

use std::collections::BTreeSet;
use std::time::Instant;

use super::effect::{CommitFailure, Effect};
use super::report::Report;
use super::status::CommitStatus;
use super::timing::{OnceAMinute, after, retry_delay};
use super::words::{Path, Ticket};
use crate::wire::TopicPartition;

/// Offsets to be read next.
pub(super) type Offsets = Vec<(TopicPartition, i64)>;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Commits {
    in_flight: Option<(Ticket, Offsets)>,
    failures: u32,
    retry_at: Option<Instant>,
    reported: OnceAMinute,
    /// Since when none was acknowledged that was tried.
    failing_since: Option<Instant>,
    acknowledged: u64,
    refused: u64,
}

impl Commits {
    /// True if a commit may be made now.
    pub(super) fn is_free(&self) -> bool {
        self.in_flight.is_none() && self.retry_at.is_none()
    }

    /// Makes a commit.
    pub(super) fn begin(&mut self, ticket: Ticket, path: Path, offsets: Offsets) -> Effect {
        self.in_flight = Some((ticket, offsets.clone()));
        Effect::Commit {
            ticket,
            path,
            offsets,
        }
    }

    /// What the commit under way is of.
    pub(super) fn partitions(&self) -> BTreeSet<TopicPartition> {
        let offsets = self.in_flight.iter().flat_map(|(_, offsets)| offsets);
        offsets.map(|(tp, _)| tp.clone()).collect()
    }

    /// The offsets of the commit under way, if the ticket is its own.
    pub(super) fn end(&mut self, ticket: Ticket) -> Option<Offsets> {
        let (_, offsets) = self.in_flight.take_if(|(own, _)| *own == ticket)?;
        Some(offsets)
    }

    /// The commit that ended was acknowledged.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
        self.failing_since = None;
        self.acknowledged += 1;
    }

    /// A transaction has committed offsets, whatever comes of those that wait for a retry here.
    pub(super) fn made_elsewhere(&mut self) {
        self.failing_since = None;
        self.acknowledged += 1;
    }

    /// How the commits went so far.
    pub(super) fn status(&self, now: Instant) -> CommitStatus {
        CommitStatus {
            acknowledged: self.acknowledged,
            refused: self.refused,
            failing_for: self.failing_since.map(|since| now - since),
        }
    }

    /// The commit that ended was not: the next one waits, longer each time.
    pub(super) fn failed(
        &mut self,
        path: Path,
        failure: CommitFailure,
        now: Instant,
    ) -> Option<Report> {
        self.failures = self.failures.saturating_add(1);
        self.failing_since.get_or_insert(now);
        self.refused += 1;
        self.retry_at = Some(after(now, retry_delay(self.failures)));
        self.reported.tell(now).then_some(Report::CommitFailing {
            path,
            message: failure.message,
        })
    }

    /// When the next commit may be made by itself.
    pub(super) fn timeout(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Lets time pass.
    pub(super) fn expire(&mut self, now: Instant) {
        self.retry_at.take_if(|at| *at <= now);
    }
}
