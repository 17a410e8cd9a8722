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
//! # Invariants
//!
//! - An answer counts only if it is of the partition's present incarnation: one that went and came
//!   back, was sought in or was reset begins anew.
//! - Records are handed out in order without gaps, but for what the log itself has lost: a fetch
//!   answer that does not begin where the partition stands is thrown away.
//! - A position goes back only where the application is told.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use crate::consumer::records::FetchedRecords;
use crate::wire::TopicPartition;

/// What a partition still needs before it can be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The committed offset is wanted.
    Finding,
    /// The offset that `auto.offset.reset` names is wanted.
    Resetting,
    /// It is fetched from this offset on.
    Fetching {
        /// The first offset that was not fetched yet.
        next_offset: i64,
    },
    /// It can't go on without the application: there is no offset and no policy to find one.
    Stopped,
}

/// All assigned partitions.
#[derive(Debug, Default)]
pub struct Positions {
    partitions: BTreeMap<TopicPartition, Position>,
    turn: VecDeque<TopicPartition>,
    /// Counts what makes answers to earlier questions stale.
    stamp: u64,
}

#[derive(Debug)]
struct Position {
    /// The stamp of its beginning.
    incarnation: u64,
    /// The stamp of its last resumption.
    resumed: u64,
    stage: Stage,
    lost: Lost,
    paused: bool,
    /// How often in a row something failed, and until when it therefore waits.
    failures: u32,
    not_before: Option<Instant>,
    /// A question about it is under way.
    asked: bool,
    waiting: VecDeque<FetchedRecords>,
    end: End,
}

/// What a partition has for the application.
#[derive(Debug)]
pub enum Fetched {
    /// Records.
    Records(FetchedRecords),
    /// All records before this offset, the high watermark, have been handed out.
    End(i64),
}

/// Whether the application was told that it has seen everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// No answer came since it was assigned, resumed, sought in or reset.
    Unheard,
    /// There is more to fetch.
    Ahead,
    /// The high watermark, with whether it was told.
    At(i64, bool),
}

/// Why the offset is to be found by the reset policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lost {
    /// There is no committed one.
    Never,
    /// The log does not have this one: it was cut off before it, or begins after it.
    OutOfRange(i64),
    /// The topic is another one of the same name.
    Topic,
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
            let fresh = Position {
                incarnation: self.stamp,
                resumed: self.stamp,
                stage: Stage::Finding,
                lost: Lost::Never,
                paused: false,
                failures: 0,
                not_before: None,
                asked: false,
                waiting: VecDeque::new(),
                end: End::Unheard,
            };
            self.partitions.insert(tp.clone(), fresh);
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

    /// Stops fetching and handing out; what waits is kept.
    pub fn pause(&mut self, partitions: &[TopicPartition]) {
        self.each(partitions, |position| position.paused = true);
    }

    /// Goes on after a pause. When everything has been seen is told again, by an answer to a
    /// fetch that begins after this: what was the end before may be it no more.
    pub fn resume(&mut self, partitions: &[TopicPartition]) {
        self.stamp += 1;
        let stamp = self.stamp;
        self.each(partitions, |position| {
            position.paused = false;
            position.resumed = stamp;
            position.end = End::Unheard;
        });
    }

    /// Goes on from another offset; what waits is thrown away.
    pub fn seek(&mut self, tp: &TopicPartition, offset: i64) {
        let next_offset = offset;
        if let Some(position) = self.restart(tp, Stage::Fetching { next_offset }) {
            position.waiting.clear();
        }
    }

    /// Looks for an offset anew by the reset policy: the log does not have the one where the
    /// partition stands. What waits is still handed out, unless it is found to be no more.
    pub fn out_of_range(&mut self, tp: &TopicPartition) {
        let stage = self.partitions.get(tp).map(|position| position.stage);
        if let Some(Stage::Fetching { next_offset }) = stage
            && let Some(position) = self.restart(tp, Stage::Resetting)
        {
            position.lost = Lost::OutOfRange(next_offset);
        }
    }

    /// Looks for an offset anew by the reset policy: the topic is another one of the same name.
    /// What waits is thrown away.
    pub fn made_again(&mut self, tp: &TopicPartition) {
        if let Some(position) = self.restart(tp, Stage::Resetting) {
            position.lost = Lost::Topic;
            position.begin_anew();
        }
    }

    /// Waits for the application to seek.
    pub fn stop(&mut self, tp: &TopicPartition) {
        self.restart(tp, Stage::Stopped);
    }

    fn restart(&mut self, tp: &TopicPartition, stage: Stage) -> Option<&mut Position> {
        let position = self.partitions.get_mut(tp)?;
        self.stamp += 1;
        position.restart(stage, self.stamp);
        Some(position)
    }

    /// The stamp that a fetch which begins now has to be answered with.
    pub fn stamp(&self) -> u64 {
        self.stamp
    }

    /// Takes the partitions of a stage that may be asked about now, and notes that they are.
    pub fn take_questions(&mut self, stage: Stage, now: Instant) -> Vec<Incarnation> {
        let due = self.partitions.iter_mut().filter(|(_, position)| {
            position.stage == stage && !position.asked && position.is_due(now)
        });
        due.map(|(tp, position)| {
            position.asked = true;
            Incarnation {
                partition: tp.clone(),
                life: position.incarnation,
            }
        })
        .collect()
    }

    /// A question was answered with an offset (`None`: there is no committed one). An offset is
    /// returned where the application is to be told that the partition begins anew there, not
    /// paused: it lies before what was fetched, or in another topic. What waits is then thrown
    /// away.
    pub fn found(&mut self, asked: &Incarnation, offset: Option<i64>) -> Option<i64> {
        let position = self.present(asked)?;
        position.asked = false;
        position.failures = 0;
        let Some(next_offset) = offset else {
            position.stage = Stage::Resetting;
            return None;
        };
        position.stage = Stage::Fetching { next_offset };
        let begins_anew = match std::mem::replace(&mut position.lost, Lost::Never) {
            Lost::Never => false,
            Lost::OutOfRange(stood_at) => next_offset < stood_at,
            Lost::Topic => true,
        };
        begins_anew.then(|| {
            position.begin_anew();
            next_offset
        })
    }

    /// A question failed; it may be asked again from a time that depends on how often in a row.
    pub fn not_found(&mut self, asked: &Incarnation, not_before: impl FnOnce(u32) -> Instant) {
        if let Some(position) = self.present(asked) {
            position.asked = false;
            position.fail(not_before);
        }
    }

    /// The partitions that can be fetched now, each with the offset from which.
    pub fn fetchable(&self, now: Instant) -> impl Iterator<Item = (&TopicPartition, i64)> {
        self.partitions
            .iter()
            .filter_map(move |(tp, position)| match position.stage {
                Stage::Fetching { next_offset } if !position.paused && position.is_due(now) => {
                    Some((tp, next_offset))
                }
                _ => None,
            })
    }

    /// True where the answer to a fetch that was stamped `asked` and began at `asked_offset` is
    /// about the partition as it stands now.
    pub fn awaits(&self, tp: &TopicPartition, asked: u64, asked_offset: i64) -> bool {
        let wanted = Stage::Fetching {
            next_offset: asked_offset,
        };
        let position = self.partitions.get(tp);
        position.is_some_and(|position| position.incarnation <= asked && position.stage == wanted)
    }

    /// True where the application waits to be told of an end that no answer has spoken of yet.
    pub fn must_hear(&self, tp: &TopicPartition) -> bool {
        let position = self.partitions.get(tp);
        position.is_some_and(|position| position.end == End::Unheard)
    }

    /// Takes over what a fetch from `asked_offset`, stamped `asked`, brought.
    pub fn fetched(
        &mut self,
        asked: u64,
        asked_offset: i64,
        records: FetchedRecords,
        high_watermark: i64,
    ) {
        if !self.awaits(records.partition(), asked, asked_offset) {
            return;
        }
        let Some(position) = self.partitions.get_mut(records.partition()) else {
            return;
        };
        let next_offset = records.next_offset();
        position.stage = Stage::Fetching { next_offset };
        position.failures = 0;
        position.not_before = None;
        if !records.is_empty() {
            position.waiting.push_back(records);
        }
        position.end = match position.end {
            _ if next_offset < high_watermark => End::Ahead,
            End::Unheard if position.resumed > asked => End::Unheard,
            End::At(offset, told) if offset == next_offset => End::At(offset, told),
            _ => End::At(next_offset, false),
        };
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
            let Some(position) = self.partitions.get_mut(&tp) else {
                continue;
            };
            if position.paused {
                continue;
            }
            if let Some(fetched) = position.take(max_records) {
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
        let held = self.partitions.values().filter(|position| !position.paused);
        held.filter_map(|position| position.not_before)
            .filter(|at| *at > now)
            .min()
    }

    fn present(&mut self, asked: &Incarnation) -> Option<&mut Position> {
        let position = self.partitions.get_mut(&asked.partition)?;
        (position.incarnation == asked.life).then_some(position)
    }

    fn each(&mut self, partitions: &[TopicPartition], change: impl Fn(&mut Position)) {
        for tp in partitions {
            if let Some(position) = self.partitions.get_mut(tp) {
                change(position);
            }
        }
    }
}

impl Position {
    fn is_due(&self, now: Instant) -> bool {
        self.not_before.is_none_or(|at| at <= now)
    }

    fn is_ready(&self) -> bool {
        !self.paused && (!self.waiting.is_empty() || matches!(self.end, End::At(_, false)))
    }

    fn fail(&mut self, not_before: impl FnOnce(u32) -> Instant) {
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(not_before(self.failures));
    }

    fn restart(&mut self, stage: Stage, stamp: u64) {
        self.incarnation = stamp;
        self.stage = stage;
        self.lost = Lost::Never;
        self.asked = false;
        self.failures = 0;
        self.not_before = None;
        self.end = End::Unheard;
    }

    fn begin_anew(&mut self) {
        self.paused = false;
        self.waiting.clear();
    }

    fn take(&mut self, max_records: usize) -> Option<Fetched> {
        if let Some(records) = self.waiting.front_mut() {
            let taken = records.split_front(max_records);
            if records.is_empty() {
                self.waiting.pop_front();
            }
            return Some(Fetched::Records(taken));
        }
        match self.end {
            End::At(offset, false) => {
                self.end = End::At(offset, true);
                Some(Fetched::End(offset))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
