//! How many bytes of fetched records there may be, wherever they are: waiting for the application
//! or in its hands.
//!
//! # Invariants
//!
//! - The bytes held, with those that fetches under way may bring, never exceed the budget by more
//!   than one share a partition; compressed records count as what they become once they are here.
//! - A partition of which nothing is held may always be fetched: one that is stuck with all of the
//!   budget starves no other.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::wire::TopicPartition;

/// The least that is asked for of a partition: two batches of a producer's default size.
const MIN_SHARE: usize = 32 << 10;

/// What a fetch may bring of each partition, where so many share the budget.
pub(super) fn share(budget: usize, most: usize, partitions: usize) -> usize {
    let fair = budget / partitions.max(1);
    fair.max(MIN_SHARE).min(most)
}

/// What is left of the budget while fetches are made up.
#[derive(Debug)]
pub(super) struct Room {
    share: usize,
    left: usize,
}

impl Room {
    /// `taken`: what is held and what may be on its way.
    pub(super) fn new(budget: usize, taken: usize, share: usize) -> Self {
        Self {
            share,
            left: budget.saturating_sub(taken),
        }
    }

    /// True if a partition of which so much is held may be fetched; its share is then taken.
    pub(super) fn admits(&mut self, held: usize) -> bool {
        match self.left.checked_sub(self.share) {
            Some(left) => {
                self.left = left;
                true
            }
            None => held == 0,
        }
    }
}

/// What is held of each partition.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger(Arc<Books>);

#[derive(Debug, Default)]
struct Books {
    held: Mutex<BTreeMap<TopicPartition, usize>>,
    returned: Notify,
}

impl Ledger {
    /// Enters bytes of a partition, until the loan is dropped.
    pub(super) fn lend(&self, partition: TopicPartition, bytes: usize) -> Loan {
        *self.0.held().entry(partition.clone()).or_default() += bytes;
        Loan {
            books: self.0.clone(),
            partition,
            bytes,
        }
    }

    /// What is held of a partition.
    pub(super) fn of(&self, partition: &TopicPartition) -> usize {
        self.0.held().get(partition).copied().unwrap_or(0)
    }

    /// What is held of all.
    pub(super) fn total(&self) -> usize {
        self.0.held().values().sum()
    }

    /// Resolves once bytes were returned since the last time. Cancel safe.
    pub(super) async fn returned(&self) {
        self.0.returned.notified().await;
    }
}

impl Books {
    fn held(&self) -> MutexGuard<'_, BTreeMap<TopicPartition, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes that are held, until this is dropped.
#[derive(Debug)]
pub(super) struct Loan {
    books: Arc<Books>,
    partition: TopicPartition,
    bytes: usize,
}

impl Drop for Loan {
    fn drop(&mut self) {
        let mut held = self.books.held();
        if let Some(bytes) = held.get_mut(&self.partition) {
            *bytes -= self.bytes;
            if *bytes == 0 {
                held.remove(&self.partition);
            }
        }
        drop(held);
        self.books.returned.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::consumer::testing::tp;

    #[test]
    fn a_share_is_fair_within_bounds() {
        const MB: usize = 1 << 20;
        assert_eq!(share(8 * MB, MB, 0), MB);
        assert_eq!(share(8 * MB, MB, 3), MB);
        assert_eq!(share(8 * MB, MB, 100), 8 * MB / 100);
        assert_eq!(share(8 * MB, MB, 100_000), MIN_SHARE);
        assert_eq!(share(8 * MB, 100, 3), 100);
    }

    #[test]
    fn a_partition_of_which_nothing_is_held_is_always_admitted() {
        let mut room = Room::new(100, 50, 20);
        let admitted = [5, 5, 5, 0, 0].map(|held| room.admits(held));
        assert_eq!(admitted, [true, true, false, true, true]);
    }

    #[test]
    fn a_loan_of_nothing_leaves_no_trace() {
        let ledger = Ledger::default();
        drop(ledger.lend(tp(0), 0));
        assert!(ledger.0.held().is_empty());
    }

    #[derive(Clone, Debug)]
    enum Op {
        /// Fetches begin for what is admitted, of these partitions.
        Ask(Vec<usize>),
        /// The oldest fetch brings this part of what it may, in hundredths.
        Arrive(usize),
        /// The application is done with one of the chunks it has.
        Finish(usize),
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            prop::collection::vec(0..PARTITIONS, 0..PARTITIONS).prop_map(Op::Ask),
            (0..=100_usize).prop_map(Op::Arrive),
            any::<usize>().prop_map(Op::Finish),
        ]
    }

    const PARTITIONS: usize = 8;

    proptest! {
        #[test]
        fn the_sum_is_the_budget_and_a_share_a_partition_at_most(
            budget in 0..500_000_usize,
            ops in prop::collection::vec(op(), 1..200),
        ) {
            let share = share(budget, 1 << 20, PARTITIONS);
            let ledger = Ledger::default();
            let (mut asked, mut loans) = (Vec::new(), Vec::new());
            for op in ops {
                match op {
                    Op::Ask(partitions) => {
                        let taken = ledger.total() + asked.len() * share;
                        let mut room = Room::new(budget, taken, share);
                        for p in partitions {
                            let starves = ledger.of(&tp(p as i32)) == 0;
                            if asked.contains(&p) {
                                continue;
                            }
                            let admitted = room.admits(ledger.of(&tp(p as i32)));
                            prop_assert!(admitted || !starves);
                            asked.extend(admitted.then_some(p));
                        }
                    }
                    Op::Arrive(part) if !asked.is_empty() => {
                        let partition = tp(asked.remove(0) as i32);
                        loans.push(ledger.lend(partition, share * part / 100));
                    }
                    Op::Finish(n) if !loans.is_empty() => {
                        loans.swap_remove(n % loans.len());
                    }
                    _ => {}
                }
                let sum = ledger.total() + asked.len() * share;
                prop_assert!(sum <= budget + share * PARTITIONS, "{sum}");
            }
            drop(loans);
            prop_assert_eq!(ledger.total(), 0);
        }
    }
}
