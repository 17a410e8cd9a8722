//! One assigned partition: its stage, and what of it waits.

use std::collections::VecDeque;
use std::time::Instant;

use super::epochs::Epochs;
use crate::consumer::records::FetchedRecords;

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

/// What a partition has for the application.
#[derive(Debug)]
pub enum Fetched {
    /// Records.
    Records(FetchedRecords),
    /// All records before this offset, the end for this reader, have been handed out.
    End(i64),
}

/// A log that is not the one that was read (KIP-320).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truncation {
    /// Where the partition stood.
    pub from: i64,
    /// The first offset that may hold another record now.
    pub diverged_at: i64,
    /// The application has records from there on, and must be told. The partition is not paused
    /// any more then.
    pub is_told: bool,
}

/// Whether the application was told that it has seen everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// No answer came since it was assigned, resumed, sought in or reset.
    Unheard,
    /// There is more to fetch.
    Ahead,
    /// The end, with whether it was told.
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

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Position {
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
    /// The application has what lies before this offset.
    handed_out: i64,
    /// Where the application began, once that is known.
    began_at: Option<i64>,
    epochs: Epochs,
    end: End,
}

impl Position {
    /// Its offset is to be found.
    pub(super) fn new(stamp: u64) -> Self {
        Self {
            incarnation: stamp,
            resumed: stamp,
            stage: Stage::Finding,
            lost: Lost::Never,
            paused: false,
            failures: 0,
            not_before: None,
            asked: false,
            waiting: VecDeque::new(),
            handed_out: 0,
            began_at: None,
            epochs: Epochs::default(),
            end: End::Unheard,
        }
    }

    pub(super) fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// The offset at which the application began.
    pub(super) fn began_at(&self) -> Option<i64> {
        self.began_at
    }

    pub(super) fn pause(&mut self) {
        self.paused = true;
    }

    pub(super) fn resume(&mut self, stamp: u64) {
        self.paused = false;
        self.resumed = stamp;
        self.end = End::Unheard;
    }

    pub(super) fn seek(&mut self, offset: i64, stamp: u64) {
        let next_offset = offset;
        self.restart(Stage::Fetching { next_offset }, stamp);
        self.waiting.clear();
        self.hand_out_from(offset);
        self.epochs = Epochs::default();
    }

    pub(super) fn out_of_range(&mut self, stamp: u64) {
        if let Stage::Fetching { next_offset } = self.stage {
            self.restart(Stage::Resetting, stamp);
            self.lost = Lost::OutOfRange(next_offset);
        }
    }

    pub(super) fn made_again(&mut self, stamp: u64) {
        self.restart(Stage::Resetting, stamp);
        self.lost = Lost::Topic;
        self.begin_anew();
    }

    /// See [`Positions::truncated`](super::Positions::truncated).
    pub(super) fn truncated(&mut self, epoch: i32, end: i64, stamp: u64) -> Option<Truncation> {
        let Stage::Fetching { next_offset: from } = self.stage else {
            return None;
        };
        let diverged_at = self.epochs.diverged_at(epoch, end);
        if diverged_at >= from {
            return None;
        }
        // What waits is fetched again, so that none of it is left out.
        let next_offset = diverged_at.min(self.handed_out);
        let is_told = diverged_at < self.handed_out;
        self.restart(Stage::Fetching { next_offset }, stamp);
        self.waiting.clear();
        self.epochs.cut(diverged_at);
        self.handed_out = next_offset;
        if is_told {
            self.paused = false;
        }
        Some(Truncation {
            from,
            diverged_at,
            is_told,
        })
    }

    pub(super) fn stop(&mut self, stamp: u64) {
        self.restart(Stage::Stopped, stamp);
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

    fn hand_out_from(&mut self, offset: i64) {
        self.handed_out = offset;
        self.began_at = Some(offset);
    }

    fn begin_anew(&mut self) {
        self.paused = false;
        self.waiting.clear();
    }

    /// Notes that the stage's question is asked; false where it is not to be, now.
    pub(super) fn ask(&mut self, stage: Stage, now: Instant) -> bool {
        let asks = self.stage == stage && !self.asked && self.is_due(now);
        self.asked |= asks;
        asks
    }

    /// See [`Positions::found`](super::Positions::found).
    pub(super) fn found(&mut self, offset: Option<i64>) -> Option<i64> {
        self.asked = false;
        self.failures = 0;
        let Some(next_offset) = offset else {
            self.stage = Stage::Resetting;
            return None;
        };
        self.stage = Stage::Fetching { next_offset };
        self.epochs = Epochs::default();
        if self.waiting.is_empty() {
            self.hand_out_from(next_offset);
        }
        let begins_anew = match std::mem::replace(&mut self.lost, Lost::Never) {
            Lost::Never => false,
            Lost::OutOfRange(stood_at) => next_offset < stood_at,
            Lost::Topic => true,
        };
        begins_anew.then(|| {
            self.begin_anew();
            self.hand_out_from(next_offset);
            next_offset
        })
    }

    pub(super) fn not_found(&mut self, not_before: impl FnOnce(u32) -> Instant) {
        self.asked = false;
        self.fail(not_before);
    }

    /// Waits until a time that depends on how often in a row something failed.
    pub(super) fn fail(&mut self, not_before: impl FnOnce(u32) -> Instant) {
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(not_before(self.failures));
    }

    /// From which offset it can be fetched now.
    pub(super) fn fetchable(&self, now: Instant) -> Option<i64> {
        match self.stage {
            Stage::Fetching { next_offset } if !self.paused && self.is_due(now) => {
                Some(next_offset)
            }
            _ => None,
        }
    }

    /// See [`Positions::awaits`](super::Positions::awaits).
    pub(super) fn awaits(&self, asked: u64, asked_offset: i64) -> bool {
        let wanted = Stage::Fetching {
            next_offset: asked_offset,
        };
        self.incarnation <= asked && self.stage == wanted
    }

    /// Records from this offset on are of this leader epoch.
    pub(super) fn note_epoch(&mut self, epoch: i32, offset: i64) {
        self.epochs.note(epoch, offset);
    }

    /// See [`Positions::epoch_before`](super::Positions::epoch_before).
    pub(super) fn epoch_before(&self, offset: i64) -> Option<i32> {
        self.epochs.before(offset)
    }

    pub(super) fn must_hear(&self) -> bool {
        self.end == End::Unheard
    }

    /// Takes over what an awaited fetch, stamped `asked`, brought.
    pub(super) fn fetched(&mut self, asked: u64, records: FetchedRecords, end: i64) {
        let next_offset = records.next_offset();
        self.stage = Stage::Fetching { next_offset };
        self.failures = 0;
        self.not_before = None;
        if !records.is_empty() {
            self.waiting.push_back(records);
        }
        self.end = match self.end {
            _ if next_offset < end => End::Ahead,
            End::Unheard if self.resumed > asked => End::Unheard,
            End::At(offset, told) if offset == next_offset => End::At(offset, told),
            _ => End::At(next_offset, false),
        };
    }

    /// True where it has something for the application.
    pub(super) fn is_ready(&self) -> bool {
        !self.paused && (!self.waiting.is_empty() || matches!(self.end, End::At(_, false)))
    }

    /// The next thing for the application: at most `max_records` records.
    pub(super) fn take(&mut self, max_records: usize) -> Option<Fetched> {
        if self.paused {
            return None;
        }
        if let Some(records) = self.waiting.front_mut() {
            let taken = records.split_front(max_records);
            self.handed_out = taken.next_offset();
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

    /// Until when it is held back; none while paused.
    pub(super) fn held_until(&self) -> Option<Instant> {
        self.not_before.filter(|_| !self.paused)
    }

    fn is_due(&self, now: Instant) -> bool {
        self.not_before.is_none_or(|at| at <= now)
    }
}
