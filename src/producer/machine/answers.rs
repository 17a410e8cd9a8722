//! What the brokers' answers, and their silence, do to the batches in flight.

use std::sync::Arc;
use std::time::Instant;

use super::ProducerMachine;
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
        let (answers, silence) = match response {
            Ok(answers) => (answers, RequestFailure::BadAnswer),
            Err(failure) => (Vec::new(), failure),
        };
        for answer in answers {
            if let Some(&index) = self.index.get(&answer.partition)
                && self.partitions[index].is_in_flight(request)
            {
                self.apply(index, &answer);
                self.settle(index);
            }
        }
        for index in sent {
            if self.partitions[index].is_in_flight(request) {
                self.unanswered(index, silence);
                self.settle(index);
            }
        }
    }

    fn apply(&mut self, index: usize, answer: &PartitionAnswer) {
        let code = answer.code;
        let partition = &mut self.partitions[index];
        let Some(head) = partition.head_mut() else {
            return;
        };
        head.maybe_written |= may_have_written(code);
        let in_doubt = head.maybe_written;
        let failure = ProduceFailure {
            code: Some(code),
            message: describe(answer),
            in_doubt,
            given_up: false,
        };
        match Ruling::of(code) {
            Ruling::Stored => self.acknowledge(index, answer),
            Ruling::Retry => {
                if code.refreshes_metadata() {
                    partition.leader = None;
                }
                self.retry(index, failure);
            }
            Ruling::Fatal => {
                self.fail_head(index, &failure);
                self.fail_all(failure);
            }
            // This attempt was refused, but an earlier one may have been stored.
            _ if in_doubt => self.fail_head(index, &failure),
            // The transaction as a whole begins again.
            Ruling::SequenceLost | Ruling::IdentityLost if self.transaction.is_some() => {
                self.fail_head(index, &failure);
            }
            Ruling::SequenceLost => {
                self.restart_sequence(index);
                self.retry(index, failure);
            }
            Ruling::IdentityLost => {
                self.renew_identity(index);
                self.retry(index, failure);
            }
            Ruling::TooLarge => self.halve(index, &failure),
            Ruling::Rejected => self.reject(index, answer, &failure),
        }
    }

    fn unanswered(&mut self, index: usize, silence: RequestFailure) {
        let partition = &mut self.partitions[index];
        // The leader may be gone: the next attempt goes where fresh metadata says.
        partition.leader = None;
        let message = format!("{}: {}", partition.name, silence.describe());
        let Some(head) = partition.head_mut() else {
            return;
        };
        head.maybe_written |= silence.may_have_written();
        let failure = ProduceFailure {
            code: None,
            message: message.into(),
            in_doubt: head.maybe_written,
            given_up: false,
        };
        self.retry(index, failure);
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
