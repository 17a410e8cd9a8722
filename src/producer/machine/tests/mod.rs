//! A bench to put a machine on, and what is tried on it.

mod broker;
mod events;
mod failures;
mod flights;
mod model;
mod refusals;
mod sending;

use std::time::{Duration, Instant};

use super::*;
use crate::wire::ErrorCode;
use crate::wire::batch::{Batches, BodyRef, RecordBody, RecordRef};

const LINGER: Duration = Duration::from_millis(10);
const DELIVERY: Duration = Duration::from_secs(10);
const BACKOFF_MAX: Duration = Duration::from_secs(1);

fn config() -> ProducerConfig {
    ProducerConfig {
        linger: LINGER,
        delivery_timeout: DELIVERY,
        retry_backoff_max: BACKOFF_MAX,
        ..ProducerConfig::default()
    }
}

fn tp(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

/// What tells one record from the others, on either side.
fn body(token: u64) -> RecordBody {
    RecordBody::new(Some(b"key"), Some(format!("{token:05}").as_bytes()), &[])
}

fn tokens(batch: &BatchOut) -> Vec<u64> {
    let bytes = batch.records.seal(batch.stamp, false).unwrap().to_bytes();
    let batch = Batches::new(bytes).next().unwrap().unwrap();
    let records = batch.decode(0).unwrap();
    let token = |record: Result<RecordRef<'_>, _>| {
        let value = record.unwrap().value().unwrap();
        std::str::from_utf8(value).unwrap().parse().unwrap()
    };
    records.iter().map(token).collect()
}

/// Records by their tokens, and how they ended.
type Ends = Vec<(u64, Result<Acked, ProduceFailure>)>;

/// A machine and its clock.
struct Bench {
    machine: ProducerMachine,
    now: Instant,
    /// The records that were taken into each batch.
    taken: HashMap<BatchId, Vec<u64>>,
}

impl Bench {
    fn new(config: ProducerConfig) -> Self {
        let now = Instant::now();
        let machine = ProducerMachine::new(config, 1, now);
        let taken = HashMap::new();
        Self {
            machine,
            now,
            taken,
        }
    }

    /// With id 9, epoch 0, and node 1 leading every partition.
    fn ready(config: ProducerConfig) -> Self {
        Self::with_epoch(config, 0)
    }

    fn with_epoch(config: ProducerConfig, epoch: i16) -> Self {
        let mut bench = Self::new(config);
        bench.machine.handle_producer_id(Ok((9, epoch)), bench.now);
        for partition in 0..3 {
            let now = bench.now;
            bench.machine.handle_leader(&tp(partition), Some(1), now);
        }
        bench
    }

    fn try_send(&mut self, partition: i32, token: u64) -> Result<(), SendRefused> {
        let (tp, body, now) = (tp(partition), body(token), self.now);
        let joined = self.machine.join(&tp, &body, 1_000);
        let taken = match joined {
            Some(taken) => taken,
            None => self.machine.handle_send(&tp, &body, 1_000, now)?,
        };
        let batch = self.taken.entry(taken.batch).or_default();
        assert_eq!(batch.len(), taken.place as usize);
        batch.push(token);
        Ok(())
    }

    /// As many together as go.
    fn try_send_all(&mut self, partition: i32, tokens: &[u64]) -> Vec<Result<(), SendRefused>> {
        let bodies: Vec<_> = tokens.iter().map(|token| body(*token)).collect();
        let mut ends = Vec::new();
        while ends.len() < tokens.len() {
            let rest = bodies[ends.len()..].iter().map(BodyRef::from);
            if let Some((first, count)) = self.machine.join_all(&tp(partition), rest, 1_000) {
                let batch = self.taken.entry(first.batch).or_default();
                assert_eq!(batch.len(), first.place as usize);
                batch.extend(&tokens[ends.len()..][..count as usize]);
                ends.extend((0..count).map(|_| Ok(())));
            }
            if let Some(token) = tokens.get(ends.len()) {
                ends.push(self.try_send(partition, *token));
            }
        }
        ends
    }

    fn send(&mut self, partition: i32, tokens: impl IntoIterator<Item = u64>) {
        for token in tokens {
            self.try_send(partition, token).unwrap();
        }
    }

    /// Sends records and gets them into one request.
    fn launch(&mut self, partition: i32, tokens: impl IntoIterator<Item = u64>) -> Request {
        self.send(partition, tokens);
        self.machine.handle_flush(self.now);
        self.request()
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.machine.handle_timeout(self.now);
    }

    fn effects(&mut self) -> Vec<Effect> {
        std::iter::from_fn(|| self.machine.poll_effect()).collect()
    }

    /// The one request that comes out, with nothing else.
    fn request(&mut self) -> Request {
        let mut effects = self.effects();
        assert_eq!(effects.len(), 1, "{effects:?}");
        Request::of(effects.remove(0))
    }

    /// Lets the longest backoff pass, with fresh metadata, and takes the request that follows.
    fn retried(&mut self) -> Request {
        self.machine.handle_leaders(|_| Some(1), self.now);
        self.pass(BACKOFF_MAX);
        let mut effects = self.effects();
        effects.retain(|effect| *effect != Effect::RefreshMetadata);
        assert_eq!(effects.len(), 1, "{effects:?}");
        Request::of(effects.remove(0))
    }

    fn answer(&mut self, request: &Request, answers: Vec<PartitionAnswer>) {
        let id = request.id;
        self.machine
            .handle_produce_response(id, Ok(answers), self.now);
    }

    /// Answers a request of one partition with a code.
    fn answer_code(&mut self, request: &Request, code: ErrorCode) {
        let partition = request.batches[0].partition.partition;
        self.answer(request, vec![coded(partition, code)]);
    }

    fn silence(&mut self, request: &Request, failure: RequestFailure) {
        let id = request.id;
        self.machine
            .handle_produce_response(id, Err(failure), self.now);
    }

    /// The records whose end is told here.
    fn ends(&self, effect: &Effect) -> Ends {
        let Effect::Done {
            batch,
            places,
            result,
        } = effect
        else {
            return Vec::new();
        };
        let end = |place: u32| {
            let acked = |stored: Stored| stored.record(place - places.start, 1_000);
            let token = self.taken[batch][place as usize];
            (token, result.clone().map(acked))
        };
        places.clone().map(end).collect()
    }

    /// What comes out, which is nothing but ends of records.
    fn done(&mut self) -> Ends {
        let (done, others) = self.done_and_others();
        assert_eq!(others, [], "where only ends of records should come");
        done
    }

    /// The ends of records, and what else comes out.
    fn done_and_others(&mut self) -> (Ends, Vec<Effect>) {
        let effects = self.effects();
        let done = effects.iter().flat_map(|effect| self.ends(effect));
        let done = done.collect();
        let is_end = |effect: &Effect| matches!(effect, Effect::Done { .. });
        let others = effects.into_iter().filter(|effect| !is_end(effect));
        (done, others.collect())
    }

    /// The tokens that end here, all acknowledged.
    fn acked(&mut self) -> Vec<u64> {
        let acked = |(token, result): (u64, Result<_, _>)| result.map(|_: Acked| token).unwrap();
        self.done().into_iter().map(acked).collect()
    }

    /// The tokens that end here, all failed, and whether in doubt.
    fn failed(&mut self) -> Vec<(u64, bool)> {
        let failed = |(token, result): (u64, Result<Acked, ProduceFailure>)| {
            (token, result.unwrap_err().in_doubt)
        };
        self.done().into_iter().map(failed).collect()
    }
}

/// An [`Effect::Produce`] taken apart.
#[derive(Debug)]
struct Request {
    id: RequestId,
    node: i32,
    batches: Vec<BatchOut>,
}

impl Request {
    fn of(effect: Effect) -> Self {
        match effect {
            Effect::Produce {
                request: id,
                node,
                batches,
            } => Self { id, node, batches },
            other => panic!("{other:?} is no request"),
        }
    }

    /// Partition, first sequence number and tokens of each batch.
    fn summary(&self) -> Vec<(i32, i32, Vec<u64>)> {
        let summary = |batch: &BatchOut| {
            let base_sequence = batch.stamp.base_sequence;
            (batch.partition.partition, base_sequence, tokens(batch))
        };
        self.batches.iter().map(summary).collect()
    }

    /// Producer id, epoch and first sequence number of its one batch.
    fn stamp(&self) -> (i64, i16, i32) {
        let stamp = self.batches[0].stamp;
        (stamp.id, stamp.epoch, stamp.base_sequence)
    }
}

fn coded(partition: i32, code: ErrorCode) -> PartitionAnswer {
    PartitionAnswer {
        partition: tp(partition),
        code,
        base_offset: -1,
        log_append_time: -1,
        record_errors: Vec::new(),
        message: None,
    }
}

fn stored(partition: i32, base_offset: i64) -> PartitionAnswer {
    PartitionAnswer {
        base_offset,
        ..coded(partition, ErrorCode::NONE)
    }
}
