//! The drain's timer and the bounds of a pass.
//!
//! ```text
//!             first assignment               every part finished
//!   waiting ────────────────────▶ a pass ─────────────────────────▶ resting
//!                                   ▲                                  │
//!                                   └────── the interval is over ──────┘
//! ```
//! A pass is made of parts, one a partition; partitions that come in mid-pass join it.

use std::collections::BTreeMap;
use std::time::Instant;

use super::RecordSource;
use super::config::{DrainConfig, DrainMode};
use super::lane::Lane;
use super::lanes::Lanes;
use super::report::{DrainSummary, Report, Totals};
use super::silence::{Awaited, Silence};
use super::timing::{MIN_WAIT, after};
use crate::wire::TopicPartition;

/// Forwards of one record that may fail in a row before a one-shot pass goes on without its
/// partition: nobody waits for a topic to take what it refuses.
const MOST_FAILED_FORWARDS: u32 = 5;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Drain {
    pub(super) config: DrainConfig,
    phase: Phase,
    /// Partitions went, and the group has not shared them out anew.
    unassigned: bool,
    silence: Silence,
}

#[derive(Debug)]
enum Phase {
    Waiting,
    Pass(Pass),
    Resting(Instant),
    /// The one pass that was asked for is over.
    Over,
}

#[derive(Debug)]
struct Pass {
    before: Totals,
    /// What was done when the ends were last asked for.
    looked: Totals,
    parts: BTreeMap<TopicPartition, Part>,
}

/// What a pass has to do in one partition.
#[derive(Debug, Default)]
struct Part {
    /// The partition's end when the pass came to it, once that is known. Without it an end that
    /// was seen proves nothing: the consumer may have learnt of it before a long pause.
    end: Option<i64>,
    /// The end of what this pass put back.
    put_back: i64,
    /// Where the consumer last found nothing more.
    end_seen: Option<i64>,
    /// The consumer can't read on.
    unreadable: bool,
    finished: bool,
    /// It finished with dead letters left that should have been handled.
    stuck: bool,
}

impl Drain {
    pub(super) fn new(config: DrainConfig) -> Self {
        Self {
            silence: Silence::new(config.answer_timeout),
            config,
            phase: Phase::Waiting,
            unassigned: false,
        }
    }

    /// The group has given out its partitions: the first pass may begin. What a pass knew of them
    /// was of an earlier time.
    pub(super) fn assigned(&mut self, partitions: &[TopicPartition], now: Instant) {
        self.unassigned = false;
        self.heard();
        match &mut self.phase {
            Phase::Waiting => self.phase = Phase::Resting(now),
            Phase::Pass(pass) => pass.parts.retain(|tp, _| !partitions.contains(tp)),
            Phase::Resting(_) | Phase::Over => {}
        }
    }

    /// Partitions go, and the group is about to share them out anew.
    pub(super) fn unassigned(&mut self) {
        self.unassigned = true;
    }

    /// Something of Kafka has come.
    pub(super) fn heard(&mut self) {
        self.silence.broken();
    }

    /// Begins a pass if it is time to.
    pub(super) fn begin(&mut self, totals: Totals, now: Instant) -> bool {
        let due = matches!(self.phase, Phase::Resting(until) if until <= now);
        if due {
            self.phase = Phase::Pass(Pass {
                before: totals,
                looked: totals,
                parts: BTreeMap::new(),
            });
        }
        due
    }

    /// Takes partitions that came into the pass, and out of it those that went; the ones that
    /// came, whose end offsets are to be asked for.
    pub(super) fn join<S: RecordSource>(&mut self, lanes: &Lanes<S>) -> Vec<TopicPartition> {
        let Phase::Pass(pass) = &mut self.phase else {
            return Vec::new();
        };
        pass.parts.retain(|tp, _| lanes.get(tp).is_some());
        let mut joined = Vec::new();
        for (tp, lane) in lanes.iter() {
            if !lane.is_leaving() && !pass.parts.contains_key(tp) {
                pass.parts.insert(tp.clone(), Part::default());
                joined.push(tp.clone());
            }
        }
        joined
    }

    /// A partition begins anew: what the pass knows of it is so no more, and it joins again.
    pub(super) fn forget(&mut self, tp: &TopicPartition) {
        if let Phase::Pass(pass) = &mut self.phase {
            pass.parts.remove(tp);
        }
    }

    fn part(&mut self, tp: &TopicPartition) -> Option<&mut Part> {
        match &mut self.phase {
            Phase::Pass(pass) => pass.parts.get_mut(tp),
            _ => None,
        }
    }

    /// True while the pass has work in this partition: it is to be fetched.
    pub(super) fn wants(&self, tp: &TopicPartition) -> bool {
        match &self.phase {
            Phase::Pass(pass) => pass.parts.get(tp).is_some_and(|part| !part.finished),
            _ => false,
        }
    }

    /// True if a record at this offset belongs to the pass; one beyond a snapshot's end ends the
    /// part.
    pub(super) fn admits(&mut self, tp: &TopicPartition, offset: i64) -> bool {
        let mode = self.config.mode;
        let Some(part) = self.part(tp) else {
            return false;
        };
        match (mode, part.end) {
            (DrainMode::Snapshot, None) => return false,
            (DrainMode::Snapshot, Some(end)) if offset >= end => part.finished = true,
            _ => {}
        }
        !part.finished
    }

    /// The pass has nothing more to do in this partition.
    pub(super) fn finish(&mut self, tp: &TopicPartition) {
        if let Some(part) = self.part(tp) {
            part.finished = true;
        }
    }

    /// A dead letter was put back, and got this offset.
    pub(super) fn put_back(&mut self, tp: &TopicPartition, offset: i64) {
        if let Some(part) = self.part(tp) {
            part.put_back = part.put_back.max(offset.saturating_add(1));
        }
    }

    /// Records came: an end that was seen before is one no more.
    pub(super) fn records(&mut self, tp: &TopicPartition) {
        self.heard();
        if let Some(part) = self.part(tp) {
            part.end_seen = None;
            part.unreadable = false;
        }
    }

    /// The consumer found nothing at this offset, now or some time ago. True where the pass
    /// knows of a later end, which is to be asked for again: either this one is of some time
    /// ago, or the topic was made again or cut off, and the later end is no more.
    pub(super) fn end_of_partition(&mut self, tp: &TopicPartition, offset: i64) -> bool {
        self.heard();
        let mode = self.config.mode;
        let Some(part) = self.part(tp) else {
            return false;
        };
        part.end_seen = Some(offset);
        part.unreadable = false;
        let is_short = part.wanted_end(mode).is_some_and(|end| offset < end);
        if is_short {
            part.end = None;
            part.put_back = 0;
        }
        is_short && !part.finished
    }

    /// The consumer can't read on: what it has handed over is all there is for this pass.
    pub(super) fn partition_failed(&mut self, tp: &TopicPartition) {
        if let Some(part) = self.part(tp) {
            part.unreadable = true;
        }
    }

    /// The end offset that was asked for.
    pub(super) fn end_offset(&mut self, tp: &TopicPartition, end: i64) {
        self.heard();
        if let Some(part) = self.part(tp) {
            part.end.get_or_insert(end);
        }
    }

    /// Finishes the parts whose partitions hold nothing more, or can't go on; true once all are
    /// finished. A one-shot pass goes on with what a rebalance brings: there is no later one.
    pub(super) fn is_complete<S: RecordSource>(&mut self, lanes: &Lanes<S>) -> bool {
        let Phase::Pass(pass) = &mut self.phase else {
            return false;
        };
        let (mode, one_shot) = (self.config.mode, self.config.one_shot);
        for (tp, part) in &mut pass.parts {
            if part.finished {
                continue;
            }
            let lane = lanes.get(tp);
            part.stuck = lane.is_some_and(|lane| {
                lane.is_broken()
                    || (part.unreadable && lane.is_idle())
                    || (one_shot && lane.failed_forwards() >= MOST_FAILED_FORWARDS)
            });
            part.finished =
                part.stuck || lane.is_none_or(|lane| lane.is_idle() && part.reached_end(mode));
        }
        let all_here = !(one_shot && self.unassigned);
        all_here && pass.parts.values().all(|part| part.finished)
    }

    /// Tells, in a one-shot drain, that Kafka has been silent for too long.
    pub(super) fn silence<S: RecordSource>(
        &mut self,
        lanes: &Lanes<S>,
        now: Instant,
    ) -> Option<Report> {
        let awaited = self.awaited(lanes).filter(|_| self.config.one_shot);
        let waited = self.silence.too_long(awaited.is_some(), now)?;
        awaited.map(|awaited| Report::KafkaSilent { awaited, waited })
    }

    /// What is awaited that only Kafka can give. The sink may take its time.
    fn awaited<S: RecordSource>(&self, lanes: &Lanes<S>) -> Option<Awaited> {
        let pass = match &self.phase {
            Phase::Waiting => return Some(Awaited::Assignment),
            Phase::Pass(pass) => pass,
            Phase::Resting(_) | Phase::Over => return None,
        };
        let mut open = pass.parts.iter().filter(|(_, part)| !part.finished);
        let any = |test: fn(&Lane<S>) -> bool| lanes.iter().any(|(_, lane)| test(lane));
        if self.unassigned && !any(Lane::is_leaving) {
            Some(Awaited::Assignment)
        } else if open.clone().any(|(_, part)| part.end.is_none()) {
            Some(Awaited::EndOffsets)
        } else if any(|lane| lane.uncommitted().is_some()) {
            Some(Awaited::Commit)
        } else if any(Lane::is_forwarding) {
            Some(Awaited::Forward)
        } else {
            let starved = open.any(|(tp, _)| lanes.get(tp).is_some_and(Lane::is_idle));
            starved.then_some(Awaited::Records)
        }
    }

    /// A pass that goes on until there is nothing more, and has done something since it looked,
    /// looks again: dead letters may have come to partitions that it was done with. Those whose
    /// end offsets are to be asked for; none where the pass is over.
    pub(super) fn look_again(&mut self, totals: &Totals) -> Vec<TopicPartition> {
        let (Phase::Pass(pass), DrainMode::UntilEmpty) = (&mut self.phase, self.config.mode) else {
            return Vec::new();
        };
        if totals.handled() == pass.looked.handled() {
            return Vec::new();
        }
        pass.looked = *totals;
        let parts = pass.parts.iter_mut().filter(|(_, part)| !part.stuck);
        parts
            .map(|(tp, part)| {
                part.end = None;
                part.finished = false;
                tp.clone()
            })
            .collect()
    }

    /// Ends the pass, if there is one; the next one begins after the interval.
    pub(super) fn end(&mut self, totals: &Totals, now: Instant) -> Option<DrainSummary> {
        let next = if self.config.one_shot {
            Phase::Over
        } else {
            Phase::Resting(after(now, self.config.interval.max(MIN_WAIT)))
        };
        let Phase::Pass(pass) = &self.phase else {
            return None;
        };
        let totals = totals.since(&pass.before);
        let stuck = pass.parts.values().filter(|part| part.stuck).count();
        self.phase = next;
        Some(DrainSummary {
            totals,
            interrupted: false,
            stuck,
        })
    }

    /// When the next pass begins, or Kafka has been silent for too long.
    pub(super) fn timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Resting(until) => Some(until),
            _ => self.silence.timeout(),
        }
    }
}

impl Part {
    /// Up to where the pass goes, once that is known.
    fn wanted_end(&self, mode: DrainMode) -> Option<i64> {
        self.end.map(|end| match mode {
            DrainMode::UntilEmpty => end.max(self.put_back),
            DrainMode::Snapshot => end,
        })
    }

    fn reached_end(&self, mode: DrainMode) -> bool {
        let wanted = self.wanted_end(mode);
        matches!((self.end_seen, wanted), (Some(seen), Some(end)) if seen >= end)
    }
}
