//! Where a group is in its life.

use std::fmt;
use std::time::{Duration, Instant};

/// A group's state, by Kafka's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GroupState {
    /// It has no members; it may have offsets.
    Empty,
    /// It waits for its members to join again.
    PreparingRebalance,
    /// It waits for its leader to say who gets what.
    CompletingRebalance,
    /// It has changed, and what its members are to have is not computed yet (KIP-848).
    Assigning,
    /// Its members are on their way to what they are to have (KIP-848).
    Reconciling,
    /// Everyone knows what they have.
    Stable,
    /// There is no such group.
    Dead,
}

impl GroupState {
    /// Kafka's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Assigning => "Assigning",
            Self::Reconciling => "Reconciling",
            Self::Stable => "Stable",
            Self::Dead => "Dead",
        }
    }
}

impl fmt::Display for GroupState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A state with what is to happen in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Empty {
        since: Instant,
    },
    PreparingRebalance {
        /// When it goes on without those that have not joined.
        due: Instant,
        /// There where the group was empty before.
        initial: Option<InitialDelay>,
    },
    CompletingRebalance {
        /// When those that have not synced are removed.
        due: Instant,
    },
    Stable {
        /// When those that have not synced are removed; none where all have.
        due: Option<Instant>,
    },
}

/// An empty group's wait for more members (`group.initial.rebalance.delay.ms`): it begins again as
/// long as members come, up to the rebalance timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InitialDelay {
    /// How long the present wait is.
    pub(super) delay: Duration,
    /// How long it may go on after that.
    pub(super) remaining: Duration,
    /// Whether anyone came since it began.
    pub(super) newcomers: bool,
}

impl State {
    pub(super) fn name(self) -> GroupState {
        match self {
            Self::Empty { .. } => GroupState::Empty,
            Self::PreparingRebalance { .. } => GroupState::PreparingRebalance,
            Self::CompletingRebalance { .. } => GroupState::CompletingRebalance,
            Self::Stable { .. } => GroupState::Stable,
        }
    }

    /// When its time is over.
    pub(super) fn due(self) -> Option<Instant> {
        match self {
            Self::Empty { .. } => None,
            Self::PreparingRebalance { due, .. } | Self::CompletingRebalance { due } => Some(due),
            Self::Stable { due } => due,
        }
    }
}
