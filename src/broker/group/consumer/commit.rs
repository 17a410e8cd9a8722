//! What members of the consumer protocol may do with offsets.

use super::machine::ConsumerGroup;
use super::words::{Held, LEAVING};
use crate::broker::group::words::{Committer, Rights};
use crate::wire::ErrorCode;

/// From this version on a commit can say an epoch.
const SAYS_EPOCH: i16 = 9;

impl ConsumerGroup {
    /// Says whether someone may commit. Whoever has missed the last epochs may to the partitions
    /// that they have had since the one that they know of (KIP-1251).
    ///
    /// # Errors
    ///
    /// `UNKNOWN_MEMBER_ID`, `UNSUPPORTED_VERSION`, `STALE_MEMBER_EPOCH` or `ILLEGAL_GENERATION`.
    pub(in crate::broker::group) fn check_commit(
        &self,
        by: &Committer,
    ) -> Result<Rights, ErrorCode> {
        let identity = &by.identity;
        let is_nobody = identity.member_id.is_empty()
            && identity.instance_id.is_none()
            && by.generation == LEAVING;
        if by.generation < 0 && self.members.is_empty() || by.is_transactional && is_nobody {
            return Ok(Rights::All);
        }
        let at = self.place(&identity.member_id);
        let member = &self.members[at.ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?];
        let (current, is_classic) = (&member.current, member.is_classic());
        if !by.is_transactional && !is_classic && by.version < SAYS_EPOCH {
            return Err(ErrorCode::UNSUPPORTED_VERSION);
        }
        if by.generation == current.epoch {
            return Ok(Rights::All);
        }
        let refusal = stale(is_classic);
        if by.generation > current.epoch {
            return Err(refusal);
        }
        let mut held: Held = current.assigned.clone();
        for (topic, revoking) in &current.revoking {
            held.entry(*topic).or_default().extend(revoking);
        }
        Ok(Rights::OfEpoch {
            epoch: by.generation,
            held,
            refusal,
        })
    }

    /// Says whether someone may ask for offsets: a member in its epoch, or whoever does not say
    /// that they are one.
    ///
    /// # Errors
    ///
    /// `UNKNOWN_MEMBER_ID`, `STALE_MEMBER_EPOCH` or `ILLEGAL_GENERATION`.
    pub(in crate::broker::group) fn check_fetch(
        &self,
        member_id: Option<&str>,
        epoch: i32,
    ) -> Result<(), ErrorCode> {
        if member_id.is_none() && epoch < 0 {
            return Ok(());
        }
        let at = self.place(member_id.unwrap_or_default());
        let member = &self.members[at.ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?];
        if member.current.epoch != epoch {
            return Err(stale(member.is_classic()));
        }
        Ok(())
    }
}

/// What is said of another epoch than the present one: each protocol has its own.
fn stale(is_classic: bool) -> ErrorCode {
    match is_classic {
        true => ErrorCode::ILLEGAL_GENERATION,
        false => ErrorCode::STALE_MEMBER_EPOCH,
    }
}
