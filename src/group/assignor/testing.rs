//! What the assignors' tests share.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Assignment, MemberSubscription, PartitionCounts};
use crate::group::subscription::NO_GENERATION;
use crate::wire::TopicPartition;

/// A member that wants `topics` and has nothing.
pub(super) fn member(id: &str, topics: &[&str]) -> MemberSubscription {
    MemberSubscription {
        member_id: id.to_owned(),
        instance_id: None,
        topics: topics.iter().map(ToString::to_string).collect(),
        owned: Vec::new(),
        generation: NO_GENERATION,
    }
}

/// The same, with what it owns, written as `topic-partition`.
pub(super) fn owner(id: &str, topics: &[&str], owned: &str, generation: i32) -> MemberSubscription {
    MemberSubscription {
        owned: partitions(owned),
        generation,
        ..member(id, topics)
    }
}

pub(super) fn counts(counts: &[(&str, i32)]) -> PartitionCounts {
    counts
        .iter()
        .map(|(topic, count)| ((*topic).to_owned(), *count))
        .collect()
}

/// Reads `"t-0 t-1"`.
pub(super) fn partitions(text: &str) -> Vec<TopicPartition> {
    let partition = |word: &str| {
        let (topic, partition) = word.rsplit_once('-').unwrap();
        TopicPartition::new(topic, partition.parse().unwrap())
    };
    text.split_whitespace().map(partition).collect()
}

/// Reads `[("member", "t-0 t-1")]`.
pub(super) fn assignment(shares: &[(&str, &str)]) -> Assignment {
    shares
        .iter()
        .map(|(id, share)| ((*id).to_owned(), partitions(share)))
        .collect()
}

/// Every partition that a member wants, with the member that has it.
pub(super) fn owners(assignment: &Assignment) -> BTreeMap<TopicPartition, Vec<&str>> {
    let mut owners: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (id, share) in assignment {
        for partition in share {
            owners
                .entry(partition.clone())
                .or_default()
                .push(id.as_str());
        }
    }
    owners
}

/// Asserts that each partition that anyone wants went to exactly one who wants it.
pub(super) fn assert_complete(
    members: &[MemberSubscription],
    counts: &PartitionCounts,
    assignment: &Assignment,
) {
    let owners = owners(assignment);
    let wants = |id: &str, topic: &str| {
        members
            .iter()
            .any(|it| it.member_id == id && it.topics.iter().any(|t| t == topic))
    };
    for (partition, owners) in &owners {
        assert!(owners.len() == 1, "{partition} went to {owners:?}");
        assert!(
            wants(owners[0], &partition.topic),
            "{partition} is not wanted by {owners:?}"
        );
    }
    let wanted = counts
        .iter()
        .filter(|(topic, _)| members.iter().any(|member| member.topics.contains(topic)));
    let expected: i32 = wanted.map(|(_, count)| *count).sum();
    assert_eq!(owners.len(), expected as usize);
    assert_eq!(assignment.len(), members.len(), "every member has an entry");
}

/// Groups of up to `most` members that want some of the topics `a`, `b` and `c`, the same ones if
/// `alike`; some of them static.
pub(super) fn groups(
    most: usize,
    alike: bool,
) -> impl Strategy<Value = (Vec<MemberSubscription>, PartitionCounts)> {
    let topics = prop::sample::subsequence(vec!["a", "b", "c"], 1..=3);
    let member = (topics.clone(), prop::option::weighted(0.2, 0..1000u16));
    let counts = prop::collection::vec(0..9i32, 3);
    (prop::collection::vec(member, 1..=most), topics, counts).prop_map(
        move |(wishes, same, numbers)| {
            let members = wishes
                .iter()
                .enumerate()
                .map(|(index, (topics, instance))| {
                    let topics = if alike { &same } else { topics };
                    MemberSubscription {
                        instance_id: instance.map(|number| format!("i{number}-{index}")),
                        ..member_of(index, topics)
                    }
                });
            (
                members.collect(),
                self::counts(&["a", "b", "c"].into_iter().zip(numbers).collect::<Vec<_>>()),
            )
        },
    )
}

fn member_of(index: usize, topics: &[&str]) -> MemberSubscription {
    member(&format!("m{index}"), topics)
}
