//! InitProducerId: a producer begins, and with that the one before it ends.

use std::time::{Duration, Instant};

use super::machine::{LAST_EPOCH, NONE, Transaction, Transactions};
use super::state::TransactionState;
use super::words::Producer;
use crate::wire::ErrorCode;

impl Transactions {
    /// The producer that may use the id from now on. `expected` is who asks, where it is one
    /// already and wants to go on after an error (KIP-360).
    ///
    /// # Errors
    ///
    /// `INVALID_TRANSACTION_TIMEOUT`, `CONCURRENT_TRANSACTIONS` where a transaction was ongoing,
    /// which is aborted, or is not quite over, `PRODUCER_FENCED`, or `POLICY_VIOLATION` where there
    /// are too many ids.
    pub(in crate::broker) fn init(
        &mut self,
        id: &str,
        timeout: Option<Duration>,
        expected: Option<Producer>,
        now: Instant,
    ) -> Result<Producer, ErrorCode> {
        let possible = timeout.filter(|it| !it.is_zero() && *it <= self.max_timeout);
        let timeout = possible.ok_or(ErrorCode::INVALID_TRANSACTION_TIMEOUT)?;
        self.make(id, now)?;
        let version = self.version;
        let Self {
            all, producer_ids, ..
        } = self;
        let found = all.get_mut(id);
        let transaction = found.ok_or(ErrorCode::INVALID_PRODUCER_ID_MAPPING)?;
        transaction.check_init(expected)?;
        if transaction.state == TransactionState::Ongoing {
            // The epoch of that is nobody's: who asks again gets the next one.
            transaction.fence(version, producer_ids, now);
            return Err(ErrorCode::CONCURRENT_TRANSACTIONS);
        }
        let is_next = expected.is_none_or(|it| it.epoch == transaction.producer.epoch);
        let fresh = (transaction.is_exhausted() && is_next).then(|| producer_ids.fresh());
        transaction.begin(fresh, expected.map(|it| it.epoch))?;
        transaction.state = TransactionState::Empty;
        transaction.timeout = timeout;
        transaction.begun_at = None;
        transaction.updated_at = now;
        Ok(transaction.producer)
    }
}

impl Transaction {
    fn check_init(&self, expected: Option<Producer>) -> Result<(), ErrorCode> {
        if self.state.is_ending() {
            return Err(ErrorCode::CONCURRENT_TRANSACTIONS);
        }
        let is_known = |producer: Producer| {
            let is_first = self.producer.epoch == NONE;
            let is_used_up = producer.id == self.previous_id && producer.epoch >= LAST_EPOCH;
            is_first || producer.id == self.producer.id || is_used_up
        };
        if expected.is_none_or(is_known) {
            Ok(())
        } else {
            Err(ErrorCode::PRODUCER_FENCED)
        }
    }

    /// Gives out the next epoch, or the present one again to who has asked for it before.
    fn begin(&mut self, fresh: Option<i64>, expected: Option<i16>) -> Result<(), ErrorCode> {
        let present = self.producer;
        let (producer, last_epoch) = match (fresh, expected) {
            (Some(id), expected) => {
                let last_epoch = expected.map_or(NONE, |_| present.epoch);
                (Producer { id, epoch: 0 }, last_epoch)
            }
            (None, None) => (present.next(), NONE),
            (None, Some(epoch)) if present.epoch == NONE || epoch == present.epoch => {
                (present.next(), present.epoch)
            }
            (None, Some(epoch)) if epoch == self.last_epoch => (present, self.last_epoch),
            (None, Some(_)) => return Err(ErrorCode::PRODUCER_FENCED),
        };
        self.previous_id = present.id;
        self.producer = producer;
        self.last_epoch = last_epoch;
        Ok(())
    }
}

impl Producer {
    /// The one that fences this one.
    pub(super) fn next(self) -> Self {
        Self {
            epoch: self.epoch.saturating_add(1),
            ..self
        }
    }
}
