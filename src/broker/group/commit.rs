//! Commits: who may, and what becomes of a group that nobody uses.

use std::time::{Duration, Instant};

use super::groups::Groups;
use super::kind::{Group, Kind};
use super::machine::Classic;
use super::offsets::Committed;
use super::state::State;
use super::words::{Committer, Identity, Rights};
use crate::wire::{ErrorCode, TopicPartition};

/// How long an empty group without offsets is kept (`offsets.retention.check.interval.ms`).
pub(super) const EMPTY_GROUP_RETENTION: Duration = Duration::from_secs(600);

/// Kafka's `offset.metadata.max.bytes`, which counts as Java does: in UTF-16.
const MAX_METADATA: usize = 4096;

impl Groups {
    /// Says what someone may commit to. Where there is no such group, one without members comes
    /// into being for whoever assigns partitions on their own.
    ///
    /// # Errors
    ///
    /// `GROUP_ID_NOT_FOUND` for a generation of a group that there is not, and what the group
    /// itself says.
    pub(in crate::broker) fn check_commit(
        &mut self,
        id: &str,
        by: &Committer,
        now: Instant,
    ) -> Result<Rights, ErrorCode> {
        if by.generation < 0 {
            self.make(id, now)?;
        }
        let commit = |group: &mut Group| match &mut group.kind {
            Kind::Classic(classic) => {
                let may = classic.handle_commit(&by.identity, by.generation, now);
                may.map(|()| Rights::All)
            }
            Kind::Consumer(consumer) => consumer.check_commit(by),
        };
        self.with(id, now, commit)
            .unwrap_or(Err(ErrorCode::GROUP_ID_NOT_FOUND))
    }

    /// Says whether someone may ask for offsets. Members of the classic protocol are not looked
    /// at, nor is anyone where there is no such group.
    ///
    /// # Errors
    ///
    /// `UNKNOWN_MEMBER_ID`, `STALE_MEMBER_EPOCH` or `ILLEGAL_GENERATION`.
    pub(in crate::broker) fn check_fetch(
        &self,
        id: &str,
        member_id: Option<&str>,
        epoch: i32,
    ) -> Result<(), ErrorCode> {
        match self.all.get(id).and_then(Group::consumer) {
            Some(consumer) => consumer.check_fetch(member_id, epoch),
            None => Ok(()),
        }
    }

    /// Keeps an offset that [`Groups::check_commit`] allowed.
    ///
    /// # Errors
    ///
    /// `OFFSET_METADATA_TOO_LARGE`.
    pub(in crate::broker) fn commit(
        &mut self,
        id: &str,
        partition: TopicPartition,
        committed: Committed,
    ) -> Result<(), ErrorCode> {
        check_metadata(&committed)?;
        if let Some(group) = self.all.get_mut(id) {
            group.offsets.put(partition, committed);
        }
        Ok(())
    }

    /// Says whether offsets of a group may be deleted at all.
    ///
    /// # Errors
    ///
    /// `GROUP_ID_NOT_FOUND` or `NON_EMPTY_GROUP`.
    pub(in crate::broker) fn check_offset_delete(&self, id: &str) -> Result<(), ErrorCode> {
        let group = self.all.get(id).ok_or(ErrorCode::GROUP_ID_NOT_FOUND)?;
        group.classic().map_or(Ok(()), Classic::check_offset_delete)
    }

    /// Forgets an offset.
    ///
    /// # Errors
    ///
    /// `GROUP_SUBSCRIBED_TO_TOPIC`.
    pub(in crate::broker) fn delete_offset(
        &mut self,
        id: &str,
        topic: &str,
        partition: i32,
    ) -> Result<(), ErrorCode> {
        let group = self.all.get_mut(id);
        let group = group.ok_or(ErrorCode::GROUP_ID_NOT_FOUND)?;
        if group.is_subscribed_to(topic) {
            return Err(ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC);
        }
        group.offsets.remove(topic, partition);
        Ok(())
    }

    /// A topic is gone, and with it what was committed to it.
    pub(in crate::broker) fn topic_deleted(&mut self, topic: &str) {
        for group in self.all.values_mut() {
            group.offsets.remove_topic(topic);
        }
    }
}

impl Classic {
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

    /// Since when nobody has any use for it, but for what it has committed.
    pub(super) fn unused_since(&self) -> Option<Instant> {
        match self.state {
            State::Empty { since } if self.pending.is_empty() => Some(since),
            _ => None,
        }
    }
}

pub(super) fn check_metadata(committed: &Committed) -> Result<(), ErrorCode> {
    let metadata = &committed.metadata;
    if metadata.len() > MAX_METADATA && metadata.encode_utf16().count() > MAX_METADATA {
        return Err(ErrorCode::OFFSET_METADATA_TOO_LARGE);
    }
    Ok(())
}
