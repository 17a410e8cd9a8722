//! JoinGroup: new members, members that come back, static members.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::machine::Classic;
use super::member::{Member, Waits};
use super::state::State;
use super::words::{JoinRequest, NotJoined, Ticket};
use crate::wire::ErrorCode;

/// A group has no more members; Kafka's `group.max.size` is as good as unlimited.
pub(super) const MAX_MEMBERS: usize = 1000;
/// How long a new member's first JoinGroup is held: it can't send heartbeats meanwhile.
pub(super) const NEW_MEMBER_JOIN_TIMEOUT: Duration = Duration::from_secs(5 * 60);

impl Classic {
    /// A JoinGroup; `fresh_id` is the id that a new member gets.
    pub(super) fn handle_join(
        &mut self,
        ticket: Ticket,
        request: JoinRequest,
        fresh_id: Arc<str>,
        now: Instant,
    ) {
        let asked = request.identity.member_id.clone();
        if let Err(refusal) = self.check_join(&request) {
            return self.answer_join(ticket, Err(refusal));
        }
        let refused = if asked.is_empty() {
            self.join_anew(ticket, request, fresh_id, now)
        } else {
            self.rejoin(ticket, request, now)
                .map_err(|code| NotJoined::new(code, asked))
        };
        if let Err(refusal) = refused {
            self.answer_join(ticket, Err(refusal));
        }
    }

    fn check_join(&self, request: &JoinRequest) -> Result<(), NotJoined> {
        let asked = &request.identity.member_id;
        let is_known = self.members.iter().any(|member| member.id == *asked)
            || self.pending.contains_key(asked);
        if !is_known && self.members.len() + self.pending.len() >= MAX_MEMBERS {
            let code = ErrorCode::GROUP_MAX_SIZE_REACHED;
            return Err(NotJoined::new(code, "".into()));
        }
        if !self.suits(request) {
            let code = ErrorCode::INCONSISTENT_GROUP_PROTOCOL;
            return Err(NotJoined::new(code, asked.clone()));
        }
        Ok(())
    }

    /// Whether a member with these protocols can be in one generation with the others.
    fn suits(&self, request: &JoinRequest) -> bool {
        if let State::Empty { .. } = self.state {
            return !request.protocol_type.is_empty() && !request.protocols.is_empty();
        }
        let is_common = |name: &str| self.members.iter().all(|member| member.supports(name));
        self.protocol_type.as_ref() == Some(&request.protocol_type)
            && request.protocols.iter().any(|own| is_common(&own.name))
    }

    fn join_anew(
        &mut self,
        ticket: Ticket,
        request: JoinRequest,
        fresh_id: Arc<str>,
        now: Instant,
    ) -> Result<(), NotJoined> {
        let instance = request.identity.instance_id.as_deref();
        match instance.map(|instance| self.id_of_instance(instance)) {
            Some(Some(old)) => self.replace_static(ticket, request, &old, &fresh_id, now),
            None if request.learns_id_first => {
                let until = now + request.session_timeout;
                self.pending.insert(fresh_id.clone(), until);
                return Err(NotJoined::new(ErrorCode::MEMBER_ID_REQUIRED, fresh_id));
            }
            Some(None) | None => self.add(ticket, request, fresh_id, now),
        }
        Ok(())
    }

    fn add(&mut self, ticket: Ticket, request: JoinRequest, id: Arc<str>, now: Instant) {
        if let State::PreparingRebalance {
            initial: Some(initial),
            ..
        } = &mut self.state
        {
            initial.newcomers = true;
        }
        self.pending.remove(&id);
        if self.members.is_empty() {
            self.protocol_type = Some(request.protocol_type.clone());
        }
        if self.leader.is_none() {
            self.leader = Some(id.clone());
        }
        let mut member = Member::new(id, request, ticket);
        member.session_ends = Some(now + NEW_MEMBER_JOIN_TIMEOUT);
        self.members.push(member);
        self.rebalance_or_go_on(now);
    }

    fn rejoin(
        &mut self,
        ticket: Ticket,
        request: JoinRequest,
        now: Instant,
    ) -> Result<(), ErrorCode> {
        let id = request.identity.member_id.clone();
        if self.pending.contains_key(&id) {
            if request.identity.instance_id.is_some() {
                // Only members that are not static are given an id first.
                return Err(ErrorCode::UNKNOWN_SERVER_ERROR);
            }
            self.add(ticket, request, id, now);
            return Ok(());
        }
        let has_changed = self.identify(&request.identity)?.protocols != request.protocols;
        let rebalances = match self.state {
            State::Empty { .. } | State::PreparingRebalance { .. } => true,
            State::CompletingRebalance { .. } => has_changed,
            // The leader may know of what no metadata shows: new partitions, say.
            State::Stable { .. } => has_changed || self.is_leader(&id),
        };
        if rebalances {
            self.update(ticket, request, &id);
            self.rebalance_or_go_on(now);
        } else {
            // It has missed the answer.
            self.answer_join(ticket, Ok(self.joined(&id)));
        }
        Ok(())
    }

    fn update(&mut self, ticket: Ticket, request: JoinRequest, id: &str) {
        if let Some(member) = self.member(id) {
            member.protocols = request.protocols;
            member.session_timeout = request.session_timeout;
            member.rebalance_timeout = request.rebalance_timeout;
        }
        self.wait(id, Waits::ForJoin(ticket));
    }

    /// A static member has come back without its id: it takes its own place under a new one, and
    /// whoever still has the old one is fenced.
    fn replace_static(
        &mut self,
        ticket: Ticket,
        request: JoinRequest,
        old: &str,
        fresh_id: &Arc<str>,
        now: Instant,
    ) {
        let (was_leader, can_skip) = (self.is_leader(old), request.can_skip_assignment);
        if let Some(member) = self.member(old) {
            let waits = member.waits.take();
            member.id = fresh_id.clone();
            member.is_new = false;
            member.begin_session(now);
            self.refuse(waits, ErrorCode::FENCED_INSTANCE_ID, old);
        }
        if was_leader {
            self.leader = Some(fresh_id.clone());
        }
        self.update(ticket, request, fresh_id);
        match self.state {
            State::Stable { .. } if self.select_protocol() == self.protocol => {
                self.go_on_as(fresh_id, old, was_leader, can_skip);
            }
            State::PreparingRebalance { .. } => self.join_if_all_have(now),
            _ => self.prepare_rebalance(now),
        }
    }

    /// Answers a static member that takes its own place, and changes nothing for the others.
    fn go_on_as(&mut self, id: &str, old: &str, is_leader: bool, can_skip: bool) {
        let mut answer = self.joined(id);
        if can_skip {
            answer.skip_assignment = is_leader;
        } else if is_leader {
            // An older client that learned that it leads would assign anew: it is told that the
            // one leads that it was.
            answer.leader = old.into();
            answer.members.clear();
        }
        let waits = self.member(id).and_then(|member| member.waits.take());
        self.keep();
        if let Some(Waits::ForJoin(ticket)) = waits {
            self.answer_join(ticket, Ok(answer));
        }
    }
}

impl NotJoined {
    pub(in crate::broker) fn new(code: ErrorCode, member_id: Arc<str>) -> Self {
        Self { code, member_id }
    }
}
