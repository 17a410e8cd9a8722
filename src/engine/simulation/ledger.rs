//! What has truly happened to each record, whatever the engine believes.

use std::collections::{BTreeMap, BTreeSet};

use super::{Path, Record};

/// How a record's sends go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// They succeed.
    Fine,
    /// Some succeed.
    Flaky,
    /// None succeeds.
    Broken,
    /// They are refused.
    Poison,
}

#[derive(Debug)]
struct Life {
    fate: Fate,
    delivered: u32,
    permanent: u32,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Ledger {
    lives: BTreeMap<u64, Life>,
    settled: BTreeSet<(Path, i32, i64)>,
    repeats: bool,
}

/// The number a record was published under.
pub(super) fn id(record: &Record) -> u64 {
    let value = record.as_ref().value().unwrap();
    u64::from_be_bytes(value.try_into().unwrap())
}

impl Ledger {
    /// A new record; its number.
    pub(super) fn born(&mut self, fate: Fate) -> u64 {
        let id = self.lives.len() as u64;
        let life = Life {
            fate,
            delivered: 0,
            permanent: 0,
        };
        self.lives.insert(id, life);
        id
    }

    pub(super) fn fate(&self, record: &Record) -> Fate {
        self.lives[&id(record)].fate
    }

    /// The sink has the record.
    pub(super) fn delivered(&mut self, path: Path, partition: i32, record: &Record) {
        self.lives.get_mut(&id(record)).unwrap().delivered += 1;
        self.settled(path, partition, record.offset);
    }

    /// The permanent topic has the record.
    pub(super) fn permanent(&mut self, record: &Record) {
        self.lives.get_mut(&id(record)).unwrap().permanent += 1;
    }

    /// What was at this place has come to an end there.
    pub(super) fn settled(&mut self, path: Path, partition: i32, offset: i64) {
        self.settled.insert((path, partition, offset));
    }

    /// True if all records of a partition below this offset have come to an end there.
    pub(super) fn is_settled_below(&self, path: Path, partition: i32, offset: i64) -> bool {
        let below = (path, partition, 0)..(path, partition, offset);
        self.settled.range(below).count() as i64 == offset
    }

    /// A consumer begins at this offset: what was settled from there on happens again.
    pub(super) fn begins(&mut self, path: Path, partition: i32, offset: i64) {
        let beyond = (path, partition, offset)..(path, partition, i64::MAX);
        self.repeats |= self.settled.range(beyond).next().is_some();
    }

    /// Something happened after which a record may be handled twice.
    pub(super) fn may_repeat(&mut self) {
        self.repeats = true;
    }

    /// True if nothing happened that may deliver a record twice.
    pub(super) fn is_clean(&self) -> bool {
        !self.repeats
    }

    /// Every record was delivered or is permanent: exactly once where nothing excuses more.
    pub(super) fn check_outcomes(&self) {
        for (id, life) in &self.lives {
            let ends = life.delivered + life.permanent;
            assert!(ends >= 1, "record {id} is nowhere: {life:?}");
            assert!(
                ends == 1 || self.repeats,
                "record {id} has two ends: {life:?}"
            );
            let hopeless = matches!(life.fate, Fate::Broken | Fate::Poison);
            assert!(!hopeless || life.delivered == 0, "record {id}: {life:?}");
        }
    }
}
