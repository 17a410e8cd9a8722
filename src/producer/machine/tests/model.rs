//! The machine against a model of brokers that lose, delay, refuse and misreport: whatever the
//! order of events, what it tells its caller is what the log holds.

use std::collections::HashMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::broker::Log;
use super::events::{Event, Fate, PARTITIONS, Treatment, event};
use super::*;

/// The machine, the brokers, and what the caller has seen.
struct World {
    bench: Bench,
    logs: Vec<Log>,
    requests: Vec<Request>,
    delayed: Vec<BatchOut>,
    asked_for_id: bool,
    next_id: i64,
    /// The partition of each record that was taken, by token.
    taken: Vec<i32>,
    results: HashMap<u64, Result<Acked, ProduceFailure>>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut bench = Bench::new(ProducerConfig {
            linger: LINGER,
            batch_bytes: 180,
            max_request_bytes: 300,
            buffer_bytes: 1_000,
            delivery_timeout: Duration::from_secs(2),
            retry_backoff: Duration::from_millis(50),
            retry_backoff_max: Duration::from_millis(400),
            ..ProducerConfig::default()
        });
        bench.machine = ProducerMachine::new(bench.machine.config, seed, bench.now);
        Self {
            bench,
            logs: (0..PARTITIONS).map(|_| Log::default()).collect(),
            requests: Vec::new(),
            delayed: Vec::new(),
            asked_for_id: false,
            // So that the epochs of an id run out too.
            next_id: 1,
            taken: Vec::new(),
            results: HashMap::new(),
        }
    }

    fn run(&mut self, event: Event) {
        let now = self.bench.now;
        let machine = &mut self.bench.machine;
        match event {
            Event::Send { partition, records } => self.send(partition, records),
            Event::Settle { nth, fate } => self.settle(nth, &fate),
            Event::DelayedArrives { nth } => self.deliver_delayed(nth),
            Event::ProducerId { given } => self.answer_id(given),
            Event::Leader { partition, node } => machine.handle_leader(&tp(partition), node, now),
            Event::Leaders => machine.handle_leaders(|tp| Some(tp.partition % 2), now),
            Event::Pass { millis } => self.bench.pass(Duration::from_millis(millis)),
            Event::Alarm => self.alarm(),
            Event::Flush => machine.handle_flush(now),
        }
        self.collect();
    }

    fn send(&mut self, partition: i32, records: usize) {
        for _ in 0..records {
            match self.bench.try_send(partition, self.taken.len() as u64) {
                Ok(()) => self.taken.push(partition),
                Err(refused) => assert_eq!(refused, SendRefused::BufferFull),
            }
        }
    }

    fn alarm(&mut self) {
        if let Some(at) = self.bench.machine.poll_timeout() {
            let now = self.bench.now.max(at);
            self.bench.pass(now - self.bench.now);
        }
    }

    fn answer_id(&mut self, given: bool) {
        if !std::mem::take(&mut self.asked_for_id) {
            return;
        }
        let answer = if given {
            self.next_id += 1;
            Ok((self.next_id, i16::MAX - 1))
        } else {
            Err(ProduceFailure {
                code: None,
                message: "no broker".into(),
                in_doubt: false,
                given_up: false,
            })
        };
        self.bench
            .machine
            .handle_producer_id(answer, self.bench.now);
    }

    fn log(&mut self, batch: &BatchOut) -> &mut Log {
        &mut self.logs[batch.partition.partition as usize]
    }

    fn deliver_delayed(&mut self, nth: usize) {
        if !self.delayed.is_empty() {
            let batch = self.delayed.swap_remove(nth % self.delayed.len());
            // Nobody hears the answer.
            let _ = self.log(&batch).append(&batch);
        }
    }

    fn settle(&mut self, nth: usize, fate: &Fate) {
        if self.requests.is_empty() {
            return;
        }
        let request = self.requests.swap_remove(nth % self.requests.len());
        match fate {
            Fate::Answered(treatments) => {
                let mut answers = Vec::new();
                for batch in &request.batches {
                    let treatment = treatments[batch.partition.partition as usize];
                    answers.extend(self.treat(batch, treatment));
                }
                self.bench.answer(&request, answers);
            }
            Fate::AnswerLost(failure) => {
                for batch in &request.batches {
                    let _ = self.log(batch).append(batch);
                }
                self.bench.silence(&request, *failure);
            }
            Fate::RequestLost(failure) => self.bench.silence(&request, *failure),
            Fate::Delayed => {
                self.delayed.extend(request.batches.iter().cloned());
                self.bench.silence(&request, RequestFailure::TimedOut);
            }
            Fate::NotSent => self.bench.silence(&request, RequestFailure::NotSent),
        }
    }

    fn treat(&mut self, batch: &BatchOut, treatment: Treatment) -> Option<PartitionAnswer> {
        let partition = batch.partition.partition;
        let mut append = || self.log(batch).append(batch);
        Some(match treatment {
            Treatment::Stored => match append() {
                Ok(offset) => stored(partition, offset),
                Err(code) => coded(partition, code),
            },
            Treatment::StoredLongAgo => match append() {
                Ok(_) => coded(partition, ErrorCode::DUPLICATE_SEQUENCE_NUMBER),
                Err(code) => coded(partition, code),
            },
            Treatment::StoredBut(code) => coded(partition, append().err().unwrap_or(code)),
            Treatment::Refused(code) => coded(partition, code),
            Treatment::Blamed(place) => PartitionAnswer {
                record_errors: vec![(place, None)],
                ..coded(partition, ErrorCode::INVALID_RECORD)
            },
            Treatment::Omitted => {
                let _ = append();
                return None;
            }
        })
    }

    /// Does what the machine asks for, which must come to an end.
    fn collect(&mut self) {
        let outstanding = self.taken.len() - self.results.len();
        let effects = self.bench.effects();
        let bound = outstanding + 5 * PARTITIONS as usize + 2;
        assert!(effects.len() <= bound, "{effects:?}");
        for effect in effects {
            for (token, result) in self.bench.ends(&effect) {
                let before = self.results.insert(token, result);
                assert_eq!(before, None, "{token} ended twice");
            }
            match effect {
                Effect::InitProducerId => {
                    assert!(!self.asked_for_id, "asked twice");
                    self.asked_for_id = true;
                }
                Effect::RefreshMetadata | Effect::Done { .. } => {}
                Effect::Enlist(_) => panic!("no transaction is open"),
                Effect::Produce { .. } => self.take_request(Request::of(effect)),
            }
        }
        let alarm = self.bench.machine.poll_timeout();
        assert!(alarm.is_none_or(|at| at > self.bench.now), "a busy loop");
    }

    fn take_request(&mut self, request: Request) {
        let mut bytes = 0;
        for (at, batch) in request.batches.iter().enumerate() {
            assert!(!batch.records.is_empty());
            let same = |other: &BatchOut| other.partition == batch.partition;
            assert!(!request.batches[..at].iter().any(same), "{request:?}");
            bytes += batch.records.size_bytes();
        }
        assert!(bytes <= 300 && bytes > 0, "{bytes}");
        self.requests.push(request);
    }

    /// Ends the troubles, and waits until every record has ended.
    fn calm_down(&mut self) {
        self.bench.machine.handle_close(self.bench.now);
        self.collect();
        for _ in 0..1_000 {
            if self.results.len() == self.taken.len() {
                break;
            }
            self.run(Event::ProducerId { given: true });
            self.run(Event::Leaders);
            while !self.requests.is_empty() {
                let fate = Fate::Answered([Treatment::Stored; PARTITIONS as usize]);
                self.run(Event::Settle { nth: 0, fate });
            }
            self.run(Event::Alarm);
        }
        while !self.delayed.is_empty() {
            self.deliver_delayed(0);
        }
    }

    fn check(&self) {
        assert_eq!(self.results.len(), self.taken.len(), "some never ended");
        assert_eq!(self.bench.machine.buffered_bytes(), 0);
        assert_eq!(self.bench.machine.failure(), None);
        for (partition, log) in (0..).zip(&self.logs) {
            let mut sent = (0..).zip(&self.taken).filter(|(_, at)| **at == partition);
            sent.by_ref()
                .for_each(|(token, _)| self.check_record(log, token));
            let acked = |token: &&u64| self.results[*token].is_ok();
            let in_order = log.tokens.iter().filter(acked).is_sorted();
            assert!(in_order, "{:?}", log.tokens);
        }
    }

    fn check_record(&self, log: &Log, token: u64) {
        let copies = log.tokens.iter().filter(|at| **at == token).count();
        match &self.results[&token] {
            Ok(acked) => {
                assert_eq!(copies, 1, "{token} is acknowledged");
                let told = usize::try_from(acked.offset).ok();
                assert!(told.is_none_or(|offset| log.tokens[offset] == token));
            }
            Err(failure) if failure.in_doubt => assert!(copies <= 1, "{token} is in doubt"),
            Err(_) => assert_eq!(copies, 0, "{token} has failed for certain"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_the_caller_is_told_is_what_the_log_holds(
        seed: u64,
        events in vec(event(), 1..120),
    ) {
        let mut world = World::new(seed);
        for event in events {
            world.run(event);
        }
        world.calm_down();
        world.check();
    }
}
