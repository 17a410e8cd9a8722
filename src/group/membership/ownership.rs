//! Which partitions the member owns, and which of those it is giving up.

use std::collections::BTreeSet;

use super::effect::Attempt;
use crate::wire::TopicPartition;

/// # Invariants
/// - What is being given up is part of what is owned until the application has given it up.
/// - At most one revocation is under way.
#[derive(Debug, Default)]
pub(super) struct Ownership {
    owned: BTreeSet<TopicPartition>,
    revoking: Option<(Attempt, BTreeSet<TopicPartition>)>,
}

impl Ownership {
    pub(super) fn owned(&self) -> &BTreeSet<TopicPartition> {
        &self.owned
    }

    pub(super) fn is_revoking(&self) -> bool {
        self.revoking.is_some()
    }

    /// Takes on what of `target` is not owned yet, and returns it with what is owned beyond
    /// `target`, which stays owned.
    pub(super) fn reconcile(
        &mut self,
        target: &BTreeSet<TopicPartition>,
    ) -> (Vec<TopicPartition>, BTreeSet<TopicPartition>) {
        let added: Vec<_> = target.difference(&self.owned).cloned().collect();
        let surplus = self.owned.difference(target).cloned().collect();
        self.owned.extend(added.iter().cloned());
        (added, surplus)
    }

    /// Notes that the application has been asked to give `partitions` up.
    pub(super) fn start_revoking(
        &mut self,
        attempt: Attempt,
        partitions: BTreeSet<TopicPartition>,
    ) {
        debug_assert!(!self.is_revoking() && partitions.is_subset(&self.owned));
        self.revoking = Some((attempt, partitions));
    }

    /// Ends the revocation named; false where there is none of that name.
    pub(super) fn finish_revoking(&mut self, attempt: Attempt) -> bool {
        let found = self
            .revoking
            .as_ref()
            .is_some_and(|(current, _)| *current == attempt);
        if found {
            self.give_up_revoking();
        }
        found
    }

    /// Ends the revocation under way, and returns what it was about.
    pub(super) fn give_up_revoking(&mut self) -> Vec<TopicPartition> {
        let Some((_, gone)) = self.revoking.take() else {
            return Vec::new();
        };
        self.owned.retain(|partition| !gone.contains(partition));
        gone.into_iter().collect()
    }

    /// Owns nothing from now on, and returns what was owned.
    pub(super) fn clear(&mut self) -> Vec<TopicPartition> {
        self.revoking = None;
        std::mem::take(&mut self.owned).into_iter().collect()
    }
}
