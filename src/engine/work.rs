//! What the machine does with one record: start it, judge its attempt.

use std::time::Instant;

use super::RecordSource;
use super::dead_letter::Attempts;
use super::effect::Effect;
use super::headers;
use super::machine::Engine;
use super::policy::{self, Hold, Step};
use super::report::Report;
use super::task::Task;
use super::timing::after;
use super::words::{Destination, Moment, Path, Place, Ticket};
use crate::sink::Verdict;
use crate::wire::TopicPartition;

impl<S: RecordSource> Engine<S> {
    /// Sends what may be sent of the main path.
    pub(super) fn start_main(&mut self, now: Moment) {
        while self.may_send(Path::Main) {
            let Some(tp) = self.main.next_ready(|_, _| true) else {
                return;
            };
            self.send(Path::Main, &tp, now);
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
                self.send(Path::Drain, &tp, now);
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

    fn send(&mut self, path: Path, tp: &TopicPartition, now: Moment) {
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
        self.gate.sent(path, now.at);
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
        let mut task = lane.and_then(|lane| lane.take_sent(ticket));
        let mut nobodys = Attempts::default();
        let attempts = task
            .as_mut()
            .map_or(&mut nobodys, |task| &mut task.attempts);
        let step = policy::step(&self.config, place.path, verdict, attempts, now);
        if let Step::Held(hold) = &step {
            self.close_line(hold.clone(), now);
        }
        let Some(mut task) = task else {
            return;
        };
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
            Hold::For(wait, failure) => self.gate.hold(wait, failure, now.at),
            Hold::Stop(failure) => self.gate.stop(failure, now.at),
        };
        if let Some(report) = report {
            self.report(report);
        }
    }
}
