//! What the coordinators' answers, and their silence, do to the transaction.

use std::sync::Arc;
use std::time::Instant;

use super::asking::Step;
use super::vocabulary::{Answer, AskFailure, Attempt, Coordinator, Question};
use super::{State, TransactionMachine};
use crate::producer::ProduceFailure;
use crate::wire::ErrorCode;

/// What to do about a question that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ruling {
    /// Ask again after a wait.
    Retry,
    /// The transaction can only be aborted.
    Abort,
    /// The producer can't go on.
    Fatal,
}

impl TransactionMachine {
    /// Answers [`Effect::FindCoordinator`](super::Effect::FindCoordinator): the shell knows the
    /// coordinator now.
    pub fn handle_coordinator(
        &mut self,
        attempt: Attempt,
        found: Result<(), AskFailure>,
        now: Instant,
    ) {
        self.observe(now);
        let Some(Step::Find(coordinator)) = self.asking.take(attempt) else {
            return;
        };
        match found {
            Ok(()) => match coordinator {
                Coordinator::Transaction => self.coordinator_known = true,
                Coordinator::Group(group) => self.group_known = Some(group),
            },
            Err(failure) => self.handle_not_found(&coordinator, &failure),
        }
    }

    /// Only a group's can be done without: a transaction is ended by its own coordinator.
    fn handle_not_found(&mut self, coordinator: &Coordinator, failure: &AskFailure) {
        let (doing, of_group) = match coordinator {
            Coordinator::Transaction => ("finding the transaction coordinator".to_owned(), false),
            Coordinator::Group(group) => {
                (format!("finding the coordinator of group {group}"), true)
            }
        };
        match rule(None, failure) {
            Ruling::Fatal => self.fail(told(&doing, failure)),
            Ruling::Abort if of_group && self.may_be_committed() => {
                self.doom(told(&doing, failure));
            }
            Ruling::Retry | Ruling::Abort => self.ask_again(&doing, failure),
        }
    }

    /// Answers [`Effect::Ask`](super::Effect::Ask).
    pub fn handle_answer(
        &mut self,
        attempt: Attempt,
        answer: Result<Answer, AskFailure>,
        now: Instant,
    ) {
        self.observe(now);
        let Some(Step::Ask(question)) = self.asking.take(attempt) else {
            return;
        };
        match answer {
            Ok(answer) => {
                self.asking.succeed();
                self.handle_success(question, answer);
            }
            Err(failure) => self.handle_failure(&question, &failure),
        }
    }

    fn may_be_committed(&self) -> bool {
        matches!(self.state, State::InTransaction | State::Committing)
    }

    fn handle_success(&mut self, question: Question, answer: Answer) {
        match question {
            Question::InitProducerId(_) => {
                let Answer::Producer(producer, protocol) = answer else {
                    let none = AskFailure::Silent("no id was given".into());
                    return self.handle_failure(&question, &none);
                };
                self.producer = Some(producer);
                self.protocol = protocol;
                self.set_state(State::Ready);
            }
            Question::AddPartitions(_, partitions) => {
                self.open.enlisting.retain(|it| !partitions.contains(it));
                self.records.handle_enlisted(&partitions, self.now);
            }
            Question::AddOffsets(_, group) => {
                self.open.groups.insert(group);
            }
            // Where the transaction was given up meanwhile, so were they.
            Question::CommitOffsets(..) => {
                if let Some(done) = self.open.offsets.pop_front() {
                    self.offsets_done(done.token, Ok(()));
                }
            }
            Question::EndTxn { .. } => self.finish(Some(answer)),
        }
    }

    fn handle_failure(&mut self, question: &Question, failure: &AskFailure) {
        self.lose_coordinator(question, failure);
        let doing = describe(question);
        let commits = matches!(question, Question::EndTxn { commit: true, .. });
        match rule(Some(question), failure) {
            Ruling::Retry => {
                self.open.commit_in_doubt |= commits && may_have_ended(failure);
                self.ask_again(doing, failure);
            }
            Ruling::Abort if !self.may_be_committed() => {
                self.go_on_aborting(question, failure);
            }
            Ruling::Abort => {
                let mut why = told(doing, failure);
                why.in_doubt =
                    commits && self.open.commit_in_doubt && !tells_not_committed(failure);
                self.open.unknown_to_coordinator |= is_unknown(failure);
                self.doom(why);
            }
            Ruling::Fatal => self.fail(told(doing, failure)),
        }
    }

    /// There is nothing to abort, or nobody who would: the next epoch shuts out what is left.
    fn go_on_aborting(&mut self, question: &Question, failure: &AskFailure) {
        self.open.next_epoch = true;
        self.open.unknown_to_coordinator |= is_unknown(failure);
        if matches!(question, Question::EndTxn { .. }) {
            self.finish(None);
        }
    }

    fn ask_again(&mut self, doing: &str, failure: &AskFailure) {
        let soon = failure.code() == Some(ErrorCode::CONCURRENT_TRANSACTIONS);
        let why = told(doing, failure).message;
        self.asking.fail(why, soon, self.now);
    }

    /// Whoever did not answer as a coordinator may not be it any more.
    fn lose_coordinator(&mut self, question: &Question, failure: &AskFailure) {
        let lost = match failure {
            AskFailure::Code(code) => {
                code.finds_coordinator_again() || *code == ErrorCode::REQUEST_TIMED_OUT
            }
            AskFailure::NotSent(_) | AskFailure::Silent(_) => true,
            AskFailure::Unsupported(_) => false,
        };
        match question {
            _ if !lost => {}
            Question::CommitOffsets(..) => self.group_known = None,
            _ => self.coordinator_known = false,
        }
    }

    pub(super) fn offsets_done(&mut self, token: u64, result: Result<(), ProduceFailure>) {
        let done = super::Effect::OffsetsDone { token, result };
        self.effects.push_back(done);
    }
}

impl AskFailure {
    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Code(code) => Some(*code),
            _ => None,
        }
    }
}

/// What a failure means to the question; without one it is of finding a coordinator.
fn rule(question: Option<&Question>, failure: &AskFailure) -> Ruling {
    let code = match failure {
        AskFailure::NotSent(_) | AskFailure::Silent(_) => return Ruling::Retry,
        AskFailure::Unsupported(_) => return Ruling::Fatal,
        AskFailure::Code(code) => *code,
    };
    let of_group = matches!(question, Some(Question::CommitOffsets(..)));
    match code {
        code if code.is_retriable() => Ruling::Retry,
        // Whether it has ended, or what the next epoch is, has to be known.
        ErrorCode::UNKNOWN_SERVER_ERROR if has_to_be_known(question) => Ruling::Retry,
        // The transaction's own coordinator knows who took over; older ones say it so.
        ErrorCode::INVALID_PRODUCER_EPOCH if !of_group => Ruling::Fatal,
        _ if matches!(question, Some(Question::InitProducerId(_))) => Ruling::Fatal,
        code if code.aborts_transaction() => Ruling::Abort,
        _ => Ruling::Fatal,
    }
}

fn has_to_be_known(question: Option<&Question>) -> bool {
    let wanted =
        |it: &Question| matches!(it, Question::InitProducerId(_) | Question::EndTxn { .. });
    question.is_none_or(wanted)
}

/// True where the coordinator may have begun to end the transaction all the same.
fn may_have_ended(failure: &AskFailure) -> bool {
    match failure {
        AskFailure::NotSent(_) | AskFailure::Unsupported(_) => false,
        AskFailure::Silent(_) => true,
        AskFailure::Code(code) => *code != ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
    }
}

/// True where a coordinator that had committed the transaction would not have answered so.
fn tells_not_committed(failure: &AskFailure) -> bool {
    let codes = [
        ErrorCode::INVALID_TXN_STATE,
        ErrorCode::TRANSACTION_ABORTABLE,
    ];
    failure.code().is_some_and(|code| codes.contains(&code))
}

/// True where the coordinator has dropped the producer id, and would end nothing for it.
fn is_unknown(failure: &AskFailure) -> bool {
    let codes = [
        ErrorCode::INVALID_PRODUCER_ID_MAPPING,
        ErrorCode::UNKNOWN_PRODUCER_ID,
    ];
    failure.code().is_some_and(|code| codes.contains(&code))
}

fn describe(question: &Question) -> &'static str {
    match question {
        Question::InitProducerId(_) => "asking for a transactional producer id",
        Question::AddPartitions(..) => "adding partitions to the transaction",
        Question::AddOffsets(..) => "adding a group's offsets to the transaction",
        Question::CommitOffsets(..) => "committing offsets with the transaction",
        Question::EndTxn { commit: true, .. } => "committing the transaction",
        Question::EndTxn { commit: false, .. } => "aborting the transaction",
    }
}

/// A failure as the application is told of it.
fn told(doing: &str, failure: &AskFailure) -> ProduceFailure {
    let (code, why): (_, Arc<str>) = match failure {
        AskFailure::Code(code) => (Some(*code), code.to_string().into()),
        AskFailure::Unsupported(why) => (Some(ErrorCode::UNSUPPORTED_VERSION), why.clone()),
        AskFailure::NotSent(why) | AskFailure::Silent(why) => (None, why.clone()),
    };
    ProduceFailure {
        code,
        message: format!("{doing}: {why}").into(),
        in_doubt: false,
        given_up: false,
    }
}
