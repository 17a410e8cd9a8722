//! Sharing a group's partitions out among its members. The group's leader does it for all.

mod range;
mod sticky;

use std::collections::BTreeMap;

use crate::wire::TopicPartition;

/// How partitions are shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Assignor {
    /// Each topic by itself, in ranges; as Java's `RangeAssignor`.
    Range,
    /// Balanced over all topics, moving as little as can be, and never from one member to another
    /// within one rebalance (KIP-429); as Java's `CooperativeStickyAssignor`.
    CooperativeSticky,
}

/// A member as an assignor sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberSubscription {
    /// The id that the coordinator gave.
    pub member_id: String,
    /// The id of a static member (KIP-345).
    pub instance_id: Option<String>,
    /// What it wants to consume.
    pub topics: Vec<String>,
    /// What it says that it owns.
    pub owned: Vec<TopicPartition>,
    /// The generation of that claim, or
    /// [`NO_GENERATION`](super::subscription::NO_GENERATION).
    pub generation: i32,
}

/// How many partitions each topic has.
pub type PartitionCounts = BTreeMap<String, i32>;

/// What each member gets, by member id. Every member has an entry.
pub type Assignment = BTreeMap<String, Vec<TopicPartition>>;

impl Assignor {
    /// Every assignor.
    pub const ALL: [Assignor; 2] = [Assignor::Range, Assignor::CooperativeSticky];

    /// The name that members agree on.
    pub fn name(self) -> &'static str {
        match self {
            Self::Range => "range",
            Self::CooperativeSticky => "cooperative-sticky",
        }
    }

    /// The assignor of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|assignor| assignor.name() == name)
    }

    /// True where a member may keep its partitions while it joins again (KIP-429).
    pub fn is_cooperative(self) -> bool {
        self == Self::CooperativeSticky
    }

    /// Shares the partitions out. A topic that is not in `counts` has none.
    pub fn assign(self, members: &[MemberSubscription], counts: &PartitionCounts) -> Assignment {
        match self {
            Self::Range => range::assign(members, counts),
            Self::CooperativeSticky => sticky::assign(members, counts),
        }
    }
}

#[cfg(test)]
mod testing;
