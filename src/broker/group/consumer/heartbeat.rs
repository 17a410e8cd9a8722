//! ConsumerGroupHeartbeat: new members, members that go on, members that leave.

use std::sync::Arc;
use std::time::Instant;

use super::machine::ConsumerGroup;
use super::member::ConsumerMember;
use super::words::{Beat, Beaten, JOINING, LEAVING, LEAVING_FOR_A_WHILE, partitions_of};
use crate::broker::group::Identity;
use crate::broker::topics::Topics;
use crate::wire::ErrorCode;

impl ConsumerGroup {
    /// A ConsumerGroupHeartbeat.
    ///
    /// # Errors
    ///
    /// `GROUP_MAX_SIZE_REACHED`, `UNKNOWN_MEMBER_ID`, `FENCED_MEMBER_EPOCH`,
    /// `UNRELEASED_INSTANCE_ID` or `FENCED_INSTANCE_ID`; then nothing has changed.
    pub(in crate::broker::group) fn handle_heartbeat(
        &mut self,
        beat: &Beat,
        topics: &Topics,
        now: Instant,
    ) -> Result<Beaten, ErrorCode> {
        if matches!(beat.epoch, LEAVING | LEAVING_FOR_A_WHILE) {
            return self.handle_leave(beat, now);
        }
        let assignor = self.assignor();
        self.check_size(&beat.identity)?;
        let at = self.admit(beat)?;
        let before = self.members[at].current.assigned.clone();
        let wants_others = self.members[at].update(beat);
        let is_bumped = wants_others || self.assignor() != assignor;
        if self.look_at(topics) || is_bumped {
            self.epoch += 1;
        }
        self.assign(now);
        self.reconcile(at, wants_others, beat.owned.as_ref(), now);
        let interval = self.settings.heartbeat_interval;
        let member = &mut self.members[at];
        member.begin_session(self.settings.session_timeout, now);
        let is_told = beat.is_full() || member.current.assigned != before;
        Ok(Beaten {
            member_id: member.id.clone(),
            epoch: member.current.epoch,
            interval,
            assignment: is_told.then(|| partitions_of(&member.current.assigned)),
        })
    }

    pub(super) fn check_size(&self, identity: &Identity) -> Result<(), ErrorCode> {
        let instance = identity.instance_id.as_deref();
        let is_known = self.place(&identity.member_id).is_some()
            || instance.is_some_and(|it| self.place_of_instance(it).is_some());
        if !is_known && self.members.len() >= self.settings.max_size {
            return Err(ErrorCode::GROUP_MAX_SIZE_REACHED);
        }
        Ok(())
    }

    /// Finds the member, or takes it in where it joins.
    fn admit(&mut self, beat: &Beat) -> Result<usize, ErrorCode> {
        let instance = beat.identity.instance_id.as_ref();
        let known = match instance {
            None => self.place(&beat.identity.member_id),
            Some(instance) => self.place_of_instance(instance),
        };
        match (known, instance) {
            (None, _) if beat.epoch == JOINING => {
                let id = &beat.identity.member_id;
                // It may be there without an instance.
                let known = self.place(id);
                Ok(known.unwrap_or_else(|| self.add(id, instance)))
            }
            (None, _) => Err(ErrorCode::UNKNOWN_MEMBER_ID),
            (Some(at), None) => self.members[at].check_epoch(beat).map(|()| at),
            (Some(at), Some(_)) if beat.epoch == JOINING => self.come_back(at, beat),
            (Some(at), Some(_)) => {
                self.check_instance(at, &beat.identity.member_id)?;
                self.members[at].check_epoch(beat).map(|()| at)
            }
        }
    }

    pub(super) fn add(&mut self, id: &Arc<str>, instance: Option<&Arc<str>>) -> usize {
        self.members.push(ConsumerMember::new(id, instance));
        self.members.len() - 1
    }

    /// A static member is back, under a new id as a rule: it has what it had.
    fn come_back(&mut self, at: usize, beat: &Beat) -> Result<usize, ErrorCode> {
        let member = &mut self.members[at];
        if member.current.epoch != LEAVING_FOR_A_WHILE && member.classic.is_none() {
            return Err(ErrorCode::UNRELEASED_INSTANCE_ID);
        }
        member.begin_anew(&beat.identity.member_id);
        Ok(at)
    }
}
