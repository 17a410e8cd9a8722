//! Where each assigned partition stands, and what of it waits for the application.
//!
//! ```text
//!            assign                 committed offset              offset looked up
//! (none) ───────────▶ Finding ─────────────────────▶ Fetching ◀───────────────────── Resetting
//!                        │  no committed offset                                          ▲
//!                        └───────────────────────────────────────────────────────────────┤
//!                                          Fetching ── out of range, topic made again ───┘
//! ```
//!
//! A log that was cut off has a partition go on further back, and go on `Fetching`.
//!
//! # Invariants
//!
//! - An answer counts only if it is of the partition's present incarnation: one that went and came
//!   back, was sought in or was reset begins anew.
//! - Records are handed out in order without gaps, but for what the log itself has lost: a fetch
//!   answer that does not begin where the partition stands is thrown away.
//! - A position goes back only where the application is told.

mod epochs;
mod position;

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

pub use position::{Fetched, Stage, Truncation};

use crate::consumer::records::FetchedRecords;
use crate::wire::TopicPartition;
use position::Position;

/// All assigned partitions.
#[derive(Debug, Default)]
pub struct Positions {
    partitions: BTreeMap<TopicPartition, Position>,
    turn: VecDeque<TopicPartition>,
    /// Counts what makes answers to earlier questions stale.
    stamp: u64,
}

/// Which life of a partition an answer is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incarnation {
    /// The partition.
    pub partition: TopicPartition,
    life: u64,
}

impl Positions {
    /// Adds partitions whose offsets are to be found.
    pub fn assign(&mut self, partitions: &[TopicPartition]) {
        for tp in partitions {
            self.stamp += 1;
            self.turn.retain(|other| other != tp);
            self.turn.push_back(tp.clone());
            self.partitions
                .insert(tp.clone(), Position::new(self.stamp));
        }
    }

    /// Removes partitions with all that waits.
    pub fn remove(&mut self, partitions: &[TopicPartition]) {
        for tp in partitions {
            self.partitions.remove(tp);
            self.turn.retain(|other| other != tp);
        }
    }

    /// The assigned partitions.
    pub fn assigned(&self) -> impl Iterator<Item = &TopicPartition> {
        self.partitions.keys()
    }

    /// Where the application began in each assigned partition, once that is known.
    pub fn began_at(&self) -> impl Iterator<Item = (&TopicPartition, Option<i64>)> {
        let partitions = self.partitions.iter();
        partitions.map(|(tp, position)| (tp, position.began_at()))
    }

    /// Stops fetching and handing out; what waits is kept.
    pub fn pause(&mut self, partitions: &[TopicPartition]) {
        self.each(partitions, Position::pause);
    }

    /// Goes on after a pause. When everything has been seen is told again, by an answer to a
    /// fetch that begins after this: what was the end before may be it no more.
    pub fn resume(&mut self, partitions: &[TopicPartition]) {
        self.stamp += 1;
        let stamp = self.stamp;
        self.each(partitions, |position| position.resume(stamp));
    }

    /// Goes on from another offset; what waits is thrown away.
    pub fn seek(&mut self, tp: &TopicPartition, offset: i64) {
        self.restart(tp, |position, stamp| position.seek(offset, stamp));
    }

    /// Looks for an offset anew by the reset policy: the log does not have the one where the
    /// partition stands. What waits is still handed out, unless it is found to be no more.
    pub fn out_of_range(&mut self, tp: &TopicPartition) {
        self.restart(tp, Position::out_of_range);
    }

    /// Looks for an offset anew by the reset policy: the topic is another one of the same name.
    /// What waits is thrown away.
    pub fn made_again(&mut self, tp: &TopicPartition) {
        self.restart(tp, Position::made_again);
    }

    /// The leader's log has parted from the one that was read: it has no leader epoch after
    /// `epoch` that was, and `epoch` ends at `end`. Goes on where they part, or at what the
    /// application has not been given yet; what waits is thrown away. Nothing happens where they
    /// don't part before the position.
    pub fn truncated(&mut self, tp: &TopicPartition, epoch: i32, end: i64) -> Option<Truncation> {
        self.stamp += 1;
        let position = self.partitions.get_mut(tp)?;
        position.truncated(epoch, end, self.stamp)
    }

    /// Waits for the application to seek.
    pub fn stop(&mut self, tp: &TopicPartition) {
        self.restart(tp, Position::stop);
    }

    fn restart(&mut self, tp: &TopicPartition, restart: impl FnOnce(&mut Position, u64)) {
        if let Some(position) = self.partitions.get_mut(tp) {
            self.stamp += 1;
            restart(position, self.stamp);
        }
    }

    /// The stamp that a fetch which begins now has to be answered with.
    pub fn stamp(&self) -> u64 {
        self.stamp
    }

    /// Takes the partitions of a stage that may be asked about now, and notes that they are.
    pub fn take_questions(&mut self, stage: Stage, now: Instant) -> Vec<Incarnation> {
        let mut asked = Vec::new();
        for (tp, position) in &mut self.partitions {
            if position.ask(stage, now) {
                asked.push(Incarnation {
                    partition: tp.clone(),
                    life: position.incarnation(),
                });
            }
        }
        asked
    }

    /// A question was answered with an offset (`None`: there is no committed one). An offset is
    /// returned where the application is to be told that the partition begins anew there, not
    /// paused: it lies before what was fetched, or in another topic. What waits is then thrown
    /// away.
    pub fn found(&mut self, asked: &Incarnation, offset: Option<i64>) -> Option<i64> {
        self.present(asked)?.found(offset)
    }

    /// A question failed; it may be asked again from a time that depends on how often in a row.
    pub fn not_found(&mut self, asked: &Incarnation, not_before: impl FnOnce(u32) -> Instant) {
        if let Some(position) = self.present(asked) {
            position.not_found(not_before);
        }
    }

    /// The partitions that can be fetched now, each with the offset from which.
    pub fn fetchable(&self, now: Instant) -> impl Iterator<Item = (&TopicPartition, i64)> {
        let partitions = self.partitions.iter();
        partitions.filter_map(move |(tp, position)| Some((tp, position.fetchable(now)?)))
    }

    /// Notes that the records of a partition from this offset on are of this leader epoch.
    pub fn note_epoch(&mut self, tp: &TopicPartition, epoch: i32, offset: i64) {
        if let Some(position) = self.partitions.get_mut(tp) {
            position.note_epoch(epoch, offset);
        }
    }

    /// The leader epoch of the record before this offset, where it is known: by it a broker tells
    /// whether its log still has that record (KIP-320).
    pub fn epoch_before(&self, tp: &TopicPartition, offset: i64) -> Option<i32> {
        self.partitions.get(tp)?.epoch_before(offset)
    }

    /// True where the answer to a fetch that was stamped `asked` and began at `asked_offset` is
    /// about the partition as it stands now.
    pub fn awaits(&self, tp: &TopicPartition, asked: u64, asked_offset: i64) -> bool {
        let position = self.partitions.get(tp);
        position.is_some_and(|position| position.awaits(asked, asked_offset))
    }

    /// True where the application waits to be told of an end that no answer has spoken of yet.
    pub fn must_hear(&self, tp: &TopicPartition) -> bool {
        self.partitions.get(tp).is_some_and(Position::must_hear)
    }

    /// Takes over what a fetch from `asked_offset`, stamped `asked`, brought; `end` is where the
    /// partition ends for this reader.
    pub fn fetched(&mut self, asked: u64, asked_offset: i64, records: FetchedRecords, end: i64) {
        let position = self.partitions.get_mut(records.partition());
        if let Some(position) = position.filter(|position| position.awaits(asked, asked_offset)) {
            position.fetched(asked, records, end);
        }
    }

    /// A fetch of this partition failed: not again before a time that depends on how often in a
    /// row.
    pub fn hold(&mut self, tp: &TopicPartition, not_before: impl FnOnce(u32) -> Instant) {
        if let Some(position) = self.partitions.get_mut(tp) {
            position.fail(not_before);
        }
    }

    /// The next thing for the application, taking partitions in turn; records at most
    /// `max_records` at a time.
    pub fn next_ready(&mut self, max_records: usize) -> Option<(TopicPartition, Fetched)> {
        for _ in 0..self.turn.len() {
            let tp = self.turn.pop_front()?;
            self.turn.push_back(tp.clone());
            let position = self.partitions.get_mut(&tp);
            if let Some(fetched) = position.and_then(|position| position.take(max_records)) {
                return Some((tp, fetched));
            }
        }
        None
    }

    /// True where the application has something to take.
    pub fn has_ready(&self) -> bool {
        self.partitions.values().any(Position::is_ready)
    }

    /// When the next partition that was held back may go on.
    pub fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        let held = self.partitions.values().filter_map(Position::held_until);
        held.filter(|at| *at > now).min()
    }

    fn present(&mut self, asked: &Incarnation) -> Option<&mut Position> {
        let position = self.partitions.get_mut(&asked.partition)?;
        (position.incarnation() == asked.life).then_some(position)
    }

    fn each(&mut self, partitions: &[TopicPartition], change: impl Fn(&mut Position)) {
        for tp in partitions {
            if let Some(position) = self.partitions.get_mut(tp) {
                change(position);
            }
        }
    }
}

#[cfg(test)]
mod tests;
