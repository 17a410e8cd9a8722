//! The rules that every effect must keep.

use std::time::Duration;

use super::world::{Pending, World};
use super::*;
use crate::wire::TopicPartition;
use crate::wire::batch::{Header, RecordBody};

impl World {
    /// Only what is owned is worked on, one record a partition; in the drain, each after the
    /// commit of the one before.
    pub(super) fn check_start(&self, place: &Place, offset: i64) -> u64 {
        let waits = self.has_records(place.path, place.tp.partition, offset);
        assert!(place.path == Path::Main || !waits, "{place:?}@{offset}");
        let term = self.held[place.path as usize][&place.tp.partition].term;
        let busy = self.pending.iter().any(|pending| {
            let mut works = pending.places().into_iter().zip(&pending.terms);
            works.any(|(other, of)| other == *place && *of == Some(term))
        });
        assert!(!busy, "two records of {place:?} in flight");
        term
    }

    pub(super) fn check_send(&mut self, place: &Place, record: &Record, retry: Option<u32>) {
        let (path, partition) = (place.path, place.tp.partition);
        assert!(
            !self.held[path as usize][&partition].revoking,
            "a start while leaving"
        );
        assert!(!self.line_stopped, "a send while the line is stopped");
        assert!(
            self.elapsed >= self.closed_until,
            "a send while the line is held"
        );
        self.check_pace();
        let settled = self.ledger.is_settled_below(path, partition, record.offset);
        assert!(settled, "{place:?}@{} out of order", record.offset);
        assert_eq!(retry.is_some(), path == Path::Drain);
        if let (Some(retry), Some(drain)) = (retry, &self.config.drain) {
            assert!(retry <= drain.max_retries);
        }
        let sends = |pending: &&Pending| matches!(&pending.effect, Effect::Send { place, .. } if place.path == path);
        let slots = match path {
            Path::Main => self.config.concurrency,
            Path::Drain => 1,
        };
        assert!(self.pending.iter().filter(sends).count() < slots);
        self.totals[path as usize].sent += 1;
    }

    /// No period has more sends than a burst and a period allow.
    fn check_pace(&mut self) {
        self.sent_at.push(self.elapsed);
        if let Some(rate) = self.config.rate {
            let within = |at: &&Duration| self.elapsed - **at < rate.per;
            let sent = self.sent_at.iter().rev().take_while(within).count();
            assert!(sent <= 2 * rate.messages as usize, "too fast");
        }
    }

    /// No more at a time than there are producers, and no partition in two of them; with it goes
    /// what it commits, and nothing that a commit under way may set back.
    pub(super) fn check_flight(
        &self,
        path: Path,
        records: &[Outgoing],
        offsets: &[(TopicPartition, i64)],
        again: bool,
    ) {
        let of_records: Vec<_> = records
            .iter()
            .map(|it| (it.from.clone(), it.offset + 1))
            .collect();
        if offsets.is_empty() {
            assert_eq!((records.len(), again), (1, false));
            return;
        }
        assert_eq!(offsets, of_records);
        assert!(!again || records.len() == 1, "what failed goes alone");
        let mut at_a_time = 1;
        for pending in &self.pending {
            let (other, committed) = match &pending.effect {
                Effect::Forward {
                    path: other,
                    again: kind,
                    offsets,
                    ..
                } => {
                    at_a_time += usize::from((*other, *kind) == (path, again));
                    (other, offsets)
                }
                Effect::Commit { path, offsets, .. } => (path, offsets),
                _ => continue,
            };
            let apart = |(tp, _): &(TopicPartition, i64)| offsets.iter().all(|it| it.0 != *tp);
            assert!(
                *other != path || committed.iter().all(apart),
                "a transaction beside another commit of the same partition"
            );
        }
        let most = if again { 1 } else { MOST_AT_A_TIME };
        assert!(at_a_time <= most, "{at_a_time} transactions");
    }

    /// Key, value and foreign headers are unchanged, and the count rises with each try.
    pub(super) fn check_forward(
        &self,
        place: &Place,
        offset: i64,
        to: Destination,
        body: &RecordBody,
    ) {
        let log = &self.log(place.path)[place.tp.partition as usize];
        let record = log[offset as usize].as_ref();
        assert_eq!(body.value(), record.value());
        assert_eq!(body.key(), record.key());
        let foreign = |header: &Header<'_>| header.0.starts_with(b"x-");
        let kept: Vec<_> = body.headers().filter(foreign).collect();
        let given: Vec<_> = record.headers().filter(foreign).collect();
        assert_eq!(kept, given);
        if place.path == Path::Drain {
            let drain = self.config.drain.as_ref().unwrap();
            let before = headers::retry_count(&record).unwrap_or(0);
            let count = body.headers().find_last(b"retry-count").unwrap().unwrap();
            let count: u32 = std::str::from_utf8(count).unwrap().parse().unwrap();
            match to {
                Destination::DeadLetter => {
                    assert_eq!(count, before + 1);
                    assert!(count <= drain.max_retries);
                }
                Destination::Permanent if before >= drain.max_retries => assert_eq!(count, before),
                Destination::Permanent => assert_eq!(count, before + 1),
            }
        }
    }

    /// Nothing is committed that has not come to an end.
    pub(super) fn check_commit(&self, path: Path, offsets: &[(TopicPartition, i64)]) {
        let busy = |pending: &Pending| matches!(pending.effect, Effect::Commit { path: p, .. } if p == path);
        assert!(!self.pending.iter().any(busy), "two commits at once");
        for (tp, next) in offsets {
            let moving = self.pending.iter().any(|pending| {
                let Effect::Forward {
                    path: p, offsets, ..
                } = &pending.effect
                else {
                    return false;
                };
                let mut theirs = offsets.iter().zip(&pending.terms);
                *p == path && theirs.any(|(it, term)| it.0 == *tp && term.is_some())
            });
            assert!(!moving, "a commit of {tp} beside a transaction");
            let held = self.held[path as usize].get(&tp.partition);
            let held = held.unwrap_or_else(|| panic!("{tp} is another's"));
            assert!(*next <= held.position, "{tp}={next}: of an earlier life");
            let settled = self.ledger.is_settled_below(path, tp.partition, *next);
            assert!(settled, "{path} {tp}={next}: not all of it is done");
        }
    }

    /// A pass leaves nothing that was there when it began, but for what has to rest.
    pub(super) fn check_pass(&self) {
        let rests = self
            .config
            .drain
            .as_ref()
            .is_some_and(|drain| !drain.delays.is_empty());
        for (partition, term, end) in &self.pass {
            let held = self.held[Path::Drain as usize].get(partition);
            let stayed = held.is_some_and(|held| held.term == *term && !held.revoking);
            let drained = !self.has_records(Path::Drain, *partition, *end);
            assert!(drained || rests || !stayed, "{partition} is not drained");
        }
    }
}
