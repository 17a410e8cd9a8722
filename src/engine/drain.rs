//! The drain's timer and the bounds of a pass.
//!
//! ```text
//!             first assignment               every part finished
//!   waiting ────────────────────▶ a pass ─────────────────────────▶ resting
//!                                   ▲                                  │
//!                                   └────── the interval is over ──────┘
//! ```
//! A pass is made of parts, one a partition; partitions that come in mid-pass join it.

mod part;
mod pass;

use std::time::Instant;

use super::RecordSource;
use super::config::{DrainConfig, DrainMode};
use super::lanes::Lanes;
use super::report::{DrainSummary, Report, Totals};
use super::silence::{Awaited, Silence};
use super::timing::{MIN_WAIT, after};
use crate::wire::TopicPartition;
use part::Part;
use pass::Pass;

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
            Phase::Pass(pass) => pass.forget(partitions),
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
            self.phase = Phase::Pass(Pass::new(totals));
        }
        due
    }

    fn pass(&mut self) -> Option<&mut Pass> {
        match &mut self.phase {
            Phase::Pass(pass) => Some(pass),
            _ => None,
        }
    }

    fn part(&mut self, tp: &TopicPartition) -> Option<&mut Part> {
        self.pass()?.part_mut(tp)
    }

    /// Takes partitions that came into the pass, and out of it those that went; the ones that
    /// came, whose end offsets are to be asked for.
    pub(super) fn join<S: RecordSource>(&mut self, lanes: &Lanes<S>) -> Vec<TopicPartition> {
        self.pass().map(|pass| pass.join(lanes)).unwrap_or_default()
    }

    /// A partition begins anew: what the pass knows of it is so no more, and it joins again.
    pub(super) fn forget(&mut self, tp: &TopicPartition) {
        if let Some(pass) = self.pass() {
            pass.forget(std::slice::from_ref(tp));
        }
    }

    /// True while the pass has work in this partition: it is to be fetched.
    pub(super) fn wants(&self, tp: &TopicPartition) -> bool {
        match &self.phase {
            Phase::Pass(pass) => pass.part(tp).is_some_and(|part| !part.is_finished()),
            _ => false,
        }
    }

    /// True if a record at this offset belongs to the pass; one beyond a snapshot's end ends the
    /// part.
    pub(super) fn admits(&mut self, tp: &TopicPartition, offset: i64) -> bool {
        let mode = self.config.mode;
        self.part(tp).is_some_and(|part| part.admits(offset, mode))
    }

    /// The pass has nothing more to do in this partition.
    pub(super) fn finish(&mut self, tp: &TopicPartition) {
        if let Some(part) = self.part(tp) {
            part.finish();
        }
    }

    /// A dead letter was put back, and got this offset.
    pub(super) fn put_back(&mut self, tp: &TopicPartition, offset: i64) {
        if let Some(part) = self.part(tp) {
            part.put_back(offset);
        }
    }

    /// Records came: an end that was seen before is one no more.
    pub(super) fn records(&mut self, tp: &TopicPartition) {
        self.heard();
        if let Some(part) = self.part(tp) {
            part.records();
        }
    }

    /// The consumer found nothing at this offset, now or some time ago. True where the pass
    /// knows of a later end, which is to be asked for again: either this one is of some time
    /// ago, or the topic was made again or cut off, and the later end is no more.
    pub(super) fn end_of_partition(&mut self, tp: &TopicPartition, offset: i64) -> bool {
        self.heard();
        let mode = self.config.mode;
        self.part(tp)
            .is_some_and(|part| part.end_of_partition(offset, mode))
    }

    /// The consumer can't read on: what it has handed over is all there is for this pass.
    pub(super) fn partition_failed(&mut self, tp: &TopicPartition) {
        if let Some(part) = self.part(tp) {
            part.unreadable();
        }
    }

    /// The end offset that was asked for.
    pub(super) fn end_offset(&mut self, tp: &TopicPartition, end: i64) {
        self.heard();
        if let Some(part) = self.part(tp) {
            part.end_offset(end);
        }
    }

    /// Finishes the parts whose partitions hold nothing more, or can't go on; true once all are
    /// finished. A one-shot pass goes on with what a rebalance brings: there is no later one.
    pub(super) fn is_complete<S: RecordSource>(&mut self, lanes: &Lanes<S>) -> bool {
        let Phase::Pass(pass) = &mut self.phase else {
            return false;
        };
        let finished = pass.settle(lanes, &self.config);
        finished && !(self.config.one_shot && self.unassigned)
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
        let is_leaving = || lanes.iter().any(|(_, lane)| lane.is_leaving());
        match &self.phase {
            Phase::Waiting => Some(Awaited::Assignment),
            Phase::Pass(_) if self.unassigned && !is_leaving() => Some(Awaited::Assignment),
            Phase::Pass(pass) => pass.awaited(lanes),
            Phase::Resting(_) | Phase::Over => None,
        }
    }

    /// A pass that goes on until there is nothing more, and has done something since it looked,
    /// looks again. The partitions whose end offsets are to be asked for; none where the pass is
    /// over.
    pub(super) fn look_again(&mut self, totals: &Totals) -> Vec<TopicPartition> {
        match (&mut self.phase, self.config.mode) {
            (Phase::Pass(pass), DrainMode::UntilEmpty) => pass.look_again(totals),
            _ => Vec::new(),
        }
    }

    /// Ends the pass, if there is one; the next one begins after the interval.
    pub(super) fn end(&mut self, totals: &Totals, now: Instant) -> Option<DrainSummary> {
        let summary = self.pass()?.summary(totals);
        self.phase = if self.config.one_shot {
            Phase::Over
        } else {
            Phase::Resting(after(now, self.config.interval.max(MIN_WAIT)))
        };
        Some(summary)
    }

    /// True while a pass is under way.
    pub(super) fn is_in_pass(&self) -> bool {
        matches!(self.phase, Phase::Pass(_))
    }

    /// When the next pass begins, or Kafka has been silent for too long.
    pub(super) fn timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Resting(until) => Some(until),
            _ => self.silence.timeout(),
        }
    }
}
