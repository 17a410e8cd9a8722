//! The one question that is under way, and the wait before it is asked again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::vocabulary::{Attempt, Coordinator, Question};
use crate::producer::ProducerConfig;
use crate::producer::backoff::Backoff;

/// How soon to ask again while the transaction before is being completed: its markers are written
/// within a few milliseconds of the answer to its end.
pub(super) const SOON: Duration = Duration::from_millis(20);

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    Find(Coordinator),
    Ask(Question),
}

#[derive(Debug)]
pub(super) struct Asking {
    under_way: Option<(Attempt, Step)>,
    last_attempt: u64,
    not_before: Option<Instant>,
    failures: u32,
    last_failure: Option<Arc<str>>,
    backoff: Backoff,
}

impl Asking {
    pub(super) fn new(config: &ProducerConfig, seed: u64) -> Self {
        Self {
            under_way: None,
            last_attempt: 0,
            not_before: None,
            failures: 0,
            last_failure: None,
            backoff: Backoff::new(config.retry_backoff, config.retry_backoff_max, seed),
        }
    }

    /// True where nothing is under way, and nothing has to wait.
    pub(super) fn is_free(&self, now: Instant) -> bool {
        self.under_way.is_none() && self.not_before.is_none_or(|at| at <= now)
    }

    /// When the wait is over, if there is one.
    pub(super) fn not_before(&self) -> Option<Instant> {
        self.not_before.filter(|_| self.under_way.is_none())
    }

    /// Ends the wait, where it is over.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.not_before.take_if(|at| *at <= now);
    }

    pub(super) fn begin(&mut self, step: Step) -> Attempt {
        self.last_attempt += 1;
        self.not_before = None;
        let attempt = Attempt(self.last_attempt);
        self.under_way = Some((attempt, step));
        attempt
    }

    /// Takes what is under way, if it is this attempt.
    pub(super) fn take(&mut self, attempt: Attempt) -> Option<Step> {
        let (_, step) = self.under_way.take_if(|(it, _)| *it == attempt)?;
        Some(step)
    }

    /// True while a coordinator is being asked to commit.
    pub(super) fn asks_to_commit(&self) -> bool {
        let under_way = self.under_way.as_ref().map(|(_, step)| step);
        matches!(
            under_way,
            Some(Step::Ask(Question::EndTxn { commit: true, .. }))
        )
    }

    pub(super) fn succeed(&mut self) {
        self.failures = 0;
        self.last_failure = None;
    }

    /// The question is asked again after a wait: a short one where it is known to do.
    pub(super) fn fail(&mut self, why: Arc<str>, soon: bool, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        self.last_failure = Some(why);
        let wait = self.backoff.delay(self.failures);
        self.not_before = Some(now + if soon { wait.min(SOON) } else { wait });
    }

    /// Why there is no answer yet, for a person.
    pub(super) fn why(&self) -> &str {
        let why = self.last_failure.as_deref();
        why.unwrap_or("no coordinator has answered")
    }
}
