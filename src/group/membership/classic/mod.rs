//! A member's side of the classic group protocol, as a pure machine: events in, effects out.
//!
//! KIP-394 (the coordinator chooses the member id), KIP-345 (static membership), KIP-429
//! (cooperative rebalancing), KIP-800 (reasons).
//!
//! ```text
//!               start                joined                  synced
//!   Unjoined ─────────▶ Preparing ───────────▶ Completing ───────────▶ Stable
//!      ▲                Rebalance              Rebalance                 │
//!      │                 ▲  ▲  ▲                │     │                  │ rebalance,
//!      │                 │  │  └── sync refused ┘     │ synced, some     │ eager: all goes
//!      │                 │  │                         ▼ goes (KIP-429)   │
//!      │                 │  └─────── given up ─── Reconciling ◀──────────┤
//!      │                 └───────────────────────────────────────────────┘
//!      │                        rebalance, cooperative: all is kept
//!      └── from each: removed by the coordinator, or the session has run out: all is lost
//!
//!   each ── leave ──▶ Leaving ──▶ Left          each ── hopeless ──▶ Fatal ── leave ──▶ Left
//! ```
//!
//! # How it is driven
//! After each call the driver takes effects by [`Member::poll_effect`] until there is none,
//! and calls [`Member::handle_timeout`] at [`Member::poll_timeout`]. Each effect with an
//! [`Attempt`] is answered once, with the same attempt; answers to earlier ones are ignored.
//!
//! While a JoinGroup or a SyncGroup waits at the coordinator, the coordinator keeps the member
//! without heartbeats, and a broker handles nothing behind it on the same connection. So the
//! machine sends no heartbeat meanwhile, and the session's clock stands still until the answer.
//!
//! # Invariants
//! - [`Effect::Assigned`] names only what is not owned; [`Effect::Revoke`] and [`Effect::Lost`] only
//!   what is. After `Lost` nothing is owned but what a timed-out revocation left alone.
//! - At most one request besides the heartbeat is under way.
//! - A request follows a failed one at once only where nothing failed since the last success;
//!   otherwise after a wait.
//! - The session's end is counted from when the last good heartbeat was *sent*: never later than
//!   the coordinator counts it.
//! - After a session that ended here, perhaps alone, the member leaves before it joins again: no
//!   commit that was stamped before can come after what it reads as the member that it is then.

mod heartbeat;
mod join;
mod leave;
mod rebalance;
mod state;

use std::collections::BTreeSet;
use std::time::Instant;

pub use state::State;

use self::join::Leadership;
use super::base::Base;
use super::config::Config;
use super::effect::{Attempt, CommitStamp, Effect, Ending, GroupFailure, RequestError};
use super::timer::Timer;
use crate::group::assignor::Assignor;
use crate::group::subscription::NO_GENERATION;
use crate::wire::{ErrorCode, TopicPartition};

/// A request under way, other than a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    FindCoordinator,
    Join,
    Partitions,
    Sync,
    /// Ends a membership before a new one begins.
    Withdraw,
    Leave,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    step: Step,
    attempt: Attempt,
    sent: Instant,
}

/// A member of a group.
#[derive(Debug)]
pub struct Member {
    base: Base,
    state: State,
    member_id: String,
    generation: i32,
    /// The coordinator may keep the membership whose session has ended here; it is to end first.
    lingers: bool,
    /// The assignor of the generation last joined.
    assignor: Option<Assignor>,
    /// There where this member leads the generation last joined.
    leadership: Option<Leadership>,
    pending: Option<Pending>,
    heartbeat: Option<(Attempt, Instant)>,
    /// Until when the coordinator keeps the member, as far as it has told.
    alive_until: Option<Instant>,
    /// Why to rebalance once the state allows it.
    rejoin: Option<&'static str>,
}

impl Member {
    /// A member that has not started.
    pub fn new(config: Config) -> Self {
        Self::with(Base::new(config))
    }

    pub(super) fn with(base: Base) -> Self {
        Self {
            base,
            state: State::Unjoined,
            member_id: String::new(),
            generation: NO_GENERATION,
            lingers: false,
            assignor: None,
            leadership: None,
            pending: None,
            heartbeat: None,
            alive_until: None,
            rejoin: None,
        }
    }

    /// Starts: the coordinator is sought, the group is joined.
    pub fn handle_start(&mut self, now: Instant) {
        self.proceed(now);
    }

    /// Answers [`Effect::FindCoordinator`].
    pub fn handle_coordinator(
        &mut self,
        attempt: Attempt,
        answer: Result<(), RequestError>,
        now: Instant,
    ) {
        if self.take_pending(Step::FindCoordinator, attempt).is_none() {
            return;
        }
        match answer {
            Ok(()) => {
                self.base.coordinator_known = true;
                self.proceed(now);
            }
            Err(error) if error.is_fatal() => self.fail("finding the coordinator of", &error),
            Err(_) => self.base.retry_later(now),
        }
    }

    /// Handles the timers that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.base.timers.pop_due(now) {
            match timer {
                Timer::Session => self.end_session(now),
                Timer::Revoke => {
                    self.base.end_revocation();
                    self.revoked(now);
                }
                Timer::Retry => self.proceed(now),
                Timer::Heartbeat => self.send_heartbeat(now),
                Timer::Topics => {}
            }
        }
    }

    /// When [`Member::handle_timeout`] is to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.base.timers.next()
    }

    /// What is to be done next.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.base.poll_effect()
    }

    /// Where the member stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// The generation, where there is one.
    pub fn generation(&self) -> Option<i32> {
        (self.generation != NO_GENERATION).then_some(self.generation)
    }

    /// The id that the coordinator gave; empty before.
    pub fn member_id(&self) -> &str {
        &self.member_id
    }

    /// What is owned, with what is being given up.
    pub fn assignment(&self) -> &BTreeSet<TopicPartition> {
        self.base.ownership.owned()
    }

    /// True where the coordinator counts this member to the current generation, as far as it has
    /// told.
    pub fn is_member(&self) -> bool {
        self.generation().is_some()
    }

    /// What to stamp a commit with. None where the coordinator would refuse it: without a membership,
    /// and between the JoinGroup and the end of its rebalance.
    pub fn commit_stamp(&self) -> Option<CommitStamp> {
        let settled = matches!(
            self.state,
            State::Stable | State::Reconciling | State::Leaving
        );
        let generation = self.generation().filter(|_| settled)?;
        Some(self.base.stamp(generation, &self.member_id))
    }

    /// Sends the request that the state calls for, unless one is under way or a wait is.
    fn proceed(&mut self, now: Instant) {
        if self.pending.is_some() || self.base.timers.is_set(Timer::Retry) {
            return;
        }
        match self.state {
            State::Left | State::Fatal => {}
            _ if !self.base.coordinator_known => {
                let attempt = self.start(Step::FindCoordinator, now);
                self.base.effect(Effect::FindCoordinator(attempt));
            }
            State::Unjoined if self.lingers => self.send_departure(Step::Withdraw, now),
            State::Unjoined | State::PreparingRebalance => self.send_join(now),
            State::CompletingRebalance => self.ask_partitions(now),
            State::Reconciling | State::Stable | State::Leaving => self.send_heartbeat(now),
        }
    }

    fn set_state(&mut self, state: State) {
        let legal = self.state == state || state.predecessors().contains(&self.state);
        debug_assert!(legal, "{:?} after {:?}", state, self.state);
        self.state = state;
    }

    fn start(&mut self, step: Step, now: Instant) -> Attempt {
        debug_assert!(self.pending.is_none());
        let attempt = self.base.next_attempt();
        let sent = now;
        self.pending = Some(Pending {
            step,
            attempt,
            sent,
        });
        attempt
    }

    /// Takes the request under way if it is this one, and tells when it was sent.
    fn take_pending(&mut self, step: Step, attempt: Attempt) -> Option<Instant> {
        let pending = self
            .pending
            .take_if(|it| it.step == step && it.attempt == attempt)?;
        Some(pending.sent)
    }

    /// Goes on at once after a first failure, and after a wait where one follows another.
    fn retry_soon(&mut self, now: Instant) {
        if self.base.may_retry_now(now) {
            self.proceed(now);
        }
    }

    /// Seeks the coordinator anew, after a wait.
    fn lose_coordinator(&mut self, now: Instant) {
        self.base.coordinator_known = false;
        if self.pending.is_none() && !self.base.timers.is_set(Timer::Retry) {
            self.base.retry_later(now);
        }
    }

    /// Ends for good, naming what was being done of the group.
    fn fail(&mut self, doing: &str, error: &RequestError) {
        let message = format!("{doing} group `{}`: {error}", self.base.config.group_id);
        self.fail_with(error.code(), message);
    }

    fn fail_with(&mut self, code: Option<ErrorCode>, message: String) {
        self.forget_generation();
        if self.state == State::Leaving {
            return self.finish_leaving(Ending::NoMember);
        }
        self.base.timers.stop_all();
        self.set_state(State::Fatal);
        self.base
            .effect(Effect::Failed(GroupFailure { code, message }));
    }
}

#[cfg(test)]
mod tests;
