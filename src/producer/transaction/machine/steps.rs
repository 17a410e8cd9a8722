//! What a coordinator is asked next.

use super::asking::Step;
use super::vocabulary::{Coordinator, Effect, Protocol, Question};
use super::{State, TransactionMachine};

impl TransactionMachine {
    /// Goes on as far as the state allows; false where nothing came of it.
    pub(super) fn proceed(&mut self) -> bool {
        if self.state == State::Ready && self.begin_by.take().is_some() {
            self.begin();
            return true;
        }
        if !self.asking.is_free(self.now) {
            return false;
        }
        let Some(question) = self.next_question() else {
            return self.ends_by_itself();
        };
        let effect = match self.unknown(&question) {
            Some(coordinator) => {
                let attempt = self.asking.begin(Step::Find(coordinator.clone()));
                Effect::FindCoordinator(attempt, coordinator)
            }
            None => {
                self.note_asked(&question);
                let attempt = self.asking.begin(Step::Ask(question.clone()));
                Effect::Ask(attempt, question)
            }
        };
        self.effects.push_back(effect);
        true
    }

    fn begin(&mut self) {
        let Some(first) = self.first_sequence() else {
            return;
        };
        self.set_state(State::InTransaction);
        self.open = super::Open::default();
        let announced = self.protocol == Protocol::Announced;
        self.records.handle_begin(first, announced, self.now);
        self.effects.push_back(Effect::Begun(Ok(())));
    }

    fn next_question(&self) -> Option<Question> {
        match self.state {
            State::Initializing => Some(Question::InitProducerId(self.producer)),
            State::InTransaction => self.next_part(),
            State::Committing => self.next_part().or_else(|| self.next_end(true)),
            State::Aborting => self.next_end(false),
            State::Uninitialized | State::Ready | State::AbortableError | State::FatalError => None,
        }
    }

    /// What belongs to the transaction and is not in it yet.
    fn next_part(&self) -> Option<Question> {
        let producer = self.producer?;
        if !self.open.enlisting.is_empty() {
            let partitions = self.open.enlisting.clone();
            return Some(Question::AddPartitions(producer, partitions));
        }
        let offsets = &self.open.offsets.front()?.offsets;
        let announced = self.open.groups.contains(&offsets.group);
        if self.protocol == Protocol::Announced && !announced {
            return Some(Question::AddOffsets(producer, offsets.group.clone()));
        }
        let offsets = offsets.clone();
        Some(Question::CommitOffsets(producer, offsets, self.protocol))
    }

    fn next_end(&self, commit: bool) -> Option<Question> {
        let wanted = self.open.started && !self.open.unknown_to_coordinator;
        let end = Question::EndTxn {
            producer: self.producer?,
            commit,
            protocol: self.protocol,
        };
        (wanted && self.is_quiet()).then_some(end)
    }

    /// Nothing of the transaction is on its way.
    fn is_quiet(&self) -> bool {
        self.records.is_quiet() && self.records.buffered_bytes() == 0
    }

    /// A transaction of which the coordinator knows nothing ends without it.
    fn ends_by_itself(&mut self) -> bool {
        let ending = matches!(self.state, State::Committing | State::Aborting);
        let known = self.open.started && !self.open.unknown_to_coordinator;
        let ends = ending && !known && self.is_quiet();
        if ends {
            self.finish(None);
        }
        ends
    }

    /// The coordinator that the question is for, where it has to be found first.
    fn unknown(&self, question: &Question) -> Option<Coordinator> {
        match question {
            Question::CommitOffsets(_, offsets, _) => {
                let known = self.group_known.as_ref() == Some(&offsets.group);
                (!known).then(|| Coordinator::Group(offsets.group.clone()))
            }
            _ => (!self.coordinator_known).then_some(Coordinator::Transaction),
        }
    }

    /// From now on the coordinator may have done it.
    fn note_asked(&mut self, question: &Question) {
        match question {
            Question::AddPartitions(..)
            | Question::AddOffsets(..)
            | Question::CommitOffsets(..) => {
                self.open.started = true;
            }
            Question::InitProducerId(_) | Question::EndTxn { .. } => {}
        }
    }
}
