//! Members that leave, say nothing for too long, or don't give up what they should; and what goes
//! on when the coordinator moves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::machine::ConsumerGroup;
use super::member::{ConsumerMember, MemberState, Revocation};
use super::words::{Beat, Beaten, Held, LEAVING_FOR_A_WHILE};
use crate::wire::ErrorCode;

impl ConsumerGroup {
    /// A heartbeat that says good-bye.
    pub(super) fn handle_leave(&mut self, beat: &Beat, now: Instant) -> Result<Beaten, ErrorCode> {
        let identity = &beat.identity;
        let at = self.find(identity)?;
        if beat.epoch == LEAVING_FOR_A_WHILE {
            self.leave_for_a_while(at);
        } else {
            self.fence(std::slice::from_ref(&identity.member_id), now);
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

    /// Takes members out: what they had is free at once, and the others share it in a new epoch.
    /// Those of the classic protocol do so on their own, where only such are left.
    pub(super) fn fence(&mut self, ids: &[Arc<str>], now: Instant) {
        let is_gone = |member: &ConsumerMember| ids.contains(&member.id);
        let is_classic = |member: &ConsumerMember| member.classic.is_some();
        let (gone, stay): (Vec<_>, Vec<_>) = self.members.drain(..).partition(is_gone);
        self.members = stay;
        if gone.is_empty() {
            return;
        }
        let only_classic_stay = !self.members.is_empty() && self.members.iter().all(is_classic);
        if only_classic_stay && !gone.iter().all(is_classic) && self.turn(true) {
            return;
        }
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
        self.members.iter().filter_map(due_of).min()
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
        let late = self.members.iter().filter(|member| {
            let due = due_of(member);
            due.is_some_and(|due| due <= now)
        });
        let late: Vec<Arc<str>> = late.map(|member| member.id.clone()).collect();
        for id in late {
            // Where the group is to be one of the classic protocol, sessions begin anew.
            if self.turn.is_none() {
                self.fence(&[id], now);
            }
        }
    }

    /// Another node coordinates the group from now on, or none does. All is known there; what
    /// begins anew are the times that members have.
    pub(in crate::broker::group) fn handle_move(&mut self, is_coordinated: bool, now: Instant) {
        for member in &mut self.members {
            member.session_ends = None;
            if is_coordinated {
                member.begin_session(self.settings.session_timeout, now);
            }
            if let Some(part) = &mut member.classic {
                part.join_due = None;
                part.sync_due = None;
            }
            let revocation = Revocation {
                due: now + member.rebalance_timeout,
                epoch: member.current.epoch,
            };
            let must_give_up =
                member.current.state == MemberState::Unrevoked && member.classic.is_none();
            member.revocation = (is_coordinated && must_give_up).then_some(revocation);
        }
    }
}

/// When a member is to be taken out, unless something happens before.
fn due_of(member: &ConsumerMember) -> Option<Instant> {
    let part = member.classic.as_ref();
    let [join, sync] = part.map_or([None; 2], |it| [it.join_due, it.sync_due]);
    let revocation = member.revocation.map(|it| it.due);
    let timers = [member.session_ends, revocation, join, sync];
    timers.into_iter().flatten().min()
}
