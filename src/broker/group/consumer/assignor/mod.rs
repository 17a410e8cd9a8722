//! How the coordinator shares partitions out: each goes to one of those who want its topic.

mod range;
mod uniform;

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::words::Partitions;

/// An assignor of the coordinator (`group.consumer.assignors`), by Kafka's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::broker) enum ServerAssignor {
    /// As many for each as can be, and as few moves as that allows. The default.
    Uniform,
    /// Of each topic one range for each: the same numbers of all topics, where they and their
    /// subscribers are alike.
    Range,
}

/// A member as an assignor sees it.
#[derive(Clone, Debug)]
pub(super) struct Subscriber<'a> {
    pub(super) id: &'a str,
    pub(super) instance_id: Option<&'a str>,
    /// Those that there are of the topics it wants.
    pub(super) topics: BTreeSet<Uuid>,
    /// What it was to have so far.
    pub(super) target: &'a Partitions,
}

impl ServerAssignor {
    /// All of them, the default first.
    pub(super) const ALL: [Self; 2] = [Self::Uniform, Self::Range];

    /// The one of this name.
    pub(in crate::broker) fn named(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|assignor| assignor.name() == name)
    }

    /// Kafka's name.
    pub(in crate::broker) fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Range => "range",
        }
    }

    /// What each of the members gets, in their order. `counts` has the partitions of each topic.
    pub(super) fn assign(
        self,
        members: &[Subscriber<'_>],
        counts: &BTreeMap<Uuid, i32>,
    ) -> Vec<Partitions> {
        match self {
            Self::Uniform => uniform::assign(members, counts),
            Self::Range => range::assign(members, counts),
        }
    }
}

#[cfg(test)]
mod tests;
