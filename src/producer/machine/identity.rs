//! The producer id: asked for when first needed, and anew when it is used up or not taken.

use std::sync::Arc;
use std::time::Instant;

use crate::producer::backoff::{Backoff, Pace};
use crate::producer::sequence::Sequence;

/// The id that partitions begin with.
#[derive(Debug, Default)]
pub(super) struct Identity {
    first: Option<Sequence>,
    asked: bool,
    pace: Pace,
    last_failure: Option<Arc<str>>,
}

impl Identity {
    /// Where a partition begins, once the broker gave an id.
    pub(super) fn first_sequence(&self) -> Option<Sequence> {
        self.first
    }

    /// True, once, where an id is to be asked for now.
    pub(super) fn ask(&mut self, now: Instant) -> bool {
        let asks = !self.asked && self.first.is_none() && self.pace.is_due(now);
        self.asked |= asks;
        asks
    }

    pub(super) fn succeed(&mut self, first: Sequence) {
        *self = Self {
            first: Some(first),
            ..Self::default()
        };
    }

    pub(super) fn fail(&mut self, why: Arc<str>, backoff: &mut Backoff, now: Instant) {
        self.asked = false;
        self.last_failure = Some(why);
        self.pace.defer(backoff, now);
    }

    /// Drops the id, unless it has been replaced since `sequence` began.
    pub(super) fn retire(&mut self, sequence: Sequence) {
        self.first.take_if(|first| first.id() == sequence.id());
    }

    /// Why there is none, for a person.
    pub(super) fn why_none(&self) -> &str {
        let why = self.last_failure.as_deref();
        why.unwrap_or("no broker has given a producer id")
    }

    /// When to ask again; `None` while an answer is awaited.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.pace.not_before().filter(|_| !self.asked)
    }
}
