//! One member of the consumer protocol.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::assignor::ServerAssignor;
use super::classic::ClassicPart;
use super::words::{Beat, Held, JOINING, Partitions, all_held};
use crate::wire::ErrorCode;

/// See the module.
#[derive(Clone, Debug)]
pub(in crate::broker) struct ConsumerMember {
    pub(super) id: Arc<str>,
    pub(super) instance_id: Option<Arc<str>>,
    pub(super) rack_id: Option<Arc<str>>,
    pub(super) client_id: Arc<str>,
    pub(super) rebalance_timeout: Duration,
    pub(super) topics: BTreeSet<Arc<str>>,
    pub(super) assignor: Option<ServerAssignor>,
    /// What it is to have in the end.
    pub(super) target: Partitions,
    pub(super) current: Current,
    pub(super) session_ends: Option<Instant>,
    /// Until when it must have left the epoch that it is in.
    pub(super) revocation: Option<Revocation>,
    /// Of a member of the classic protocol.
    pub(super) classic: Option<ClassicPart>,
}

/// How far a member has come towards its target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Current {
    pub(super) state: MemberState,
    pub(super) epoch: i32,
    /// The one before it: a member that has missed the answer is still in it.
    pub(super) previous_epoch: i32,
    pub(super) assigned: Held,
    /// What it was told to give up, and has not yet: nobody else gets it meanwhile.
    pub(super) revoking: Held,
}

/// Where a member is on its way to the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum MemberState {
    /// It has all it is to have of the target of its epoch.
    #[default]
    Stable,
    /// It has something to give up before it goes on to the next epoch.
    Unrevoked,
    /// It is in the epoch of the target, and others still have some of what it is to have.
    Unreleased,
}

/// A time by which a member has to give something up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Revocation {
    pub(super) due: Instant,
    /// It is off where the member is in another epoch by then.
    pub(super) epoch: i32,
}

impl ConsumerMember {
    /// A member that has said nothing yet but who it is.
    pub(super) fn new(id: &Arc<str>, instance_id: Option<&Arc<str>>) -> Self {
        Self {
            id: id.clone(),
            instance_id: instance_id.cloned(),
            rack_id: None,
            client_id: "".into(),
            rebalance_timeout: Duration::ZERO,
            topics: BTreeSet::new(),
            assignor: None,
            target: Partitions::new(),
            current: Current::default(),
            session_ends: None,
            revocation: None,
            classic: None,
        }
    }

    /// Has an instance go on under a new id, from the beginning; what it had is kept for it.
    pub(super) fn begin_anew(&mut self, id: &Arc<str>) {
        self.id = id.clone();
        self.current.epoch = JOINING;
        self.current.previous_epoch = JOINING;
        self.session_ends = None;
        self.revocation = None;
    }

    /// Says whether the member can be in the epoch that it says it is in.
    ///
    /// # Errors
    ///
    /// `FENCED_MEMBER_EPOCH`, unless it has missed the last answer and has nothing that it
    /// should not have.
    pub(super) fn check_epoch(&self, beat: &Beat) -> Result<(), ErrorCode> {
        let current = &self.current;
        let missed_the_last = beat.epoch == current.previous_epoch;
        let has_its_own = |owned: &Partitions| all_held(owned, &current.assigned);
        if beat.epoch == JOINING
            || beat.epoch == current.epoch
            || beat.epoch < current.epoch
                && missed_the_last
                && beat.owned.as_ref().is_some_and(has_its_own)
        {
            return Ok(());
        }
        Err(ErrorCode::FENCED_MEMBER_EPOCH)
    }

    /// Takes over what the member says; true where it wants other topics than before.
    pub(super) fn update(&mut self, beat: &Beat) -> bool {
        self.client_id = beat.client_id.clone();
        self.classic = None;
        let instance_id = beat.identity.instance_id.clone();
        self.instance_id = instance_id.or(self.instance_id.take());
        self.rack_id = beat.rack_id.clone().or(self.rack_id.take());
        self.assignor = beat.assignor.or(self.assignor);
        self.rebalance_timeout = beat.rebalance_timeout.unwrap_or(self.rebalance_timeout);
        match &beat.topics {
            Some(topics) if *topics != self.topics => {
                self.topics = topics.clone();
                true
            }
            _ => false,
        }
    }

    /// `timeout` is that of members of the consumer protocol; the others have their own.
    pub(super) fn begin_session(&mut self, timeout: Duration, now: Instant) {
        let own = self.classic.as_ref().map(|part| part.session_timeout);
        self.session_ends = Some(now + own.unwrap_or(timeout));
    }

    pub(super) fn is_reconciled_to(&self, target_epoch: i32) -> bool {
        self.current.state == MemberState::Stable && self.current.epoch == target_epoch
    }
}
