//! Sticky and cooperative: balanced over all topics, moving as little as can be, and never from
//! one member to another within one rebalance (KIP-429).
//!
//! 1. Each partition stays with the member that owns it, where that claim can be believed.
//! 2. What is left goes, partition by partition, to the subscriber with the least.
//! 3. As long as a member has at least two partitions more than another, and can pass one on to it
//!    or along a chain of members, one is passed on: first only such as nobody owned, then any.
//!    When no chain is left, no assignment is more even.
//! 4. A partition that comes to a member while another says that it has it goes to nobody this
//!    time: the other gives it up, joins again, and the next round gives it out.
//!
//! # Invariants
//! - The result does not depend on the order of the members.
//! - A round whose partitions were held back in step 4 is followed by one that moves nothing: there
//!   is a place for them that is as even, and step 3 finds it without touching what is owned.
//! - A chain that is passed along lowers the sum of the squares of all loads, so that step 3 ends.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::{Assignment, MemberSubscription, PartitionCounts};
use crate::wire::TopicPartition;

/// A partition, borrowed.
type Partition<'a> = (&'a str, i32);

/// A member, by its place among the members in order of their ids.
type Index = usize;

pub(super) fn assign(members: &[MemberSubscription], counts: &PartitionCounts) -> Assignment {
    let mut members: Vec<_> = members.iter().collect();
    members.sort_by_key(|member| &member.member_id);
    let claims = Claims::new(&members, counts);
    let mut balance = Balance::new(&members, counts, &claims);
    balance.fill(counts);
    balance.level();
    let shares = members.iter().enumerate().map(|(index, member)| {
        let share = balance.share(index, |partition| claims.allow(index, partition));
        (member.member_id.clone(), share)
    });
    shares.collect()
}

/// Who says that it has which partition.
struct Claims<'a> {
    /// Everyone who says so, believed or not.
    all: BTreeMap<Partition<'a>, Vec<Index>>,
    /// The one who can be believed.
    valid: BTreeMap<Partition<'a>, Index>,
}

impl<'a> Claims<'a> {
    /// A claim is valid if it is of the latest generation and the only one of that generation
    /// (KIP-792), and its member still wants the topic, which still has the partition.
    fn new(members: &[&'a MemberSubscription], counts: &PartitionCounts) -> Self {
        let latest = members.iter().map(|member| member.generation).max();
        let mut all: BTreeMap<Partition<'a>, Vec<Index>> = BTreeMap::new();
        for (index, member) in members.iter().enumerate() {
            let owned: BTreeSet<_> = member.owned.iter().collect();
            for it in owned {
                all.entry((&it.topic, it.partition))
                    .or_default()
                    .push(index);
            }
        }
        let valid = all.iter().filter_map(|(&(topic, partition), claimants)| {
            let is_latest = |index: &&Index| Some(members[**index].generation) == latest;
            let mut believed = claimants.iter().filter(is_latest);
            let (Some(&index), None) = (believed.next(), believed.next()) else {
                return None;
            };
            let wanted = members[index].topics.iter().any(|it| it == topic);
            let exists = counts.get(topic).is_some_and(|count| partition < *count);
            (wanted && exists).then_some(((topic, partition), index))
        });
        Self {
            valid: valid.collect(),
            all,
        }
    }

    /// True where `member` may have the partition now.
    fn allow(&self, member: Index, partition: Partition<'_>) -> bool {
        let others = || {
            self.all
                .get(&partition)
                .into_iter()
                .flatten()
                .any(|it| *it != member)
        };
        self.valid.get(&partition) == Some(&member) || !others()
    }
}

/// What may be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passing {
    /// What is new to the member that has it.
    New,
    /// Anything.
    Any,
}

/// An assignment in the making.
struct Balance<'a> {
    claims: &'a Claims<'a>,
    /// The members that want each topic, in order.
    subscribers: BTreeMap<&'a str, Vec<Index>>,
    /// What each member has.
    shares: Vec<BTreeMap<&'a str, BTreeSet<i32>>>,
    /// How many partitions that is.
    loads: Vec<usize>,
}

impl<'a> Balance<'a> {
    fn new(
        members: &[&'a MemberSubscription],
        counts: &PartitionCounts,
        claims: &'a Claims<'a>,
    ) -> Self {
        let mut subscribers: BTreeMap<&'a str, Vec<Index>> = BTreeMap::new();
        for (index, member) in members.iter().enumerate() {
            let topics: BTreeSet<_> = member.topics.iter().collect();
            for topic in topics
                .into_iter()
                .filter(|topic| counts.contains_key(*topic))
            {
                subscribers.entry(topic).or_default().push(index);
            }
        }
        let mut balance = Self {
            claims,
            subscribers,
            shares: vec![BTreeMap::new(); members.len()],
            loads: vec![0; members.len()],
        };
        for (partition, index) in &claims.valid {
            balance.give(*index, *partition);
        }
        balance
    }

    fn give(&mut self, to: Index, (topic, partition): Partition<'a>) {
        self.shares[to].entry(topic).or_default().insert(partition);
        self.loads[to] += 1;
    }

    fn take(&mut self, from: Index, (topic, partition): Partition<'a>) {
        if let Some(share) = self.shares[from].get_mut(topic) {
            share.remove(&partition);
            self.loads[from] -= 1;
        }
    }

    /// Gives out what nobody has.
    fn fill(&mut self, counts: &PartitionCounts) {
        for (topic, subscribers) in self.subscribers.clone() {
            let count = counts.get(topic).copied().unwrap_or(0);
            let free = (0..count).map(|partition| (topic, partition));
            for partition in free.filter(|it| !self.claims.valid.contains_key(it)) {
                let least = subscribers.iter().min_by_key(|index| self.loads[**index]);
                if let Some(least) = least {
                    self.give(*least, partition);
                }
            }
        }
    }

    /// Passes partitions on until no assignment is more even.
    fn level(&mut self) {
        for what in [Passing::New, Passing::Any] {
            while let Some(chain) = self.find_chain(what) {
                for (from, topic, to) in chain {
                    if let Some(partition) = self.pick(from, topic) {
                        self.take(from, partition);
                        self.give(to, partition);
                    }
                }
            }
        }
    }

    /// Finds a chain of members along which one partition each can be passed on, from one that has
    /// much to one that has at least two less. Those with the most are helped first, and those with
    /// the least are given first, so that nothing moves twice.
    fn find_chain(&self, what: Passing) -> Option<Vec<(Index, &'a str, Index)>> {
        let mut sources: Vec<Index> = (0..self.loads.len()).collect();
        sources.sort_by_key(|index| Reverse(self.loads[*index]));
        sources
            .into_iter()
            .find_map(|source| self.find_chain_from(source, what))
    }

    fn find_chain_from(
        &self,
        source: Index,
        what: Passing,
    ) -> Option<Vec<(Index, &'a str, Index)>> {
        let (reached, order) = self.reach(source, what);
        let mut end = order.into_iter().min_by_key(|index| self.loads[*index])?;
        if self.loads[end] + 2 > self.loads[source] {
            return None;
        }
        let mut chain = Vec::new();
        while let Some(&(from, topic)) = reached.get(&end) {
            chain.push((from, topic, end));
            end = from;
        }
        Some(chain)
    }

    /// Whom a partition can get to from `source`, nearest first, and the last step to each. The
    /// search ends at a member with the least there is: it can't find a better one.
    fn reach(
        &self,
        source: Index,
        what: Passing,
    ) -> (BTreeMap<Index, (Index, &'a str)>, Vec<Index>) {
        let least = self.loads.iter().min();
        let mut reached = BTreeMap::new();
        let mut order = Vec::new();
        let mut seen_topics = BTreeSet::new();
        let mut queue = VecDeque::from([source]);
        while let Some(from) = queue.pop_front() {
            let topics = self.shares[from].keys();
            for &topic in topics.filter(|topic| self.can_pass(from, topic, what)) {
                if !seen_topics.insert(topic) {
                    continue;
                }
                for &to in self.subscribers.get(topic).into_iter().flatten() {
                    if to != source && !reached.contains_key(&to) {
                        reached.insert(to, (from, topic));
                        order.push(to);
                        queue.push_back(to);
                        if Some(&self.loads[to]) == least {
                            return (reached, order);
                        }
                    }
                }
            }
        }
        (reached, order)
    }

    fn can_pass(&self, from: Index, topic: &'a str, what: Passing) -> bool {
        let partitions = self.shares[from].get(topic).into_iter().flatten();
        let is_new = |it: &i32| self.claims.valid.get(&(topic, *it)) != Some(&from);
        partitions
            .into_iter()
            .any(|it| what == Passing::Any || is_new(it))
    }

    /// Which partition to pass on: one that is new to `from` where there is one.
    fn pick(&self, from: Index, topic: &'a str) -> Option<Partition<'a>> {
        let share = self.shares[from].get(topic)?;
        let partitions = share.iter().map(|partition| (topic, *partition));
        partitions.max_by_key(|partition| {
            let is_new = self.claims.valid.get(partition) != Some(&from);
            (is_new, partition.1)
        })
    }

    /// What `member` gets of its share.
    fn share(&self, member: Index, allowed: impl Fn(Partition<'_>) -> bool) -> Vec<TopicPartition> {
        let mut share = Vec::new();
        for (&topic, partitions) in &self.shares[member] {
            let name: Arc<str> = topic.into();
            let partitions = partitions.iter().filter(|it| allowed((topic, **it)));
            share.extend(partitions.map(|it| TopicPartition::new(name.clone(), *it)));
        }
        share
    }
}

#[cfg(test)]
mod tests;
