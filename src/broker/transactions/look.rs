//! Looking at transactions without changing them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::machine::{Transaction, Transactions};
use super::state::TransactionState;
use super::words::{Place, Producer};

impl Transactions {
    pub(in crate::broker) fn look(&self, id: &str) -> Option<&Transaction> {
        self.all.get(id)
    }

    pub(in crate::broker) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Transaction)> {
        self.all.iter()
    }
}

impl Transaction {
    pub(in crate::broker) fn state(&self) -> TransactionState {
        self.state
    }

    pub(in crate::broker) fn producer(&self) -> Producer {
        self.producer
    }

    pub(in crate::broker) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// When it, or the one before it, began.
    pub(in crate::broker) fn begun_at(&self) -> Option<Instant> {
        self.begun_at
    }

    /// What has been written to, and has no marker yet.
    pub(in crate::broker) fn places(&self) -> impl Iterator<Item = &Place> {
        self.places.iter()
    }
}

impl TransactionState {
    /// The state that Kafka calls so.
    pub(in crate::broker) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}
