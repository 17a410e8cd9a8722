//! The end of a transaction: by its producer, by another, by time.

use std::time::Instant;

use super::machine::{LAST_EPOCH, NONE, ProducerIds, Transaction, Transactions};
use super::state::TransactionState;
use super::words::{Producer, TransactionVersion};
use crate::wire::ErrorCode;

/// What there is to do for who wants to end a transaction.
enum Step {
    /// It has ended so already: who asks has not heard of it.
    Told,
    /// It is to be ended.
    End,
}

impl Transactions {
    /// Ends a transaction. Answers who the producer is from now on.
    ///
    /// # Errors
    ///
    /// `INVALID_PRODUCER_ID_MAPPING`, `PRODUCER_FENCED`, `CONCURRENT_TRANSACTIONS` while it is
    /// ending, or `INVALID_TXN_STATE` where there is nothing to end, or it has ended the other way.
    pub(in crate::broker) fn end(
        &mut self,
        id: &str,
        producer: Producer,
        commits: bool,
        client: TransactionVersion,
        now: Instant,
    ) -> Result<Producer, ErrorCode> {
        let transaction = self.get(id)?;
        let step = match client {
            TransactionVersion::V0 => transaction.check_end(producer, commits)?,
            TransactionVersion::V2 => transaction.check_end_with_bump(producer, commits)?,
        };
        match step {
            Step::Told => Ok(transaction.producer),
            Step::End => {
                let Self {
                    all, producer_ids, ..
                } = self;
                let found = all.get_mut(id);
                let transaction = found.ok_or(ErrorCode::INVALID_PRODUCER_ID_MAPPING)?;
                Ok(transaction.end(commits, client, producer_ids, now))
            }
        }
    }
}

impl Transaction {
    /// Aborts an ongoing transaction, and lets its producer do nothing more.
    pub(super) fn fence(
        &mut self,
        version: TransactionVersion,
        producer_ids: &mut ProducerIds,
        now: Instant,
    ) {
        if version == TransactionVersion::V0 {
            self.producer = self.producer.next();
            self.last_epoch = NONE;
        }
        // From version 2 on every end does that, and what the producer has not heard of yet it can
        // still ask for.
        self.end(false, version, producer_ids, now);
    }

    /// Decides how the transaction ends; what is left are its markers. Answers who the producer is
    /// after them.
    fn end(
        &mut self,
        commits: bool,
        version: TransactionVersion,
        producer_ids: &mut ProducerIds,
        now: Instant,
    ) -> Producer {
        if self.state != TransactionState::Ongoing {
            self.begun_at = Some(now);
        }
        self.state = if commits {
            TransactionState::PrepareCommit
        } else {
            TransactionState::PrepareAbort
        };
        self.previous_id = self.producer.id;
        self.next_id = None;
        if version == TransactionVersion::V2 {
            self.next_id = self.is_exhausted().then(|| producer_ids.fresh());
            self.last_epoch = self.producer.epoch;
            self.producer = self.producer.next();
        }
        self.updated_at = now;
        let after = self.after_end();
        self.complete(now);
        after
    }

    fn after_end(&self) -> Producer {
        let next = self.next_id.map(|id| Producer { id, epoch: 0 });
        next.unwrap_or(self.producer)
    }

    /// Completes the transaction, if every marker is written.
    pub(super) fn complete(&mut self, now: Instant) {
        self.state = match self.state {
            _ if !self.places.is_empty() => return,
            TransactionState::PrepareCommit => TransactionState::CompleteCommit,
            _ => TransactionState::CompleteAbort,
        };
        self.previous_id = self.producer.id;
        self.producer = self.after_end();
        self.next_id = None;
        self.updated_at = now;
    }

    /// What there is to do for a client whose epoch stays the same.
    fn check_end(&self, producer: Producer, commits: bool) -> Result<Step, ErrorCode> {
        self.identify(producer)?;
        match (self.state, commits) {
            (TransactionState::Ongoing, _) => Ok(Step::End),
            (TransactionState::CompleteCommit, true) | (TransactionState::CompleteAbort, false) => {
                Ok(Step::Told)
            }
            (state, _) if state.is_ending() => Err(ErrorCode::CONCURRENT_TRANSACTIONS),
            _ => Err(ErrorCode::INVALID_TXN_STATE),
        }
    }

    /// The same for one that gets another epoch, by which it is seen whether it has heard of the
    /// last end. It may abort where there is nothing, to be sure that nothing of it comes late.
    fn check_end_with_bump(&self, producer: Producer, commits: bool) -> Result<Step, ErrorCode> {
        if self.state.is_ending() {
            return Err(ErrorCode::CONCURRENT_TRANSACTIONS);
        }
        let has_new_id = producer.id == self.previous_id
            && producer.epoch == LAST_EPOCH
            && self.producer.epoch == 0;
        if producer.id != self.producer.id && !has_new_id {
            return Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING);
        }
        let is_retry = has_new_id || producer.next().epoch == self.producer.epoch;
        let is_complete = !matches!(
            self.state,
            TransactionState::Ongoing | TransactionState::Empty
        );
        if producer.epoch != self.producer.epoch && !(is_complete && is_retry) {
            return Err(ErrorCode::PRODUCER_FENCED);
        }
        match (self.state, commits, is_retry) {
            (TransactionState::Ongoing, _, _) | (TransactionState::Empty, false, _) => {
                Ok(Step::End)
            }
            (TransactionState::CompleteCommit, true, true)
            | (TransactionState::CompleteAbort, false, true) => Ok(Step::Told),
            (TransactionState::CompleteCommit | TransactionState::CompleteAbort, false, false) => {
                Ok(Step::End)
            }
            _ => Err(ErrorCode::INVALID_TXN_STATE),
        }
    }
}
