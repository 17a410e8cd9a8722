mod joining;
mod leaving;
mod migrating;
mod offsets;
mod random;
mod static_members;
mod syncing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::words::{Joined, Synced};
use super::*;
use crate::broker::BrokerConfig;
use crate::broker::topics::Topics;
use crate::group::Assignor;
use crate::group::subscription::Subscription;
use crate::wire::ErrorCode;

const GROUP: &str = "notifier";
const SESSION: Duration = Duration::from_secs(10);
const REBALANCE: Duration = Duration::from_secs(60);

/// Groups with a clock and all their answers.
struct Rig {
    groups: Groups,
    topics: Topics,
    now: Instant,
    joins: BTreeMap<Ticket, JoinAnswer>,
    syncs: BTreeMap<Ticket, SyncAnswer>,
}

impl Rig {
    fn new() -> Self {
        Self::with_delay(Duration::ZERO)
    }

    /// With this `group.initial.rebalance.delay.ms`.
    fn with_delay(delay: Duration) -> Self {
        let config = BrokerConfig {
            group_initial_rebalance_delay: delay,
            ..BrokerConfig::default()
        };
        Self {
            groups: Groups::new(&config, 7),
            topics: Topics::default(),
            now: Instant::now(),
            joins: BTreeMap::new(),
            syncs: BTreeMap::new(),
        }
    }

    fn group(&self) -> &Group {
        self.groups.get(GROUP).unwrap()
    }

    fn classic(&self) -> &Classic {
        self.group().classic().unwrap()
    }

    fn state(&self) -> GroupState {
        self.group().state()
    }

    /// Notes the answers; none may come twice.
    fn settle(&mut self) {
        while let Some(effect) = self.groups.poll_effect() {
            let is_first = match effect {
                Effect::Joined(ticket, answer) => self.joins.insert(ticket, answer).is_none(),
                Effect::Synced(ticket, answer) => self.syncs.insert(ticket, answer).is_none(),
            };
            assert!(is_first);
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.groups.handle_timeout(self.now);
        self.settle();
    }

    fn join(&mut self, request: JoinRequest) -> Ticket {
        let ticket = self.groups.ticket();
        self.groups
            .join(GROUP, ticket, request, &self.topics, self.now);
        self.settle();
        ticket
    }

    /// Joins where the answer comes at once.
    fn joined(&mut self, request: JoinRequest) -> Joined {
        let ticket = self.join(request);
        self.joins[&ticket].clone().unwrap()
    }

    /// Joins where that is refused.
    fn join_refused(&mut self, request: JoinRequest) -> ErrorCode {
        let ticket = self.join(request);
        self.joins[&ticket].clone().unwrap_err().code
    }

    fn is_waiting(&self, ticket: Ticket) -> bool {
        !self.joins.contains_key(&ticket) && !self.syncs.contains_key(&ticket)
    }

    fn sync(&mut self, request: &SyncRequest) -> Ticket {
        let ticket = self.groups.ticket();
        self.groups.sync(GROUP, ticket, request, self.now);
        self.settle();
        ticket
    }

    fn synced(&mut self, request: &SyncRequest) -> Result<Synced, ErrorCode> {
        let ticket = self.sync(request);
        self.syncs[&ticket].clone()
    }

    fn heartbeat(&mut self, of: &Joined) -> Result<(), ErrorCode> {
        let who = member(&of.member_id);
        let beat = self.groups.heartbeat(GROUP, &who, of.generation, self.now);
        self.settle();
        beat
    }

    fn leave(&mut self, who: &[Identity]) -> Vec<Result<(), ErrorCode>> {
        let left = self.groups.leave(GROUP, who, self.now).unwrap();
        self.settle();
        left
    }

    fn may_commit(&mut self, who: &Identity, generation: i32) -> Result<(), ErrorCode> {
        let may = self
            .groups
            .check_commit(GROUP, &committer(who, generation), self.now);
        self.settle();
        may.map(|rights| assert_eq!(rights, Rights::All))
    }

    /// A stable group of so many members, the leader first.
    fn stable(count: usize) -> (Self, Vec<Joined>) {
        let mut rig = Self::with_delay(Duration::from_secs(3));
        let tickets: Vec<_> = (0..count).map(|_| rig.join(request())).collect();
        let joined = rig.after_delay(&tickets);
        rig.sync_all(&joined);
        assert_eq!(rig.state(), GroupState::Stable);
        (rig, joined)
    }

    /// The answers to joins that an initial delay of 3 s holds.
    fn after_delay(&mut self, tickets: &[Ticket]) -> Vec<Joined> {
        // The newcomers have it extended once.
        self.pass(Duration::from_secs(3));
        self.pass(Duration::from_secs(3));
        let answer = |ticket| self.joins[ticket].clone().unwrap();
        tickets.iter().map(answer).collect()
    }

    /// All sync; each is assigned its own id.
    fn sync_all(&mut self, joined: &[Joined]) {
        for one in joined {
            let ticket = self.sync(&sync_of(one));
            assert_eq!(
                self.is_waiting(ticket),
                one.leader != one.member_id && self.state() != GroupState::Stable
            );
        }
        let last = joined.last().unwrap();
        let synced = self.synced(&sync_of(last)).unwrap();
        assert_eq!(synced.assignment, last.member_id.as_bytes());
    }

    /// All join again, and sync.
    fn rejoin_all(&mut self, members: &[Joined]) -> Vec<Joined> {
        let tickets: Vec<_> = members
            .iter()
            .map(|member| self.join(rejoin(member)))
            .collect();
        let joined: Vec<_> = tickets
            .iter()
            .map(|ticket| self.joins[ticket].clone().unwrap())
            .collect();
        self.sync_all(&joined);
        joined
    }
}

fn member(id: &str) -> Identity {
    Identity {
        member_id: id.into(),
        instance_id: None,
    }
}

fn static_member(id: &str, instance: &str) -> Identity {
    Identity {
        member_id: id.into(),
        instance_id: Some(instance.into()),
    }
}

fn committer(who: &Identity, generation: i32) -> Committer {
    Committer {
        identity: who.clone(),
        generation,
        is_transactional: false,
        version: 9,
    }
}

fn protocol(name: &str, topic: &str) -> Protocol {
    let mut subscription = Subscription::nothing();
    subscription.topics.push(topic.to_owned());
    Protocol {
        name: name.into(),
        metadata: subscription.encode(Assignor::Range),
    }
}

/// A JoinGroup of someone new, in a version in which they join at once.
fn request() -> JoinRequest {
    JoinRequest {
        identity: member(""),
        client_id: "client".into(),
        session_timeout: SESSION,
        rebalance_timeout: REBALANCE,
        protocol_type: "consumer".into(),
        protocols: vec![protocol("range", "payments")],
        learns_id_first: false,
        can_skip_assignment: true,
    }
}

/// A JoinGroup of a member with nothing new to say.
fn rejoin(of: &Joined) -> JoinRequest {
    JoinRequest {
        identity: member(&of.member_id),
        ..request()
    }
}

fn with_topic(topic: &str, request: JoinRequest) -> JoinRequest {
    JoinRequest {
        protocols: vec![protocol("range", topic)],
        ..request
    }
}

/// A SyncGroup; the leader's assigns everyone their own id.
fn sync_of(joined: &Joined) -> SyncRequest {
    let assign = |id: &Arc<str>| (id.clone(), Bytes::copy_from_slice(id.as_bytes()));
    SyncRequest {
        identity: member(&joined.member_id),
        generation: joined.generation,
        protocol_type: Some("consumer".into()),
        protocol: joined.protocol.clone(),
        assignments: joined
            .members
            .iter()
            .map(|member| assign(&member.identity.member_id))
            .collect(),
    }
}
