//! The idempotent producer's decisions, as a pure machine: what is sent when, and what each
//! answer means. Time comes in as an argument and jitter from a seed; bytes are moved by the
//! shell, which does what [`ProducerMachine::poll_effect`] asks for.
//!
//! # A batch's way
//!
//! ```text
//!            handle_send
//!                │            full, lingered, flushed,
//!                ▼             leader and id known
//!   ┌──────── Queued ─────────────────────────────► InFlight ──stored──► Done(Ok)
//!   │            ▲                                  ▲  │  │
//!   │            │ too large: two halves            │  │  │ retriable code, no answer,
//!   │            │ bad records: the others          │  │  │ sequence or id refused
//!   │            └──────────────────────────────────┼──┘  ▼
//!   │                                               └── BackingOff
//!   │ delivery timeout                         backoff over   │
//!   ▼                                                         │
//! Done(Err) ◄── delivery timeout, rejected, fatal ────────────┘  (and from InFlight)
//! ```
//!
//! Records are encoded as they are taken in; what a batch was written as is what is sent. An
//! answer to a batch that is not in flight in that request is ignored: the batch was failed by its
//! delivery timeout meanwhile.
//!
//! # Order
//!
//! A batch gets its stamp, and with it its sequence numbers, when it is first sent: each in the
//! order of its partition's queue, and where the one before it ends. So up to five are in flight
//! (`max.in.flight.requests.per.connection`), as many as brokers keep in mind to tell a duplicate
//! (KIP-98): one that overtakes another on the way is refused by its number.
//!
//! Once one of them has to be sent again, nothing more goes out before all in flight are answered;
//! then those that are left are sent again from the first on, one at a time, each under the stamp
//! that it has. A broker that knows nothing of the producer takes any number for the first, and so
//! the second of two batches without the first: as long as a partition has not answered since its
//! queue was empty, one batch is in flight.
//!
//! # Duplicates and doubt
//!
//! Where nobody can say whether a batch is in the log (no answer; a code that may follow the
//! append), it goes out again under the same stamp, until the broker answers by the stamp. If it
//! never does, the records fail with `in_doubt`, and the partition goes on in a new epoch
//! (KIP-360), so that its next batch can't be taken for the lost one, and a late copy of the lost
//! one can't get in behind it.
//!
//! A batch that fails and is not in the log leaves its numbers to those behind it: once nothing is
//! in flight these are numbered anew from there, or in a new epoch where one of them may be in the
//! log.
//!
//! # Invariants
//! - A batch that may be in the log is never sent with another stamp, nor divided.
//! - A stamp is never given to a second batch once a batch bearing it may be in the log.
//! - A batch that was sent before goes out again as the first of its partition, and alone.
//! - No batch is numbered while the numbering waits to begin anew, nor does it begin anew while
//!   one is in flight.
//! - Every accepted record gets exactly one [`Effect::Done`], at the latest when its delivery
//!   timeout has passed, and counts for the buffer until then.
//! - [`ProducerMachine::handle_timeout`] at the time of [`ProducerMachine::poll_timeout`] always
//!   makes progress, and between two events only finitely many effects come out.

mod agenda;
mod answers;
mod batch;
mod identity;
mod intake;
mod numbering;
mod outcome;
mod partition;
mod ruling;
mod sending;
mod spares;
#[cfg(test)]
mod tests;
mod transactional;
mod vocabulary;

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use agenda::{Agenda, Place};
use identity::Identity;
use partition::Partition;
use sending::Sent;
use spares::Spares;
use transactional::Transaction;
pub use vocabulary::{
    Acked, BatchId, BatchOut, Effect, PartitionAnswer, ProduceFailure, ProducerConfig,
    RequestFailure, RequestId, SendRefused, Stored, Taken,
};

use super::backoff::{Backoff, Pace};
use super::sequence::Sequence;
use crate::wire::{TopicPartition, same_name};

/// The idempotent producer. See the [module](self) for its states and what always holds.
#[derive(Debug)]
pub struct ProducerMachine {
    config: ProducerConfig,
    now: Instant,
    partitions: Vec<Partition>,
    index: HashMap<TopicPartition, usize>,
    /// The partition of the last record: most records go where the one before went.
    last: usize,
    agenda: Agenda,
    identity: Identity,
    metadata_pace: Pace,
    backoff: Backoff,
    requests: HashMap<RequestId, Sent>,
    /// How many requests are under way to each node.
    under_way: HashMap<i32, usize>,
    last_request: u64,
    last_batch: u64,
    effects: VecDeque<Effect>,
    buffered_bytes: usize,
    spares: Spares,
    closed: bool,
    failure: Option<ProduceFailure>,
    /// There where records are sent in transactions only.
    transaction: Option<Transaction>,
}

impl ProducerMachine {
    /// Makes a producer that knows nothing yet; `seed` is for the jitter of its backoffs.
    pub fn new(config: ProducerConfig, seed: u64, now: Instant) -> Self {
        let config = config.bounded();
        let backoff = Backoff::new(config.retry_backoff, config.retry_backoff_max, seed);
        Self {
            config,
            now,
            partitions: Vec::new(),
            index: HashMap::new(),
            last: 0,
            agenda: Agenda::default(),
            identity: Identity::default(),
            metadata_pace: Pace::default(),
            backoff,
            requests: HashMap::new(),
            under_way: HashMap::new(),
            last_request: 0,
            last_batch: 0,
            effects: VecDeque::new(),
            buffered_bytes: 0,
            spares: Spares::default(),
            closed: false,
            failure: None,
            transaction: None,
        }
    }

    /// True where the partition was heard of before.
    pub fn knows(&self, partition: &TopicPartition) -> bool {
        self.is_last(partition) || self.index.contains_key(partition)
    }

    /// Learns a partition's leader, or that it has none. To be told before a partition's first
    /// record, which otherwise waits for a round of metadata.
    pub fn handle_leader(&mut self, partition: &TopicPartition, leader: Option<i32>, now: Instant) {
        self.observe(now);
        let index = self.index_of(partition);
        self.partitions[index].leader = leader;
        self.settle(index);
    }

    /// Learns the leaders of all partitions in use from fresh metadata: the answer to
    /// [`Effect::RefreshMetadata`], and welcome at any time. After a fetch that failed there is
    /// nothing to tell.
    pub fn handle_leaders(
        &mut self,
        leader_of: impl Fn(&TopicPartition) -> Option<i32>,
        now: Instant,
    ) {
        self.observe(now);
        for index in 0..self.partitions.len() {
            self.partitions[index].leader = leader_of(&self.partitions[index].name);
            self.settle(index);
        }
        if !self.agenda.has(Place::Leaderless) {
            self.metadata_pace.succeed();
        }
    }

    /// Sends everything that is queued without lingering. It is done when
    /// [`buffered_bytes`](Self::buffered_bytes) is 0, or when the records of interest are.
    pub fn handle_flush(&mut self, now: Instant) {
        self.observe(now);
        for index in 0..self.partitions.len() {
            self.partitions[index].close_last();
            self.settle(index);
        }
    }

    /// Takes no more records, and flushes.
    pub fn handle_close(&mut self, now: Instant) {
        self.closed = true;
        self.handle_flush(now);
    }

    /// Does what has become due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.observe(now);
        while let Some((at, index)) = self.agenda.next_alarm()
            && at <= self.now
        {
            self.expire(index);
            self.settle(index);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next, unless another event
    /// comes first. To be asked once [`poll_effect`](Self::poll_effect) has nothing more.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let alarm = self.agenda.next_alarm().map(|(at, _)| at);
        let wants_identity = self.agenda.has(Place::Unidentified);
        let identity = self.identity.retry_at().filter(|_| wants_identity);
        let wants_leader = self.agenda.has(Place::Leaderless);
        let metadata = self.metadata_pace.not_before().filter(|_| wants_leader);
        [alarm, identity, metadata].into_iter().flatten().min()
    }

    /// What records take up from [`handle_send`](Self::handle_send) to [`Effect::Done`].
    pub fn buffered_bytes(&self) -> usize {
        self.buffered_bytes
    }

    /// True where nothing is held, and nothing more is taken.
    pub fn is_over(&self) -> bool {
        self.closed && self.buffered_bytes == 0
    }

    /// Why the producer has ended, if it has: every record has failed, and none is accepted.
    pub fn failure(&self) -> Option<&ProduceFailure> {
        self.failure.as_ref()
    }

    /// Time never goes back, whatever the order in which the shell took it.
    fn observe(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    #[inline]
    fn find(&mut self, partition: &TopicPartition) -> Option<usize> {
        if !self.is_last(partition) {
            self.last = *self.index.get(partition)?;
        }
        Some(self.last)
    }

    fn index_of(&mut self, partition: &TopicPartition) -> usize {
        if let Some(index) = self.find(partition) {
            return index;
        }
        let index = self.partitions.len();
        let enlistment = self.first_enlistment();
        let new = Partition::new(partition.clone(), enlistment);
        self.partitions.push(new);
        self.agenda.add();
        self.index.insert(partition.clone(), index);
        index
    }

    #[inline]
    fn is_last(&self, partition: &TopicPartition) -> bool {
        let last = self.partitions.get(self.last);
        last.is_some_and(|Partition { name, .. }| {
            name.partition == partition.partition && same_name(&name.topic, &partition.topic)
        })
    }

    /// Puts a partition where it belongs, after whatever happened to it.
    fn settle(&mut self, index: usize) {
        let partition = &mut self.partitions[index];
        if partition.sequence.is_none() {
            partition.sequence = self.identity.first_sequence();
        }
        let (place, alarm) = partition.place(&self.config, self.now);
        self.agenda.set(index, place, alarm);
    }
}
