//! Logs, consumers and what is under way.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::ledger::{Fate, Ledger};
use super::*;
use crate::engine::testing::{Chunk, WALL_MS};
use crate::wire::TopicPartition;
use crate::wire::batch::{Header, RecordBody, TimestampType};

/// Partitions of the source topic.
pub(super) const PARTITIONS: i32 = 3;

/// More effects than one event may ever have here.
const MOST_EFFECTS: usize = 40;

/// A partition as its consumer sees it.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    pub(super) position: i64,
    pub(super) paused: bool,
    pub(super) revoking: bool,
    /// Which beginning of the partition this is.
    pub(super) term: u64,
    /// The first of them since the consumer has it: what was asked for before is refused.
    pub(super) since: u64,
    /// The end that was told last.
    pub(super) end: Option<i64>,
    /// True where it is to be told again, as after a pause.
    pub(super) retells: bool,
}

/// An effect that waits for its answer.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) effect: Effect,
    /// The assignments that its places belong to; none where the engine has given one up.
    pub(super) terms: Vec<Option<u64>>,
    /// The newest beginning of any partition when it was asked for.
    pub(super) asked: u64,
}

impl Pending {
    /// Whose records are in flight.
    pub(super) fn places(&self) -> Vec<Place> {
        match &self.effect {
            Effect::Send { place, .. } => vec![place.clone()],
            Effect::Forward { path, records, .. } => {
                let place = |it: &Outgoing| Place {
                    path: *path,
                    tp: it.from.clone(),
                };
                records.iter().map(place).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// The mark of a transaction's end, which no consumer hands over.
pub(super) fn is_marker(record: &Record) -> bool {
    record.as_ref().value().is_none()
}

/// See the [module](self).
pub(super) struct World {
    pub(super) rng: fastrand::Rng,
    pub(super) config: Config,
    pub(super) forwarding: Forwarding,
    pub(super) engine: Engine<Chunk>,
    pub(super) ledger: Ledger,
    pub(super) held: [BTreeMap<i32, Held>; 2],
    pub(super) pending: Vec<Pending>,
    /// Kafka fails, partitions are lost, the process crashes.
    pub(super) troubled: bool,
    pub(super) stopped: bool,
    pub(super) line_stopped: bool,
    pub(super) closed_until: Duration,
    /// When this engine sent.
    pub(super) sent_at: Vec<Duration>,
    /// What the engine's sums must be.
    pub(super) totals: [Totals; 2],
    pub(super) elapsed: Duration,
    pub(super) committed: [BTreeMap<i32, i64>; 2],
    source: Vec<Vec<Record>>,
    dead: Vec<Vec<Record>>,
    permanent: Vec<Vec<Record>>,
    /// What a pass of the drain began with: partitions, their terms and their ends.
    pub(super) pass: Vec<(i32, u64, i64)>,
    terms: u64,
    start: Instant,
}

impl World {
    pub(super) fn new(seed: u64, config: Config) -> Self {
        let forwarding = match seed / 2 % 2 {
            0 => Forwarding::AtLeastOnce,
            _ => Forwarding::Transactional,
        };
        let logs = |partitions: i32| vec![Vec::new(); partitions as usize];
        Self {
            rng: fastrand::Rng::with_seed(seed),
            engine: Engine::new(config.clone(), forwarding),
            forwarding,
            ledger: Ledger::default(),
            held: Default::default(),
            pending: Vec::new(),
            troubled: seed % 2 == 1,
            stopped: false,
            line_stopped: false,
            closed_until: Duration::ZERO,
            sent_at: Vec::new(),
            totals: Default::default(),
            elapsed: Duration::ZERO,
            committed: Default::default(),
            source: logs(PARTITIONS),
            dead: logs(config.dead_letter_partitions),
            permanent: logs(config.permanent_partitions),
            pass: Vec::new(),
            terms: 0,
            start: Instant::now(),
            config,
        }
    }

    pub(super) fn now(&self) -> Moment {
        Moment {
            at: self.start + self.elapsed,
            wall_ms: WALL_MS + self.elapsed.as_millis() as i64,
        }
    }

    /// The log a path reads.
    pub(super) fn log(&self, path: Path) -> &[Vec<Record>] {
        match path {
            Path::Main => &self.source,
            Path::Drain => &self.dead,
        }
    }

    /// Records in a topic.
    pub(super) fn len(&self, topic: Destination) -> usize {
        let log = match topic {
            Destination::DeadLetter => &self.dead,
            Destination::Permanent => &self.permanent,
        };
        log.iter().flatten().filter(|it| !is_marker(it)).count()
    }

    /// Puts a new record into the log a path reads.
    pub(super) fn publish(
        &mut self,
        path: Path,
        partition: i32,
        fate: Fate,
        headers: &[Header<'_>],
    ) {
        let id = self.ledger.born(fate).to_be_bytes();
        let body = RecordBody::new(Some(b"key"), Some(&id), headers);
        let wall_ms = self.now().wall_ms;
        let log = match path {
            Path::Main => &mut self.source,
            Path::Drain => &mut self.dead,
        };
        append(&mut log[partition as usize], body, wall_ms);
    }

    /// Writes forwarded records, and with them the offsets of their sources where it is a
    /// transaction; their offsets.
    pub(super) fn write_all(
        &mut self,
        path: Path,
        records: &[Outgoing],
        offsets: &[(TopicPartition, i64)],
    ) -> Vec<i64> {
        let written: Vec<_> = records
            .iter()
            .map(|it| self.write(it.to, it.partition, &it.body))
            .collect();
        for (tp, next) in offsets {
            self.committed[path as usize].insert(tp.partition, *next);
        }
        if !offsets.is_empty() {
            let ends: BTreeSet<_> = records.iter().map(|it| (it.to, it.partition)).collect();
            for (to, partition) in ends {
                self.mark(to, partition);
            }
        }
        written
    }

    fn mark(&mut self, to: Destination, partition: i32) {
        let wall_ms = self.now().wall_ms;
        let log = match to {
            Destination::DeadLetter => &mut self.dead[partition as usize],
            Destination::Permanent => &mut self.permanent[partition as usize],
        };
        let offset = log.len() as i64;
        append(log, RecordBody::new(None, None, &[]), wall_ms);
        if to == Destination::DeadLetter {
            self.ledger.settled(Path::Drain, partition, offset);
        }
    }

    /// True where a partition has records before this offset that are not committed.
    pub(super) fn has_records(&self, path: Path, partition: i32, end: i64) -> bool {
        let committed = self.committed[path as usize].get(&partition);
        let log = self.log(path)[partition as usize].iter();
        let mut left = log
            .take(end as usize)
            .skip(*committed.unwrap_or(&0) as usize);
        left.any(|record| !is_marker(record))
    }

    /// True where these partitions are all this consumer's, and have been since they were asked
    /// to be committed.
    pub(super) fn owns(&self, path: Path, offsets: &[(TopicPartition, i64)], asked: u64) -> bool {
        let held = &self.held[path as usize];
        offsets.iter().all(|(tp, _)| {
            held.get(&tp.partition)
                .is_some_and(|held| held.since <= asked)
        })
    }

    fn write(&mut self, to: Destination, partition: i32, body: &RecordBody) -> i64 {
        let wall_ms = self.now().wall_ms;
        let log = match to {
            Destination::DeadLetter => &mut self.dead[partition as usize],
            Destination::Permanent => &mut self.permanent[partition as usize],
        };
        append(log, body.clone(), wall_ms);
        if to == Destination::Permanent {
            self.ledger.permanent(&log[log.len() - 1]);
        }
        log.len() as i64 - 1
    }

    /// Gives partitions that nobody has to the path's consumer.
    pub(super) fn assign(&mut self, path: Path, partitions: &[i32]) {
        for partition in partitions {
            let position = *self.committed[path as usize].get(partition).unwrap_or(&0);
            self.hold(path, *partition, position, None);
        }
        let partitions = partitions.iter().map(|n| tp(path, *n)).collect();
        self.engine.handle_assigned(path, partitions, self.now());
        self.follow();
    }

    /// A partition is the consumer's from this offset on. `since` is when it became so; none for
    /// now.
    pub(super) fn hold(&mut self, path: Path, partition: i32, position: i64, since: Option<u64>) {
        self.ledger.begins(path, partition, position);
        self.terms += 1;
        let held = Held {
            position,
            term: self.terms,
            since: since.unwrap_or(self.terms),
            ..Held::default()
        };
        self.held[path as usize].insert(partition, held);
    }

    /// Takes the engine's effects, each held against the rules.
    pub(super) fn follow(&mut self) {
        for n in 0.. {
            assert!(n < MOST_EFFECTS, "one event, endless effects");
            let Some(effect) = self.engine.poll_effect() else {
                break;
            };
            self.take(effect);
        }
        for path in [Path::Main, Path::Drain] {
            assert_eq!(
                self.engine.totals(path),
                self.totals[path as usize],
                "{path}"
            );
        }
    }

    fn take(&mut self, effect: Effect) {
        assert!(
            !self.stopped || matches!(effect, Effect::Revoked { .. }),
            "{effect:?}"
        );
        let mut terms = Vec::new();
        match &effect {
            Effect::Send {
                place,
                record,
                retry,
                ..
            } => {
                terms.push(Some(self.check_start(place, record.offset)));
                self.check_send(place, record, *retry);
            }
            Effect::Forward {
                path,
                records,
                offsets,
                again,
                ..
            } => {
                self.check_flight(*path, records, offsets, *again);
                for record in records {
                    let (path, tp) = (*path, record.from.clone());
                    let place = Place { path, tp };
                    terms.push(Some(self.check_start(&place, record.offset)));
                    self.check_forward(&place, record.offset, record.to, &record.body);
                }
            }
            Effect::Commit { path, offsets, .. } => self.check_commit(*path, offsets),
            Effect::Pause { path, partitions } => self.pause(*path, partitions, true),
            Effect::Resume { path, partitions } => self.pause(*path, partitions, false),
            Effect::Revoked { path, partitions } => {
                for tp in partitions {
                    let held = self.held[*path as usize].remove(&tp.partition);
                    assert!(held.is_none_or(|held| held.revoking));
                }
            }
            Effect::Report(report) => self.hear(report),
            Effect::Stopped => self.stopped = true,
            Effect::Probe | Effect::QueryEndOffsets { .. } => {}
        }
        if matches!(
            effect,
            Effect::Send { .. }
                | Effect::Forward { .. }
                | Effect::Commit { .. }
                | Effect::Probe
                | Effect::QueryEndOffsets { .. }
        ) {
            let asked = self.terms;
            self.pending.push(Pending {
                effect,
                terms,
                asked,
            });
        }
    }

    fn pause(&mut self, path: Path, partitions: &[TopicPartition], paused: bool) {
        for tp in partitions {
            let held = self.held[path as usize].get_mut(&tp.partition).unwrap();
            assert_ne!(held.paused, paused, "{path} {tp} told twice");
            held.paused = paused;
            held.retells = !paused;
        }
    }

    fn hear(&mut self, report: &Report) {
        match report {
            Report::LineStopped { .. } => self.line_stopped = true,
            Report::GaveUp { place, .. } => self.forget(place),
            Report::DrainStarted => {
                let held = self.held[Path::Drain as usize].iter();
                let end = |partition: i32| self.dead[partition as usize].len() as i64;
                self.pass = held.map(|(n, held)| (*n, held.term, end(*n))).collect();
            }
            Report::DrainFinished(summary) if !summary.interrupted => self.check_pass(),
            _ => {}
        }
    }

    /// What is in flight of a place is the engine's no more.
    pub(super) fn forget(&mut self, gone: &Place) {
        for pending in &mut self.pending {
            let places = pending.places();
            for (place, term) in places.iter().zip(&mut pending.terms) {
                if place == gone {
                    *term = None;
                    self.ledger.may_repeat();
                }
            }
        }
    }
}

fn append(log: &mut Vec<Record>, body: RecordBody, wall_ms: i64) {
    log.push(Record {
        offset: log.len() as i64,
        timestamp: wall_ms,
        timestamp_type: TimestampType::CreateTime,
        body,
    });
}
