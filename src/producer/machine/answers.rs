//! What the brokers' answers, and their silence, do to the batches in flight.

use std::sync::Arc;
use std::time::Instant;

use super::ProducerMachine;
use super::batch::Phase;
use super::numbering::Restart;
use super::ruling::{Ruling, may_have_written};
use super::vocabulary::{PartitionAnswer, ProduceFailure, RequestFailure, RequestId};
use crate::producer::sequence::Sequence;
use crate::wire::ErrorCode;

impl ProducerMachine {
    /// Takes the answer to [`Effect::InitProducerId`](super::Effect::InitProducerId): an id and
    /// its epoch. A failure without a code, or with a retriable one, is tried again with backoff;
    /// any other ends the producer.
    pub fn handle_producer_id(&mut self, answer: Result<(i64, i16), ProduceFailure>, now: Instant) {
        self.observe(now);
        match answer {
            Ok((id, epoch)) => {
                self.identity.succeed(Sequence::new(id, epoch));
                for index in 0..self.partitions.len() {
                    self.settle(index);
                }
            }
            Err(failure) if failure.code.is_none_or(ErrorCode::is_retriable) => {
                let why = failure.message;
                self.identity.fail(why, &mut self.backoff, self.now);
            }
            Err(failure) => self.fail_all(failure),
        }
    }

    /// Takes the answer to an [`Effect::Produce`](super::Effect::Produce), or why there is none.
    /// What the answer leaves out counts as in doubt, what it has too much is ignored.
    pub fn handle_produce_response(
        &mut self,
        request: RequestId,
        response: Result<Vec<PartitionAnswer>, RequestFailure>,
        now: Instant,
    ) {
        self.observe(now);
        let Some(sent) = self.requests.remove(&request) else {
            return;
        };
        self.note_answered(sent.node);
        let (answers, silence) = match response {
            Ok(answers) => (answers, RequestFailure::BadAnswer),
            Err(failure) => (Vec::new(), failure),
        };
        for answer in answers {
            if let Some(&index) = self.index.get(&answer.partition)
                && let Some(at) = self.partitions[index].find(request)
            {
                self.apply(index, at, &answer);
                self.restart_if_asked(index);
                self.settle(index);
            }
        }
        for index in sent.partitions {
            if let Some(at) = self.partitions[index].find(request) {
                self.unanswered(index, at, silence);
                self.restart_if_asked(index);
                self.settle(index);
            }
        }
    }

    fn apply(&mut self, index: usize, at: usize, answer: &PartitionAnswer) {
        let code = answer.code;
        let partition = &mut self.partitions[index];
        let Some(batch) = partition.queue.get_mut(at) else {
            return;
        };
        batch.phase = Phase::Queued;
        batch.maybe_written |= may_have_written(code);
        let in_doubt = batch.maybe_written;
        // Refused as one before it was, or has not arrived.
        let follows = at > 0 || partition.restart.is_some() && !in_doubt;
        let failure = ProduceFailure {
            code: Some(code),
            message: describe(answer),
            in_doubt,
            given_up: false,
        };
        match Ruling::of(code) {
            Ruling::Stored => self.acknowledge(index, at, answer),
            Ruling::Retry => {
                if code.refreshes_metadata() {
                    partition.leader = None;
                }
                self.retry(index, at, failure);
            }
            Ruling::Fatal => {
                self.fail_at(index, at, &failure);
                self.fail_all(failure);
            }
            Ruling::SequenceLost | Ruling::IdentityLost if follows => {
                self.retry(index, at, failure);
            }
            // This attempt was refused, but an earlier one may have been stored.
            _ if in_doubt => self.fail_at(index, at, &failure),
            // The transaction as a whole begins again.
            Ruling::SequenceLost | Ruling::IdentityLost if self.transaction.is_some() => {
                self.fail_at(index, at, &failure);
            }
            Ruling::SequenceLost => {
                self.ask_restart(index, Restart::NewEpoch);
                self.retry(index, at, failure);
            }
            Ruling::IdentityLost => {
                self.ask_restart(index, Restart::NewId);
                self.retry(index, at, failure);
            }
            Ruling::TooLarge => self.halve(index, at, &failure),
            Ruling::Rejected => self.reject(index, at, answer, &failure),
        }
    }

    fn unanswered(&mut self, index: usize, at: usize, silence: RequestFailure) {
        let partition = &mut self.partitions[index];
        // The leader may be gone: the next attempt goes where fresh metadata says.
        partition.leader = None;
        let message = format!("{}: {}", partition.name, silence.describe());
        let Some(batch) = partition.queue.get_mut(at) else {
            return;
        };
        batch.phase = Phase::Queued;
        batch.maybe_written |= silence.may_have_written();
        let failure = ProduceFailure {
            code: None,
            message: message.into(),
            in_doubt: batch.maybe_written,
            given_up: false,
        };
        self.retry(index, at, failure);
    }
}

fn describe(answer: &PartitionAnswer) -> Arc<str> {
    let PartitionAnswer {
        partition, code, ..
    } = answer;
    match &answer.message {
        Some(message) => format!("{partition}: {code}: {message}").into(),
        None => format!("{partition}: {code}").into(),
    }
}
