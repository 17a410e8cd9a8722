//! Which partitions want what, and when the next one has to be looked at.

use std::collections::BTreeSet;
use std::time::Instant;

/// What a partition waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// Nothing but time, an answer, or a record.
    Resting,
    /// A producer id.
    Unidentified,
    /// A place in the open transaction.
    Unenlisted,
    /// A leader.
    Leaderless,
    /// Nothing: its head can be sent.
    Sendable,
}

/// Keeps each partition, by its index, at its place and its alarm, so that an event costs by what
/// it touches and not by how many partitions there are.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    entries: Vec<(Place, Option<Instant>)>,
    places: BTreeSet<(Place, usize)>,
    alarms: BTreeSet<(Instant, usize)>,
}

impl Agenda {
    /// Adds a partition, which gets the next index.
    pub(super) fn add(&mut self) {
        self.entries.push((Place::Resting, None));
    }

    /// Moves a partition.
    pub(super) fn set(&mut self, index: usize, place: Place, alarm: Option<Instant>) {
        let was = std::mem::replace(&mut self.entries[index], (place, alarm));
        if was.0 != place {
            self.places.remove(&(was.0, index));
            if place != Place::Resting {
                self.places.insert((place, index));
            }
        }
        if was.1 != alarm {
            if let Some(at) = was.1 {
                self.alarms.remove(&(at, index));
            }
            if let Some(at) = alarm {
                self.alarms.insert((at, index));
            }
        }
    }

    /// The partitions at a place, other than [`Place::Resting`].
    pub(super) fn at(&self, place: Place) -> impl Iterator<Item = usize> {
        let range = (place, 0)..=(place, usize::MAX);
        self.places.range(range).map(|(_, index)| *index)
    }

    pub(super) fn has(&self, place: Place) -> bool {
        self.at(place).next().is_some()
    }

    pub(super) fn next_alarm(&self) -> Option<(Instant, usize)> {
        self.alarms.first().copied()
    }
}
