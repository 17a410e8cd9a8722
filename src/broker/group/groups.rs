//! All groups of the cluster.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::consumer::{Beat, Beaten, ConsumerGroup, JOINING, Settings};
use super::kind::{Group, Kind};
use super::machine::Classic;
use super::state::GroupState;
use super::words::{Effect, Identity, JoinAnswer, JoinRequest, NotJoined, SyncRequest, Ticket};
use crate::broker::BrokerConfig;
use crate::broker::topics::Topics;
use crate::wire::ErrorCode;

/// A broker keeps no more groups.
const MAX_GROUPS: usize = 10_000;

/// See the module.
#[derive(Debug)]
pub(in crate::broker) struct Groups {
    pub(super) all: BTreeMap<Arc<str>, Group>,
    initial_delay: Duration,
    session_timeouts: [Duration; 2],
    settings: Settings,
    /// Makes ids of members unlike those of any broker before.
    seed: u64,
    members_made: u64,
    tickets_made: u64,
    effects: VecDeque<Effect>,
}

impl Groups {
    pub(in crate::broker) fn new(config: &BrokerConfig, seed: u64) -> Self {
        Self {
            all: BTreeMap::new(),
            initial_delay: config.group_initial_rebalance_delay,
            session_timeouts: [
                config.group_min_session_timeout,
                config.group_max_session_timeout,
            ],
            settings: Settings::new(config),
            seed,
            members_made: 0,
            tickets_made: 0,
            effects: VecDeque::new(),
        }
    }

    pub(in crate::broker) fn get(&self, id: &str) -> Option<&Group> {
        self.all.get(id)
    }

    pub(in crate::broker) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Group)> {
        self.all.iter()
    }

    /// A ticket for a request that may have to wait.
    pub(in crate::broker) fn ticket(&mut self) -> Ticket {
        self.tickets_made += 1;
        Ticket(self.tickets_made)
    }

    /// The next answer to give.
    pub(in crate::broker) fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// A JoinGroup. It is answered by an effect, now or later.
    pub(in crate::broker) fn join(
        &mut self,
        id: &str,
        ticket: Ticket,
        request: JoinRequest,
        topics: &Topics,
        now: Instant,
    ) {
        let [least, most] = self.session_timeouts;
        let asked = request.identity.member_id.clone();
        let is_new = asked.is_empty();
        let possible = if id.is_empty() {
            Err(ErrorCode::INVALID_GROUP_ID)
        } else if !(least..=most).contains(&request.session_timeout) {
            Err(ErrorCode::INVALID_SESSION_TIMEOUT)
        } else {
            Ok(())
        };
        let fresh = self.fresh_id(&request);
        if possible.is_ok()
            && let Some(answer) = self.join_consumer(id, &request, &fresh, topics, now)
        {
            return self.effects.push_back(Effect::Joined(ticket, answer));
        }
        let possible = possible.and_then(|()| self.make_classic(id, is_new, now));
        let joined = possible.and_then(|()| {
            self.with_classic(id, now, |group| {
                group.handle_join(ticket, request, fresh, now);
            })
            .ok_or(ErrorCode::UNKNOWN_MEMBER_ID)
        });
        if let Err(code) = joined {
            let refusal = NotJoined::new(code, asked);
            self.effects.push_back(Effect::Joined(ticket, Err(refusal)));
        }
    }

    /// The answer to a JoinGroup of a group that goes by the consumer protocol, and has members;
    /// none for others.
    fn join_consumer(
        &mut self,
        id: &str,
        request: &JoinRequest,
        fresh: &Arc<str>,
        topics: &Topics,
        now: Instant,
    ) -> Option<JoinAnswer> {
        let join = |group: &mut Group| match &mut group.kind {
            Kind::Consumer(consumer) if !consumer.members().is_empty() => {
                Some(consumer.handle_join(request, fresh, topics, now))
            }
            _ => None,
        };
        self.with(id, now, join).flatten()
    }

    /// A SyncGroup. It is answered by an effect, now or later.
    pub(in crate::broker) fn sync(
        &mut self,
        id: &str,
        ticket: Ticket,
        request: &SyncRequest,
        now: Instant,
    ) {
        let sync = |group: &mut Group| match &mut group.kind {
            Kind::Classic(classic) => {
                classic.handle_sync(ticket, request, now);
                None
            }
            Kind::Consumer(consumer) => Some(consumer.handle_sync(request, now)),
        };
        let synced = check_id(id).and_then(|()| {
            let synced = self.with(id, now, sync);
            synced.ok_or(ErrorCode::UNKNOWN_MEMBER_ID)
        });
        let at_once = match synced {
            Ok(answer) => answer,
            Err(code) => Some(Err(code)),
        };
        if let Some(answer) = at_once {
            self.effects.push_back(Effect::Synced(ticket, answer));
        }
    }

    /// A Heartbeat.
    pub(in crate::broker) fn heartbeat(
        &mut self,
        id: &str,
        identity: &Identity,
        generation: i32,
        now: Instant,
    ) -> Result<(), ErrorCode> {
        check_id(id)?;
        let beat = |group: &mut Group| match &mut group.kind {
            Kind::Classic(classic) => classic.handle_heartbeat(identity, generation, now),
            Kind::Consumer(consumer) => {
                consumer.handle_classic_heartbeat(identity, generation, now)
            }
        };
        self.with(id, now, beat)
            .unwrap_or(Err(ErrorCode::UNKNOWN_MEMBER_ID))
    }

    /// A LeaveGroup of these members: what is said to each.
    ///
    /// # Errors
    ///
    /// `INVALID_GROUP_ID`.
    pub(in crate::broker) fn leave(
        &mut self,
        id: &str,
        who: &[Identity],
        now: Instant,
    ) -> Result<Vec<Result<(), ErrorCode>>, ErrorCode> {
        check_id(id)?;
        let leave = |group: &mut Group| match &mut group.kind {
            Kind::Classic(classic) => classic.handle_leave(who, now),
            Kind::Consumer(consumer) => consumer.handle_classic_leave(who, now),
        };
        let left = self.with(id, now, leave);
        Ok(left.unwrap_or_else(|| vec![Err(ErrorCode::UNKNOWN_MEMBER_ID); who.len()]))
    }

    /// A ConsumerGroupHeartbeat.
    ///
    /// # Errors
    ///
    /// `GROUP_ID_NOT_FOUND` where there is no such group of the consumer protocol, and what the
    /// group itself says.
    pub(in crate::broker) fn consumer_heartbeat(
        &mut self,
        id: &str,
        beat: &Beat,
        topics: &Topics,
        now: Instant,
    ) -> Result<Beaten, ErrorCode> {
        let settings = self.settings;
        if beat.epoch == JOINING {
            self.make(id, now)?;
        }
        let act = |group: &mut Group| match &mut group.kind {
            Kind::Consumer(consumer) => consumer.handle_heartbeat(beat, topics, now),
            Kind::Classic(classic) if beat.epoch == JOINING => {
                let mut consumer = ConsumerGroup::of_classic(settings, classic, topics, now)?;
                let beaten = consumer.handle_heartbeat(beat, topics, now)?;
                group.become_consumer(consumer);
                Ok(beaten)
            }
            Kind::Classic(_) => Err(ErrorCode::GROUP_ID_NOT_FOUND),
        };
        self.with(id, now, act)
            .unwrap_or(Err(ErrorCode::GROUP_ID_NOT_FOUND))
    }

    /// Deletes a group.
    ///
    /// # Errors
    ///
    /// `GROUP_ID_NOT_FOUND` or `NON_EMPTY_GROUP`.
    pub(in crate::broker) fn delete(&mut self, id: &str) -> Result<(), ErrorCode> {
        let group = self.all.get(id).ok_or(ErrorCode::GROUP_ID_NOT_FOUND)?;
        if group.state() != GroupState::Empty {
            return Err(ErrorCode::NON_EMPTY_GROUP);
        }
        self.all.remove(id);
        Ok(())
    }

    /// Other nodes coordinate these groups from now on, or none does: whoever waits has to ask
    /// them, and the members' sessions begin anew.
    pub(in crate::broker) fn coordinator_moved(
        &mut self,
        has_moved: impl Fn(&str) -> bool,
        is_coordinated: bool,
        now: Instant,
    ) {
        for (id, group) in &mut self.all {
            if has_moved(id) {
                group.handle_timeout(now);
                group.handle_move(is_coordinated, now);
                let effects = std::iter::from_fn(|| group.poll_effect());
                self.effects.extend(effects);
            }
        }
    }

    /// When something is due.
    pub(in crate::broker) fn poll_timeout(&self) -> Option<Instant> {
        let timers = |group: &Group| [group.poll_timeout(), group.expires()];
        self.all.values().flat_map(timers).flatten().min()
    }

    /// Does what is due.
    pub(in crate::broker) fn handle_timeout(&mut self, now: Instant) {
        let effects = &mut self.effects;
        self.all.retain(|_, group| {
            group.handle_timeout(now);
            effects.extend(std::iter::from_fn(|| group.poll_effect()));
            group.expires().is_none_or(|at| at > now)
        });
    }

    /// Does something with a group, and what was due before it or is because of it.
    pub(super) fn with<T>(
        &mut self,
        id: &str,
        now: Instant,
        act: impl FnOnce(&mut Group) -> T,
    ) -> Option<T> {
        let group = self.all.get_mut(id)?;
        group.handle_timeout(now);
        let done = act(group);
        group.handle_timeout(now);
        let effects = std::iter::from_fn(|| group.poll_effect());
        self.effects.extend(effects);
        Some(done)
    }

    /// The same for a group of the classic protocol; none where it is of the other.
    fn with_classic<T>(
        &mut self,
        id: &str,
        now: Instant,
        act: impl FnOnce(&mut Classic) -> T,
    ) -> Option<T> {
        let act = |group: &mut Group| match &mut group.kind {
            Kind::Classic(classic) => Some(act(classic)),
            Kind::Consumer(_) => None,
        };
        self.with(id, now, act).flatten()
    }

    /// Has a group without members be one of the classic protocol, for someone who joins by that.
    fn make_classic(&mut self, id: &str, is_new: bool, now: Instant) -> Result<(), ErrorCode> {
        if let Some(group) = self.all.get_mut(id)
            && group.consumer().is_some()
        {
            group.kind = Kind::Classic(Box::new(Classic::new(self.initial_delay, now)));
        }
        if is_new { self.make(id, now) } else { Ok(()) }
    }

    /// Sees to it that there is a group of this name.
    pub(super) fn make(&mut self, id: &str, now: Instant) -> Result<(), ErrorCode> {
        if self.all.contains_key(id) {
            return Ok(());
        }
        if self.all.len() >= MAX_GROUPS {
            return Err(ErrorCode::POLICY_VIOLATION);
        }
        let group = Group::new(Kind::Classic(Box::new(Classic::new(
            self.initial_delay,
            now,
        ))));
        self.all.insert(id.into(), group);
        Ok(())
    }

    /// An id that no member had before.
    fn fresh_id(&mut self, request: &JoinRequest) -> Arc<str> {
        self.members_made += 1;
        let unique = Uuid::from_u64_pair(self.seed, self.members_made);
        let instance = request.identity.instance_id.as_ref();
        let of = instance.unwrap_or(&request.client_id);
        format!("{of}-{unique}").into()
    }
}

fn check_id(id: &str) -> Result<(), ErrorCode> {
    match id {
        "" => Err(ErrorCode::INVALID_GROUP_ID),
        _ => Ok(()),
    }
}
