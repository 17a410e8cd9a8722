//! One pass: its parts, one a partition, and what it has done.

use std::collections::BTreeMap;

use super::part::Part;
use crate::engine::RecordSource;
use crate::engine::config::DrainConfig;
use crate::engine::lane::Lane;
use crate::engine::lanes::Lanes;
use crate::engine::report::{DrainSummary, Totals};
use crate::engine::silence::Awaited;
use crate::wire::TopicPartition;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Pass {
    before: Totals,
    /// What was done when the ends were last asked for.
    looked: Totals,
    parts: BTreeMap<TopicPartition, Part>,
}

impl Pass {
    pub(super) fn new(totals: Totals) -> Self {
        Self {
            before: totals,
            looked: totals,
            parts: BTreeMap::new(),
        }
    }

    pub(super) fn part(&self, tp: &TopicPartition) -> Option<&Part> {
        self.parts.get(tp)
    }

    pub(super) fn part_mut(&mut self, tp: &TopicPartition) -> Option<&mut Part> {
        self.parts.get_mut(tp)
    }

    /// What is known of these partitions is so no more, and they join again.
    pub(super) fn forget(&mut self, partitions: &[TopicPartition]) {
        self.parts.retain(|tp, _| !partitions.contains(tp));
    }

    /// Takes partitions that came in, and those that went out; the ones that came.
    pub(super) fn join<S: RecordSource>(&mut self, lanes: &Lanes<S>) -> Vec<TopicPartition> {
        self.parts.retain(|tp, _| lanes.get(tp).is_some());
        let mut joined = Vec::new();
        for (tp, lane) in lanes.iter() {
            if !lane.is_leaving() && !self.parts.contains_key(tp) {
                self.parts.insert(tp.clone(), Part::default());
                joined.push(tp.clone());
            }
        }
        joined
    }

    /// Finishes the parts that have nothing more to do; true once all are finished.
    pub(super) fn settle<S: RecordSource>(
        &mut self,
        lanes: &Lanes<S>,
        config: &DrainConfig,
    ) -> bool {
        for (tp, part) in &mut self.parts {
            part.settle(lanes.get(tp), config.mode, config.one_shot);
        }
        self.parts.values().all(Part::is_finished)
    }

    /// What is awaited that only Kafka can give.
    pub(super) fn awaited<S: RecordSource>(&self, lanes: &Lanes<S>) -> Option<Awaited> {
        let mut open = self.parts.iter().filter(|(_, part)| !part.is_finished());
        let any = |test: fn(&Lane<S>) -> bool| lanes.iter().any(|(_, lane)| test(lane));
        if open.clone().any(|(_, part)| !part.knows_its_end()) {
            Some(Awaited::EndOffsets)
        } else if any(|lane| lane.uncommitted().is_some()) {
            Some(Awaited::Commit)
        } else if any(Lane::is_forwarding) {
            Some(Awaited::Forward)
        } else {
            let starved = open.any(|(tp, _)| lanes.get(tp).is_some_and(Lane::is_idle));
            starved.then_some(Awaited::Records)
        }
    }

    /// Opens the parts again, where something was done since the pass last looked: dead letters
    /// may have come to partitions that it was done with. Those whose end offsets are to be asked
    /// for.
    pub(super) fn look_again(&mut self, totals: &Totals) -> Vec<TopicPartition> {
        if totals.handled() == self.looked.handled() {
            return Vec::new();
        }
        self.looked = *totals;
        let parts = self.parts.iter_mut().filter(|(_, part)| !part.is_stuck());
        parts
            .map(|(tp, part)| {
                part.look_again();
                tp.clone()
            })
            .collect()
    }

    pub(super) fn summary(&self, totals: &Totals) -> DrainSummary {
        DrainSummary {
            totals: totals.since(&self.before),
            interrupted: false,
            stuck: self.parts.values().filter(|part| part.is_stuck()).count(),
        }
    }
}
