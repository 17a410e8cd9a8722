//! Commits: who may, and what becomes of a group that nobody uses.

use std::time::{Duration, Instant};

use super::machine::Group;
use super::state::State;
use super::words::Identity;
use crate::wire::ErrorCode;

/// How long an empty group without offsets is kept (`offsets.retention.check.interval.ms`).
pub(super) const EMPTY_GROUP_RETENTION: Duration = Duration::from_secs(600);

impl Group {
    /// Says whether someone may commit. A member's session begins anew.
    ///
    /// Whoever is not a member (generation -1) may where there are none.
    ///
    /// # Errors
    ///
    /// `UNKNOWN_MEMBER_ID`, `FENCED_INSTANCE_ID`, `ILLEGAL_GENERATION` or `REBALANCE_IN_PROGRESS`.
    pub(super) fn handle_commit(
        &mut self,
        identity: &Identity,
        generation: i32,
        now: Instant,
    ) -> Result<(), ErrorCode> {
        let state = self.state;
        if generation < 0 && matches!(state, State::Empty { .. }) {
            return Ok(());
        }
        let member = self.identify_in(identity, generation)?;
        if let State::CompletingRebalance { .. } = state {
            return Err(ErrorCode::REBALANCE_IN_PROGRESS);
        }
        member.begin_session(now);
        Ok(())
    }

    /// Says whether offsets may be deleted one by one.
    ///
    /// # Errors
    ///
    /// `NON_EMPTY_GROUP` where it has members whose subscriptions mean nothing to a broker.
    pub(super) fn check_offset_delete(&self) -> Result<(), ErrorCode> {
        match self.state {
            State::Empty { .. } => Ok(()),
            _ if self.is_of_consumers() => Ok(()),
            _ => Err(ErrorCode::NON_EMPTY_GROUP),
        }
    }

    /// When it can go, as nobody has any use for it.
    pub(super) fn expires(&self) -> Option<Instant> {
        match self.state {
            State::Empty { since } if self.pending.is_empty() && self.offsets.is_empty() => {
                Some(since + EMPTY_GROUP_RETENTION)
            }
            _ => None,
        }
    }
}
