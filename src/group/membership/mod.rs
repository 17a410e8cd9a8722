//! A member's side of the group protocols, as pure machines: events in, effects out.
//!
//! There are two protocols, and a machine of each, in the same words:
//!
//! - [`classic`]: members join, one of them assigns for all, and each rebalance is a generation.
//! - [`consumer`] (KIP-848): the coordinator assigns, member by member, and heartbeats are all
//!   that is sent.
//!
//! What both have is beside them: what a machine asks of its driver and is answered ([`Effect`] and
//! the types in it), what is owned and being given up, timers, waits, and which error calls for
//! what. [`Membership`] is a member of either, for a driver that need not know of which.
//!
//! # How it is driven
//! After each call the driver takes effects by [`Membership::poll_effect`] until there is none,
//! and calls [`Membership::handle_timeout`] at [`Membership::poll_timeout`]. Each effect with an
//! [`Attempt`] is answered once, with the same attempt; answers to earlier ones are ignored.

mod backoff;
mod base;
pub mod classic;
mod config;
pub mod consumer;
mod effect;
mod ownership;
mod remedy;
mod timer;

use std::collections::BTreeSet;
use std::time::Instant;

pub use config::{Config, GroupProtocol};
pub use effect::*;

use super::assignor::PartitionCounts;
use crate::wire::TopicPartition;

/// A member of a group, by either protocol.
#[derive(Debug)]
pub enum Membership {
    /// By the classic one.
    Classic(Box<classic::Member>),
    /// By the consumer protocol (KIP-848).
    Consumer(Box<consumer::Member>),
}

/// Calls the same of either.
macro_rules! either {
    ($membership:expr, $member:ident => $call:expr) => {
        match $membership {
            Membership::Classic($member) => $call,
            Membership::Consumer($member) => $call,
        }
    };
}

impl Membership {
    /// A member that has not started.
    pub fn new(config: Config) -> Self {
        match config.protocol {
            GroupProtocol::Classic => Self::Classic(Box::new(classic::Member::new(config))),
            GroupProtocol::Consumer => Self::Consumer(Box::new(consumer::Member::new(config))),
        }
    }

    /// Answers [`Effect::Unsupported`]: the classic protocol it is, from the start.
    pub fn handle_unsupported(&mut self, now: Instant) {
        if let Self::Consumer(member) = self {
            let member = classic::Member::with(member.base().of_successor());
            *self = Self::Classic(Box::new(member));
            self.handle_start(now);
        }
    }

    /// Starts: the coordinator is sought, the group is joined.
    pub fn handle_start(&mut self, now: Instant) {
        either!(self, it => it.handle_start(now));
    }

    /// Answers [`Effect::FindCoordinator`].
    pub fn handle_coordinator(
        &mut self,
        attempt: Attempt,
        answer: Result<(), RequestError>,
        now: Instant,
    ) {
        either!(self, it => it.handle_coordinator(attempt, answer, now));
    }

    /// Answers [`Effect::Join`].
    pub fn handle_join(
        &mut self,
        attempt: Attempt,
        answer: Result<JoinAnswer, RequestError>,
        now: Instant,
    ) {
        if let Self::Classic(it) = self {
            it.handle_join(attempt, answer, now);
        }
    }

    /// Answers [`Effect::NeedPartitions`]. A topic that is left out is one that does not exist.
    pub fn handle_partitions(
        &mut self,
        attempt: Attempt,
        answer: Result<PartitionCounts, RequestError>,
        now: Instant,
    ) {
        if let Self::Classic(it) = self {
            it.handle_partitions(attempt, answer, now);
        }
    }

    /// Answers [`Effect::Sync`].
    pub fn handle_sync(
        &mut self,
        attempt: Attempt,
        answer: Result<SyncAnswer, RequestError>,
        now: Instant,
    ) {
        if let Self::Classic(it) = self {
            it.handle_sync(attempt, answer, now);
        }
    }

    /// Answers [`Effect::Heartbeat`].
    pub fn handle_heartbeat(
        &mut self,
        attempt: Attempt,
        answer: Result<(), RequestError>,
        now: Instant,
    ) {
        if let Self::Classic(it) = self {
            it.handle_heartbeat(attempt, answer, now);
        }
    }

    /// Answers [`Effect::Leave`].
    pub fn handle_leave_answer(
        &mut self,
        attempt: Attempt,
        answer: Result<(), RequestError>,
        now: Instant,
    ) {
        if let Self::Classic(it) = self {
            it.handle_leave_answer(attempt, answer, now);
        }
    }

    /// Answers [`Effect::ConsumerHeartbeat`].
    pub fn handle_consumer_heartbeat(
        &mut self,
        attempt: Attempt,
        answer: Result<ConsumerHeartbeatAnswer, RequestError>,
        now: Instant,
    ) {
        if let Self::Consumer(it) = self {
            it.handle_consumer_heartbeat(attempt, answer, now);
        }
    }

    /// Answers [`Effect::NeedTopics`] with all that is known.
    pub fn handle_topics(
        &mut self,
        attempt: Attempt,
        answer: Result<TopicNames, RequestError>,
        now: Instant,
    ) {
        if let Self::Consumer(it) = self {
            it.handle_topics(attempt, answer, now);
        }
    }

    /// Takes note of topics that have changed: of how many partitions they have, and of their
    /// names. Of the counts, a topic that is left out is unchanged; one that no longer exists has
    /// none.
    pub fn handle_topics_changed(
        &mut self,
        counts: &PartitionCounts,
        names: TopicNames,
        now: Instant,
    ) {
        match self {
            Self::Classic(it) => it.handle_topics_changed(counts, now),
            Self::Consumer(it) => it.handle_topics_changed(names, now),
        }
    }

    /// Answers [`Effect::Revoke`]: nothing of those partitions is in flight any more, and what
    /// finished is committed.
    pub fn handle_revoked(&mut self, attempt: Attempt, now: Instant) {
        either!(self, it => it.handle_revoked(attempt, now));
    }

    /// Takes note of an offset commit that failed, if it bore the current stamp: an error about an
    /// earlier one says nothing new.
    pub fn handle_commit_error(&mut self, stamp: &CommitStamp, error: &RequestError, now: Instant) {
        either!(self, it => it.handle_commit_error(stamp, error, now));
    }

    /// Leaves in order; [`Effect::Left`] is the end.
    pub fn handle_leave(&mut self, now: Instant) {
        either!(self, it => it.handle_leave(now));
    }

    /// Leaving has taken too long: it ends as it is.
    pub fn handle_leave_timeout(&mut self) {
        either!(self, it => it.handle_leave_timeout());
    }

    /// Handles the timers that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        either!(self, it => it.handle_timeout(now));
    }

    /// When [`Membership::handle_timeout`] is to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        either!(self, it => it.poll_timeout())
    }

    /// What is to be done next.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        either!(self, it => it.poll_effect())
    }

    /// The generation or, by the consumer protocol, the member's epoch, where there is one.
    pub fn generation(&self) -> Option<i32> {
        match self {
            Self::Classic(it) => it.generation(),
            Self::Consumer(it) => it.epoch(),
        }
    }

    /// What is owned, with what is being given up.
    pub fn assignment(&self) -> &BTreeSet<TopicPartition> {
        either!(self, it => it.assignment())
    }

    /// What to stamp a commit with. None where the coordinator would refuse it.
    pub fn commit_stamp(&self) -> Option<CommitStamp> {
        either!(self, it => it.commit_stamp())
    }

    /// What is told to a coordinator that wants to know who asks for offsets: by the consumer
    /// protocol alone.
    pub fn fetch_stamp(&self) -> Option<CommitStamp> {
        match self {
            Self::Classic(_) => None,
            Self::Consumer(it) => it.commit_stamp(),
        }
    }
}

#[cfg(test)]
mod tests;
