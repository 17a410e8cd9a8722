//! How a batch goes on, or ends.

use std::collections::BTreeMap;
use std::time::Duration;

use super::ProducerMachine;
use super::agenda::Place;
use super::batch::Batch;
use super::vocabulary::{Effect, PartitionAnswer, ProduceFailure, Stored};
use crate::producer::sequence::Sequence;
use crate::wire::ErrorCode;

/// How soon to try again while the producer's transaction before is being completed (KIP-890):
/// its markers are written within a few milliseconds of the answer to its end.
const SOON: Duration = Duration::from_millis(20);

impl ProducerMachine {
    /// The head is in the log.
    pub(super) fn acknowledge(&mut self, index: usize, answer: &PartitionAnswer) {
        let partition = &mut self.partitions[index];
        let Some(batch) = partition.take_head() else {
            return;
        };
        if let Some(sequence) = &mut partition.sequence {
            sequence.advance(batch.len());
        }
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
    }

    /// The head is sent again after a while.
    pub(super) fn retry(&mut self, index: usize, failure: ProduceFailure) {
        if self.abandoned().is_some() {
            return self.fail_head(index, &failure);
        }
        let partition = &mut self.partitions[index];
        let Some(head) = partition.head_mut() else {
            return;
        };
        head.attempts += 1;
        let mut delay = self.backoff.delay(head.attempts);
        if failure.code == Some(ErrorCode::CONCURRENT_TRANSACTIONS) {
            delay = delay.min(SOON);
        }
        head.last_failure = Some(failure);
        partition.back_off(self.now + delay);
    }

    /// The head ends here. Where that leaves the log in doubt, its sequence numbers can't be
    /// given to what comes next.
    pub(super) fn fail_head(&mut self, index: usize, failure: &ProduceFailure) {
        if let Some(batch) = self.partitions[index].take_head() {
            self.fail(&batch, failure);
        }
        if failure.in_doubt && self.transaction.is_none() {
            self.restart_sequence(index);
        }
    }

    /// The head is too large for the topic: its halves may not be.
    pub(super) fn halve(&mut self, index: usize, failure: &ProduceFailure) {
        let Some(batch) = self.partitions[index].take_head() else {
            return;
        };
        let half = batch.len() / 2;
        if half == 0 {
            self.fail(&batch, failure);
        } else {
            self.buffered_bytes -= batch.record_bytes();
            self.put_back(index, batch.divide(|place| place < half));
        }
    }

    /// The head is refused: those of its records that are to blame fail, the others are sent
    /// again. Where the broker blames none, all fail.
    pub(super) fn reject(
        &mut self,
        index: usize,
        answer: &PartitionAnswer,
        failure: &ProduceFailure,
    ) {
        let Some(batch) = self.partitions[index].take_head() else {
            return;
        };
        let places = batch.places();
        let mut blamed = BTreeMap::new();
        for (at, why) in &answer.record_errors {
            let at = usize::try_from(*at).ok().filter(|at| *at < places.len());
            blamed.extend(at.map(|at| (at, why)));
        }
        if blamed.is_empty() {
            self.fail(&batch, failure);
            return;
        }
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
        let is_blamed = |at| blamed.contains_key(&at);
        self.buffered_bytes -= batch.record_bytes();
        let [_, others] = batch.divide(is_blamed);
        self.put_back(index, [None, others]);
    }

    /// Fails what has been waiting longer than the delivery timeout.
    pub(super) fn expire(&mut self, index: usize) {
        while let Some(head) = self.partitions[index].head()
            && head.deadline(&self.config) <= self.now
        {
            let failure = self.expiry(index, head);
            self.fail_head(index, &failure);
        }
    }

    fn expiry(&self, index: usize, head: &Batch) -> ProduceFailure {
        let partition = &self.partitions[index];
        let in_doubt = partition.is_head_in_doubt();
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
            let mut in_doubt = self.partitions[index].is_head_in_doubt();
            while let Some(batch) = self.partitions[index].take_head() {
                let failure = ProduceFailure {
                    in_doubt: std::mem::take(&mut in_doubt),
                    ..failure.clone()
                };
                self.fail(&batch, &failure);
            }
            self.settle(index);
        }
        self.requests.clear();
        self.failure.get_or_insert(failure);
    }

    /// The partition's next batch begins a new epoch, or takes a new id when epochs run out.
    pub(super) fn restart_sequence(&mut self, index: usize) {
        let partition = &mut self.partitions[index];
        match partition.sequence.and_then(Sequence::next_epoch) {
            Some(next) => partition.sequence = Some(next),
            None => self.renew_identity(index),
        }
    }

    /// The partition's next batch takes a new id.
    pub(super) fn renew_identity(&mut self, index: usize) {
        if let Some(sequence) = self.partitions[index].sequence.take() {
            self.identity.retire(sequence);
        }
    }

    /// Goes on with what was taken out, divided.
    fn put_back(&mut self, index: usize, parts: [Option<Batch>; 2]) {
        let abandoned = self.abandoned().cloned();
        for part in parts.into_iter().rev().flatten() {
            self.buffered_bytes += part.record_bytes();
            match &abandoned {
                Some(why) => self.fail(&part, why),
                None => self.partitions[index].put_back(part),
            }
        }
    }

    pub(super) fn fail(&mut self, batch: &Batch, failure: &ProduceFailure) {
        self.done(batch, |_| Err(failure.clone()));
    }

    /// The batch has ended; of each run of its records the result is told by where it begins.
    fn done(&mut self, batch: &Batch, result: impl Fn(u32) -> Result<Stored, ProduceFailure>) {
        self.buffered_bytes -= batch.record_bytes();
        for (begin, places) in batch.runs() {
            self.effects.push_back(Effect::Done {
                batch: batch.id,
                places,
                result: result(begin),
            });
        }
    }
}
