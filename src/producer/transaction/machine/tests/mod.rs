//! A bench to put a machine on, and what is tried on it.

mod ending;
mod failures;
mod model;
mod sending;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::*;
use crate::group::CommitOffset;
use crate::group::membership::CommitStamp;
use crate::producer::{BatchId, PartitionAnswer, RequestId, SendRefused, Stored};
use crate::wire::batch::{ProducerStamp, RecordBody};
use crate::wire::{ErrorCode, TopicPartition};

const DELIVERY: Duration = Duration::from_secs(10);
const BACKOFF_MAX: Duration = Duration::from_secs(1);

const FIRST: ProducerEpoch = ProducerEpoch { id: 9, epoch: 0 };
const SECOND: ProducerEpoch = ProducerEpoch { id: 9, epoch: 1 };

fn config() -> ProducerConfig {
    ProducerConfig {
        linger: Duration::ZERO,
        delivery_timeout: DELIVERY,
        retry_backoff_max: BACKOFF_MAX,
        ..ProducerConfig::default()
    }
}

fn tp(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

fn offsets(group: &str) -> GroupOffsets {
    GroupOffsets {
        group: group.into(),
        stamp: CommitStamp {
            generation: 3,
            member_id: "m".into(),
            instance_id: None,
        },
        offsets: vec![CommitOffset::new(TopicPartition::new("source", 0), 7)],
    }
}

fn code(code: ErrorCode) -> Result<Answer, AskFailure> {
    Err(AskFailure::Code(code))
}

fn silence() -> Result<Answer, AskFailure> {
    Err(AskFailure::Silent("no answer in time".into()))
}

fn end(producer: ProducerEpoch, commit: bool, protocol: Protocol) -> Question {
    Question::EndTxn {
        producer,
        commit,
        protocol,
    }
}

/// A machine and its clock.
struct Bench {
    machine: TransactionMachine,
    now: Instant,
    /// The records that were taken into each batch.
    taken: HashMap<BatchId, Vec<u64>>,
}

impl Bench {
    fn new() -> Self {
        let now = Instant::now();
        let mut machine = TransactionMachine::new(config(), 1, now);
        for partition in 0..3 {
            let records = machine.records();
            records.handle_leader(&tp(partition), Some(1), now);
        }
        let taken = HashMap::new();
        Self {
            machine,
            now,
            taken,
        }
    }

    /// With a transaction open, of id 9 in epoch 0.
    fn open(protocol: Protocol) -> Self {
        let mut bench = Self::new();
        bench.machine.handle_begin(bench.now);
        bench.find(&Coordinator::Transaction);
        let asked = bench.asked(&Question::InitProducerId(None));
        bench.answer(asked, Ok(Answer::Producer(FIRST, protocol)));
        assert_eq!(bench.effects(), [Effect::Begun(Ok(()))]);
        assert_eq!(bench.machine.state(), State::InTransaction);
        bench
    }

    /// The next transaction, without a word to any coordinator.
    fn begin_next(&mut self) {
        self.machine.handle_begin(self.now);
        assert_eq!(self.effects(), [Effect::Begun(Ok(()))]);
    }

    fn try_send(&mut self, partition: i32, token: u64) -> Result<(), SendRefused> {
        let body = RecordBody::new(Some(b"key"), Some(b"value"), &[]);
        let records = self.machine.records();
        let taken = records.handle_send(&tp(partition), &body, 1_000, self.now)?;
        let batch = self.taken.entry(taken.batch).or_default();
        assert_eq!(batch.len(), taken.place as usize);
        batch.push(token);
        Ok(())
    }

    fn send(&mut self, partition: i32, token: u64) {
        self.try_send(partition, token).unwrap();
    }

    /// What comes out, which is nothing but ends of records.
    fn done(&mut self) -> Vec<(u64, Result<Stored, ProduceFailure>)> {
        let effects = self.effects().into_iter();
        let ends = effects.flat_map(|effect| match effect {
            Effect::Records(effect) => self.ends(&effect),
            other => panic!("{other:?} where only ends of records should come"),
        });
        ends.collect()
    }

    /// The records whose end is told here.
    fn ends(&self, effect: &producer::Effect) -> Vec<(u64, Result<Stored, ProduceFailure>)> {
        let producer::Effect::Done {
            batch,
            places,
            result,
        } = effect
        else {
            return Vec::new();
        };
        let end = |place| (self.taken[batch][place as usize], result.clone());
        places.clone().map(end).collect()
    }

    fn effects(&mut self) -> Vec<Effect> {
        let effects = std::iter::from_fn(|| self.machine.poll_effect()).collect();
        let next = self.machine.poll_timeout();
        assert!(next.is_none_or(|at| at > self.now), "a busy loop");
        effects
    }

    fn effect(&mut self) -> Effect {
        let mut effects = self.effects();
        assert_eq!(effects.len(), 1, "{effects:?}");
        effects.remove(0)
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.machine.handle_timeout(self.now);
    }

    /// The coordinator is sought, and found.
    fn find(&mut self, of: &Coordinator) {
        let Effect::FindCoordinator(attempt, coordinator) = self.effect() else {
            panic!("nobody is sought");
        };
        assert_eq!(coordinator, *of);
        self.machine.handle_coordinator(attempt, Ok(()), self.now);
    }

    /// This question and nothing else is asked.
    fn asked(&mut self, question: &Question) -> Attempt {
        match self.effect() {
            Effect::Ask(attempt, asked) if asked == *question => attempt,
            other => panic!("{other:?} instead of {question:?}"),
        }
    }

    /// The same question, after a wait and another look for the coordinator.
    fn asked_again(&mut self, question: &Question) -> Attempt {
        assert_eq!(self.effects(), []);
        self.pass(BACKOFF_MAX);
        self.find(&Coordinator::Transaction);
        self.asked(question)
    }

    fn answer(&mut self, attempt: Attempt, answer: Result<Answer, AskFailure>) {
        self.machine.handle_answer(attempt, answer, self.now);
    }

    /// One produce request and nothing else; with its stamps.
    fn produced(&mut self) -> (RequestId, Vec<ProducerStamp>) {
        match self.effect() {
            Effect::Records(producer::Effect::Produce {
                request, batches, ..
            }) => (request, batches.iter().map(|batch| batch.stamp).collect()),
            other => panic!("{other:?} instead of records"),
        }
    }

    /// Answers a produce request of one partition.
    fn written(&mut self, request: RequestId, partition: i32, code: ErrorCode) {
        let answer = PartitionAnswer {
            partition: tp(partition),
            code,
            base_offset: 40,
            log_append_time: -1,
            record_errors: Vec::new(),
            message: None,
        };
        let (records, now) = (self.machine.records(), self.now);
        records.handle_produce_response(request, Ok(vec![answer]), now);
    }

    /// Sends one record in a protocol that announces nothing, and has it written.
    fn send_through(&mut self, partition: i32, token: u64) {
        self.send(partition, token);
        let (request, _) = self.produced();
        self.written(request, partition, ErrorCode::NONE);
        assert_eq!(self.done(), [(token, stored(partition))]);
    }

    /// What the end came to.
    fn ended(&mut self) -> Result<(), ProduceFailure> {
        let mut effects = self.effects();
        let position = effects
            .iter()
            .position(|effect| matches!(effect, Effect::Ended(_)));
        match position.map(|at| effects.remove(at)) {
            Some(Effect::Ended(result)) => result,
            _ => panic!("no end in {effects:?}"),
        }
    }
}

fn stored(partition: i32) -> Result<Stored, ProduceFailure> {
    Ok(Stored {
        partition,
        base_offset: 40,
        log_append_time: -1,
    })
}
