//! Transactions, as a test wants to see them.

use crate::broker::Broker;
use crate::broker::transactions::{Place, Transaction, TransactionState};
use crate::wire::TopicPartition;

/// What is known of a transactional id at some moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionView {
    /// Where its transaction is in its life.
    pub state: TransactionState,
    /// The id of its producer.
    pub producer_id: i64,
    /// The producer's epoch: those before are fenced.
    pub producer_epoch: i16,
    /// The partitions that it has written to, as long as they have no marker.
    pub partitions: Vec<TopicPartition>,
    /// The groups whose offsets it commits, likewise.
    pub groups: Vec<String>,
}

impl Broker {
    /// What is known of a transactional id; none where nobody has used it, or it is forgotten.
    pub fn transaction(&self, id: &str) -> Option<TransactionView> {
        let state = self.shared.state();
        state.transactions.look(id).map(TransactionView::from)
    }

    /// Waits until there is a transactional id of this name that satisfies a condition.
    ///
    /// # Cancel safety
    ///
    /// The future can be dropped at any time.
    pub async fn wait_for_transaction(
        &self,
        id: &str,
        mut is_enough: impl FnMut(&TransactionView) -> bool,
    ) -> TransactionView {
        let mut changed = self.shared.groups_changed.subscribe();
        loop {
            if let Some(found) = self.transaction(id).filter(|it| is_enough(it)) {
                return found;
            }
            // The sender lives as long as this broker.
            let _ = changed.changed().await;
        }
    }
}

impl From<&Transaction> for TransactionView {
    fn from(transaction: &Transaction) -> Self {
        let producer = transaction.producer();
        let partitions = transaction.places().filter_map(|place| match place {
            Place::Partition(partition) => Some(partition.clone()),
            Place::Group(_) => None,
        });
        let groups = transaction.places().filter_map(|place| match place {
            Place::Partition(_) => None,
            Place::Group(group) => Some(group.to_string()),
        });
        Self {
            state: transaction.state(),
            producer_id: producer.id,
            producer_epoch: producer.epoch,
            partitions: partitions.collect(),
            groups: groups.collect(),
        }
    }
}
