//! One session: its partitions, and what the client knows of each.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use uuid::Uuid;

use super::{FIRST, following};

/// What a request calls a topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::broker) enum Topic {
    Name(Arc<str>),
    Id(Uuid),
}

/// What a request calls a partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::broker) struct Key {
    pub(in crate::broker) topic: Topic,
    pub(in crate::broker) partition: i32,
}

/// What a client wants of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::broker) struct Wanted {
    pub(in crate::broker) key: Key,
    /// The topic's name, where it was known when the partition was first asked for.
    pub(in crate::broker) name: Option<Arc<str>>,
    pub(in crate::broker) offset: i64,
    pub(in crate::broker) max_bytes: i32,
    /// -1 for unknown, here and below.
    pub(in crate::broker) current_leader_epoch: i32,
    pub(in crate::broker) last_fetched_epoch: i32,
}

/// What was found of a partition, as far as it decides whether the client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::broker) struct Seen {
    /// -1 with an error, as is the log's start.
    pub(in crate::broker) high_watermark: i64,
    pub(in crate::broker) log_start: i64,
    pub(in crate::broker) has_records: bool,
    /// An error, or a diverging epoch: to be told in any case.
    pub(in crate::broker) is_urgent: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Session {
    /// Of the request that comes next.
    pub(super) epoch: i32,
    pub(super) uses_ids: bool,
    pub(super) created: Instant,
    pub(super) last_used: Instant,
    /// In the order in which they are served.
    partitions: BTreeMap<u64, Cached>,
    places: HashMap<Key, u64>,
    next_place: u64,
}

#[derive(Debug)]
struct Cached {
    wanted: Wanted,
    high_watermark: i64,
    log_start: i64,
}

impl Session {
    pub(super) fn new(uses_ids: bool, wanted: Vec<Wanted>, seen: &[Seen], now: Instant) -> Self {
        let mut session = Self {
            epoch: following(FIRST),
            uses_ids,
            created: now,
            last_used: now,
            partitions: BTreeMap::new(),
            places: HashMap::new(),
            next_place: 0,
        };
        for (wanted, seen) in wanted.into_iter().zip(seen) {
            session.put(Cached {
                wanted,
                high_watermark: seen.high_watermark,
                log_start: seen.log_start,
            });
        }
        session
    }

    pub(super) fn len(&self) -> usize {
        self.partitions.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }

    pub(super) fn wanted(&self) -> Vec<Wanted> {
        let cached = self.partitions.values();
        cached.map(|cached| cached.wanted.clone()).collect()
    }

    /// Takes what a request names, then leaves out what it wants forgotten.
    pub(super) fn update(&mut self, wanted: impl Iterator<Item = Wanted>, forgotten: &[Key]) {
        for wanted in wanted {
            let place = self.places.get(&wanted.key);
            match place.and_then(|place| self.partitions.get_mut(place)) {
                Some(cached) => {
                    let name = cached.wanted.name.take().or(wanted.name);
                    cached.wanted = Wanted { name, ..wanted };
                }
                None => self.put(Cached {
                    wanted,
                    high_watermark: -1,
                    log_start: -1,
                }),
            }
        }
        for key in forgotten {
            self.take(key);
        }
    }

    /// Says which partitions the client is told of, and takes note of what it knows then. Those
    /// with records are served last the next time, so that none is left out forever.
    pub(super) fn select(&mut self, wanted: &[Wanted], seen: &[Seen]) -> Vec<bool> {
        let both = wanted.iter().zip(seen);
        both.map(|(wanted, seen)| self.tells(wanted, seen))
            .collect()
    }

    fn tells(&mut self, wanted: &Wanted, seen: &Seen) -> bool {
        let place = self.places.get(&wanted.key);
        let Some(cached) = place.and_then(|place| self.partitions.get_mut(place)) else {
            return true;
        };
        cached.wanted.name.clone_from(&wanted.name);
        let is_new =
            (cached.high_watermark, cached.log_start) != (seen.high_watermark, seen.log_start);
        cached.high_watermark = seen.high_watermark;
        cached.log_start = seen.log_start;
        if seen.has_records
            && let Some(cached) = self.take(&wanted.key)
        {
            self.put(cached);
        }
        is_new || seen.has_records || seen.is_urgent
    }

    fn put(&mut self, cached: Cached) {
        let place = self.places.entry(cached.wanted.key.clone());
        let place = *place.or_insert(self.next_place);
        self.partitions.insert(place, cached);
        self.next_place += 1;
    }

    fn take(&mut self, key: &Key) -> Option<Cached> {
        let place = self.places.remove(key)?;
        self.partitions.remove(&place)
    }
}
