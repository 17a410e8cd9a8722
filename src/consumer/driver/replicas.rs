//! Fetching from the closest replica (KIP-392): which partitions are fetched from another than
//! their leader.
//!
//! # Invariants
//!
//! - Only a leader sends its readers away, and only for a while: then it is asked again.
//! - A replica may lag behind. What it does not have is no reason to reset or to go back, only to
//!   return to the leader.

use std::collections::HashMap;

use tokio::time::Instant;

use super::{Driver, backoff};
use crate::wire::TopicPartition;

/// The replicas that leaders have named.
#[derive(Debug, Default)]
pub(super) struct Replicas {
    /// Nodes, and until when they are read from.
    named: HashMap<TopicPartition, (i32, Instant)>,
}

impl Replicas {
    /// A partition is to be fetched from this node until then.
    pub(super) fn follow(&mut self, tp: TopicPartition, node: i32, now: Instant, until: Instant) {
        self.named.retain(|_, (_, until)| *until > now);
        self.named.insert(tp, (node, until));
    }

    /// The node to fetch from now, where it is not the leader.
    pub(super) fn of(&self, tp: &TopicPartition, now: Instant) -> Option<i32> {
        let (node, until) = self.named.get(tp)?;
        (*until > now).then_some(*node)
    }

    /// Goes back to the leader of a partition; false where it was not left for this node.
    pub(super) fn leave(&mut self, tp: &TopicPartition, node: i32) -> bool {
        let is_read = self.named.get(tp).is_some_and(|(named, _)| *named == node);
        if is_read {
            self.named.remove(tp);
        }
        is_read
    }

    /// Goes back to the leaders of all partitions that are fetched from a node.
    pub(super) fn leave_node(&mut self, node: i32) {
        self.named.retain(|_, (named, _)| *named != node);
    }
}

impl Driver {
    /// The leader names a closer replica. One that is not known yet is followed when it is.
    pub(super) fn follow(&mut self, tp: TopicPartition, node: i32) {
        if !self.metadata.borrow().brokers().contains_key(&node) {
            let later = backoff(&self.client);
            self.positions.hold(&tp, later);
            return self.client.request_refresh();
        }
        tracing::debug!(partition = %tp, node, "fetching from a closer replica");
        let now = Instant::now();
        let until = now + self.client.config().metadata_max_age;
        self.replicas.follow(tp, node, now, until);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::consumer::testing::tp;

    #[test]
    fn a_replica_is_read_for_a_while_and_left_when_it_fails() {
        let now = Instant::now();
        let until = now + Duration::from_secs(300);
        let mut replicas = Replicas::default();
        for p in 0..3 {
            replicas.follow(tp(p), 7 + p % 2, now, until);
        }
        assert_eq!(replicas.of(&tp(0), now), Some(7));
        assert_eq!(replicas.of(&tp(0), until), None);
        assert!(!replicas.leave(&tp(0), 1), "it was not read from");
        assert!(replicas.leave(&tp(0), 7));
        assert_eq!(replicas.of(&tp(0), now), None);
        replicas.leave_node(7);
        let left = [1, 2].map(|p| replicas.of(&tp(p), now));
        assert_eq!(left, [Some(8), None]);
        replicas.follow(tp(5), 7, until, until + Duration::from_secs(1));
        assert_eq!(replicas.named.len(), 1, "what is over is not kept");
    }
}
