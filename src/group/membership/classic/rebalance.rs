//! Why a rebalance starts, and what the application gives up for it.

use std::time::Instant;

use super::Member;
use super::state::State;
use crate::group::assignor::PartitionCounts;
use crate::group::membership::effect::{Attempt, CommitStamp, RequestError};
use crate::group::membership::remedy::Remedy;
use crate::wire::ErrorCode;

impl Member {
    /// Asks for a rebalance; `reason` goes to the broker's log (KIP-800).
    pub fn handle_rejoin_requested(&mut self, reason: &'static str, now: Instant) {
        self.want_rebalance(reason, now);
    }

    /// Takes note of topics that have changed. A leader rebalances the group where the number of
    /// partitions is no longer what it shared out. A topic that is left out is unchanged; one that
    /// no longer exists has none.
    pub fn handle_topics_changed(&mut self, counts: &PartitionCounts, now: Instant) {
        let Some(leadership) = &mut self.leadership else {
            return;
        };
        if leadership.observe(counts) {
            self.want_rebalance("the topics' partitions changed", now);
        }
    }

    /// Takes note of an offset commit that failed, if it bore the current stamp: an error about an
    /// earlier generation says nothing new.
    pub fn handle_commit_error(&mut self, stamp: &CommitStamp, error: &RequestError, now: Instant) {
        if self.commit_stamp().as_ref() != Some(stamp) {
            return;
        }
        match error.remedy() {
            Remedy::FindCoordinator => self.lose_coordinator(now),
            Remedy::Rejoin => self.want_rebalance("a commit met a rebalance", now),
            Remedy::ForgetMember => self.removed(false, now),
            Remedy::ForgetGeneration => self.removed(true, now),
            Remedy::Nothing if error.code() == Some(ErrorCode::FENCED_INSTANCE_ID) => {
                self.fail("committing in", error);
            }
            Remedy::Nothing | Remedy::Retry => {}
        }
    }

    /// Starts a rebalance now, or once the one under way is complete. A JoinGroup that is yet to be
    /// sent needs none.
    pub(super) fn want_rebalance(&mut self, reason: &'static str, now: Instant) {
        match self.state {
            State::Stable => {
                self.rejoin = Some(reason);
                self.start_rebalance(now);
            }
            State::CompletingRebalance => self.rejoin = Some(reason),
            _ => {}
        }
    }

    pub(super) fn start_rebalance(&mut self, now: Instant) {
        let keeps_all = self
            .base
            .config
            .assignors
            .iter()
            .all(|it| it.is_cooperative());
        let owned = self.base.ownership.owned();
        if keeps_all || owned.is_empty() {
            self.set_state(State::PreparingRebalance);
            self.proceed(now);
        } else {
            let all = owned.clone();
            self.set_state(State::Reconciling);
            self.base.revoke(all, now);
        }
    }

    /// Answers [`Effect::Revoke`](super::super::Effect::Revoke): nothing of those partitions is in
    /// flight any more, and what
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
        self.set_state(State::PreparingRebalance);
        self.proceed(now);
    }
}
