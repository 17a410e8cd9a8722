//! The machine itself: its inputs, and what holds it together.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use super::drain::Drain;
use super::effect::Effect;
use super::gate::Gate;
use super::lane::Lane;
use super::lanes::Lanes;
use super::report::{Report, Totals};
use super::task::Flight;
use super::words::{Destination, Moment, Path, Place, Ticket};
use super::{Config, Forwarding, RecordSource};
use crate::wire::TopicPartition;

/// The engine. See the [module](super) for how a shell drives it.
///
/// Every input changes what it is about and then lets all that has become possible happen
/// (`settle`), so that no input needs to know what follows from it.
#[derive(Debug)]
pub struct Engine<S> {
    pub(super) config: Config,
    pub(super) forwarding: Forwarding,
    pub(super) main: Lanes<S>,
    pub(super) drained: Lanes<S>,
    pub(super) gate: Gate,
    pub(super) drain: Option<Drain>,
    pub(super) sends: BTreeMap<Ticket, Place>,
    pub(super) forwards: BTreeMap<Ticket, Flight>,
    pub(super) life: Life,
    /// The topics found to have too few partitions.
    pub(super) narrow: BTreeSet<Destination>,
    effects: VecDeque<Effect>,
    next_ticket: u64,
}

/// How far the engine is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It takes what comes.
    Running,
    /// It finishes what is in flight, and begins nothing.
    Stopping,
    /// It is done.
    Stopped,
}

impl<S: RecordSource> Engine<S> {
    /// Makes an engine at rest: it begins with the first assignment.
    pub fn new(config: Config, forwarding: Forwarding) -> Self {
        Self {
            gate: Gate::new(config.probe_interval, config.rate),
            drain: config.drain.clone().map(Drain::new),
            config,
            forwarding,
            main: Lanes::new(Path::Main),
            drained: Lanes::new(Path::Drain),
            sends: BTreeMap::new(),
            forwards: BTreeMap::new(),
            life: Life::Running,
            narrow: BTreeSet::new(),
            effects: VecDeque::new(),
            next_ticket: 0,
        }
    }

    /// The group gave these partitions to the path's consumer, beside those it has; an empty
    /// list counts too: the drain's first pass waits for its group's first assignment.
    pub fn handle_assigned(&mut self, path: Path, partitions: Vec<TopicPartition>, now: Moment) {
        if self.life != Life::Running {
            return;
        }
        if let Some(drain) = self.drain_of(path) {
            drain.assigned(&partitions, now.at);
        }
        self.lanes(path).assign(partitions);
        self.settle(now);
    }

    /// The group takes these partitions back in order: answered by [`Effect::Revoked`] once what
    /// is in flight is finished and committed, or was given up.
    pub fn handle_revoking(&mut self, path: Path, partitions: Vec<TopicPartition>, now: Moment) {
        let timeout = self.config.revoke_timeout;
        self.lanes(path).leave(partitions, timeout, true, now.at);
        if let Some(drain) = self.drain_of(path) {
            drain.unassigned();
            drain.heard();
        }
        self.settle(now);
    }

    /// These partitions are another's already: all they hold is dropped, nothing is committed.
    /// No [`Effect::Revoked`] follows for them, even where they were being revoked.
    pub fn handle_lost(&mut self, path: Path, partitions: &[TopicPartition], now: Moment) {
        for tp in partitions {
            let lane = self.lanes(path).get(tp);
            if let Some(next_offset) = lane.and_then(Lane::unacknowledged) {
                let place = self.lanes(path).place(tp);
                self.report(Report::Uncommitted { place, next_offset });
            }
        }
        self.lanes(path).lose(partitions);
        if let Some(drain) = self.drain_of(path) {
            drain.unassigned();
        }
        self.settle(now);
    }

    /// A partition of the path's consumer goes on at this offset, before what was handed over or
    /// in another topic of its name. All it holds is dropped, and the offset is committed: what
    /// the group has may be an offset of before, at which a later owner would skip records.
    pub fn handle_reset(&mut self, path: Path, tp: TopicPartition, offset: i64, now: Moment) {
        self.lanes(path).lose(std::slice::from_ref(&tp));
        if let Some(drain) = self.drain_of(path) {
            drain.forget(&tp);
        }
        if self.life == Life::Running {
            self.lanes(path).assign_at(tp, offset);
        }
        self.settle(now);
    }

    /// Records of an assigned partition, in order. A chunk for any other partition is dropped.
    pub fn handle_records(&mut self, path: Path, tp: &TopicPartition, chunk: S, now: Moment) {
        if let Some(lane) = self.lanes(path).get_mut(tp) {
            lane.accept(chunk);
        }
        if let Some(drain) = self.drain_of(path) {
            drain.records(tp);
        }
        self.settle(now);
    }

    /// The consumer has handed over every record below `offset`, the high watermark it last saw.
    /// To be told each time this comes to be so, and at least once after each assignment and
    /// each [`Effect::Resume`]; repeats are harmless.
    pub fn handle_end_of_partition(
        &mut self,
        path: Path,
        tp: &TopicPartition,
        offset: i64,
        now: Moment,
    ) {
        if let Some(lane) = self.lanes(path).get_mut(tp) {
            lane.ended(offset);
            lane.set_unreadable(false);
        }
        let drain = self.drain_of(path);
        if drain.is_some_and(|drain| drain.end_of_partition(tp, offset)) {
            let partitions = vec![tp.clone()];
            self.effect(Effect::QueryEndOffsets { partitions });
        }
        self.settle(now);
    }

    /// The consumer can't read on in a partition, for now: a pass of the drain goes on without
    /// what is there. Records may come all the same, later.
    pub fn handle_partition_failed(&mut self, path: Path, tp: &TopicPartition, now: Moment) {
        if let Some(lane) = self.lanes(path).get_mut(tp) {
            lane.set_unreadable(true);
        }
        if let Some(drain) = self.drain_of(path) {
            drain.partition_failed(tp);
        }
        self.settle(now);
    }

    /// How many partitions the topics that are forwarded to have now.
    pub fn handle_partition_counts(&mut self, dead_letter: i32, permanent: i32) {
        self.config.dead_letter_partitions = dead_letter;
        self.config.permanent_partitions = permanent;
    }

    /// Nothing new begins; what is in flight finishes within the shutdown timeout and is
    /// committed; then comes [`Effect::Stopped`].
    pub fn handle_shutdown(&mut self, now: Moment) {
        self.stop(now);
        self.settle(now);
    }

    /// The time of [`poll_timeout`](Self::poll_timeout) has come. Harmless at any other time.
    pub fn handle_timeout(&mut self, now: Moment) {
        self.settle(now);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called, if nothing happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let lanes = self
            .main
            .timeout()
            .into_iter()
            .chain(self.drained.timeout());
        if self.life != Life::Running {
            return lanes.min();
        }
        let drain = self.drain.as_ref().and_then(Drain::timeout);
        lanes.chain(self.gate.timeout()).chain(drain).min()
    }

    /// The next thing to do. To be called until `None` after every input.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// What a path has done so far.
    pub fn totals(&self, path: Path) -> Totals {
        match path {
            Path::Main => self.main.totals,
            Path::Drain => self.drained.totals,
        }
    }

    pub(super) fn lanes(&mut self, path: Path) -> &mut Lanes<S> {
        match path {
            Path::Main => &mut self.main,
            Path::Drain => &mut self.drained,
        }
    }

    /// The drain, on its own path.
    pub(super) fn drain_of(&mut self, path: Path) -> Option<&mut Drain> {
        self.drain.as_mut().filter(|_| path == Path::Drain)
    }

    /// Asks for something. Once stopped, all that is asked is that partitions may go.
    pub(super) fn effect(&mut self, effect: Effect) {
        if self.life != Life::Stopped || matches!(effect, Effect::Revoked { .. }) {
            self.effects.push_back(effect);
        }
    }

    pub(super) fn report(&mut self, report: Report) {
        self.effect(Effect::Report(report));
    }

    pub(super) fn ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        Ticket(self.next_ticket)
    }
}
