//! The markers of transactions that end: written where they can be, as what a coordinator tells
//! the leaders of partitions and the coordinators of groups. Pure.

use std::collections::BTreeSet;
use std::time::Instant;

use super::config::BrokerConfig;
use super::log::Rules;
use super::state::State;
use super::topics::Topics;
use super::transactions::{Marker, Place, Producer};
use crate::wire::TopicPartition;
use crate::wire::batch::ProducerStamp;

/// When, and by what rules, something is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Writing<'a> {
    pub(super) config: &'a BrokerConfig,
    /// Nodes that answer nothing.
    pub(super) paused: &'a BTreeSet<i32>,
    pub(super) now: Instant,
    pub(super) now_ms: i64,
}

/// Writes the markers that can be written: where no node answers for a place, its marker waits.
/// True where there was one.
pub(super) fn write(state: &mut State, writing: Writing<'_>) -> bool {
    let State {
        nodes,
        topics,
        groups,
        transactions,
        ..
    } = state;
    let mut has_written = false;
    for marker in transactions.markers() {
        let is_done = match &marker.place {
            Place::Partition(place) => write_to_log(topics, place, &marker, writing),
            Place::Group(group) => {
                let can_be = answers(nodes.coordinator(group), writing);
                if can_be {
                    groups.end_transaction(group, marker.producer.id, marker.commits);
                }
                can_be
            }
        };
        if is_done {
            transactions.marked(&marker, writing.now);
        }
        has_written |= is_done;
    }
    has_written
}

fn answers(node: Option<i32>, writing: Writing<'_>) -> bool {
    node.is_some_and(|node| !writing.paused.contains(&node))
}

/// False where it is to be tried again. A partition that is gone needs none.
fn write_to_log(
    topics: &mut Topics,
    place: &TopicPartition,
    marker: &Marker,
    writing: Writing<'_>,
) -> bool {
    let Some(topic) = topics.get_mut(&place.topic) else {
        return true;
    };
    let rules = Rules::new(&topic.settings, writing.config);
    let Some(partition) = topic.partition_mut(place.partition) else {
        return true;
    };
    if !answers(partition.leader, writing) {
        return false;
    }
    let epoch = partition.leader_epoch;
    let producer = stamp(marker.producer);
    let log = &mut partition.log;
    // One that is fenced there already has written nothing after it either.
    let _ = log.end_transaction(producer, marker.commits, epoch, writing.now_ms, &rules);
    true
}

/// A marker has no sequence number.
fn stamp(producer: Producer) -> ProducerStamp {
    ProducerStamp {
        id: producer.id,
        epoch: producer.epoch,
        base_sequence: -1,
    }
}

#[cfg(test)]
mod tests;
