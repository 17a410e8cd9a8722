//! What the machine does with one record: start it, judge its attempt, forward it.

use std::time::Instant;

use super::RecordSource;
use super::dead_letter::{Attempts, Origin, dead_letter_body};
use super::effect::{Destination, Effect, ForwardFailure, Moment, Path, Place, Ticket};
use super::headers;
use super::lane::{Forward, Task};
use super::machine::Engine;
use super::policy::{self, Hold, Step};
use super::report::Report;
use super::timing::{OnceAMinute, after};
use crate::sink::Verdict;
use crate::wire::TopicPartition;

impl<S: RecordSource> Engine<S> {
    /// Sends what may be sent of the main path.
    pub(super) fn start_main(&mut self) {
        while self.may_send(Path::Main) {
            let Some(tp) = self.main.next_ready(|_, _| true) else {
                return;
            };
            self.send(Path::Main, &tp);
        }
    }

    /// Sends, moves on or leaves for later what the drain's pass may start. A record whose sends
    /// are used up needs no sink, and goes on its way while the line is closed.
    pub(super) fn start_drain(&mut self, now: Moment) {
        loop {
            let may_send = self.may_send(Path::Drain);
            let Some(drain) = &mut self.drain else {
                return;
            };
            let next = self.drained.next_ready(|tp, task| {
                drain.admits(tp, task.record.offset) && (may_send || task.count.is_none())
            });
            let Some(tp) = next else {
                return;
            };
            if self.examine(&tp, now) {
                self.send(Path::Drain, &tp);
            }
        }
    }

    fn may_send(&self, path: Path) -> bool {
        let slots = match path {
            Path::Main => self.config.concurrency.max(1),
            Path::Drain => 1,
        };
        let used = self.sends.values().filter(|place| place.path == path);
        self.gate.is_open() && used.count() < slots
    }

    /// Decides what a dead letter needs, the first time it is seen in a pass; true for one that
    /// was examined before and is to be sent.
    fn examine(&mut self, tp: &TopicPartition, now: Moment) -> bool {
        let Some(drain) = &mut self.drain else {
            return false;
        };
        let Some(task) = self.drained.get_mut(tp).and_then(|lane| lane.ready()) else {
            return false;
        };
        if task.count.is_some() {
            return true;
        }
        let record = task.record.as_ref();
        let offset = record.offset;
        let found = headers::retry_count(&record);
        let count = *found.as_ref().unwrap_or(&0);
        let spent = count >= drain.config.max_retries;
        if !spent && !policy::is_rested(&drain.config, &record, count, now) {
            drain.finish(tp);
            return false;
        }
        task.count = Some(count);
        let place = self.drained.place(tp);
        if let Err(found) = found {
            self.report(Report::BadRetryCount {
                place: place.clone(),
                offset,
                found,
            });
        }
        if spent && let Some(task) = self.drained.take_ready(tp) {
            self.forward(&place, &task, Destination::Permanent);
        }
        false
    }

    fn send(&mut self, path: Path, tp: &TopicPartition) {
        let ticket = self.ticket();
        let lanes = self.lanes(path);
        let place = lanes.place(tp);
        let Some(mut task) = lanes.take_ready(tp) else {
            return;
        };
        task.first = false;
        let record = task.record.clone();
        let retry = task.count.map(|count| count.saturating_add(1));
        lanes.totals.sent += 1;
        if let Some(lane) = lanes.get_mut(tp) {
            lane.sending(task, ticket);
        }
        self.sends.insert(ticket, place.clone());
        self.effect(Effect::Send {
            ticket,
            place,
            record,
            retry,
        });
    }

    /// Acts on a verdict. What it says of the sink holds for all, even where the record's
    /// partition is gone.
    pub(super) fn judge(&mut self, ticket: Ticket, place: &Place, verdict: Verdict, now: Moment) {
        let lane = self.lanes(place.path).get_mut(&place.tp);
        let task = lane.and_then(|lane| lane.take_sent(ticket));
        let mut attempts = task
            .as_ref()
            .map_or_else(Attempts::default, |task| task.attempts.clone());
        let step = policy::step(&self.config, place.path, verdict, &mut attempts, now);
        if let Step::Held(hold) = &step {
            self.close_line(hold.clone(), now);
        }
        let Some(mut task) = task else {
            return;
        };
        task.attempts = attempts;
        match step {
            Step::Done => self.delivered(place, &task),
            Step::Again(wait) => self.wait(place, task, Some(after(now.at, wait))),
            Step::Held(_) => {
                task.first = true;
                self.wait(place, task, None);
            }
            Step::Forward(to) => self.forward(place, &task, to),
        }
    }

    fn delivered(&mut self, place: &Place, task: &Task) {
        let lanes = self.lanes(place.path);
        if let Some(lane) = lanes.get_mut(&place.tp) {
            lane.done(task.record.offset);
            lanes.totals.delivered += 1;
        }
    }

    fn wait(&mut self, place: &Place, task: Task, until: Option<Instant>) {
        if let Some(lane) = self.lanes(place.path).get_mut(&place.tp) {
            lane.wait(task, until);
        }
    }

    fn close_line(&mut self, hold: Hold, now: Moment) {
        let report = match hold {
            Hold::For(wait, failure) => Some(self.gate.hold(wait, failure, now.at)),
            Hold::Stop(failure) => self.gate.stop(failure, now.at),
        };
        if let Some(report) = report {
            self.report(report);
        }
    }

    fn forward(&mut self, place: &Place, task: &Task, to: Destination) {
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
        self.write(place, forward);
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

    /// Writes a forward for the first time, or again.
    pub(super) fn write(&mut self, place: &Place, forward: Forward) {
        let ticket = self.ticket();
        let effect = Effect::Forward {
            ticket,
            place: place.clone(),
            offset: forward.offset,
            to: forward.to,
            partition: forward.partition,
            body: forward.body.clone(),
        };
        if let Some(lane) = self.lanes(place.path).get_mut(&place.tp) {
            lane.forwarding(forward, ticket);
            self.forwards.insert(ticket, place.clone());
            self.effect(effect);
        }
    }

    /// Acts on a forward's answer.
    pub(super) fn forwarded(
        &mut self,
        ticket: Ticket,
        place: &Place,
        result: Result<i64, ForwardFailure>,
        now: Moment,
    ) {
        let lanes = self.lanes(place.path);
        let Some(lane) = lanes.get_mut(&place.tp) else {
            return;
        };
        let Some(mut forward) = lane.take_forwarded(ticket) else {
            return;
        };
        let written_at = match result {
            Ok(offset) => offset,
            Err(failure) => {
                let told = forward.reported.tell(now.at);
                lane.unforwarded(forward, now.at);
                if told {
                    self.report(stuck(place, failure));
                }
                return;
            }
        };
        lane.done(forward.offset);
        match forward.to {
            Destination::DeadLetter => lanes.totals.dead_lettered += 1,
            Destination::Permanent => lanes.totals.permanent += 1,
        }
        if let (Path::Drain, Destination::DeadLetter, Some(drain)) =
            (place.path, forward.to, &mut self.drain)
        {
            drain.put_back(&place.tp, written_at);
        }
    }
}

/// The retry count a forwarded record carries: in the drain, one more after a send. On its way
/// from the main path to the dead-letter topic a record keeps what it has; the permanent topic's
/// records always have one.
fn count_after(task: &Task, to: Destination) -> Option<u32> {
    match (task.count, to) {
        (Some(count), _) => Some(count.saturating_add(task.attempts.count())),
        (None, Destination::Permanent) => {
            Some(headers::retry_count(&task.record.as_ref()).unwrap_or(0))
        }
        (None, Destination::DeadLetter) => None,
    }
}

fn stuck(place: &Place, failure: ForwardFailure) -> Report {
    let mut message = failure.message;
    if failure.in_doubt {
        message.push_str(" (it may have been written all the same)");
    }
    Report::PartitionStuck {
        place: place.clone(),
        message,
    }
}
