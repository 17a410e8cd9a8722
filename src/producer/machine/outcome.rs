//! How a batch goes on, or ends.

use std::collections::BTreeMap;
use std::time::Duration;

use super::ProducerMachine;
use super::agenda::Place;
use super::batch::{Batch, Phase};
use super::vocabulary::{Effect, PartitionAnswer, ProduceFailure, Stored};
use crate::producer::sequence::after;
use crate::wire::ErrorCode;
use crate::wire::batch::ProducerStamp;

/// How soon to try again while the producer's transaction before is being completed (KIP-890):
/// its markers are written within a few milliseconds of the answer to its end.
const SOON: Duration = Duration::from_millis(20);

impl ProducerMachine {
    /// The batch is in the log.
    pub(super) fn acknowledge(&mut self, index: usize, at: usize, answer: &PartitionAnswer) {
        let partition = &mut self.partitions[index];
        let Some(batch) = partition.take(at) else {
            return;
        };
        partition.note_stored(at);
        self.done(&batch, |begin| {
            Ok(Stored {
                partition: answer.partition.partition,
                base_offset: match answer.base_offset {
                    base @ 0.. => base.saturating_add(i64::from(begin)),
                    _ => -1,
                },
                log_append_time: answer.log_append_time,
            })
        });
        self.spares
            .keep(batch.into_records(), self.config.buffer_bytes);
    }

    /// The batch is sent again after a while.
    pub(super) fn retry(&mut self, index: usize, at: usize, failure: ProduceFailure) {
        if self.abandoned().is_some() {
            return self.fail_at(index, at, &failure);
        }
        let Some(batch) = self.partitions[index].queue.get_mut(at) else {
            return;
        };
        batch.attempts += 1;
        let mut delay = self.backoff.delay(batch.attempts);
        if failure.code == Some(ErrorCode::CONCURRENT_TRANSACTIONS) {
            delay = delay.min(SOON);
        }
        batch.last_failure = Some(failure);
        let until = self.now + delay;
        batch.phase = Phase::BackingOff { until };
    }

    /// The batch ends here, and its numbers with it.
    pub(super) fn fail_at(&mut self, index: usize, at: usize, failure: &ProduceFailure) {
        if let Some(batch) = self.partitions[index].take(at) {
            self.fail(&batch, failure);
            self.let_go_of_numbers(index, at, &batch);
        }
    }

    /// The batch is too large for the topic: its halves may not be. Together they have the numbers
    /// that it had.
    pub(super) fn halve(&mut self, index: usize, at: usize, failure: &ProduceFailure) {
        let Some(batch) = self.partitions[index].queue.get(at) else {
            return;
        };
        let half = batch.len() / 2;
        if half == 0 {
            return self.fail_at(index, at, failure);
        }
        let Some(batch) = self.partitions[index].take(at) else {
            return;
        };
        self.let_go(&batch);
        let stamp = batch.stamp;
        let [mut left, mut right] = batch.divide(|place| place < half);
        if let (Some(left), Some(right)) = (&mut left, &mut right) {
            left.stamp = stamp;
            right.stamp = stamp.map(|stamp| ProducerStamp {
                base_sequence: after(stamp.base_sequence, half),
                ..stamp
            });
        }
        self.put_back(index, at, [left, right]);
    }

    /// The batch is refused: those of its records that are to blame fail, the others are sent
    /// again. Where the broker blames none, all fail.
    pub(super) fn reject(
        &mut self,
        index: usize,
        at: usize,
        answer: &PartitionAnswer,
        failure: &ProduceFailure,
    ) {
        let Some(batch) = self.partitions[index].queue.get(at) else {
            return;
        };
        let places = batch.places();
        let mut blamed = BTreeMap::new();
        for (at, why) in &answer.record_errors {
            let at = usize::try_from(*at).ok().filter(|at| *at < places.len());
            blamed.extend(at.map(|at| (at, why)));
        }
        if blamed.is_empty() {
            return self.fail_at(index, at, failure);
        }
        let Some(batch) = self.partitions[index].take(at) else {
            return;
        };
        for (at, why) in &blamed {
            let mut failure = failure.clone();
            if let Some(why) = why {
                failure.message = format!("{}: {why}", failure.message).into();
            }
            self.effects.push_back(Effect::Done {
                batch: batch.id,
                places: places[*at]..places[*at] + 1,
                result: Err(failure),
            });
        }
        self.let_go(&batch);
        self.let_go_of_numbers(index, at, &batch);
        let [_, others] = batch.divide(|at| blamed.contains_key(&at));
        self.put_back(index, at, [None, others]);
    }

    /// Fails what has been waiting longer than the delivery timeout.
    pub(super) fn expire(&mut self, index: usize) {
        while let Some(head) = self.partitions[index].queue.front()
            && head.deadline(&self.config) <= self.now
        {
            let failure = self.expiry(index, head);
            self.fail_at(index, 0, &failure);
        }
        self.restart_if_asked(index);
    }

    fn expiry(&self, index: usize, head: &Batch) -> ProduceFailure {
        let partition = &self.partitions[index];
        let in_doubt = head.is_in_doubt();
        let why = match &head.last_failure {
            Some(failure) => &*failure.message,
            None => match partition.place(&self.config, self.now).0 {
                Place::Unidentified => self.identity.why_none(),
                Place::Leaderless => "the partition has no leader that is known",
                _ if in_doubt => "no answer came",
                _ => "it was still queued",
            },
        };
        let (name, after) = (&partition.name, self.config.delivery_timeout);
        ProduceFailure {
            code: head.last_failure.as_ref().and_then(|failure| failure.code),
            message: format!("{name}: not acknowledged within {after:?}: {why}").into(),
            in_doubt,
            given_up: false,
        }
    }

    /// The producer ends, and with it everything it holds.
    pub(super) fn fail_all(&mut self, failure: ProduceFailure) {
        for index in 0..self.partitions.len() {
            while let Some(batch) = self.partitions[index].take(0) {
                let failure = ProduceFailure {
                    in_doubt: batch.is_in_doubt(),
                    ..failure.clone()
                };
                self.fail(&batch, &failure);
            }
            self.settle(index);
        }
        self.requests.clear();
        self.under_way.clear();
        self.failure.get_or_insert(failure);
    }

    /// The batch's records no longer count for the buffer.
    fn let_go(&mut self, batch: &Batch) {
        self.buffered_bytes -= batch.record_bytes();
        self.spares.note_end();
    }

    /// Goes on with what was taken out, divided.
    fn put_back(&mut self, index: usize, at: usize, parts: [Option<Batch>; 2]) {
        let abandoned = self.abandoned().cloned();
        for part in parts.into_iter().rev().flatten() {
            self.buffered_bytes += part.record_bytes();
            self.spares.note_batch();
            self.partitions[index].queue.insert(at, part);
            if let Some(why) = &abandoned {
                self.fail_at(index, at, why);
            }
        }
    }

    pub(super) fn fail(&mut self, batch: &Batch, failure: &ProduceFailure) {
        self.done(batch, |_| Err(failure.clone()));
    }

    /// The batch has ended; of each run of its records the result is told by where it begins.
    fn done(&mut self, batch: &Batch, result: impl Fn(u32) -> Result<Stored, ProduceFailure>) {
        self.let_go(batch);
        for (begin, places) in batch.runs() {
            self.effects.push_back(Effect::Done {
                batch: batch.id,
                places,
                result: result(begin),
            });
        }
    }
}
