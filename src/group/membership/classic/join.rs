//! From JoinGroup to the assignment.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::state::State;
use super::{Member, Step};
use crate::group::assignor::{Assignment, Assignor, MemberSubscription, PartitionCounts};
use crate::group::membership::effect::{
    Attempt, Effect, GroupMember, JoinAnswer, JoinRequest, RequestError, SyncAnswer, SyncRequest,
};
use crate::group::membership::remedy::Remedy;
use crate::group::membership::timer::Timer;
use crate::group::subscription::{Subscription, decode_assignment, encode_assignment};
use crate::wire::{ErrorCode, TopicPartition};

/// What the coordinator may take beyond the rebalance timeout to answer a JoinGroup, as in Java.
const JOIN_LAPSE: Duration = Duration::from_secs(5);

/// What the leader of a generation knows.
#[derive(Debug)]
pub(super) struct Leadership {
    members: Vec<MemberSubscription>,
    /// What the assignment was made of. Empty at first with a leader that was spared the
    /// assignment: it takes what it sees first for that.
    counts: PartitionCounts,
}

impl Leadership {
    fn new(members: Vec<GroupMember>) -> Self {
        let members = members.into_iter().map(read_member).collect();
        Self {
            members,
            counts: PartitionCounts::new(),
        }
    }

    fn share_out(&mut self, assignor: Assignor, counts: PartitionCounts) -> Assignment {
        self.counts = counts;
        for topic in self.topics() {
            self.counts.entry(topic).or_insert(0);
        }
        assignor.assign(&self.members, &self.counts)
    }

    /// Notes how many partitions topics have; true where that is not what was shared out.
    pub(super) fn observe(&mut self, counts: &PartitionCounts) -> bool {
        let mut changed = false;
        for topic in self.topics() {
            let Some(now) = counts.get(&topic) else {
                continue;
            };
            changed |= self
                .counts
                .insert(topic, *now)
                .is_some_and(|before| before != *now);
        }
        changed
    }

    fn topics(&self) -> BTreeSet<String> {
        self.members
            .iter()
            .flat_map(|member| member.topics.iter().cloned())
            .collect()
    }
}

/// A member whose subscription can't be read gets nothing: it would not understand its
/// assignment either, and must not keep the others from theirs.
fn read_member(member: GroupMember) -> MemberSubscription {
    let subscription = Subscription::decode(&member.metadata);
    let Subscription {
        topics,
        owned,
        generation,
    } = subscription.unwrap_or_else(|_| Subscription::nothing());
    MemberSubscription {
        member_id: member.member_id,
        instance_id: member.instance_id,
        topics,
        owned,
        generation,
    }
}

impl Member {
    pub(super) fn send_join(&mut self, now: Instant) {
        self.set_state(State::PreparingRebalance);
        self.hush();
        let attempt = self.start(Step::Join, now);
        let subscription = Subscription {
            topics: self.base.config.topics.clone(),
            owned: self.base.ownership.owned().iter().cloned().collect(),
            generation: self.generation,
        };
        let protocols = self.base.config.assignors.iter();
        let protocols = protocols
            .map(|it| (it.name(), subscription.encode(*it)))
            .collect();
        self.base.effect(Effect::Join(JoinRequest {
            attempt,
            member_id: self.member_id.clone(),
            instance_id: self.base.config.instance_id.clone(),
            session_timeout: self.base.config.session_timeout,
            rebalance_timeout: self.base.config.rebalance_timeout,
            protocols,
            reason: self.rejoin.take(),
            timeout: self
                .base
                .config
                .rebalance_timeout
                .saturating_add(JOIN_LAPSE),
        }));
    }

    /// Answers [`Effect::Join`].
    pub fn handle_join(
        &mut self,
        attempt: Attempt,
        answer: Result<JoinAnswer, RequestError>,
        now: Instant,
    ) {
        if self.take_pending(Step::Join, attempt).is_none() {
            return;
        }
        match answer {
            Ok(answer) => self.joined(answer, now),
            Err(RequestError::MemberIdRequired(member_id)) => {
                self.member_id = member_id;
                self.retry_soon(now);
            }
            Err(error) => self.rebalance_failed("joining", &error, now),
        }
        self.watch_session();
    }

    fn joined(&mut self, answer: JoinAnswer, now: Instant) {
        let known = Assignor::from_name(&answer.protocol_name);
        let Some(assignor) = known.filter(|it| self.base.config.assignors.contains(it)) else {
            let error = RequestError::Code(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
            return self.fail("joining", &error);
        };
        self.set_state(State::CompletingRebalance);
        self.generation = answer.generation;
        self.member_id = answer.member_id;
        self.assignor = Some(assignor);
        self.prove_alive(now);
        let leads = answer.leader == self.member_id;
        self.leadership = leads.then(|| Leadership::new(answer.members));
        if leads && !answer.skip_assignment {
            self.ask_partitions(now);
        } else {
            self.send_sync(Vec::new(), now);
        }
    }

    /// Asks what there is to share out. Heartbeats go on meanwhile.
    pub(super) fn ask_partitions(&mut self, now: Instant) {
        let topics = self
            .leadership
            .as_ref()
            .map(Leadership::topics)
            .unwrap_or_default();
        let topics = topics.into_iter().collect();
        let attempt = self.start(Step::Partitions, now);
        self.base.effect(Effect::NeedPartitions { attempt, topics });
        self.send_heartbeat(now);
    }

    /// Answers [`Effect::NeedPartitions`]. A topic that is left out is one that does not exist.
    pub fn handle_partitions(
        &mut self,
        attempt: Attempt,
        answer: Result<PartitionCounts, RequestError>,
        now: Instant,
    ) {
        if self.take_pending(Step::Partitions, attempt).is_none() {
            return;
        }
        let (Ok(counts), Some(assignor)) = (answer, self.assignor) else {
            return self.base.retry_later(now);
        };
        let Some(leadership) = &mut self.leadership else {
            return;
        };
        let assignment = leadership.share_out(assignor, counts);
        let encode = |(member, partitions): (_, Vec<_>)| (member, encode_assignment(&partitions));
        self.send_sync(assignment.into_iter().map(encode).collect(), now);
    }

    fn send_sync(&mut self, assignments: Vec<(String, Bytes)>, now: Instant) {
        let Some(assignor) = self.assignor.filter(|_| self.base.coordinator_known) else {
            self.set_state(State::PreparingRebalance);
            return self.proceed(now);
        };
        self.hush();
        let attempt = self.start(Step::Sync, now);
        self.base.effect(Effect::Sync(SyncRequest {
            attempt,
            generation: self.generation,
            member_id: self.member_id.clone(),
            instance_id: self.base.config.instance_id.clone(),
            protocol_name: assignor.name(),
            assignments,
            timeout: self.base.config.session_timeout,
        }));
    }

    /// Answers [`Effect::Sync`].
    pub fn handle_sync(
        &mut self,
        attempt: Attempt,
        answer: Result<SyncAnswer, RequestError>,
        now: Instant,
    ) {
        let Some(sent) = self.take_pending(Step::Sync, attempt) else {
            return;
        };
        match answer.map(|it| decode_assignment(&it.assignment)) {
            Ok(Ok(partitions)) => {
                self.prove_alive(sent);
                self.synced(partitions, now);
            }
            Ok(Err(malformed)) => {
                let group = &self.base.config.group_id;
                self.fail_with(
                    None,
                    format!("taking an assignment in group `{group}`: {malformed}"),
                );
            }
            Err(error) => self.rebalance_failed("synchronizing", &error, now),
        }
        self.watch_session();
    }

    fn synced(&mut self, partitions: Vec<TopicPartition>, now: Instant) {
        self.base.backoff.reset();
        self.base
            .timers
            .set(Timer::Heartbeat, now + self.base.config.heartbeat_interval);
        let wanted = |it: &TopicPartition| {
            self.base
                .config
                .topics
                .iter()
                .any(|topic| **topic == *it.topic)
        };
        let target = partitions.into_iter().filter(wanted).collect();
        let (added, surplus) = self.base.ownership.reconcile(&target);
        if surplus.is_empty() {
            self.set_state(State::Stable);
        } else {
            self.rejoin = Some("partitions were given up");
            self.set_state(State::Reconciling);
            self.base.revoke(surplus, now);
        }
        self.base.effect(Effect::Assigned(added));
        if self.state == State::Stable && self.rejoin.is_some() {
            self.start_rebalance(now);
        }
    }

    fn rebalance_failed(&mut self, doing: &str, error: &RequestError, now: Instant) {
        match error.remedy() {
            Remedy::Nothing => self.fail(doing, error),
            Remedy::ForgetMember => self.removed(false, now),
            Remedy::ForgetGeneration => self.removed(true, now),
            remedy => {
                self.set_state(State::PreparingRebalance);
                match remedy {
                    Remedy::FindCoordinator => self.lose_coordinator(now),
                    Remedy::Rejoin => self.retry_soon(now),
                    _ => self.base.retry_later(now),
                }
            }
        }
    }
}
