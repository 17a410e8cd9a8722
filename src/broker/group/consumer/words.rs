//! What members of the consumer protocol say, and what they are told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::assignor::ServerAssignor;
use crate::broker::group::Identity;

/// The epoch of a member that joins.
pub(in crate::broker) const JOINING: i32 = 0;
/// The epoch of a member that leaves.
pub(in crate::broker) const LEAVING: i32 = -1;
/// The epoch of a static member that leaves and will be back.
pub(in crate::broker) const LEAVING_FOR_A_WHILE: i32 = -2;

/// Partitions, by the id of their topic.
pub(in crate::broker) type Partitions = BTreeMap<Uuid, BTreeSet<i32>>;

/// Partitions, each with the epoch in which its owner came to it (KIP-1251).
pub(in crate::broker) type Held = BTreeMap<Uuid, BTreeMap<i32, i32>>;

/// A ConsumerGroupHeartbeat. What is none has not changed since the last one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::broker) struct Beat {
    pub(in crate::broker) identity: Identity,
    pub(in crate::broker) epoch: i32,
    pub(in crate::broker) client_id: Arc<str>,
    pub(in crate::broker) rack_id: Option<Arc<str>>,
    pub(in crate::broker) rebalance_timeout: Option<Duration>,
    pub(in crate::broker) topics: Option<BTreeSet<Arc<str>>>,
    pub(in crate::broker) assignor: Option<ServerAssignor>,
    pub(in crate::broker) owned: Option<Partitions>,
}

/// A ConsumerGroupHeartbeat that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::broker) struct Beaten {
    pub(in crate::broker) member_id: Arc<str>,
    pub(in crate::broker) epoch: i32,
    /// When to send the next; zero for a member that has left.
    pub(in crate::broker) interval: Duration,
    /// All that the member has from now on; none where that has not changed.
    pub(in crate::broker) assignment: Option<Partitions>,
}

impl Beat {
    /// Whether it says everything: then it is answered everything.
    pub(super) fn is_full(&self) -> bool {
        self.epoch == JOINING
            || self.rebalance_timeout.is_some() && self.topics.is_some() && self.owned.is_some()
    }
}

/// The partitions alone.
pub(in crate::broker) fn partitions_of(held: &Held) -> Partitions {
    let of_topic = |(id, held): (&Uuid, &BTreeMap<i32, i32>)| (*id, held.keys().copied().collect());
    held.iter().map(of_topic).collect()
}

/// Whether any of the partitions is among those held.
pub(super) fn any_held(partitions: &Partitions, held: &Held) -> bool {
    let mut topics = partitions.iter();
    topics.any(|(id, indexes)| {
        let held = held.get(id);
        held.is_some_and(|held| indexes.iter().any(|index| held.contains_key(index)))
    })
}

/// Whether all of the partitions are among those held.
pub(super) fn all_held(partitions: &Partitions, held: &Held) -> bool {
    let mut topics = partitions.iter();
    topics.all(|(id, indexes)| {
        let held = held.get(id);
        held.is_some_and(|held| indexes.iter().all(|index| held.contains_key(index)))
    })
}
