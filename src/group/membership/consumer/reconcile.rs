//! From what was assigned to what is owned.

use std::time::Instant;

use super::{Member, State};
use crate::group::membership::effect::{Attempt, Effect, RequestError, TopicNames};
use crate::group::membership::timer::Timer;

impl Member {
    /// Goes one step on: what is too much is given up, then what is new is taken on, then the
    /// coordinator is told.
    pub(super) fn reconcile(&mut self, now: Instant) {
        let is_member = self.epoch().is_some() && self.state != State::Leaving;
        if !is_member || self.base.ownership.is_revoking() {
            return;
        }
        let surplus = self.target.surplus(self.base.ownership.owned());
        if !surplus.is_empty() {
            self.set_state(State::Reconciling);
            return self.base.revoke(surplus, now);
        }
        let (added, _) = self.base.ownership.reconcile(&self.target.named());
        self.target.note_owned(self.base.ownership.owned());
        let waits = !self.target.unknown().is_empty();
        if !added.is_empty() || (self.unannounced && !waits) {
            self.unannounced = waits;
            self.base.effect(Effect::Assigned(added));
        }
        let tells = self.is_to_tell();
        self.set_state(match (waits, tells) {
            (true, _) => State::Reconciling,
            (false, true) => State::Acknowledging,
            (false, false) => State::Stable,
        });
        if waits && !self.base.timers.is_set(Timer::Topics) {
            self.ask_topics();
        }
        if tells {
            self.proceed(now);
        }
    }

    /// Answers [`Effect::Revoke`]: nothing of those partitions is in flight any more, and what
    /// finished is committed.
    pub fn handle_revoked(&mut self, attempt: Attempt, now: Instant) {
        if self.base.finish_revocation(attempt) {
            self.revoked(now);
        }
    }

    pub(super) fn revoked(&mut self, now: Instant) {
        if self.state == State::Leaving {
            return self.go_on_leaving(now);
        }
        self.target.note_owned(self.base.ownership.owned());
        self.reconcile(now);
    }

    /// Asks for the names of topics that are assigned, unless they are being asked for.
    pub(super) fn ask_topics(&mut self) {
        let topics = self.target.unknown();
        if topics.is_empty() || self.asking.is_some() {
            return;
        }
        let attempt = self.base.next_attempt();
        self.asking = Some(attempt);
        self.base.effect(Effect::NeedTopics { attempt, topics });
    }

    /// Answers [`Effect::NeedTopics`] with all that is known. What is still unknown is asked for
    /// again after a while: brokers learn of a new topic one after another.
    pub fn handle_topics(
        &mut self,
        attempt: Attempt,
        answer: Result<TopicNames, RequestError>,
        now: Instant,
    ) {
        if self.asking.take_if(|asking| *asking == attempt).is_none() {
            return;
        }
        if self.epoch().is_some() {
            let (_, wait) = self.base.config.retry_backoff;
            self.base.timers.set(Timer::Topics, now + wait);
        }
        if let Ok(names) = answer {
            self.handle_topics_changed(names, now);
        }
    }

    /// Takes note of the names of topics.
    pub fn handle_topics_changed(&mut self, names: TopicNames, now: Instant) {
        let waited = !self.target.unknown().is_empty();
        self.target.name(names);
        if self.target.unknown().is_empty() {
            self.base.timers.stop(Timer::Topics);
        }
        if waited {
            self.reconcile(now);
        }
    }
}
