//! What a transaction has written to, and whether it may.

use std::time::Instant;

use super::machine::Transactions;
use super::state::TransactionState;
use super::words::{Place, Producer};
use crate::wire::ErrorCode;

impl Transactions {
    /// Has a transaction write to more places. The first ones begin it.
    ///
    /// # Errors
    ///
    /// `INVALID_PRODUCER_ID_MAPPING`, `PRODUCER_FENCED`, or `CONCURRENT_TRANSACTIONS` while the
    /// transaction before is not quite over.
    pub(in crate::broker) fn add(
        &mut self,
        id: &str,
        producer: Producer,
        places: impl IntoIterator<Item = Place>,
        now: Instant,
    ) -> Result<(), ErrorCode> {
        let transaction = self.get(id)?;
        if transaction.state.is_ending() {
            return Err(ErrorCode::CONCURRENT_TRANSACTIONS);
        }
        transaction.identify(producer)?;
        if transaction.state != TransactionState::Ongoing {
            transaction.state = TransactionState::Ongoing;
            transaction.begun_at = Some(now);
        }
        transaction.places.extend(places);
        transaction.previous_id = transaction.producer.id;
        transaction.updated_at = now;
        Ok(())
    }

    /// Says whether a transaction may write to a place.
    ///
    /// # Errors
    ///
    /// `INVALID_PRODUCER_ID_MAPPING`, `PRODUCER_FENCED`, `CONCURRENT_TRANSACTIONS` for one that is
    /// ending, or `TRANSACTION_ABORTABLE` where the place was not added.
    pub(in crate::broker) fn verify(
        &self,
        id: &str,
        producer: Producer,
        place: &Place,
    ) -> Result<(), ErrorCode> {
        let found = self.all.get(id);
        let transaction = found.ok_or(ErrorCode::INVALID_PRODUCER_ID_MAPPING)?;
        transaction.identify(producer)?;
        if transaction.state.is_ending() {
            return Err(ErrorCode::CONCURRENT_TRANSACTIONS);
        }
        if transaction.places.contains(place) {
            Ok(())
        } else {
            Err(ErrorCode::TRANSACTION_ABORTABLE)
        }
    }
}
