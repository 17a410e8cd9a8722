//! From one generation to the next.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::machine::Classic;
use super::member::{Member, Waits};
use super::state::{InitialDelay, State};
use crate::wire::ErrorCode;

/// A wait that is to be repeated takes some time.
const LEAST_WAIT: Duration = Duration::from_millis(1);

impl Classic {
    /// Begins a rebalance, or goes on with the one that has begun.
    pub(super) fn rebalance_or_go_on(&mut self, now: Instant) {
        match self.state {
            State::PreparingRebalance { .. } => self.join_if_all_have(now),
            _ => self.prepare_rebalance(now),
        }
    }

    /// Begins a rebalance: all have to join again.
    pub(super) fn prepare_rebalance(&mut self, now: Instant) {
        if let State::CompletingRebalance { .. } = self.state {
            self.call_back(now);
        }
        if let State::Empty { .. } = self.state {
            let delay = self.initial_delay;
            let initial = InitialDelay {
                delay,
                remaining: self.rebalance_timeout().saturating_sub(delay),
                newcomers: false,
            };
            self.state = State::PreparingRebalance {
                due: now + delay,
                initial: Some(initial),
            };
            return;
        }
        self.wait_for_joins(now);
        self.join_if_all_have(now);
    }

    fn wait_for_joins(&mut self, now: Instant) {
        self.state = State::PreparingRebalance {
            due: now + self.rebalance_timeout().max(LEAST_WAIT),
            initial: None,
        };
    }

    /// Sends those that wait for their part of this generation back to join the next.
    fn call_back(&mut self, now: Instant) {
        let mut tickets = Vec::new();
        for member in &mut self.members {
            member.assignment = Bytes::new();
            if let Some(Waits::ForSync(ticket)) = member.waits {
                member.waits = None;
                member.begin_session(now);
                tickets.push(ticket);
            }
        }
        for ticket in tickets {
            self.answer_sync(ticket, Err(ErrorCode::REBALANCE_IN_PROGRESS));
        }
    }

    /// Goes on to the next generation where all have joined, and no more are waited for.
    pub(super) fn join_if_all_have(&mut self, now: Instant) {
        let is_rebalance = matches!(self.state, State::PreparingRebalance { initial: None, .. });
        if is_rebalance && self.all_have_joined() {
            self.complete_join(now);
        }
    }

    /// The time for joining is over, or its present piece is.
    pub(super) fn joining_is_due(&mut self, now: Instant, initial: Option<InitialDelay>) {
        match initial {
            Some(initial) if initial.newcomers && !initial.remaining.is_zero() => {
                let delay = self.initial_delay.min(initial.remaining);
                self.state = State::PreparingRebalance {
                    due: now + delay,
                    initial: Some(InitialDelay {
                        delay,
                        remaining: initial.remaining.saturating_sub(initial.delay),
                        newcomers: false,
                    }),
                };
            }
            _ => self.complete_join(now),
        }
    }

    /// Begins the next generation with those that have joined, and with the static ones.
    pub(super) fn complete_join(&mut self, now: Instant) {
        let stays = |member: &Member| member.is_joining() || member.instance_id.is_some();
        let (stay, go): (Vec<_>, Vec<_>) = self.members.drain(..).partition(stays);
        self.members = stay;
        for member in go {
            self.refuse(member.waits, ErrorCode::UNKNOWN_MEMBER_ID, "");
        }
        if self.members.is_empty() {
            return self.become_empty(now);
        }
        if !self.elect() {
            // Only static members, and none of them has joined: sessions decide.
            return self.wait_for_joins(now);
        }
        self.generation += 1;
        self.protocol = self.select_protocol();
        self.subscribed = self.topics_of_members();
        self.state = State::CompletingRebalance {
            due: now + self.rebalance_timeout(),
        };
        self.tell_generation(now);
    }

    fn become_empty(&mut self, now: Instant) {
        self.generation += 1;
        self.leader = None;
        self.protocol = None;
        self.subscribed = self.topics_of_members();
        self.state = State::Empty { since: now };
        self.keep();
    }

    /// Has someone lead who has joined; false where nobody has.
    fn elect(&mut self) -> bool {
        let mut joining = self.members.iter().filter(|member| member.is_joining());
        let first = joining.next().map(|member| member.id.clone());
        let leads = |member: &Member| self.leader.as_ref() == Some(&member.id);
        let leader_joins = self.members.iter().any(|m| leads(m) && m.is_joining());
        if !leader_joins {
            self.leader = first.clone();
        }
        first.is_some()
    }

    fn tell_generation(&mut self, now: Instant) {
        let mut tickets = Vec::new();
        for member in &mut self.members {
            member.is_new = false;
            member.has_synced = false;
            member.begin_session(now);
            if let Some(Waits::ForJoin(ticket)) = member.waits {
                member.waits = None;
                tickets.push((ticket, member.id.clone()));
            }
        }
        for (ticket, id) in tickets {
            let answer = self.joined(&id);
            self.answer_join(ticket, Ok(answer));
        }
    }

    /// The protocol that most members prefer among those that all know; of two with as many votes
    /// the one that was voted for first.
    pub(super) fn select_protocol(&self) -> Option<Arc<str>> {
        let is_common = |name: &str| self.members.iter().all(|member| member.supports(name));
        let vote = |member: &Member| {
            let names = member.protocols.iter().map(|own| own.name.clone());
            names.into_iter().find(|name| is_common(name))
        };
        let votes: Vec<Arc<str>> = self.members.iter().filter_map(vote).collect();
        let count = |name: &Arc<str>| votes.iter().filter(|vote| *vote == name).count();
        votes
            .iter()
            .min_by_key(|name| Reverse(count(name)))
            .cloned()
    }

    /// The leader has said who gets what.
    pub(super) fn complete_sync(&mut self, assignments: &[(Arc<str>, Bytes)], now: Instant) {
        let mut tickets = Vec::new();
        for member in &mut self.members {
            let own = assignments.iter().find(|(id, _)| *id == member.id);
            member.assignment = own.map(|(_, part)| part.clone()).unwrap_or_default();
            if let Some(Waits::ForSync(ticket)) = member.waits {
                member.waits = None;
                member.begin_session(now);
                tickets.push((ticket, member.assignment.clone()));
            }
        }
        self.state = State::Stable {
            due: self.state.due(),
        };
        self.keep();
        for (ticket, assignment) in tickets {
            let answer = self.synced(assignment);
            self.answer_sync(ticket, Ok(answer));
        }
    }

    /// The time for syncing is over: those that have not are taken for lost.
    pub(super) fn syncing_is_due(&mut self, now: Instant) {
        let late = self.members.iter().filter(|member| !member.has_synced);
        let late: Vec<Arc<str>> = late.map(|member| member.id.clone()).collect();
        if late.is_empty() {
            self.state = State::Stable { due: None };
            return;
        }
        for id in &late {
            self.remove(id);
        }
        self.prepare_rebalance(now);
    }
}
