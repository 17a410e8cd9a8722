//! Members that leave, say nothing for too long, or don't give up what they should; and what goes
//! on when the coordinator moves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::machine::ConsumerGroup;
use super::member::{MemberState, Revocation};
use super::words::{Beat, Beaten, Held, LEAVING_FOR_A_WHILE};
use crate::wire::ErrorCode;

impl ConsumerGroup {
    /// A heartbeat that says good-bye.
    pub(super) fn handle_leave(&mut self, beat: &Beat, now: Instant) -> Result<Beaten, ErrorCode> {
        let identity = &beat.identity;
        let at = match &identity.instance_id {
            None => self.place(&identity.member_id),
            Some(instance) => self.place_of_instance(instance),
        };
        let at = at.ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
        self.check_instance(at, &identity.member_id)?;
        if beat.epoch == LEAVING_FOR_A_WHILE {
            self.leave_for_a_while(at);
        } else {
            self.remove(at, now);
        }
        Ok(Beaten {
            member_id: identity.member_id.clone(),
            epoch: beat.epoch,
            interval: Duration::ZERO,
            assignment: None,
        })
    }

    /// What a static member has is kept for it, until its session ends.
    fn leave_for_a_while(&mut self, at: usize) {
        let current = &mut self.members[at].current;
        current.epoch = LEAVING_FOR_A_WHILE;
        current.revoking = Held::new();
        for held in current.assigned.values_mut() {
            held.values_mut().for_each(|epoch| *epoch = 0);
        }
    }

    /// Takes a member out: what it had is free at once, and the others share it in a new epoch.
    pub(super) fn remove(&mut self, at: usize, now: Instant) {
        self.members.remove(at);
        let members = &self.members;
        self.metadata
            .retain(|topic, _| members.iter().any(|it| it.topics.contains(topic)));
        self.epoch += 1;
        if self.members.is_empty() {
            self.target_epoch = self.epoch;
            self.assigned_at = None;
            self.empty_since = now;
        }
    }

    /// When something is due.
    pub(in crate::broker::group) fn poll_timeout(&self) -> Option<Instant> {
        let timers = self.members.iter().flat_map(|member| {
            let revocation = member.revocation.map(|it| it.due);
            [member.session_ends, revocation]
        });
        timers.flatten().min()
    }

    /// Takes out the members that have said nothing for too long, and those that have not given
    /// up in time what they had to.
    pub(in crate::broker::group) fn handle_timeout(&mut self, now: Instant) {
        for member in &mut self.members {
            let epoch = member.current.epoch;
            member.revocation = member
                .revocation
                .filter(|it| it.due > now || it.epoch == epoch);
        }
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let late = self.members.iter().filter(|member| {
            is_due(member.session_ends) || is_due(member.revocation.map(|it| it.due))
        });
        let late: Vec<Arc<str>> = late.map(|member| member.id.clone()).collect();
        for id in late {
            if let Some(at) = self.place(&id) {
                self.remove(at, now);
            }
        }
    }

    /// Another node coordinates the group from now on, or none does. All is known there; what
    /// begins anew are the times that members have.
    pub(in crate::broker::group) fn handle_move(&mut self, is_coordinated: bool, now: Instant) {
        for member in &mut self.members {
            member.session_ends = is_coordinated.then(|| now + self.settings.session_timeout);
            let revocation = Revocation {
                due: now + member.rebalance_timeout,
                epoch: member.current.epoch,
            };
            let is_late = member.current.state == MemberState::Unrevoked;
            member.revocation = (is_coordinated && is_late).then_some(revocation);
        }
    }
}
