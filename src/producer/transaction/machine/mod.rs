//! The transactional producer's decisions (KIP-98, KIP-360, KIP-447, KIP-890), as a pure machine
//! around that of the records, which says what is sent and what each answer means.
//!
//! ```text
//!                 begin                   begin
//!   Uninitialized ─────▶ Initializing ──▶ Ready ─────▶ InTransaction ── commit ──▶ Committing
//!                             ▲           ▲  ▲          │         │                 │   │
//!                             │           │  └──────────┼─────────┼──── committed ──┘   │ refused,
//!                   next epoch│   aborted │       abort │         │ error               │ or not all
//!                             │           │             ▼         ▼                     ▼ is written
//!                             └───────────┴───────── Aborting ◀── AbortableError ◀──────┘
//!                                                           abort
//!   each but Uninitialized and Ready ── fenced, forbidden, not supported ──▶ FatalError
//! ```
//!
//! # How it is driven
//! After each call the driver takes effects by [`TransactionMachine::poll_effect`] until there is
//! none, and calls [`TransactionMachine::handle_timeout`] at
//! [`TransactionMachine::poll_timeout`]. Each effect with an [`Attempt`] is answered once, with
//! the same attempt; answers to earlier ones are ignored.
//!
//! # Doubt
//! A batch without an answer goes out again under its stamp, offsets and questions to a
//! coordinator are asked again: all of these do nothing the second time. So does the end of a
//! transaction: a coordinator that has ended it answers the same question as it did before. It is
//! asked until it tells, for as long as the producer lives; who waits for the end is told after
//! `delivery.timeout.ms` that it is in doubt.
//!
//! After an error an epoch is not gone on with, since a late copy of what was given up could get
//! into the next transaction: brokers refuse what bears the epoch before.
//!
//! # Invariants
//! - One question to a coordinator is under way at a time, and it is asked again only after a wait.
//! - Nothing is asked to commit a transaction of which anything has failed, nor while anything of
//!   it is not acknowledged.
//! - The end is asked for once no produce request is under way: nothing of a transaction arrives
//!   after it.
//! - Each [`handle_begin`](TransactionMachine::handle_begin),
//!   [`handle_offsets`](TransactionMachine::handle_offsets) and end is answered, at the latest when
//!   `delivery.timeout.ms` has passed.

mod answers;
mod asking;
mod ending;
mod open;
mod state;
mod steps;
#[cfg(test)]
mod tests;
mod vocabulary;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

pub use state::State;
pub use vocabulary::{
    Answer, AskFailure, Attempt, Coordinator, Effect, ProducerEpoch, Protocol, Question,
    TransactionalConfig,
};

use self::asking::Asking;
use self::open::{Offsets, Open};
use crate::group::GroupOffsets;
use crate::producer::sequence::Sequence;
use crate::producer::{self, ProduceFailure, ProducerConfig, ProducerMachine};

/// A transactional producer. See the [module](self) for its states and what always holds.
#[derive(Debug)]
pub struct TransactionMachine {
    records: ProducerMachine,
    config: ProducerConfig,
    now: Instant,
    state: State,
    asking: Asking,
    /// The coordinator of the transactional id is known, as far as anybody has told.
    coordinator_known: bool,
    /// The group whose coordinator was found last.
    group_known: Option<Arc<str>>,
    producer: Option<ProducerEpoch>,
    protocol: Protocol,
    /// Until when a begin waits.
    begin_by: Option<Instant>,
    /// The transaction that is open, or the one before.
    open: Open,
    failure: Option<ProduceFailure>,
    effects: VecDeque<Effect>,
}

impl TransactionMachine {
    /// Makes a producer that knows nothing yet; `seed` is for the jitter of its waits.
    pub fn new(config: ProducerConfig, seed: u64, now: Instant) -> Self {
        let config = config.bounded();
        Self {
            records: ProducerMachine::transactional(config.clone(), seed, now),
            asking: Asking::new(&config, seed),
            config,
            now,
            state: State::Uninitialized,
            coordinator_known: false,
            group_known: None,
            producer: None,
            protocol: Protocol::Announced,
            begin_by: None,
            open: Open::default(),
            failure: None,
            effects: VecDeque::new(),
        }
    }

    /// The machine of the records, for what it is told and asked by the shell.
    pub fn records(&mut self) -> &mut ProducerMachine {
        &mut self.records
    }

    /// Opens a transaction as soon as the one before has ended: [`Effect::Begun`].
    pub fn handle_begin(&mut self, now: Instant) {
        self.observe(now);
        if let Some(failure) = &self.failure {
            self.effects.push_back(Effect::Begun(Err(failure.clone())));
            return;
        }
        self.begin_by = Some(self.now + self.config.delivery_timeout);
        if self.state == State::Uninitialized {
            self.set_state(State::Initializing);
        }
    }

    /// Takes offsets into the transaction. `token` names them in their [`Effect::OffsetsDone`].
    pub fn handle_offsets(&mut self, offsets: GroupOffsets, token: u64, now: Instant) {
        self.observe(now);
        if self.state == State::InTransaction {
            let deadline = self.now + self.config.delivery_timeout;
            self.open.offsets.push_back(Offsets {
                offsets,
                token,
                deadline,
            });
        } else {
            let result = Err(self.why_not());
            self.effects
                .push_back(Effect::OffsetsDone { token, result });
        }
    }

    /// Commits the transaction once all of it is written: [`Effect::Ended`].
    pub fn handle_commit(&mut self, now: Instant) {
        self.observe(now);
        self.open.end_by = Some(self.now + self.config.delivery_timeout);
        match self.state {
            State::InTransaction => {
                self.set_state(State::Committing);
                self.records.handle_flush(self.now);
            }
            State::AbortableError => {
                self.end(Err(self.why_not()));
                self.abort();
            }
            _ => self.end(Err(self.why_not())),
        }
    }

    /// Aborts the transaction: [`Effect::Ended`].
    pub fn handle_abort(&mut self, now: Instant) {
        self.observe(now);
        self.open.end_by = Some(self.now + self.config.delivery_timeout);
        match self.state {
            State::InTransaction | State::AbortableError => self.abort(),
            _ => self.end(Err(self.why_not())),
        }
    }

    /// Does what has become due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.observe(now);
        self.records.handle_timeout(self.now);
        self.asking.handle_timeout(self.now);
        if self.begin_by.take_if(|at| *at <= self.now).is_some() {
            let failure = self.late("no transaction could be opened");
            self.effects.push_back(Effect::Begun(Err(failure)));
        }
        let offsets_by = self.open.offsets.front().map(|it| it.deadline);
        if offsets_by.is_some_and(|at| at <= self.now) {
            let failure = self.late("the offsets were not committed");
            self.doom(failure);
        }
        if self.open.end_by.take_if(|at| *at <= self.now).is_some() {
            self.end_is_late();
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next, unless another event
    /// comes first. To be asked once [`poll_effect`](Self::poll_effect) has nothing more.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let offsets_by = self.open.offsets.front().map(|it| it.deadline);
        let records = self.records.poll_timeout();
        let waits = [
            records,
            self.begin_by,
            offsets_by,
            self.open.end_by,
            self.asking.not_before(),
        ];
        waits.into_iter().flatten().min()
    }

    /// The next thing to do, or `None` until the next event.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        loop {
            if let Some(effect) = self.effects.pop_front() {
                return Some(effect);
            }
            if let Some(effect) = self.records.poll_effect() {
                if let Some(effect) = self.handle_records(effect) {
                    return Some(effect);
                }
            } else if !self.proceed() {
                return None;
            }
        }
    }

    /// Where the producer stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// How transactions are spoken with this cluster; settled before the first is open.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Passes on what the records' machine asks for, or handles it here.
    fn handle_records(&mut self, effect: producer::Effect) -> Option<Effect> {
        match &effect {
            producer::Effect::Enlist(partitions) => {
                self.open.enlisting.extend(partitions.iter().cloned());
                return None;
            }
            // Whoever is written to takes the partition into the transaction.
            producer::Effect::Produce { .. } => self.open.started = true,
            producer::Effect::Done {
                result: Err(failure),
                ..
            } => self.handle_record_failure(failure.clone()),
            _ => {}
        }
        Some(Effect::Records(effect))
    }

    fn handle_record_failure(&mut self, failure: ProduceFailure) {
        self.open.next_epoch |= failure.in_doubt;
        match self.records.failure().cloned() {
            Some(fatal) if self.state != State::FatalError => self.fail(fatal),
            // In doubt is the record, not the transaction.
            _ => self.doom(ProduceFailure {
                in_doubt: false,
                ..failure
            }),
        }
    }

    fn set_state(&mut self, state: State) {
        let legal = state.predecessors().contains(&self.state);
        debug_assert!(legal, "{state:?} after {:?}", self.state);
        self.state = state;
    }

    /// Time never goes back, whatever the order in which the shell took it.
    fn observe(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    fn first_sequence(&self) -> Option<Sequence> {
        let producer = self.producer?;
        Some(Sequence::new(producer.id, producer.epoch))
    }
}
