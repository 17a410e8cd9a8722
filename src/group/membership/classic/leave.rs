//! Leaving in order.

use std::time::{Duration, Instant};

use super::state::State;
use super::{Member, Step};
use crate::group::membership::effect::{Attempt, Effect, Ending, LeaveRequest, RequestError};
use crate::group::membership::remedy::Remedy;
use crate::wire::ErrorCode;

/// How long the LeaveGroup of one that closes may take; the session timeout does the same later.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);

impl Member {
    /// Leaves: the application gives up what is owned, then the coordinator is told, unless the
    /// member is static (KIP-345: its partitions wait for it until the session ends).
    /// [`Effect::Left`] is the end.
    pub fn handle_leave(&mut self, now: Instant) {
        match self.state {
            State::Leaving | State::Left => return,
            State::Fatal => return self.finish_leaving(Ending::NoMember),
            _ => self.set_state(State::Leaving),
        }
        self.pending = None;
        self.watch_session();
        if !self.base.ownership.is_revoking() {
            self.go_on_leaving(now);
        }
    }

    pub(super) fn go_on_leaving(&mut self, now: Instant) {
        let owned = self.base.ownership.owned();
        if !owned.is_empty() {
            let all = owned.clone();
            self.base.revoke(all, now);
            return self.proceed(now);
        }
        if self.base.config.instance_id.is_some() || !self.base.coordinator_known {
            return self.finish_leaving(self.unasked(RequestError::Disconnected));
        }
        if self.member_id.is_empty() {
            return self.finish_leaving(Ending::NoMember);
        }
        self.send_departure(Step::Leave, now);
    }

    pub(super) fn send_departure(&mut self, step: Step, now: Instant) {
        self.hush();
        let attempt = self.start(step, now);
        let session = self.base.config.session_timeout;
        let (reason, timeout) = match step {
            Step::Withdraw => ("the session has ended at the consumer", session / 2),
            _ => ("the consumer is being closed", LEAVE_TIMEOUT),
        };
        self.base.effect(Effect::Leave(LeaveRequest {
            attempt,
            member_id: self.member_id.clone(),
            instance_id: self.base.config.instance_id.clone(),
            reason,
            timeout,
        }));
    }

    /// Answers [`Effect::Leave`]. One that closes tries nothing again: the session timeout does the
    /// same.
    pub fn handle_leave_answer(
        &mut self,
        attempt: Attempt,
        answer: Result<(), RequestError>,
        now: Instant,
    ) {
        if self.take_pending(Step::Withdraw, attempt).is_some() {
            self.withdrawn(answer, now);
        } else if self.take_pending(Step::Leave, attempt).is_some() {
            self.finish_leaving(match answer {
                Ok(()) => Ending::Left,
                Err(error) if error.remedy() == Remedy::ForgetMember => Ending::NoMember,
                Err(error) => Ending::NotLeft(error),
            });
        }
    }

    /// The membership that the coordinator may have kept is over, and another begins.
    fn withdrawn(&mut self, answer: Result<(), RequestError>, now: Instant) {
        let remedy = answer.as_ref().err().map(RequestError::remedy);
        match (remedy, answer) {
            (Some(Remedy::FindCoordinator), _) => self.lose_coordinator(now),
            (Some(Remedy::Retry | Remedy::Rejoin), _) => self.base.retry_later(now),
            // Another has its place, and would lose it to one that joins without an id.
            (_, Err(error)) if error.code() == Some(ErrorCode::FENCED_INSTANCE_ID) => {
                self.fail("staying in", &error);
            }
            (remedy, _) => {
                self.lingers = false;
                self.member_id.clear();
                match remedy {
                    None => self.proceed(now),
                    Some(_) => self.retry_soon(now),
                }
            }
        }
    }

    /// Leaving has taken too long: it ends as it is.
    pub fn handle_leave_timeout(&mut self) {
        if self.state == State::Leaving {
            self.finish_leaving(self.unasked(RequestError::Timeout));
        }
    }

    /// How it ends where the coordinator was not asked, or has not answered.
    fn unasked(&self, error: RequestError) -> Ending {
        self.base.unasked(!self.member_id.is_empty(), error)
    }

    pub(super) fn finish_leaving(&mut self, ending: Ending) {
        self.forget_generation();
        self.base.timers.stop_all();
        self.set_state(State::Left);
        self.base.effect(Effect::Left(ending));
    }
}
