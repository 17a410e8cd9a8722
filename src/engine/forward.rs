//! What the machine does with a record that goes to another topic.

use std::collections::BTreeSet;

use super::RecordSource;
use super::config::Forwarding;
use super::dead_letter::{Origin, dead_letter_body};
use super::effect::{Effect, ForwardFailure, ForwardFailureKind, Outgoing};
use super::headers;
use super::machine::Engine;
use super::report::Report;
use super::task::{Flight, Forward, Task};
use super::timing::OnceAMinute;
use super::words::{Destination, Moment, Path, Place, Ticket};
use crate::wire::TopicPartition;

/// Records that one transaction forwards, at most.
const MOST_TOGETHER: usize = 100;

/// Transactions of a path that are under way at a time, so that many producers: a coordinator lets
/// a producer begin its next one only once the end of the one before is marked in every partition,
/// which the other need not wait for. With more there are more transactions, not more records.
pub(crate) const MOST_AT_A_TIME: usize = 2;

/// A group that has moved on is joined anew within moments, as a rule: no person is told of the
/// first refusals.
const QUIET_REFUSALS: u32 = 3;

impl<S: RecordSource> Engine<S> {
    /// Forwards a record that was taken out of its lane.
    pub(super) fn forward(&mut self, place: &Place, task: &Task, to: Destination) {
        let record = task.record.as_ref();
        let origin = Origin {
            topic: &place.tp.topic,
            partition: place.tp.partition,
            group: &self.config.group,
        };
        let body = dead_letter_body(&record, origin, &task.attempts, count_after(task, to));
        let forward = Forward {
            offset: record.offset,
            to,
            partition: self.partition_in(to, place),
            body,
            failures: 0,
            reported: OnceAMinute::default(),
        };
        if let Some(lane) = self.lanes(place.path).get_mut(&place.tp) {
            lane.forward(forward);
        }
    }

    /// The same partition. A topic found to have fewer takes it modulo their count; what goes
    /// back to the dead-letter topic came from that very partition.
    fn partition_in(&mut self, to: Destination, place: &Place) -> i32 {
        let wanted = place.tp.partition;
        let partitions = match (to, place.path) {
            (Destination::DeadLetter, Path::Drain) => return wanted,
            (Destination::DeadLetter, Path::Main) => self.config.dead_letter_partitions.max(1),
            (Destination::Permanent, _) => self.config.permanent_partitions.max(1),
        };
        if wanted >= partitions && self.narrow.insert(to) {
            self.report(Report::TooFewPartitions {
                to,
                partitions,
                wanted,
            });
        }
        wanted % partitions
    }

    /// Has written what is to be forwarded and may be now. Each record by itself; or in one
    /// transaction what is there together, in two transactions at a time, so that what comes
    /// meanwhile gathers for the next. What could not be written before goes alone, one at a time,
    /// so that a record which never can be keeps none of the others.
    pub(super) fn write_out(&mut self, path: Path) {
        if self.forwarding == Forwarding::AtLeastOnce {
            for tp in self.outgoing(path, |_, _| true) {
                self.write(path, vec![tp], false);
            }
            return;
        }
        // An older commit must not come to pass after that of the transaction; it may be that of a
        // transaction whose lane is gone.
        let mut held = self.lanes(path).commits.partitions();
        held.extend(self.in_transactions(path));
        for (again, at_a_time, most) in [(false, MOST_AT_A_TIME, MOST_TOGETHER), (true, 1, 1)] {
            let flights = self.forwards.values();
            let under_way = flights.filter(|flight| flight.path == path && flight.again == again);
            let free = at_a_time.saturating_sub(under_way.count());
            let ready = self.outgoing(path, |tp, forward| {
                (forward.failures > 0) == again && !held.contains(tp)
            });
            for together in ready.chunks(most).take(free) {
                self.write(path, together.to_vec(), again);
            }
        }
    }

    /// The partitions of the transactions under way.
    pub(super) fn in_transactions(&self, path: Path) -> BTreeSet<TopicPartition> {
        let flights = self.forwards.values();
        let flights = flights.filter(|flight| flight.path == path && flight.commits);
        flights
            .flat_map(|flight| flight.partitions.iter().cloned())
            .collect()
    }

    fn outgoing(
        &mut self,
        path: Path,
        mut goes: impl FnMut(&TopicPartition, &Forward) -> bool,
    ) -> Vec<TopicPartition> {
        let lanes = self.lanes(path).iter();
        lanes
            .filter(|(tp, lane)| lane.outgoing().is_some_and(|forward| goes(tp, forward)))
            .map(|(tp, _)| tp.clone())
            .collect()
    }

    fn write(&mut self, path: Path, partitions: Vec<TopicPartition>, again: bool) {
        let ticket = self.ticket();
        let transactional = self.forwarding == Forwarding::Transactional;
        let (mut records, mut offsets) = (Vec::new(), Vec::new());
        for tp in &partitions {
            let Some(lane) = self.lanes(path).get_mut(tp) else {
                continue;
            };
            if let Some(forward) = lane.outgoing() {
                records.push(Outgoing {
                    from: tp.clone(),
                    offset: forward.offset,
                    to: forward.to,
                    partition: forward.partition,
                    body: forward.body.clone(),
                });
                offsets.push((tp.clone(), forward.offset.saturating_add(1)));
            }
            lane.forwarding(ticket);
        }
        if !transactional {
            offsets.clear();
        }
        let flight = Flight {
            path,
            again,
            partitions,
            commits: transactional,
        };
        self.forwards.insert(ticket, flight);
        self.effect(Effect::Forward {
            ticket,
            path,
            records,
            offsets,
            again,
        });
    }

    /// Acts on a forward's answer.
    pub(super) fn forwarded(
        &mut self,
        ticket: Ticket,
        flight: &Flight,
        result: Result<Vec<i64>, ForwardFailure>,
        now: Moment,
    ) {
        if result.is_ok() && flight.commits {
            self.lanes(flight.path).commits.made_elsewhere();
        }
        let failure = result.as_ref().err().cloned();
        let mut offsets = result.into_iter().flatten();
        for tp in &flight.partitions {
            let written_at = offsets.next();
            let lane = self.lanes(flight.path).get_mut(tp);
            let Some(forward) = lane.and_then(|lane| lane.take_forwarded(ticket)) else {
                continue;
            };
            match &failure {
                None => self.moved(flight, tp, &forward, written_at.unwrap_or(-1)),
                Some(failure) => self.not_moved(flight.path, tp, forward, failure, now),
            }
        }
    }

    fn moved(&mut self, flight: &Flight, tp: &TopicPartition, forward: &Forward, written_at: i64) {
        let lanes = self.lanes(flight.path);
        if let Some(lane) = lanes.get_mut(tp) {
            lane.done(forward.offset);
            if flight.commits {
                lane.committed(forward.offset.saturating_add(1));
            }
        }
        match forward.to {
            Destination::DeadLetter => lanes.totals.dead_lettered += 1,
            Destination::Permanent => lanes.totals.permanent += 1,
        }
        if forward.to == Destination::DeadLetter
            && let Some(drain) = self.drain_of(flight.path)
        {
            drain.put_back(tp, written_at);
        }
    }

    fn not_moved(
        &mut self,
        path: Path,
        tp: &TopicPartition,
        mut forward: Forward,
        failure: &ForwardFailure,
        now: Moment,
    ) {
        let is_quiet =
            failure.kind == ForwardFailureKind::Fenced && forward.failures < QUIET_REFUSALS;
        let told = !is_quiet && forward.reported.tell(now.at);
        let lanes = self.lanes(path);
        let place = lanes.place(tp);
        if let Some(lane) = lanes.get_mut(tp) {
            lane.unforwarded(forward, now.at);
        }
        if told {
            self.report(stuck(place, failure));
        }
    }
}

/// The retry count a forwarded record carries: in the drain, one more after a send. On its way
/// from the main path to the dead-letter topic a record keeps what it has, unless that is no
/// count; the permanent topic's records always have one.
fn count_after(task: &Task, to: Destination) -> Option<u32> {
    if let Some(count) = task.count {
        return Some(count.saturating_add(task.attempts.count()));
    }
    match (headers::retry_count(&task.record.as_ref()), to) {
        (Ok(_), Destination::DeadLetter) => None,
        (Ok(count), Destination::Permanent) => Some(count),
        (Err(_), _) => Some(0),
    }
}

fn stuck(place: Place, failure: &ForwardFailure) -> Report {
    let mut message = failure.message.clone();
    if failure.kind == ForwardFailureKind::InDoubt {
        message.push_str(" (it may have been written all the same)");
    }
    Report::PartitionStuck { place, message }
}
