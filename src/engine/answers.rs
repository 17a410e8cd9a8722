//! The machine's inputs that answer its effects.

use super::RecordSource;
use super::config::Forwarding;
use super::effect::{CommitFailure, CommitFailureKind, ForwardFailure};
use super::machine::Engine;
use super::report::Report;
use super::words::{Moment, Path, Ticket};
use crate::sink::{Failure, Verdict};
use crate::wire::TopicPartition;

impl<S: RecordSource> Engine<S> {
    /// The sink's answer to an [`Effect::Send`](super::Effect::Send).
    pub fn handle_verdict(&mut self, ticket: Ticket, verdict: Verdict, now: Moment) {
        if let Some(place) = self.sends.remove(&ticket) {
            self.judge(ticket, &place, verdict, now);
            self.settle(now);
        }
    }

    /// The answer to an [`Effect::Forward`](super::Effect::Forward): the offsets that its records
    /// got, in their order, or why they got none.
    pub fn handle_forwarded(
        &mut self,
        ticket: Ticket,
        result: Result<Vec<i64>, ForwardFailure>,
        now: Moment,
    ) {
        if let Some(flight) = self.forwards.remove(&ticket) {
            if result.is_ok() {
                self.heard(flight.path);
            }
            self.forwarded(ticket, &flight, result, now);
            self.settle(now);
        }
    }

    /// The cluster has no transactions, or lets this client have none: from here on each forward
    /// is acknowledged before its offset is committed.
    pub fn handle_no_transactions(&mut self, message: String, now: Moment) {
        if self.forwarding == Forwarding::Transactional {
            self.forwarding = Forwarding::AtLeastOnce;
            self.report(Report::NoTransactions { message });
            self.settle(now);
        }
    }

    /// The answer to an [`Effect::Commit`](super::Effect::Commit).
    pub fn handle_committed(
        &mut self,
        ticket: Ticket,
        result: Result<(), CommitFailure>,
        now: Moment,
    ) {
        for path in [Path::Main, Path::Drain] {
            if let Some(offsets) = self.lanes(path).commits.end(ticket) {
                self.committed(path, offsets, result, now);
                self.settle(now);
                return;
            }
        }
    }

    fn committed(
        &mut self,
        path: Path,
        offsets: Vec<(TopicPartition, i64)>,
        result: Result<(), CommitFailure>,
        now: Moment,
    ) {
        let Err(failure) = result else {
            self.heard(path);
            let lanes = self.lanes(path);
            lanes.commits.succeeded();
            for (tp, next) in offsets {
                if let Some(lane) = lanes.get_mut(&tp) {
                    lane.committed(next);
                }
            }
            return;
        };
        let lanes = self.lanes(path);
        if failure.kind == CommitFailureKind::Fenced {
            for (tp, _) in offsets {
                if let Some(lane) = lanes.get_mut(&tp).filter(|lane| lane.is_leaving()) {
                    lane.forgo_commit();
                }
            }
        }
        if let Some(report) = lanes.commits.failed(path, failure, now.at) {
            self.report(report);
        }
    }

    /// Kafka has taken what a path had for it.
    fn heard(&mut self, path: Path) {
        if let Some(drain) = self.drain_of(path) {
            drain.heard();
        }
    }

    /// The answer to an [`Effect::QueryEndOffsets`](super::Effect::QueryEndOffsets), or a part of it.
    pub fn handle_end_offsets(&mut self, ends: &[(TopicPartition, i64)], now: Moment) {
        if let Some(drain) = &mut self.drain {
            for (tp, end) in ends {
                drain.end_offset(tp, *end);
            }
            self.settle(now);
        }
    }

    /// The answer to an [`Effect::Probe`](super::Effect::Probe).
    pub fn handle_probe(&mut self, result: Result<(), Failure>, now: Moment) {
        if let Some(report) = self.gate.probed(result, now.at) {
            self.report(report);
        }
        self.settle(now);
    }
}
