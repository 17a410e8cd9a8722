//! What the machine does with a record that goes to another topic.

use super::RecordSource;
use super::dead_letter::{Origin, dead_letter_body};
use super::effect::{Effect, ForwardFailure};
use super::headers;
use super::machine::Engine;
use super::report::Report;
use super::task::{Forward, Task};
use super::timing::OnceAMinute;
use super::words::{Destination, Moment, Path, Place, Ticket};

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
