//! The transaction coordinator (KIP-98, KIP-360, KIP-447, KIP-890). Pure.
//!
//! ```text
//!            the first partition or group                 EndTxn
//!  ┌───────┐ ────────────► ┌─────────┐ ──────────────► ┌───────────────┐
//!  │ Empty │               │ Ongoing │                 │ PrepareCommit │ ──┐
//!  └───────┘               └─────────┘ ──────────────► │ PrepareAbort  │   │
//!      ▲                        ▲     EndTxn, time is  └───────────────┘   │ every marker
//!      │ InitProducerId         │     over, another                        │ is written
//!      │                        │     InitProducerId                       ▼
//!      │                        │                      ┌────────────────────────────────┐
//!      └────────────────────────┴───────────────────── │ CompleteCommit, CompleteAbort  │
//!                        the next partition or group   └────────────────────────────────┘
//! ```
//!
//! [`Transactions`] has all transactional ids. A transaction that ends has a [`Marker`] for each
//! [`Place`] that it has written to; whoever writes one says so, and with the last of them the
//! transaction is complete.
//!
//! Clients of [transaction version 2](TransactionVersion::V2) get a new epoch with each end, so that
//! nothing of a transaction can come into the next one. Whether a client is one is told by the
//! version of each of its requests; the broker's own version counts where it ends a transaction by
//! itself.
//!
//! # Invariants
//!
//! - Only one producer of a transactional id may do anything: the one with the present id and epoch.
//! - The epoch only rises; before it could pass its end, the producer gets a new id.
//! - What was begun is ended, by the producer, by the next one or by time.
//! - Transactional ids have a limit.
//!
//! Left out: two-phase commit (KIP-939), and waiting: what Kafka keeps waiting for the markers of
//! the transaction before for a moment (Produce from version 12) is told `CONCURRENT_TRANSACTIONS`.
//! That is seen only while a partition has no leader, as markers are written at once.

mod add;
mod end;
mod init;
mod look;
mod machine;
mod state;
mod words;

#[cfg(test)]
mod tests;

pub(super) use machine::{Transaction, Transactions};
pub(super) use words::{Marker, Place, Producer};

pub use state::TransactionState;
pub use words::TransactionVersion;
