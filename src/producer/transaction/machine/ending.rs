//! How a transaction ends, and the producer.

use std::sync::Arc;

use super::vocabulary::{Answer, Effect, Protocol};
use super::{State, TransactionMachine};
use crate::producer::ProduceFailure;
use crate::wire::ErrorCode;

impl TransactionMachine {
    /// Something of the transaction has failed, or it is to be given up for another reason: it
    /// can only be aborted.
    pub(super) fn doom(&mut self, failure: ProduceFailure) {
        let committing = self.state == State::Committing;
        if !committing && self.state != State::InTransaction {
            return;
        }
        self.set_state(State::AbortableError);
        self.open.next_epoch = true;
        self.open.failure = Some(failure.clone());
        self.give_up(&failure);
        // Nobody is there any more to end it.
        if committing {
            self.end(Err(failure));
            self.abort();
        }
    }

    /// Begins to abort.
    pub(super) fn abort(&mut self) {
        self.set_state(State::Aborting);
        let failure = self.open.failure.clone().unwrap_or_else(aborted);
        self.give_up(&failure);
    }

    /// Fails what is not done yet. Who waits for the end is told by the caller.
    fn give_up(&mut self, failure: &ProduceFailure) {
        self.open.enlisting.clear();
        self.records.handle_abandon(failure, self.now);
        while let Some(offsets) = self.open.offsets.pop_front() {
            self.offsets_done(offsets.token, Err(failure.clone()));
        }
    }

    /// The coordinator has ended the transaction, or knows of none.
    pub(super) fn finish(&mut self, answer: Option<Answer>) {
        if let Some(Answer::Producer(producer, _)) = answer {
            self.producer = Some(producer);
        }
        let next_epoch = match answer {
            // As good as asking for it.
            Some(Answer::Producer(..)) => false,
            Some(Answer::Done) if self.protocol == Protocol::EpochEach => true,
            _ => self.open.next_epoch,
        };
        self.set_state(match next_epoch {
            true => State::Initializing,
            false => State::Ready,
        });
        self.end(Ok(()));
        self.open.started = false;
    }

    /// Whoever waits for the end has waited long enough. The transaction goes on to its end.
    pub(super) fn end_is_late(&mut self) {
        let mut failure = self.late("the transaction has not ended");
        if self.state == State::Committing
            && !self.asking.asks_to_commit()
            && !self.open.commit_in_doubt
        {
            self.doom(failure);
        } else {
            failure.in_doubt = self.state == State::Committing;
            self.effects.push_back(Effect::Ended(Err(failure)));
        }
    }

    /// Tells that the transaction has ended.
    pub(super) fn end(&mut self, result: Result<(), ProduceFailure>) {
        self.open.end_by = None;
        self.effects.push_back(Effect::Ended(result));
    }

    /// The producer ends, and with it what was asked of it. It ends once: of what was under way
    /// another answer may say the same.
    pub(super) fn fail(&mut self, failure: ProduceFailure) {
        if self.state == State::FatalError {
            return;
        }
        let failure = ProduceFailure {
            code: failure.code.map(as_of_today),
            in_doubt: false,
            ..failure
        };
        self.failure = Some(failure.clone());
        if self.begin_by.take().is_some() {
            let failure = failure.clone();
            self.effects.push_back(Effect::Begun(Err(failure)));
        }
        let ending = matches!(self.state, State::Committing | State::Aborting);
        let failure = ProduceFailure {
            in_doubt: self.state == State::Committing && self.open.commit_in_doubt,
            ..failure
        };
        self.set_state(State::FatalError);
        self.give_up(&failure);
        if ending {
            self.end(Err(failure));
        }
    }

    /// Why nothing can be done with the transaction.
    pub(super) fn why_not(&self) -> ProduceFailure {
        let failure = self.failure.as_ref().or(self.open.failure.as_ref());
        failure.cloned().unwrap_or_else(aborted)
    }

    /// What was asked for has not come in time.
    pub(super) fn late(&self, what: &str) -> ProduceFailure {
        let after = self.config.delivery_timeout;
        let why = self.asking.why();
        ProduceFailure {
            code: None,
            message: format!("{what} within {after:?}: {why}").into(),
            in_doubt: false,
            given_up: false,
        }
    }
}

/// Coordinators before Kafka 2.7 have no code of its own for a producer that was fenced.
fn as_of_today(code: ErrorCode) -> ErrorCode {
    match code {
        ErrorCode::INVALID_PRODUCER_EPOCH => ErrorCode::PRODUCER_FENCED,
        code => code,
    }
}

fn aborted() -> ProduceFailure {
    ProduceFailure {
        code: None,
        message: Arc::from("the transaction was aborted"),
        in_doubt: false,
        given_up: true,
    }
}
