//! All partitions of one path, and their way out.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::RecordSource;
use super::commit::{Commits, Offsets};
use super::config::Forwarding;
use super::lane::Lane;
use super::report::Totals;
use super::task::Task;
use super::timing::after;
use super::words::{Path, Place};
use crate::wire::TopicPartition;

/// How long the last commit of partitions that leave may take, retries included.
const FINAL_COMMIT: Duration = Duration::from_secs(5);

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Lanes<S> {
    path: Path,
    map: BTreeMap<TopicPartition, Lane<S>>,
    /// The partition that was served last: the ones after it are served next.
    last: Option<TopicPartition>,
    departures: Vec<Departure>,
    /// The end of the time that all partitions have to finish, once they have to.
    closing_by: Option<Instant>,
    pub(super) commits: Commits,
    pub(super) totals: Totals,
}

/// Partitions that leave together.
#[derive(Debug)]
struct Departure {
    partitions: Vec<TopicPartition>,
    /// When what is in flight is given up; `None` once it was.
    finish_by: Option<Instant>,
    /// When the last commit is given up.
    commit_by: Instant,
    /// True where the consumer waits to be told.
    announced: bool,
}

/// What has left.
#[derive(Debug, Default)]
pub(super) struct Departed {
    /// The partitions the consumer waits for, one list a departure.
    pub(super) announced: Vec<Vec<TopicPartition>>,
    /// What was done and is not committed.
    pub(super) uncommitted: Offsets,
}

impl<S: RecordSource> Lanes<S> {
    pub(super) fn new(path: Path) -> Self {
        Self {
            path,
            map: BTreeMap::new(),
            last: None,
            departures: Vec::new(),
            closing_by: None,
            commits: Commits::default(),
            totals: Totals::default(),
        }
    }

    /// One of its partitions, as a place.
    pub(super) fn place(&self, tp: &TopicPartition) -> Place {
        Place {
            path: self.path,
            tp: tp.clone(),
        }
    }

    pub(super) fn get_mut(&mut self, tp: &TopicPartition) -> Option<&mut Lane<S>> {
        self.map.get_mut(tp)
    }

    pub(super) fn get(&self, tp: &TopicPartition) -> Option<&Lane<S>> {
        self.map.get(tp)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&TopicPartition, &Lane<S>)> {
        self.map.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&TopicPartition, &mut Lane<S>)> {
        self.map.iter_mut()
    }

    /// Adds partitions. One that is here already is a new one all the same: its consumer begins
    /// again at the committed offset.
    pub(super) fn assign(&mut self, partitions: Vec<TopicPartition>) {
        self.lose(&partitions);
        for tp in partitions {
            self.map.insert(tp, Lane::new(self.path == Path::Drain));
        }
    }

    /// Adds a partition that begins at an offset which is to be committed.
    pub(super) fn assign_at(&mut self, tp: TopicPartition, next: i64) {
        let mut lane = Lane::new(self.path == Path::Drain);
        lane.begin_at(next);
        self.map.insert(tp, lane);
    }

    /// Drops partitions as they are.
    pub(super) fn lose(&mut self, partitions: &[TopicPartition]) {
        self.map.retain(|tp, _| !partitions.contains(tp));
        for departure in &mut self.departures {
            departure.partitions.retain(|tp| !partitions.contains(tp));
        }
        self.departures
            .retain(|departure| !departure.partitions.is_empty());
    }

    /// Has partitions leave: they start nothing more.
    pub(super) fn leave(
        &mut self,
        partitions: Vec<TopicPartition>,
        timeout: Duration,
        announced: bool,
        now: Instant,
    ) {
        for tp in &partitions {
            if let Some(lane) = self.map.get_mut(tp) {
                lane.leave();
            }
        }
        let finish_by = after(now, timeout);
        let finish_by = self.closing_by.map_or(finish_by, |by| by.min(finish_by));
        self.departures.push(Departure {
            partitions,
            finish_by: Some(finish_by),
            commit_by: after(finish_by, FINAL_COMMIT),
            announced,
        });
    }

    /// Has all partitions leave; those that are leaving already get no more time than the others.
    pub(super) fn leave_all(&mut self, timeout: Duration, now: Instant) {
        let closing_by = after(now, timeout);
        self.closing_by = Some(closing_by);
        for departure in &mut self.departures {
            departure.finish_by = departure.finish_by.map(|by| by.min(closing_by));
            departure.commit_by = departure.commit_by.min(after(closing_by, FINAL_COMMIT));
        }
        let here = self.map.iter().filter(|(_, lane)| !lane.is_leaving());
        let partitions: Vec<_> = here.map(|(tp, _)| tp.clone()).collect();
        if !partitions.is_empty() {
            self.leave(partitions, timeout, false, now);
        }
    }

    /// Gives up what is in flight beyond its time: places and offsets.
    pub(super) fn give_up(&mut self, now: Instant) -> Vec<(Place, i64)> {
        let mut given_up = Vec::new();
        for departure in &mut self.departures {
            if departure.finish_by.take_if(|by| *by <= now).is_none() {
                continue;
            }
            for tp in &departure.partitions {
                if let Some(offset) = self.map.get_mut(tp).and_then(Lane::give_up) {
                    let (path, tp) = (self.path, tp.clone());
                    given_up.push((Place { path, tp }, offset));
                }
            }
        }
        given_up
    }

    /// Lets go of the partitions that are finished and committed, or whose time is over.
    pub(super) fn depart(&mut self, now: Instant) -> Departed {
        let map = &self.map;
        let (gone, staying) = self
            .departures
            .drain(..)
            .partition(|departure: &Departure| {
                let finished = |tp| map.get(tp).is_none_or(Lane::is_idle);
                now >= departure.commit_by || departure.partitions.iter().all(finished)
            });
        self.departures = staying;
        let gone: Vec<Departure> = gone;
        let mut departed = Departed::default();
        for tp in gone.iter().flat_map(|departure| &departure.partitions) {
            let lane = self.map.remove(tp);
            if let Some(next) = lane.and_then(|lane| lane.unacknowledged()) {
                departed.uncommitted.push((tp.clone(), next));
            }
        }
        let announced = gone.into_iter().filter(|departure| departure.announced);
        departed.announced = announced.map(|departure| departure.partitions).collect();
        departed
    }

    /// True if no partition is left.
    pub(super) fn is_empty(&self) -> bool {
        self.map.is_empty() && self.departures.is_empty()
    }

    /// The partition whose record is next, of those whose record may start: a record that the
    /// sink had wait goes first, otherwise they take turns.
    pub(super) fn next_ready(
        &mut self,
        mut may_start: impl FnMut(&TopicPartition, &Task) -> bool,
    ) -> Option<TopicPartition> {
        let last = self.last.as_ref();
        let ready = self.map.iter_mut().filter_map(|(tp, lane)| {
            let task = lane.ready().filter(|task| may_start(tp, task))?;
            Some((!task.first, Some(tp) <= last, tp))
        });
        ready.min().map(|(_, _, tp)| tp.clone())
    }

    /// Takes the ready record of a partition out; the others come before it next time.
    pub(super) fn take_ready(&mut self, tp: &TopicPartition) -> Option<Task> {
        let task = self.map.get_mut(tp)?.take_ready()?;
        self.last = Some(tp.clone());
        Some(task)
    }

    /// What is done and not committed, but for what a transaction commits with what it forwards.
    pub(super) fn uncommitted(&self, forwarding: Forwarding) -> Offsets {
        let transactional = forwarding == Forwarding::Transactional;
        let lanes = self.map.iter();
        lanes
            .filter(|(_, lane)| !(transactional && lane.commits_by_forward()))
            .filter_map(|(tp, lane)| Some((tp.clone(), lane.uncommitted()?)))
            .collect()
    }

    /// When something happens by itself.
    pub(super) fn timeout(&self) -> Option<Instant> {
        let lanes = self.map.values().filter_map(Lane::timeout);
        let departures = self
            .departures
            .iter()
            .map(|departure| departure.finish_by.unwrap_or(departure.commit_by));
        lanes.chain(departures).chain(self.commits.timeout()).min()
    }

    /// Lets time pass.
    pub(super) fn expire(&mut self, now: Instant) {
        self.commits.expire(now);
        for lane in self.map.values_mut() {
            lane.expire(now);
        }
    }
}
