//! What a member of either protocol has, and does in the same way.

use std::collections::{BTreeSet, VecDeque};
use std::time::Instant;

use super::backoff::Backoff;
use super::config::Config;
use super::effect::{Attempt, CommitStamp, Effect, Ending, RequestError};
use super::ownership::Ownership;
use super::timer::{Timer, Timers};
use crate::wire::TopicPartition;

/// # Invariants
/// - No two attempts are the same, not even of a member and of the one that takes its place.
/// - [`Effect::Lost`] names only what was owned, and is never empty.
#[derive(Debug)]
pub(super) struct Base {
    pub(super) config: Config,
    pub(super) ownership: Ownership,
    pub(super) coordinator_known: bool,
    pub(super) timers: Timers,
    pub(super) backoff: Backoff,
    last_attempt: Attempt,
    effects: VecDeque<Effect>,
}

impl Base {
    pub(super) fn new(config: Config) -> Self {
        Self::after(Attempt(0), config)
    }

    fn after(last_attempt: Attempt, config: Config) -> Self {
        let (min, max) = config.retry_backoff;
        Self {
            ownership: Ownership::default(),
            coordinator_known: false,
            timers: Timers::default(),
            backoff: Backoff::new(min, max, config.seed),
            last_attempt,
            effects: VecDeque::new(),
            config,
        }
    }

    /// That of a member that takes this one's place, and is not to be given its answers.
    pub(super) fn of_successor(&self) -> Self {
        Self::after(self.last_attempt, self.config.clone())
    }

    pub(super) fn next_attempt(&mut self) -> Attempt {
        self.last_attempt.0 += 1;
        self.last_attempt
    }

    pub(super) fn effect(&mut self, effect: Effect) {
        self.effects.push_back(effect);
    }

    pub(super) fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Asks the application to give partitions up.
    pub(super) fn revoke(&mut self, partitions: BTreeSet<TopicPartition>, now: Instant) {
        let attempt = self.next_attempt();
        let named = partitions.iter().cloned().collect();
        self.ownership.start_revoking(attempt, partitions);
        self.timers
            .set(Timer::Revoke, now + self.config.revoke_timeout);
        self.effect(Effect::Revoke {
            attempt,
            partitions: named,
        });
    }

    /// The application has given up what it was asked to; false where it was asked something else.
    pub(super) fn finish_revocation(&mut self, attempt: Attempt) -> bool {
        let finished = self.ownership.finish_revoking(attempt);
        if finished {
            self.timers.stop(Timer::Revoke);
        }
        finished
    }

    /// The application has not given partitions up in time, and the group does not wait longer.
    pub(super) fn end_revocation(&mut self) {
        let lost = self.ownership.give_up_revoking();
        self.effect(Effect::Lost(lost));
    }

    /// Nothing is owned any more.
    pub(super) fn lose_all(&mut self) {
        let lost = self.ownership.clear();
        self.timers.stop(Timer::Revoke);
        if !lost.is_empty() {
            self.effect(Effect::Lost(lost));
        }
    }

    /// Waits before the next attempt.
    pub(super) fn retry_later(&mut self, now: Instant) {
        let wait = self.backoff.next();
        self.timers.set(Timer::Retry, now + wait);
    }

    /// True, without a wait, after a first failure; false, with one, where one follows another.
    pub(super) fn may_retry_now(&mut self, now: Instant) -> bool {
        let fresh = self.backoff.is_fresh();
        if fresh {
            self.backoff.count();
        } else {
            self.retry_later(now);
        }
        fresh
    }

    pub(super) fn stamp(&self, generation: i32, member_id: &str) -> CommitStamp {
        CommitStamp {
            generation,
            member_id: member_id.to_owned(),
            instance_id: self.config.instance_id.clone(),
        }
    }

    /// How a membership ends whose coordinator was not told, or has not answered.
    pub(super) fn unasked(&self, is_member: bool, error: RequestError) -> Ending {
        match &self.config.instance_id {
            _ if !is_member => Ending::NoMember,
            Some(_) => Ending::Stays,
            None => Ending::NotLeft(error),
        }
    }
}
