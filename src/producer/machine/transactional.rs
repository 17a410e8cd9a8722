//! Records that are sent in transactions: under an id and epoch from outside, each transaction as
//! a whole or not at all.
//!
//! Here nothing is mended: a batch that fails costs the transaction, and what comes after it begins
//! in another epoch. So a batch that may be in the log can't get into a later transaction.

use std::sync::Arc;
use std::time::Instant;

use super::agenda::Place;
use super::partition::Enlistment;
use super::vocabulary::{Effect, ProduceFailure, ProducerConfig};
use super::{ProducerMachine, Sequence};
use crate::wire::TopicPartition;

#[derive(Debug)]
pub(super) struct Transaction {
    /// Partitions are announced to a coordinator before they are written to.
    announced: bool,
    /// Why records are neither taken nor sent again.
    abandoned: Option<ProduceFailure>,
}

impl ProducerMachine {
    /// Makes a producer that sends records in transactions only, and asks for no id by itself.
    pub fn transactional(config: ProducerConfig, seed: u64, now: Instant) -> Self {
        let none_open = ProduceFailure {
            code: None,
            message: Arc::from("no transaction is open"),
            in_doubt: false,
            given_up: true,
        };
        let transaction = Transaction {
            announced: true,
            abandoned: Some(none_open),
        };
        Self {
            transaction: Some(transaction),
            ..Self::new(config, seed, now)
        }
    }

    /// Takes records from now on, for a new transaction. In another epoch than the last one's,
    /// each partition begins anew with `first`. Where partitions are `announced`, each waits for
    /// [`Effect::Enlist`] to be answered. To be called while nothing is held.
    pub fn handle_begin(&mut self, first: Sequence, announced: bool, now: Instant) {
        self.observe(now);
        debug_assert!(self.is_quiet() && self.buffered_bytes == 0);
        self.transaction = Some(Transaction {
            announced,
            abandoned: None,
        });
        self.identity.succeed(first);
        let enlistment = self.first_enlistment();
        for partition in &mut self.partitions {
            if partition.sequence.is_some_and(|it| !it.is_of(first)) {
                partition.sequence = None;
                partition.begin_numbering();
            }
            partition.enlistment = enlistment;
        }
        for index in 0..self.partitions.len() {
            self.settle(index);
        }
    }

    /// These partitions belong to the transaction.
    pub fn handle_enlisted(&mut self, partitions: &[TopicPartition], now: Instant) {
        self.observe(now);
        for partition in partitions {
            if let Some(&index) = self.index.get(partition) {
                self.partitions[index].enlistment = Enlistment::Done;
                self.settle(index);
            }
        }
    }

    /// Takes no more records until the next [`handle_begin`](Self::handle_begin), and fails those
    /// it has: at once or, where they are in flight, when they are answered and not in the log.
    pub fn handle_abandon(&mut self, why: &ProduceFailure, now: Instant) {
        self.observe(now);
        let Some(transaction) = &mut self.transaction else {
            return;
        };
        transaction.abandoned = Some(why.clone());
        for index in 0..self.partitions.len() {
            let mut at = 0;
            while let Some(batch) = self.partitions[index].queue.get(at) {
                if batch.is_in_flight() {
                    at += 1;
                    continue;
                }
                let failure = ProduceFailure {
                    in_doubt: batch.maybe_written,
                    ..why.clone()
                };
                self.fail_at(index, at, &failure);
            }
            self.restart_if_asked(index);
            self.settle(index);
        }
    }

    /// True where no produce request is under way.
    pub fn is_quiet(&self) -> bool {
        self.requests.is_empty()
    }

    pub(super) fn abandoned(&self) -> Option<&ProduceFailure> {
        self.transaction.as_ref()?.abandoned.as_ref()
    }

    pub(super) fn first_enlistment(&self) -> Enlistment {
        match &self.transaction {
            Some(transaction) if transaction.announced => Enlistment::Needed,
            _ => Enlistment::Done,
        }
    }

    pub(super) fn ask_to_enlist(&mut self) {
        let indices: Vec<usize> = self.agenda.at(Place::Unenlisted).collect();
        if indices.is_empty() {
            return;
        }
        let mut partitions = Vec::with_capacity(indices.len());
        for index in indices {
            self.partitions[index].enlistment = Enlistment::Asked;
            partitions.push(self.partitions[index].name.clone());
            self.settle(index);
        }
        self.effects.push_back(Effect::Enlist(partitions));
    }
}
