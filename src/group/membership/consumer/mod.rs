//! A member's side of the consumer group protocol (KIP-848), as a pure machine: events in,
//! effects out.
//!
//! There is one request, the heartbeat. It joins with epoch 0 under an id that the member has
//! chosen itself, tells what is owned, and leaves with epoch -1, or -2 where the member is static
//! and comes back (KIP-345). The coordinator assigns: it answers with what the member may own, and
//! gives nothing to another member before this one has told that it has given it up. Subscribing by
//! a regular expression is not done.
//!
//! ```text
//!              start               joined
//!   Unjoined ─────────▶ Joining ─────────────────────▶ Stable
//!      ▲                   │                           │    ▲
//!      │                   │ joined, some is assigned  │    │ told
//!      │                   │                           │    │
//!      │                   │      ┌── assigned anew ───┤    │
//!      │                   ▼      ▼                    ▼    │
//!      │                  Reconciling ──────────▶ Acknowledging
//!      │                           given up, named
//!      └── from each: removed or fenced by the coordinator, or the session has run out: all is lost
//!
//!   each ── leave ──▶ Leaving ──▶ Left          each ── hopeless ──▶ Fatal ── leave ──▶ Left
//! ```
//!
//! # How it is driven
//! As [`classic::Member`](super::classic::Member) is.
//!
//! # Invariants
//! - [`Effect::Assigned`] names only what is not owned; [`Effect::Revoke`] and [`Effect::Lost`] only
//!   what is. What is to go is given up before anything is added.
//! - What is owned is told as soon as it is what was assigned, and never while the application is
//!   giving something up, but with the heartbeats that are due.
//! - At most one request is under way, and one question for the names of topics.
//! - After an answer that did not come, or told of an error, everything is told again: the
//!   coordinator may know more or less than was answered.
//! - A request follows a failed one at once only where nothing failed since the last heartbeat of a
//!   member; otherwise after a wait.
//! - The session's end is counted from when the last good heartbeat was *sent*.
//! - After a session that ended here, perhaps alone, or where the coordinator has fenced the member,
//!   the membership that it may still keep is ended before another begins: no commit that was
//!   stamped before can come after what the member reads in the new one.

mod heartbeat;
mod leave;
mod reconcile;
mod state;
mod target;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

pub use state::State;

use self::heartbeat::Known;
use self::target::Target;
use super::base::Base;
use super::config::Config;
use super::effect::{Attempt, CommitStamp, Effect, GroupFailure, RequestError};
use super::remedy::Remedy;
use super::timer::Timer;
use crate::wire::{ErrorCode, TopicPartition};

/// The epoch of one who is no member, and that joins.
const NO_EPOCH: i32 = 0;

/// The pause between heartbeats until the coordinator tells it: Kafka's default.
const FIRST_INTERVAL: Duration = Duration::from_secs(5);

/// A request under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    FindCoordinator,
    Heartbeat,
    /// Ends an earlier membership before a new one begins.
    Withdraw,
    Leave,
}

#[derive(Debug)]
struct Pending {
    step: Step,
    attempt: Attempt,
    sent: Instant,
    /// What a heartbeat tells.
    tells: Known,
}

/// A member of a group.
#[derive(Debug)]
pub struct Member {
    base: Base,
    state: State,
    member_id: String,
    epoch: i32,
    /// The coordinator may count this member to the group.
    may_be_member: bool,
    /// The coordinator may keep an earlier membership under this id, which is to end first.
    lingers: bool,
    target: Target,
    /// What was assigned is another than what the application was last told of.
    unannounced: bool,
    /// What the coordinator knows of this member.
    known: Known,
    pending: Option<Pending>,
    /// The question for topics' names that is under way.
    asking: Option<Attempt>,
    /// The pause between heartbeats, as the coordinator has told.
    interval: Duration,
}

impl Member {
    /// A member that has not started.
    pub fn new(config: Config) -> Self {
        Self {
            state: State::Unjoined,
            member_id: config.member_id.clone(),
            epoch: NO_EPOCH,
            may_be_member: false,
            lingers: false,
            target: Target::default(),
            unannounced: false,
            known: Known::default(),
            pending: None,
            asking: None,
            interval: FIRST_INTERVAL,
            base: Base::new(config),
        }
    }

    pub(super) fn base(&self) -> &Base {
        &self.base
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
        if self
            .take_pending(attempt, &[Step::FindCoordinator])
            .is_none()
        {
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
                Timer::Retry | Timer::Heartbeat => self.proceed(now),
                Timer::Topics => self.ask_topics(),
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

    /// The member's epoch, where there is one.
    pub fn epoch(&self) -> Option<i32> {
        (self.epoch > NO_EPOCH).then_some(self.epoch)
    }

    /// The member's id.
    pub fn member_id(&self) -> &str {
        &self.member_id
    }

    /// What is owned, with what is being given up.
    pub fn assignment(&self) -> &BTreeSet<TopicPartition> {
        self.base.ownership.owned()
    }

    /// What to stamp a commit with. None without a membership.
    pub fn commit_stamp(&self) -> Option<CommitStamp> {
        let epoch = self.epoch()?;
        Some(self.base.stamp(epoch, &self.member_id))
    }

    /// Takes note of an offset commit that failed, if it bore the current stamp: an error about an
    /// earlier epoch says nothing new.
    pub fn handle_commit_error(&mut self, stamp: &CommitStamp, error: &RequestError, now: Instant) {
        if self.commit_stamp().as_ref() != Some(stamp) {
            return;
        }
        match error.code() {
            // The answer that brings the new epoch is on its way, or was lost: the next one has it.
            Some(ErrorCode::STALE_MEMBER_EPOCH) => self.proceed(now),
            Some(ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::FENCED_MEMBER_EPOCH) => {
                self.may_be_member = error.code() != Some(ErrorCode::UNKNOWN_MEMBER_ID);
                self.lingers = self.may_be_member;
                self.removed(now);
            }
            Some(ErrorCode::FENCED_INSTANCE_ID) => self.fail("committing in", error),
            _ if error.remedy() == Remedy::FindCoordinator => self.lose_coordinator(now),
            _ => {}
        }
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
            State::Leaving if !self.base.ownership.is_revoking() => self.go_on_leaving(now),
            _ => self.send_heartbeat(now),
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
        self.pending = Some(Pending {
            step,
            attempt,
            sent: now,
            tells: Known::default(),
        });
        attempt
    }

    /// Takes the request under way if it is this one, and one of these.
    fn take_pending(&mut self, attempt: Attempt, steps: &[Step]) -> Option<Pending> {
        self.pending
            .take_if(|it| it.attempt == attempt && steps.contains(&it.step))
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
        let group = &self.base.config.group_id;
        let mut message = format!("{doing} group `{group}`: {error}");
        if let Some(advice) = error.code().and_then(advice) {
            message = format!("{message} {advice}");
        }
        self.fail_with(error.code(), message);
    }

    fn fail_with(&mut self, code: Option<ErrorCode>, message: String) {
        self.end(Effect::Failed(GroupFailure { code, message }));
    }

    /// Ends for good, with this as the last effect.
    fn end(&mut self, last: Effect) {
        self.forget();
        if self.state == State::Leaving {
            return self.finish_leaving(super::Ending::NoMember);
        }
        self.base.timers.stop_all();
        self.set_state(State::Fatal);
        self.base.effect(last);
    }
}

/// What the code's own words leave open.
fn advice(code: ErrorCode) -> Option<&'static str> {
    Some(match code {
        ErrorCode::GROUP_ID_NOT_FOUND | ErrorCode::INCONSISTENT_GROUP_PROTOCOL => {
            "The group is there, with members that can't share it with this one: of another group \
             protocol (see group.consumer.migration.policy), or no consumers. Take another \
             group.id, or group.protocol=classic as they do."
        }
        ErrorCode::UNSUPPORTED_ASSIGNOR => {
            "group.remote.assignor must be one of the broker's group.consumer.assignors."
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
