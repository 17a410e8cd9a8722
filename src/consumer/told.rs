//! What the application is told of its partitions, and what it knew when it gave a command.
//!
//! Events and commands cross on their way. A partition has several lives: it goes and comes back,
//! or its topic is made again; and a command that was given before the application learned of the
//! present one is about another. So events are numbered, and each command says which one the
//! application took last.
//!
//! # Invariants
//!
//! - A command about a partition counts only if the application had taken the event that the
//!   partition's present life began with.
//! - From the end of a life until the next one is told of, no command about it counts.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::consumer::Event;
use crate::wire::TopicPartition;

/// Not told of yet, whatever the application has taken.
const NOT_BEGUN: u64 = u64::MAX;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Told {
    waiting: VecDeque<(u64, Event)>,
    /// The number of the last event.
    last: u64,
    /// Which event the present life of each partition began with.
    begun: HashMap<TopicPartition, u64>,
}

impl Told {
    /// Has the application told of something, after all that waits already.
    pub(super) fn announce(&mut self, event: Event) {
        self.last += 1;
        match &event {
            Event::Assigned(partitions) => self.each(partitions, self.last),
            Event::Reset(tp, _) => self.each(std::slice::from_ref(tp), self.last),
            Event::Lost(partitions) => self.each(partitions, NOT_BEGUN),
            // It begins by the application's own seek.
            Event::PartitionFailed(tp, _) if self.begun.get(tp) == Some(&NOT_BEGUN) => {
                self.each(std::slice::from_ref(tp), self.last);
            }
            _ => {}
        }
        self.waiting.push_back((self.last, event));
    }

    fn each(&mut self, partitions: &[TopicPartition], begun: u64) {
        let begun = partitions.iter().map(|tp| (tp.clone(), begun));
        self.begun.extend(begun);
    }

    /// Ends the lives of all partitions of a topic, those that are just being revoked too.
    pub(super) fn end_all(&mut self, topic: &Arc<str>) {
        let of_topic = self.begun.iter_mut().filter(|(tp, _)| tp.topic == *topic);
        of_topic.for_each(|(_, begun)| *begun = NOT_BEGUN);
    }

    /// The next event, with its number.
    pub(super) fn next(&mut self) -> Option<(u64, Event)> {
        self.waiting.pop_front()
    }

    /// What waits to be told.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Event> {
        self.waiting.iter().map(|(_, event)| event)
    }

    /// The number of the last event.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// True where the event taken last, `seen`, tells of the partition's present life, or a later
    /// one does.
    pub(super) fn is_known(&self, tp: &TopicPartition, seen: u64) -> bool {
        self.begun.get(tp).is_none_or(|begun| *begun <= seen)
    }

    /// Leaves out the partitions of whose present life the application did not know.
    pub(super) fn known(
        &self,
        mut partitions: Vec<TopicPartition>,
        seen: u64,
    ) -> Vec<TopicPartition> {
        partitions.retain(|tp| self.is_known(tp, seen));
        partitions
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consumer::testing::tp;
    use crate::{Error, ErrorKind};

    /// Has the next event taken; its number.
    fn take(told: &mut Told) -> u64 {
        told.next().unwrap().0
    }

    #[test]
    fn an_assignment_counts_once_it_is_taken() {
        let mut told = Told::default();
        assert!(told.is_known(&tp(0), 0), "nothing to be mistaken for");
        told.announce(Event::Assigned(vec![tp(0)]));
        assert!(!told.is_known(&tp(0), 0));
        let seen = take(&mut told);
        assert!(told.is_known(&tp(0), seen));
        told.announce(Event::Revoking(vec![tp(0)]));
        assert!(told.is_known(&tp(0), seen), "its last commit");
    }

    #[test]
    fn a_command_from_before_a_partition_came_back_is_about_its_earlier_life() {
        let mut told = Told::default();
        told.announce(Event::Assigned(vec![tp(0), tp(1)]));
        let first = take(&mut told);
        told.announce(Event::Lost(vec![tp(0)]));
        told.announce(Event::Assigned(vec![tp(0)]));
        assert_eq!(told.known(vec![tp(0), tp(1)], first), [tp(1)]);
        let lost = take(&mut told);
        assert!(!told.is_known(&tp(0), lost));
        let second = take(&mut told);
        assert!(told.is_known(&tp(0), second));
    }

    #[test]
    fn between_two_lives_nothing_counts() {
        let mut told = Told::default();
        told.announce(Event::Assigned(vec![tp(0), tp(1)]));
        told.announce(Event::Revoking(vec![tp(1)]));
        take(&mut told);
        let seen = take(&mut told);
        told.end_all(&tp(0).topic);
        assert!(!told.is_known(&tp(0), seen));
        assert!(!told.is_known(&tp(1), seen), "of another topic by now");
        told.announce(Event::Lost(vec![tp(0)]));
        let lost = take(&mut told);
        assert!(!told.is_known(&tp(0), lost));
        told.announce(Event::Reset(tp(0), 7));
        assert!(!told.is_known(&tp(0), lost));
        let reset = take(&mut told);
        assert!(told.is_known(&tp(0), reset));
    }

    #[test]
    fn a_failure_counts_as_a_beginning_where_there_is_no_other() {
        let failed = || Event::PartitionFailed(tp(0), Error::new(ErrorKind::Usage, "no offset"));
        let mut told = Told::default();
        told.announce(Event::Assigned(vec![tp(0)]));
        let assigned = take(&mut told);
        told.announce(failed());
        assert!(told.is_known(&tp(0), assigned));
        take(&mut told);
        told.announce(Event::Lost(vec![tp(0)]));
        let lost = take(&mut told);
        told.announce(failed());
        assert!(!told.is_known(&tp(0), lost));
        let failed = take(&mut told);
        assert!(told.is_known(&tp(0), failed));
    }
}
