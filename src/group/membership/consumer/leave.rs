//! Leaving in order.

use std::time::Instant;

use super::{Member, State, Step};
use crate::group::membership::effect::{Effect, Ending, RequestError};

impl Member {
    /// Leaves: the application gives up what is owned, then the coordinator is told. A static
    /// member tells that it comes back, and its partitions wait for it (KIP-345). [`Effect::Left`]
    /// is the end.
    pub fn handle_leave(&mut self, now: Instant) {
        match self.state {
            State::Leaving | State::Left => return,
            State::Fatal => return self.finish_leaving(Ending::NoMember),
            _ => self.set_state(State::Leaving),
        }
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
        if !self.may_be_member {
            return self.finish_leaving(Ending::NoMember);
        }
        if !self.base.coordinator_known {
            let ending = self.base.unasked(true, RequestError::Disconnected);
            return self.finish_leaving(ending);
        }
        // A heartbeat that is under way comes before it, on the same connection.
        self.pending = None;
        self.send_departure(Step::Leave, now);
    }

    /// Leaving has taken too long: it ends as it is.
    pub fn handle_leave_timeout(&mut self) {
        if self.state == State::Leaving {
            let ending = self.base.unasked(self.may_be_member, RequestError::Timeout);
            self.finish_leaving(ending);
        }
    }

    pub(super) fn finish_leaving(&mut self, ending: Ending) {
        self.forget();
        self.base.timers.stop_all();
        self.set_state(State::Left);
        self.base.effect(Effect::Left(ending));
    }
}
