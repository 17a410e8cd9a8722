//! All transactional ids, and what is known of each. What they do is in the files beside.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::state::TransactionState;
use super::words::{Marker, Place, Producer, TransactionVersion};
use crate::broker::BrokerConfig;
use crate::wire::ErrorCode;

/// A broker keeps no more transactional ids.
const MAX_IDS: usize = 10_000;
/// What a producer has for an epoch, or for an id, where there is none.
pub(super) const NONE: i16 = -1;
/// The last epoch that a producer is given; the one after that can still fence it.
pub(super) const LAST_EPOCH: i16 = i16::MAX - 1;

/// See the [module](super).
#[derive(Debug)]
pub(in crate::broker) struct Transactions {
    pub(super) all: BTreeMap<Arc<str>, Transaction>,
    pub(super) producer_ids: ProducerIds,
    /// The broker's own.
    pub(super) version: TransactionVersion,
    pub(super) max_timeout: Duration,
    pub(super) expiration: Duration,
}

/// Gives out ids that no producer had before.
#[derive(Debug, Default)]
pub(super) struct ProducerIds {
    next: i64,
}

/// What is known of one transactional id.
#[derive(Debug)]
pub(in crate::broker) struct Transaction {
    pub(super) state: TransactionState,
    pub(super) producer: Producer,
    /// The epoch that the present one was given for, so that who asks again can be told again; -1
    /// for none.
    pub(super) last_epoch: i16,
    /// The producer id before the last change of anything.
    pub(super) previous_id: i64,
    /// The producer id from the end of this transaction on, where the epochs are used up.
    pub(super) next_id: Option<i64>,
    pub(super) timeout: Duration,
    /// What has been written to, and has no marker yet.
    pub(super) places: BTreeSet<Place>,
    /// When this transaction, or the last one, began.
    pub(super) begun_at: Option<Instant>,
    pub(super) updated_at: Instant,
}

impl Transactions {
    pub(in crate::broker) fn new(config: &BrokerConfig) -> Self {
        Self {
            all: BTreeMap::new(),
            producer_ids: ProducerIds::default(),
            version: config.transaction_version.unwrap_or(TransactionVersion::V0),
            max_timeout: config.transaction_max_timeout,
            expiration: config.transactional_id_expiration,
        }
    }

    /// An id that no producer had before.
    pub(in crate::broker) fn fresh_producer_id(&mut self) -> i64 {
        self.producer_ids.fresh()
    }

    /// A transactional id that somebody says is theirs.
    ///
    /// # Errors
    ///
    /// `INVALID_PRODUCER_ID_MAPPING` where there is none.
    pub(super) fn get(&mut self, id: &str) -> Result<&mut Transaction, ErrorCode> {
        let found = self.all.get_mut(id);
        found.ok_or(ErrorCode::INVALID_PRODUCER_ID_MAPPING)
    }

    /// Sees to it that there is a transactional id.
    pub(super) fn make(&mut self, id: &str, now: Instant) -> Result<(), ErrorCode> {
        if self.all.contains_key(id) {
            return Ok(());
        }
        if self.all.len() >= MAX_IDS {
            return Err(ErrorCode::POLICY_VIOLATION);
        }
        let producer_id = self.fresh_producer_id();
        let made = Transaction::new(producer_id, now);
        self.all.insert(id.into(), made);
        Ok(())
    }

    /// The markers that are to be written.
    pub(in crate::broker) fn markers(&self) -> Vec<Marker> {
        let ending = self.all.iter().filter(|(_, it)| it.state.is_ending());
        let markers = ending.flat_map(|(id, transaction)| {
            transaction.places.iter().map(|place| Marker {
                transactional_id: id.clone(),
                producer: transaction.producer,
                place: place.clone(),
                commits: transaction.state == TransactionState::PrepareCommit,
            })
        });
        markers.collect()
    }

    /// A marker is written, or there is nothing any more to write it to.
    pub(in crate::broker) fn marked(&mut self, marker: &Marker, now: Instant) {
        let found = self.all.get_mut(&marker.transactional_id);
        if let Some(transaction) = found.filter(|it| it.state.is_ending()) {
            transaction.places.remove(&marker.place);
            transaction.complete(now);
        }
    }

    /// When something is due.
    pub(in crate::broker) fn poll_timeout(&self) -> Option<Instant> {
        let due = |transaction: &Transaction| transaction.due(self.expiration);
        self.all.values().filter_map(due).min()
    }

    /// Does what is due: a transaction that takes too long is aborted, an id that nobody uses is
    /// forgotten.
    pub(in crate::broker) fn handle_timeout(&mut self, now: Instant) {
        let expiration = self.expiration;
        let is_due = |transaction: &Transaction| {
            let due = transaction.due(expiration);
            due.is_some_and(|due| due <= now)
        };
        self.all.retain(|_, transaction| {
            let is_ongoing = transaction.state == TransactionState::Ongoing;
            if is_ongoing && is_due(transaction) {
                transaction.fence(self.version, &mut self.producer_ids, now);
            }
            is_ongoing || !is_due(transaction)
        });
    }
}

impl ProducerIds {
    pub(super) fn fresh(&mut self) -> i64 {
        let id = self.next;
        self.next += 1;
        id
    }
}

impl Transaction {
    fn new(producer_id: i64, now: Instant) -> Self {
        Self {
            state: TransactionState::Empty,
            producer: Producer {
                id: producer_id,
                epoch: NONE,
            },
            last_epoch: NONE,
            previous_id: NONE.into(),
            next_id: None,
            timeout: Duration::ZERO,
            places: BTreeSet::new(),
            begun_at: None,
            updated_at: now,
        }
    }

    /// Whether the producer can have no further epoch.
    pub(super) fn is_exhausted(&self) -> bool {
        self.producer.epoch >= LAST_EPOCH
    }

    /// Says whether somebody is the present producer.
    ///
    /// # Errors
    ///
    /// `INVALID_PRODUCER_ID_MAPPING` or `PRODUCER_FENCED`.
    pub(super) fn identify(&self, producer: Producer) -> Result<(), ErrorCode> {
        if producer.id != self.producer.id {
            return Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING);
        }
        if producer.epoch != self.producer.epoch {
            return Err(ErrorCode::PRODUCER_FENCED);
        }
        Ok(())
    }

    /// When it takes too long, or nobody has used it for too long.
    fn due(&self, expiration: Duration) -> Option<Instant> {
        match self.state {
            TransactionState::Ongoing => self.begun_at?.checked_add(self.timeout),
            state if state.is_ending() => None,
            _ => self.updated_at.checked_add(expiration),
        }
    }
}
