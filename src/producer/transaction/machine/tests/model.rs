//! Any order of calls, answers, errors and timeouts, against a coordinator that can be asked what
//! it has really done. Each change of state is held against the list of legal ones where it is
//! made.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::producer::RequestFailure;

const COORDINATOR_CODES: [ErrorCode; 12] = [
    ErrorCode::NOT_COORDINATOR,
    ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
    ErrorCode::CONCURRENT_TRANSACTIONS,
    ErrorCode::REQUEST_TIMED_OUT,
    ErrorCode::UNKNOWN_SERVER_ERROR,
    ErrorCode::TRANSACTION_ABORTABLE,
    ErrorCode::INVALID_TXN_STATE,
    ErrorCode::INVALID_PRODUCER_ID_MAPPING,
    ErrorCode::ILLEGAL_GENERATION,
    ErrorCode::GROUP_AUTHORIZATION_FAILED,
    ErrorCode::PRODUCER_FENCED,
    ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
];
const LEADER_CODES: [ErrorCode; 8] = [
    ErrorCode::NOT_LEADER_OR_FOLLOWER,
    ErrorCode::CONCURRENT_TRANSACTIONS,
    ErrorCode::NOT_ENOUGH_REPLICAS,
    ErrorCode::MESSAGE_TOO_LARGE,
    ErrorCode::INVALID_PRODUCER_EPOCH,
    ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
    ErrorCode::INVALID_TXN_STATE,
    ErrorCode::PRODUCER_FENCED,
];

#[derive(Clone, Debug)]
enum Op {
    Begin,
    Send(i32),
    Offsets,
    Commit,
    Abort,
    Coordinator(Fate),
    Leader(usize, Fate),
    Pass(u64),
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Good,
    DoneAndLost,
    Lost,
    NotSent,
    /// With the thing done all the same, where that can be.
    Code(usize, bool),
}

fn op() -> impl Strategy<Value = Op> {
    let fate = prop_oneof![
        8 => Just(Fate::Good),
        1 => Just(Fate::DoneAndLost),
        1 => Just(Fate::Lost),
        1 => Just(Fate::NotSent),
        2 => (0..12_usize, any::<bool>()).prop_map(|(code, done)| Fate::Code(code, done)),
    ];
    prop_oneof![
        3 => Just(Op::Begin),
        4 => (0..3).prop_map(Op::Send),
        2 => Just(Op::Offsets),
        3 => Just(Op::Commit),
        1 => Just(Op::Abort),
        12 => fate.clone().prop_map(Op::Coordinator),
        8 => (0..4_usize, fate).prop_map(|(which, fate)| Op::Leader(which, fate)),
        6 => prop_oneof![Just(20), Just(200), Just(1_500), Just(9_000)].prop_map(Op::Pass),
    ]
}

/// A transaction, as its application and its coordinator know it.
#[derive(Debug, Default)]
struct Transaction {
    /// Records and offsets by token, with what became of them: well, badly, in doubt.
    parts: BTreeMap<u64, Option<Result<(), bool>>>,
    epoch: Option<ProducerEpoch>,
    /// Whether it was to be committed, and by when that is to be answered.
    end_asked: Option<(bool, Option<Instant>)>,
    /// What the application was told first.
    told: Option<Result<(), ProduceFailure>>,
    /// What the coordinator has done: true where it committed.
    done: Option<bool>,
}

struct World {
    bench: Bench,
    protocol: Protocol,
    question: Option<(Attempt, Option<Question>)>,
    produces: Vec<(RequestId, Vec<i32>)>,
    begin_by: Option<Instant>,
    transactions: Vec<Transaction>,
    /// The last epoch given out.
    epoch: i16,
    last_token: u64,
}

impl World {
    fn new(protocol: Protocol) -> Self {
        Self {
            bench: Bench::new(),
            protocol,
            question: None,
            produces: Vec::new(),
            begin_by: None,
            transactions: Vec::new(),
            epoch: -1,
            last_token: 0,
        }
    }

    fn state(&self) -> State {
        self.bench.machine.state()
    }

    /// The transaction that the application has in hand.
    fn open(&mut self) -> Option<&mut Transaction> {
        self.transactions
            .last_mut()
            .filter(|it| it.end_asked.is_none())
    }

    fn apply(&mut self, op: &Op) {
        let now = self.bench.now;
        let by = now + DELIVERY;
        match op {
            Op::Begin => {
                if self.open().is_none() && self.begin_by.is_none() {
                    self.begin_by = Some(by);
                    self.bench.machine.handle_begin(now);
                }
            }
            Op::Send(partition) => self.send(*partition),
            Op::Offsets => {
                self.last_token += 1;
                let token = self.last_token;
                if let Some(open) = self.open() {
                    open.parts.insert(token, None);
                    self.bench.machine.handle_offsets(offsets("g"), token, now);
                }
            }
            Op::Commit | Op::Abort => {
                let commit = matches!(op, Op::Commit);
                let Some(open) = self.open() else { return };
                open.end_asked = Some((commit, Some(by)));
                match commit {
                    true => self.bench.machine.handle_commit(now),
                    false => self.bench.machine.handle_abort(now),
                }
            }
            Op::Coordinator(fate) => self.answer_question(*fate),
            Op::Leader(which, fate) => self.answer_produce(*which, *fate),
            Op::Pass(millis) => self.bench.pass(Duration::from_millis(*millis)),
        }
        self.collect();
    }

    fn send(&mut self, partition: i32) {
        self.last_token += 1;
        let token = self.last_token;
        if self.open().is_none() {
            return;
        }
        let sent = self.bench.try_send(partition, token);
        match (sent, self.state()) {
            (Ok(()), _) => {
                if let Some(open) = self.open() {
                    open.parts.insert(token, None);
                }
            }
            (Err(_), State::AbortableError | State::FatalError) => {}
            (Err(refused), state) => panic!("{refused:?} in {state:?}"),
        }
    }

    fn answer_question(&mut self, fate: Fate) {
        let Some((attempt, question)) = self.question.take() else {
            return;
        };
        let now = self.bench.now;
        let Some(question) = question else {
            let found = match fate {
                Fate::Good | Fate::DoneAndLost => Ok(()),
                Fate::Lost | Fate::NotSent => Err(AskFailure::NotSent("down".into())),
                Fate::Code(code, _) => Err(AskFailure::Code(COORDINATOR_CODES[code])),
            };
            self.bench.machine.handle_coordinator(attempt, found, now);
            return;
        };
        let answer = match fate {
            Fate::Good => self.coordinate(&question),
            Fate::DoneAndLost => self.coordinate(&question).and(silence()),
            Fate::Lost => silence(),
            Fate::NotSent => Err(AskFailure::NotSent("down".into())),
            Fate::Code(code, done) => self.refuse(&question, COORDINATOR_CODES[code], done),
        };
        self.bench.machine.handle_answer(attempt, answer, now);
    }

    /// The coordinator does what it is asked.
    fn coordinate(&mut self, question: &Question) -> Result<Answer, AskFailure> {
        match question {
            Question::InitProducerId(known) => {
                // Asked again for what it has given out already.
                if known.is_none_or(|known| known.epoch == self.epoch) {
                    self.epoch += 1;
                }
                Ok(Answer::Producer(self.current(), self.protocol))
            }
            Question::EndTxn { commit, .. } => {
                let each = self.protocol == Protocol::EpochEach;
                let transaction = self.transactions.last_mut().unwrap();
                match transaction.done {
                    None => {
                        transaction.done = Some(*commit);
                        self.epoch += i16::from(each);
                    }
                    Some(done) if done == *commit => {}
                    Some(_) => return code(ErrorCode::INVALID_TXN_STATE),
                }
                Ok(match each {
                    true => Answer::Producer(self.current(), self.protocol),
                    false => Answer::Done,
                })
            }
            _ => Ok(Answer::Done),
        }
    }

    /// The coordinator refuses what it is asked; some codes come after it was done.
    fn refuse(
        &mut self,
        question: &Question,
        refusal: ErrorCode,
        done: bool,
    ) -> Result<Answer, AskFailure> {
        let untouched = [
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
            ErrorCode::INVALID_PRODUCER_ID_MAPPING,
            ErrorCode::PRODUCER_FENCED,
            ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        ];
        if let Question::EndTxn { commit, .. } = question {
            let transaction = self.transactions.last().unwrap();
            // It would not say so of what it has ended as asked.
            if transaction.done == Some(*commit) && refusal.aborts_transaction() {
                return self.coordinate(question);
            }
        }
        if done && refusal.is_retriable() && !untouched.contains(&refusal) {
            return self.coordinate(question).and(code(refusal));
        }
        code(refusal)
    }

    fn current(&self) -> ProducerEpoch {
        ProducerEpoch {
            id: 9,
            epoch: self.epoch,
        }
    }

    fn answer_produce(&mut self, which: usize, fate: Fate) {
        if self.produces.is_empty() {
            return;
        }
        let (request, partitions) = self.produces.remove(which % self.produces.len());
        let with = |code| {
            let answer = |partition| PartitionAnswer {
                partition: tp(partition),
                code,
                base_offset: 40,
                log_append_time: -1,
                record_errors: Vec::new(),
                message: None,
            };
            Ok(partitions.iter().copied().map(answer).collect())
        };
        let answer = match fate {
            Fate::Good => with(ErrorCode::NONE),
            Fate::DoneAndLost | Fate::Lost => Err(RequestFailure::TimedOut),
            Fate::NotSent => Err(RequestFailure::NotSent),
            Fate::Code(code, _) => with(LEADER_CODES[code % LEADER_CODES.len()]),
        };
        let (records, now) = (self.bench.machine.records(), self.bench.now);
        records.handle_produce_response(request, answer, now);
    }

    fn collect(&mut self) {
        loop {
            let effects = self.bench.effects();
            assert!(effects.len() < 500, "without an end");
            if effects.is_empty() {
                break;
            }
            for effect in effects {
                self.take(effect);
            }
        }
        let now = self.bench.now;
        assert!(self.begin_by.is_none_or(|by| by > now), "a begin is late");
        if let Some((_, Some(by))) = self.transactions.last().and_then(|it| it.end_asked) {
            assert!(by > now, "an end is late");
        }
    }

    fn take(&mut self, effect: Effect) {
        match effect {
            Effect::FindCoordinator(attempt, _) => self.ask(attempt, None),
            Effect::Ask(attempt, question) => {
                self.check_question(&question);
                self.ask(attempt, Some(question));
            }
            Effect::Records(effect) => self.take_records(effect),
            Effect::OffsetsDone { token, result } => {
                self.finish_part(token, result.map_err(|failure| failure.in_doubt));
            }
            Effect::Begun(result) => self.begun(&result),
            Effect::Ended(result) => self.ended(result),
        }
    }

    fn ask(&mut self, attempt: Attempt, question: Option<Question>) {
        assert!(self.question.is_none(), "two questions at a time");
        self.question = Some((attempt, question));
    }

    fn check_question(&self, question: &Question) {
        let Question::EndTxn {
            producer, commit, ..
        } = question
        else {
            return;
        };
        let transaction = self.transactions.last().unwrap();
        assert_eq!(Some(*producer), transaction.epoch);
        assert!(self.produces.is_empty(), "records may come after the end");
        let all_well = transaction.parts.values().all(|part| *part == Some(Ok(())));
        assert!(!commit || all_well, "{transaction:?}");
        assert!(!commit || transaction.end_asked.is_some_and(|it| it.0));
    }

    fn take_records(&mut self, effect: producer::Effect) {
        match effect {
            producer::Effect::Produce {
                request, batches, ..
            } => {
                let epoch = self.transactions.last().unwrap().epoch.unwrap();
                let stamps = batches.iter().map(|batch| batch.stamp);
                assert!(
                    stamps
                        .clone()
                        .all(|it| (it.id, it.epoch) == (epoch.id, epoch.epoch))
                );
                let partitions = batches.iter().map(|batch| batch.partition.partition);
                self.produces.push((request, partitions.collect()));
            }
            producer::Effect::RefreshMetadata => {
                let (records, now) = (self.bench.machine.records(), self.bench.now);
                records.handle_leaders(|_| Some(1), now);
            }
            producer::Effect::Done { .. } => {
                for (token, result) in self.bench.ends(&effect) {
                    let result = result.map(|_| ()).map_err(|failure| failure.in_doubt);
                    self.finish_part(token, result);
                }
            }
            other => panic!("{other:?} is not for the shell"),
        }
    }

    fn finish_part(&mut self, token: u64, result: Result<(), bool>) {
        let parts = &mut self.transactions.last_mut().unwrap().parts;
        let part = parts.get_mut(&token).expect("of this transaction");
        assert_eq!(part.replace(result), None, "{token} ended twice");
    }

    fn begun(&mut self, result: &Result<(), ProduceFailure>) {
        assert!(self.begin_by.take().is_some(), "nobody asked");
        if result.is_err() {
            return;
        }
        let epoch = self.bench.machine.producer;
        if let Some(before) = self.transactions.last() {
            assert!(before.parts.values().all(Option::is_some), "{before:?}");
            let in_doubt = before.parts.values().any(|part| *part == Some(Err(true)));
            let each = self.protocol == Protocol::EpochEach && before.done.is_some();
            assert!(!(in_doubt || each) || before.epoch != epoch, "{before:?}");
        }
        let epoch = epoch.filter(|it| *it == self.current());
        assert!(epoch.is_some(), "not the epoch that was given out last");
        self.transactions.push(Transaction {
            epoch,
            ..Transaction::default()
        });
    }

    fn ended(&mut self, result: Result<(), ProduceFailure>) {
        let transaction = self.transactions.last_mut().unwrap();
        let Some((commit, by)) = &mut transaction.end_asked else {
            panic!("nobody asked for the end of {transaction:?}");
        };
        if by.take().is_none() {
            return;
        }
        if result.is_ok() && *commit && !transaction.parts.is_empty() {
            assert_eq!(transaction.done, Some(true), "told that it is committed");
        }
        transaction.told = Some(result);
    }

    /// Everything is answered well from now on.
    fn settle(&mut self) {
        for _ in 0..60 {
            self.apply(&Op::Coordinator(Fate::Good));
            self.apply(&Op::Leader(0, Fate::Good));
            self.apply(&Op::Pass(1_000));
        }
        let resting = !matches!(
            self.state(),
            State::Initializing | State::Committing | State::Aborting
        );
        assert!(resting, "still {:?}", self.state());
        assert!(self.produces.is_empty() && self.question.is_none());
        for transaction in &self.transactions {
            let Some((commit, by)) = transaction.end_asked else {
                continue;
            };
            assert_eq!(by, None, "never told: {transaction:?}");
            let committed = transaction.done == Some(true);
            assert!(commit || !committed, "{transaction:?}");
            match transaction.told.as_ref().unwrap() {
                Err(failure) => assert!(failure.in_doubt || !committed, "{transaction:?}"),
                Ok(()) if commit && !transaction.parts.is_empty() => assert!(committed),
                Ok(()) => {}
            }
        }
    }
}

proptest! {
    #[test]
    fn a_transaction_comes_to_what_its_application_is_told(
        ops in proptest::collection::vec(op(), 1..120),
        each in any::<bool>(),
    ) {
        let mut world = World::new(match each {
            true => Protocol::EpochEach,
            false => Protocol::Announced,
        });
        for op in &ops {
            world.apply(op);
        }
        world.settle();
    }
}
