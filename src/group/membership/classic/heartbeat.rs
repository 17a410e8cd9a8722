//! Heartbeats, and the session that they keep up.

use std::time::Instant;

use super::state::State;
use super::{Member, Step};
use crate::group::membership::effect::{Attempt, Effect, Ending, HeartbeatRequest, RequestError};
use crate::group::membership::remedy::Remedy;
use crate::group::membership::timer::Timer;

impl Member {
    /// Sends a heartbeat where the coordinator expects one and none is under way.
    pub(super) fn send_heartbeat(&mut self, now: Instant) {
        use State::{CompletingRebalance, Leaving, Reconciling, Stable};
        let expected = matches!(
            self.state,
            CompletingRebalance | Reconciling | Stable | Leaving
        ) && self.is_member()
            && self.base.coordinator_known;
        if !expected || self.heartbeat.is_some() {
            return;
        }
        let attempt = self.base.next_attempt();
        self.heartbeat = Some((attempt, now));
        self.base.timers.stop(Timer::Heartbeat);
        self.base.effect(Effect::Heartbeat(HeartbeatRequest {
            attempt,
            generation: self.generation,
            member_id: self.member_id.clone(),
            instance_id: self.base.config.instance_id.clone(),
            // Leaves time for one more, elsewhere, before the session ends.
            timeout: self.base.config.session_timeout / 2,
        }));
    }

    /// Answers [`Effect::Heartbeat`].
    pub fn handle_heartbeat(
        &mut self,
        attempt: Attempt,
        answer: Result<(), RequestError>,
        now: Instant,
    ) {
        let Some((_, sent)) = self.heartbeat.take_if(|(current, _)| *current == attempt) else {
            return;
        };
        let Err(error) = answer else {
            self.base.backoff.reset();
            return self.beat_again(sent);
        };
        match error.remedy() {
            Remedy::FindCoordinator => self.lose_coordinator(now),
            Remedy::Retry => {
                let wait = self.base.backoff.next();
                self.base.timers.set(Timer::Heartbeat, now + wait);
            }
            Remedy::Rejoin => {
                self.beat_again(sent);
                self.want_rebalance("the group is already rebalancing", now);
            }
            Remedy::ForgetMember => self.removed(false, now),
            Remedy::ForgetGeneration => self.removed(true, now),
            Remedy::Nothing => self.fail("staying in", &error),
        }
    }

    fn beat_again(&mut self, sent: Instant) {
        self.prove_alive(sent);
        let next = sent + self.base.config.heartbeat_interval;
        self.base.timers.set(Timer::Heartbeat, next);
    }

    /// The coordinator has counted this member as alive at `since` or later.
    pub(super) fn prove_alive(&mut self, since: Instant) {
        self.alive_until = self
            .alive_until
            .max(Some(since + self.base.config.session_timeout));
        self.watch_session();
    }

    /// Lets the session's clock run, or stand still while a request waits at the coordinator.
    pub(super) fn watch_session(&mut self) {
        match self.alive_until {
            Some(end) if !self.is_waiting() => self.base.timers.set(Timer::Session, end),
            _ => self.base.timers.stop(Timer::Session),
        }
    }

    /// No heartbeats while a request waits at the coordinator, which may end the generation that
    /// the one under way is of.
    pub(super) fn hush(&mut self) {
        self.heartbeat = None;
        self.base.timers.stop(Timer::Heartbeat);
        self.base.timers.stop(Timer::Session);
    }

    fn is_waiting(&self) -> bool {
        self.pending
            .is_some_and(|it| matches!(it.step, Step::Join | Step::Sync))
    }

    /// The coordinator has not been heard for a session timeout: it has given the partitions away,
    /// if it has not heard the member either.
    pub(super) fn end_session(&mut self, now: Instant) {
        self.lingers = true;
        self.forget_generation();
        if self.state == State::Leaving {
            return self.finish_leaving(Ending::NoMember);
        }
        self.set_state(State::Unjoined);
        self.lose_coordinator(now);
    }

    /// The coordinator has removed the member, or ended its generation.
    pub(super) fn removed(&mut self, keep_member_id: bool, now: Instant) {
        self.forget_generation();
        if !keep_member_id {
            self.member_id.clear();
        }
        if self.state == State::Leaving {
            return self.finish_leaving(Ending::NoMember);
        }
        self.set_state(State::Unjoined);
        self.retry_soon(now);
    }

    /// Loses all that comes with a generation, but not the member's id.
    pub(super) fn forget_generation(&mut self) {
        self.base.lose_all();
        self.generation = super::NO_GENERATION;
        self.alive_until = None;
        self.pending = None;
        self.hush();
    }
}
