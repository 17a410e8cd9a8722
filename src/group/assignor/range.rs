//! Ranges: for each topic by itself, its partitions in order are cut into as many runs as it has
//! subscribers, the first ones longer by one where it does not come out even.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Assignment, MemberSubscription, PartitionCounts};
use crate::wire::TopicPartition;

pub(super) fn assign(members: &[MemberSubscription], counts: &PartitionCounts) -> Assignment {
    let mut assignment: Assignment = members
        .iter()
        .map(|member| (member.member_id.clone(), Vec::new()))
        .collect();
    let mut members: Vec<_> = members.iter().collect();
    members.sort_by(|a, b| order(a, b));
    let topics: BTreeSet<&String> = members.iter().flat_map(|member| &member.topics).collect();
    for topic in topics {
        let count = counts.get(topic).copied().unwrap_or(0).max(0);
        let subscribers: Vec<_> = members
            .iter()
            .filter(|member| member.topics.contains(topic))
            .collect();
        let name: Arc<str> = topic.as_str().into();
        let mut partitions =
            (0..count).map(|partition| TopicPartition::new(name.clone(), partition));
        for (index, subscriber) in subscribers.iter().enumerate() {
            let length = run_length(count as usize, subscribers.len(), index);
            let mine = assignment.entry(subscriber.member_id.clone()).or_default();
            mine.extend(partitions.by_ref().take(length));
        }
    }
    assignment
}

fn run_length(partitions: usize, subscribers: usize, index: usize) -> usize {
    partitions / subscribers + usize::from(index < partitions % subscribers)
}

/// Static members first, by instance id, so that a restart under another member id changes
/// nothing; then the others by member id.
fn order(a: &MemberSubscription, b: &MemberSubscription) -> Ordering {
    match (&a.instance_id, &b.instance_id) {
        (Some(a), Some(b)) => a.cmp(b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => a.member_id.cmp(&b.member_id),
    }
}

#[cfg(test)]
mod tests;
