//! SyncGroup, Heartbeat, LeaveGroup, and what happens to members that say nothing.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::machine::Classic;
use super::member::Waits;
use super::state::State;
use super::words::{Identity, SyncRequest, Synced, Ticket};
use crate::wire::ErrorCode;

/// What is to happen next.
#[derive(Clone, Debug)]
enum Timer {
    State,
    Pending(Arc<str>),
    Session(Arc<str>),
}

impl Classic {
    /// A SyncGroup.
    pub(super) fn handle_sync(&mut self, ticket: Ticket, request: &SyncRequest, now: Instant) {
        if let Err(code) = self.sync(ticket, request, now) {
            self.answer_sync(ticket, Err(code));
        }
    }

    fn sync(
        &mut self,
        ticket: Ticket,
        request: &SyncRequest,
        now: Instant,
    ) -> Result<(), ErrorCode> {
        self.identify_in(&request.identity, request.generation)?;
        let differs = |theirs: &Option<Arc<str>>, ours: &Option<Arc<str>>| {
            theirs.is_some() && ours.is_some() && theirs != ours
        };
        if differs(&request.protocol_type, &self.protocol_type)
            || differs(&request.protocol, &self.protocol)
        {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        let id = &request.identity.member_id;
        match self.state {
            State::Empty { .. } => return Err(ErrorCode::UNKNOWN_MEMBER_ID),
            State::PreparingRebalance { .. } => return Err(ErrorCode::REBALANCE_IN_PROGRESS),
            State::CompletingRebalance { .. } => {
                self.has_synced(id);
                self.wait(id, Waits::ForSync(ticket));
                if self.is_leader(id) {
                    self.complete_sync(&request.assignments, now);
                }
            }
            State::Stable { .. } => {
                let assignment = self.has_synced(id);
                self.answer_sync(ticket, Ok(self.synced(assignment)));
            }
        }
        Ok(())
    }

    /// Notes that a member has synced; gives what it was assigned.
    fn has_synced(&mut self, id: &str) -> Bytes {
        let member = self.member(id).map(|member| {
            member.has_synced = true;
            member.assignment.clone()
        });
        member.unwrap_or_default()
    }

    pub(super) fn synced(&self, assignment: Bytes) -> Synced {
        Synced {
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            assignment,
        }
    }

    /// A Heartbeat.
    pub(super) fn handle_heartbeat(
        &mut self,
        identity: &Identity,
        generation: i32,
        now: Instant,
    ) -> Result<(), ErrorCode> {
        self.identify_in(identity, generation)?.begin_session(now);
        match self.state {
            State::PreparingRebalance { .. } => Err(ErrorCode::REBALANCE_IN_PROGRESS),
            _ => Ok(()),
        }
    }

    /// A LeaveGroup of these members: what is said to each.
    pub(super) fn handle_leave(
        &mut self,
        who: &[Identity],
        now: Instant,
    ) -> Vec<Result<(), ErrorCode>> {
        let results: Vec<_> = who.iter().map(|who| self.leave(who)).collect();
        if results.iter().any(Result::is_ok) {
            match self.state {
                State::Empty { .. } => {}
                _ => self.rebalance_or_go_on(now),
            }
        }
        results
    }

    fn leave(&mut self, who: &Identity) -> Result<(), ErrorCode> {
        let id = match (&who.instance_id, &who.member_id) {
            // An operator knows a member by its instance alone.
            (Some(instance), id) if id.is_empty() => self
                .id_of_instance(instance)
                .ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?,
            (_, id) if self.pending.remove(id).is_some() => return Ok(()),
            _ => self.identify(who)?.id.clone(),
        };
        self.remove(&id);
        Ok(())
    }

    /// When something is due.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.next_timer().map(|(due, _)| due)
    }

    fn next_timer(&self) -> Option<(Instant, Timer)> {
        let state = self.state.due().map(|due| (due, Timer::State));
        let pending = self
            .pending
            .iter()
            .map(|(id, due)| (*due, Timer::Pending(id.clone())));
        let sessions = self.members.iter().filter_map(|member| {
            let due = member.session_ends?;
            Some((due, Timer::Session(member.id.clone())))
        });
        let all = state.into_iter().chain(pending).chain(sessions);
        all.min_by_key(|(due, _)| *due)
    }

    /// Does what is due.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        while let Some((due, timer)) = self.next_timer()
            && due <= now
        {
            match timer {
                Timer::State => match self.state {
                    State::Empty { .. } => {}
                    State::PreparingRebalance { initial, .. } => self.joining_is_due(now, initial),
                    State::CompletingRebalance { .. } | State::Stable { .. } => {
                        self.syncing_is_due(now);
                    }
                },
                Timer::Pending(id) => {
                    self.pending.remove(&id);
                    self.go_on_without(now);
                }
                Timer::Session(id) => self.session_is_over(&id, now),
            }
        }
    }

    /// A member has said nothing for too long, unless it is the coordinator's turn to speak.
    fn session_is_over(&mut self, id: &str, now: Instant) {
        let Some(member) = self.member(id) else {
            return;
        };
        member.session_ends = None;
        if member.waits.is_some() && !member.is_new {
            return;
        }
        self.remove(id);
        match self.state {
            State::CompletingRebalance { .. } | State::Stable { .. } => self.prepare_rebalance(now),
            State::Empty { .. } | State::PreparingRebalance { .. } => self.go_on_without(now),
        }
    }

    /// Someone who was waited for is gone.
    fn go_on_without(&mut self, now: Instant) {
        if let State::PreparingRebalance { .. } = self.state
            && self.all_have_joined()
        {
            self.complete_join(now);
        }
    }
}
