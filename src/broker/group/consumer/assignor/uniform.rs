//! `uniform`: as many for each as can be, and as few moves as that allows. Balance comes first.
//!
//! Where not all want the same, Kafka's may choose other moves than this one.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::Subscriber;
use crate::broker::group::consumer::words::Partitions;

type Partition = (Uuid, i32);

pub(super) fn assign(members: &[Subscriber<'_>], counts: &BTreeMap<Uuid, i32>) -> Vec<Partitions> {
    let Some(first) = members.first() else {
        return Vec::new();
    };
    let mut shares: Vec<_> = members.iter().map(|it| kept(it, counts)).collect();
    if members.iter().all(|member| member.topics == first.topics) {
        share_alike(&mut shares, &all(&first.topics, counts));
    } else {
        share_as_wanted(&mut shares, members, counts);
    }
    shares.into_iter().map(by_topic).collect()
}

/// What a member may keep of what it was to have.
fn kept(member: &Subscriber<'_>, counts: &BTreeMap<Uuid, i32>) -> BTreeSet<Partition> {
    let topics = member.target.iter();
    let wanted = topics.filter(|(topic, _)| member.topics.contains(topic));
    let partitions = wanted.flat_map(|(topic, indexes)| indexes.iter().map(|it| (*topic, *it)));
    partitions
        .filter(|(topic, index)| counts.get(topic).is_some_and(|count| index < count))
        .collect()
}

fn all(topics: &BTreeSet<Uuid>, counts: &BTreeMap<Uuid, i32>) -> Vec<Partition> {
    let of_topic = |topic: &Uuid| {
        let topic = *topic;
        let count = counts.get(&topic).copied().unwrap_or_default();
        (0..count).map(move |index| (topic, index))
    };
    topics.iter().flat_map(of_topic).collect()
}

/// All want the same: the numbers differ by one at most.
fn share_alike(shares: &mut [BTreeSet<Partition>], all: &[Partition]) {
    let (least, more) = (all.len() / shares.len(), all.len() % shares.len());
    let taken: BTreeSet<Partition> = shares.iter().flatten().copied().collect();
    let mut free: Vec<_> = all
        .iter()
        .copied()
        .filter(|it| !taken.contains(it))
        .collect();
    let quota = |at: usize| least + usize::from(at < more);
    for (at, share) in shares.iter_mut().enumerate() {
        while share.len() > quota(at) {
            free.extend(share.pop_last());
        }
    }
    let mut free = free.into_iter();
    for (at, share) in shares.iter_mut().enumerate() {
        let missing = quota(at) - share.len();
        share.extend(free.by_ref().take(missing));
    }
}

/// Each partition goes to whoever has least of those that want it; then they are moved from those
/// with more to those with less, as long as that brings the two closer.
fn share_as_wanted(
    shares: &mut [BTreeSet<Partition>],
    members: &[Subscriber<'_>],
    counts: &BTreeMap<Uuid, i32>,
) {
    let wanting = |topic: &Uuid| -> Vec<usize> {
        let wants = |at: &usize| members[*at].topics.contains(topic);
        (0..members.len()).filter(wants).collect()
    };
    let mut topics: Vec<_> = counts.keys().map(|it| (*it, wanting(it))).collect();
    topics.retain(|(_, subscribers)| !subscribers.is_empty());
    topics.sort_by_key(|(_, subscribers)| subscribers.len());
    let taken: BTreeSet<Partition> = shares.iter().flatten().copied().collect();
    for (topic, subscribers) in &topics {
        let all = all(&BTreeSet::from([*topic]), counts);
        for partition in all.into_iter().filter(|it| !taken.contains(it)) {
            shares[poorest(shares, subscribers)].insert(partition);
        }
    }
    let subscribers: BTreeMap<Uuid, Vec<usize>> = topics.into_iter().collect();
    while let Some((from, to, partition)) = next_move(shares, &subscribers) {
        shares[from].remove(&partition);
        shares[to].insert(partition);
    }
}

/// A move that brings two members closer; there are only so many, as the sum of squares falls.
fn next_move(
    shares: &[BTreeSet<Partition>],
    subscribers: &BTreeMap<Uuid, Vec<usize>>,
) -> Option<(usize, usize, Partition)> {
    let mut richest: Vec<usize> = (0..shares.len()).collect();
    richest.sort_by_key(|at| Reverse(shares[*at].len()));
    richest.into_iter().find_map(|from| {
        shares[from].iter().rev().find_map(|partition| {
            let to = poorest(shares, subscribers.get(&partition.0)?);
            (shares[to].len() + 1 < shares[from].len()).then_some((from, to, *partition))
        })
    })
}

fn poorest(shares: &[BTreeSet<Partition>], among: &[usize]) -> usize {
    let least = among.iter().copied().min_by_key(|at| shares[*at].len());
    least.unwrap_or_default()
}

fn by_topic(share: BTreeSet<Partition>) -> Partitions {
    let mut partitions = Partitions::new();
    for (topic, index) in share {
        partitions.entry(topic).or_default().insert(index);
    }
    partitions
}
