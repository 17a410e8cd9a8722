//! Commits that are part of a transaction (KIP-98, KIP-447).

use std::time::Instant;

use super::commit::check_metadata;
use super::groups::Groups;
use super::kind::{Group, Kind};
use super::machine::Classic;
use super::offsets::Committed;
use super::state::State;
use super::words::{Committer, Identity, Rights};
use crate::wire::{ErrorCode, TopicPartition};

impl Groups {
    /// Says what a transaction may commit to for someone. Where there is no such group, one without
    /// members comes into being for whoever assigns partitions on their own.
    ///
    /// # Errors
    ///
    /// `ILLEGAL_GENERATION` for a generation of a group that there is not, or an epoch of the
    /// consumer protocol that is not the present one, and what the group itself says.
    pub(in crate::broker) fn check_transactional_commit(
        &mut self,
        id: &str,
        by: &Committer,
        now: Instant,
    ) -> Result<Rights, ErrorCode> {
        if by.generation < 0 {
            self.make(id, now)?;
        }
        let check = |group: &mut Group| match &mut group.kind {
            Kind::Classic(classic) => {
                let may = classic.check_transactional_commit(&by.identity, by.generation);
                may.map(|()| Rights::All)
            }
            Kind::Consumer(consumer) => consumer.check_commit(by).map_err(known_to_producers),
        };
        self.with(id, now, check)
            .unwrap_or(Err(ErrorCode::ILLEGAL_GENERATION))
    }

    /// Keeps an offset that [`Groups::check_transactional_commit`] allowed, until its transaction
    /// is over.
    ///
    /// # Errors
    ///
    /// `OFFSET_METADATA_TOO_LARGE`.
    pub(in crate::broker) fn commit_pending(
        &mut self,
        id: &str,
        producer_id: i64,
        partition: TopicPartition,
        committed: Committed,
    ) -> Result<(), ErrorCode> {
        check_metadata(&committed)?;
        if let Some(group) = self.all.get_mut(id) {
            group.offsets.put_pending(producer_id, partition, committed);
        }
        Ok(())
    }

    /// A transaction is over: its offsets are the group's, or are forgotten.
    pub(in crate::broker) fn end_transaction(&mut self, id: &str, producer_id: i64, commits: bool) {
        if let Some(group) = self.all.get_mut(id) {
            group.offsets.end_transaction(producer_id, commits);
        }
    }
}

impl Classic {
    /// Says whether a transaction may commit for someone. Unlike other commits this one is taken
    /// while a rebalance is being completed, from nobody in particular even beside members, and
    /// says nothing about a member's session.
    ///
    /// # Errors
    ///
    /// `UNKNOWN_MEMBER_ID`, `FENCED_INSTANCE_ID` or `ILLEGAL_GENERATION`.
    fn check_transactional_commit(
        &mut self,
        identity: &Identity,
        generation: i32,
    ) -> Result<(), ErrorCode> {
        let is_nobody = identity.member_id.is_empty() && identity.instance_id.is_none();
        let is_empty = matches!(self.state, State::Empty { .. });
        if generation < 0 && (is_nobody || is_empty) {
            return Ok(());
        }
        self.identify_in(identity, generation).map(drop)
    }
}

/// A TxnOffsetCommit knows nothing of epochs.
pub(in crate::broker) fn known_to_producers(code: ErrorCode) -> ErrorCode {
    match code {
        ErrorCode::STALE_MEMBER_EPOCH => ErrorCode::ILLEGAL_GENERATION,
        code => code,
    }
}
