//! Leaving in order.

use std::time::{Duration, Instant};

use super::state::State;
use super::{Member, Step};
use crate::group::membership::effect::{Attempt, Effect, Ending, LeaveRequest, RequestError};
use crate::group::membership::remedy::Remedy;

/// How long a LeaveGroup may take; the session timeout does the same later.
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
        self.hush();
        let attempt = self.start(Step::Leave, now);
        self.base.effect(Effect::Leave(LeaveRequest {
            attempt,
            member_id: self.member_id.clone(),
            reason: "the consumer is being closed",
            timeout: LEAVE_TIMEOUT,
        }));
    }

    /// Answers [`Effect::Leave`]. Nothing is tried again: the session timeout does the same.
    pub fn handle_leave_answer(&mut self, attempt: Attempt, answer: Result<(), RequestError>) {
        if self.take_pending(Step::Leave, attempt).is_some() {
            self.finish_leaving(match answer {
                Ok(()) => Ending::Left,
                Err(error) if error.remedy() == Remedy::ForgetMember => Ending::NoMember,
                Err(error) => Ending::NotLeft(error),
            });
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
