//! What the coordinator has assigned, by the ids of topics, and what that is by their names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::group::membership::effect::{TopicId, TopicNames, TopicPartitions};
use crate::wire::TopicPartition;

/// # Invariants
/// - A topic that was deleted and made again is another one: what is owned of the first is not
///   taken for what is assigned of the second, and of the two never both are owned.
#[derive(Debug, Default)]
pub(super) struct Target {
    /// None until the coordinator has told.
    assigned: Option<BTreeMap<TopicId, BTreeSet<i32>>>,
    names: TopicNames,
    /// The ids of the topics of which something is owned.
    ids: BTreeMap<Arc<str>, TopicId>,
}

impl Target {
    /// Takes over an assignment; true where it is another one.
    pub(super) fn assign(&mut self, assignment: TopicPartitions) -> bool {
        let mut assigned: BTreeMap<_, BTreeSet<i32>> = BTreeMap::new();
        for (topic, partitions) in assignment {
            let known = partitions.into_iter().filter(|partition| *partition >= 0);
            assigned.entry(topic).or_default().extend(known);
        }
        let assigned = Some(assigned);
        let changed = self.assigned != assigned;
        self.assigned = assigned;
        changed
    }

    /// Takes over the names of topics.
    pub(super) fn name(&mut self, names: TopicNames) {
        self.names = names;
    }

    /// Nothing is assigned, and nothing owned.
    pub(super) fn forget(&mut self) {
        self.assigned = None;
        self.ids.clear();
    }

    /// What is owned and not assigned.
    pub(super) fn surplus(&self, owned: &BTreeSet<TopicPartition>) -> BTreeSet<TopicPartition> {
        let Some(assigned) = &self.assigned else {
            return BTreeSet::new();
        };
        let is_assigned = |it: &&TopicPartition| {
            let topic = self.ids.get(&it.topic).and_then(|id| assigned.get(id));
            topic.is_some_and(|partitions| partitions.contains(&it.partition))
        };
        let surplus = owned.iter().filter(|it| !is_assigned(it));
        surplus.cloned().collect()
    }

    /// What is assigned, as far as its topics can be named.
    pub(super) fn named(&self) -> BTreeSet<TopicPartition> {
        let topics = self.assigned.iter().flatten();
        topics
            .filter_map(|(id, partitions)| {
                let name = self.name_of(id)?;
                let another = self.ids.get(name).is_some_and(|owned| owned != id);
                (!another).then_some((name, partitions))
            })
            .flat_map(|(name, partitions)| {
                let partitions = partitions.iter();
                partitions.map(|partition| TopicPartition::new(name.clone(), *partition))
            })
            .collect()
    }

    /// The topics that are assigned and can't be named.
    pub(super) fn unknown(&self) -> Vec<TopicId> {
        let ids = self.assigned.iter().flat_map(BTreeMap::keys);
        ids.filter(|id| self.name_of(id).is_none())
            .copied()
            .collect()
    }

    /// A topic of which something is owned keeps its name, whatever the metadata has.
    fn name_of(&self, id: &TopicId) -> Option<&Arc<str>> {
        let owned = self.ids.iter().find(|(_, owned)| *owned == id);
        owned.map(|(name, _)| name).or_else(|| self.names.get(id))
    }

    /// Notes what is owned now, of that which can be named.
    pub(super) fn note_owned(&mut self, owned: &BTreeSet<TopicPartition>) {
        let is_owned = |name: &str| owned.iter().any(|it| *it.topic == *name);
        self.ids.retain(|name, _| is_owned(name));
        for id in self.assigned.iter().flat_map(BTreeMap::keys) {
            let name = self.names.get(id).filter(|name| is_owned(name));
            if let Some(name) = name {
                self.ids.entry(name.clone()).or_insert(*id);
            }
        }
    }

    /// Partitions that are owned, as the coordinator knows them.
    pub(super) fn as_told(&self, owned: &BTreeSet<TopicPartition>) -> TopicPartitions {
        let mut topics: BTreeMap<TopicId, Vec<i32>> = BTreeMap::new();
        for it in owned {
            if let Some(id) = self.ids.get(&it.topic) {
                topics.entry(*id).or_default().push(it.partition);
            }
        }
        topics.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: TopicId = [1; 16];
    const NEW: TopicId = [2; 16];

    fn tps(partitions: &[i32]) -> BTreeSet<TopicPartition> {
        let partitions = partitions.iter();
        partitions.map(|it| TopicPartition::new("t", *it)).collect()
    }

    fn named(id: TopicId) -> TopicNames {
        TopicNames::from([(id, Arc::from("t"))])
    }

    #[test]
    fn what_is_assigned_waits_for_its_name() {
        let mut target = Target::default();
        assert!(target.assign(vec![(OLD, vec![1, 0, -1])]));
        assert!(!target.assign(vec![(OLD, vec![0, 1])]), "the same");
        assert_eq!((target.named(), target.unknown()), (tps(&[]), vec![OLD]));
        target.name(named(OLD));
        assert_eq!((target.named(), target.unknown()), (tps(&[0, 1]), vec![]));
    }

    #[test]
    fn a_topic_made_again_is_another_one() {
        let mut target = Target::default();
        target.name(named(OLD));
        target.assign(vec![(OLD, vec![0])]);
        target.note_owned(&tps(&[0]));
        target.name(named(NEW));
        target.assign(vec![(OLD, vec![0]), (NEW, vec![0, 1])]);
        assert_eq!(target.surplus(&tps(&[0])), tps(&[]));
        assert_eq!(
            target.named(),
            tps(&[0]),
            "the old one, and nothing beside it"
        );
        target.assign(vec![(NEW, vec![0, 1])]);
        assert_eq!(target.surplus(&tps(&[0])), tps(&[0]));
        target.note_owned(&tps(&[]));
        assert_eq!(target.named(), tps(&[0, 1]));
        target.note_owned(&tps(&[0, 1]));
        assert_eq!(target.as_told(&tps(&[0, 1])), [(NEW, vec![0, 1])]);
    }

    #[test]
    fn what_is_owned_keeps_its_topic_without_a_name() {
        let mut target = Target::default();
        target.name(named(OLD));
        target.assign(vec![(OLD, vec![0])]);
        target.note_owned(&tps(&[0]));
        target.name(TopicNames::new());
        assert_eq!(target.unknown(), Vec::<TopicId>::new());
        assert_eq!(target.surplus(&tps(&[0])), tps(&[]));
        assert_eq!(target.as_told(&tps(&[0])), [(OLD, vec![0])]);
    }
}
