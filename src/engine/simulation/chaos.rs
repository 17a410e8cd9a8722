//! What happens in a world: answers, good and bad; time; rebalances; crashes; then rest.

use std::time::Duration;

use super::ledger::Fate;
use super::world::{PARTITIONS, Pending, World};
use super::*;
use crate::engine::testing::{Chunk, rejected, retry_after, sink_down, transient, unreachable};
use crate::sink::{Failure, FailureKind, Verdict};

const PATHS: [Path; 2] = [Path::Main, Path::Drain];

/// Far more steps than any world takes to come to rest.
const MOST_STEPS: usize = 50_000;

/// The settings of a world.
pub(super) fn config(seed: u64) -> Config {
    let mut rng = fastrand::Rng::with_seed(!seed);
    let delays = [0, 1, 30].map(Duration::from_secs);
    Config {
        concurrency: rng.usize(1..=3),
        max_retries: rng.u32(0..=3),
        dead_letter_partitions: rng.i32(2..=3),
        permanent_partitions: rng.i32(1..=3),
        final_destination: *pick(&mut rng, &[Destination::DeadLetter, Destination::Permanent]),
        drain: Some(DrainConfig {
            interval: Duration::from_secs(rng.u64(5..300)),
            max_retries: rng.u32(0..=3),
            mode: *pick(&mut rng, &[DrainMode::UntilEmpty, DrainMode::Snapshot]),
            delays: delays[..rng.usize(0..=3)].to_vec(),
            one_shot: false,
        }),
        ..Config::default()
    }
}

fn pick<'a, T>(rng: &mut fastrand::Rng, of: &'a [T]) -> &'a T {
    &of[rng.usize(..of.len())]
}

/// One thing happens. Only one world in two has troubles of Kafka's.
pub(super) fn happen(world: &mut World) {
    let path = *pick(&mut world.rng, &PATHS);
    if world.stopped {
        return restart(world);
    }
    match world.rng.u32(..100) {
        0..10 => publish(world, path),
        10..35 => fetch(world, path),
        35..70 => {
            if !world.pending.is_empty() {
                let index = world.rng.usize(..world.pending.len());
                answer(world, index, true);
            }
        }
        70..85 => pass_time(world),
        85..92 => assign(world, path),
        92..96 => revoke(world, path),
        96 => {
            let now = world.now();
            world.engine.handle_shutdown(now);
            world.follow();
        }
        97 if has_troubles(world) => restart(world),
        98.. if has_troubles(world) => lose(world, path),
        _ => {}
    }
}

fn has_troubles(world: &World) -> bool {
    world.config.concurrency > 1
}

fn publish(world: &mut World, path: Path) {
    let fate = *pick(
        &mut world.rng,
        &[
            Fate::Fine,
            Fate::Fine,
            Fate::Flaky,
            Fate::Broken,
            Fate::Poison,
        ],
    );
    let counts: [&[u8]; 6] = [b"1", b"007", b"", b"x", b"-1", &[0, 0, 0, 2]];
    let count = *pick(&mut world.rng, &counts);
    let headers: [(&[u8], Option<&[u8]>); 3] = [
        (b"x-a", Some(b"1")),
        (b"retry-count", Some(count)),
        (b"x-a", None),
    ];
    let partitions = world.log(path).len() as i32;
    let partition = world.rng.i32(0..partitions);
    let some = world.rng.usize(..=headers.len());
    world.publish(path, partition, fate, &headers[..some]);
}

/// The consumer hands over what it has for one partition.
fn fetch(world: &mut World, path: Path) {
    let fetched: Vec<i32> = world.held[path as usize]
        .iter()
        .filter(|(_, held)| !held.paused && !held.revoking)
        .map(|(partition, _)| *partition)
        .collect();
    if fetched.is_empty() {
        return;
    }
    let partition = *pick(&mut world.rng, &fetched);
    fetch_one(world, path, partition);
}

fn fetch_one(world: &mut World, path: Path, partition: i32) {
    let now = world.now();
    let most = world.rng.usize(1..=3);
    let position = world.held[path as usize][&partition].position;
    let left = &world.log(path)[partition as usize][position as usize..];
    let records: Vec<_> = left.iter().take(most).cloned().collect();
    let held = world.held[path as usize].get_mut(&partition).unwrap();
    let retold = held.end.filter(|_| std::mem::take(&mut held.retells));
    let tp = tp(path, partition);
    if let Some(end) = retold.or(records.is_empty().then_some(position)) {
        held.end = Some(end);
        world.engine.handle_end_of_partition(path, &tp, end, now);
    } else {
        held.position += records.len() as i64;
        let chunk = Chunk(records.into_iter().map(Ok).collect());
        world.engine.handle_records(path, &tp, chunk, now);
    }
    world.follow();
}

fn pass_time(world: &mut World) {
    let now = world.now().at;
    let wanted = world
        .engine
        .poll_timeout()
        .map(|at| at.saturating_duration_since(now));
    let step = match wanted {
        Some(wait) if world.rng.bool() => wait,
        _ => Duration::from_millis(world.rng.u64(..3_000)),
    };
    world.elapsed += step;
    let now = world.now();
    world.engine.handle_timeout(now);
    let next = world.engine.poll_timeout();
    assert!(
        next.is_none_or(|at| at > now.at),
        "a timeout that does not pass"
    );
    world.follow();
}

fn unowned(world: &World, path: Path) -> Vec<i32> {
    let partitions = world.log(path).len() as i32;
    (0..partitions)
        .filter(|n| !world.held[path as usize].contains_key(n))
        .collect()
}

fn assign(world: &mut World, path: Path) {
    let mut partitions = unowned(world, path);
    partitions.truncate(world.rng.usize(..=PARTITIONS as usize));
    world.assign(path, &partitions);
}

fn revoke(world: &mut World, path: Path) {
    let mut partitions = Vec::new();
    for (partition, held) in &mut world.held[path as usize] {
        if !held.revoking && world.rng.bool() {
            held.revoking = true;
            partitions.push(tp(path, *partition));
        }
    }
    let now = world.now();
    world.engine.handle_revoking(path, partitions, now);
    world.follow();
}

fn lose(world: &mut World, path: Path) {
    let owned: Vec<i32> = world.held[path as usize].keys().copied().collect();
    if owned.is_empty() {
        return;
    }
    let partition = *pick(&mut world.rng, &owned);
    world.held[path as usize].remove(&partition);
    let tp = tp(path, partition);
    world.forget(&Place {
        path,
        tp: tp.clone(),
    });
    let now = world.now();
    world.engine.handle_lost(path, &[tp], now);
    world.follow();
}

/// The process ends as it is, and another begins. What was in flight may have arrived.
fn restart(world: &mut World) {
    for pending in std::mem::take(&mut world.pending) {
        let arrives = world.rng.bool();
        match pending.effect {
            Effect::Send { place, record, .. }
                if arrives && world.ledger.fate(&record) == Fate::Fine =>
            {
                world.ledger.may_repeat();
                world
                    .ledger
                    .delivered(place.path, place.tp.partition, &record);
            }
            Effect::Forward {
                place,
                offset,
                to,
                partition,
                body,
                ..
            } if arrives => {
                world.ledger.may_repeat();
                world.ledger.settled(place.path, place.tp.partition, offset);
                world.write(to, partition, &body);
            }
            _ => {}
        }
    }
    world.engine = Engine::new(world.config.clone());
    world.held = Default::default();
    world.totals = Default::default();
    world.stopped = false;
    world.line_stopped = false;
    world.closed_until = Duration::ZERO;
}

/// Answers something that is under way, badly at times if there may be trouble.
fn answer(world: &mut World, index: usize, trouble: bool) {
    let pending = world.pending.swap_remove(index);
    let now = world.now();
    match pending.effect.clone() {
        Effect::Send {
            ticket,
            place,
            record,
            ..
        } => {
            let verdict = verdict(world, &record, trouble);
            let down = matches!(verdict, Verdict::SinkDown(_));
            if verdict == Verdict::Delivered {
                world
                    .ledger
                    .delivered(place.path, place.tp.partition, &record);
                world.totals[place.path as usize].delivered += u64::from(pending.term.is_some());
            }
            if let Verdict::RetryAfter(wait, _) = &verdict {
                world.closed_until = world.closed_until.max(world.elapsed + *wait);
            }
            world.engine.handle_verdict(ticket, verdict, now);
            world.follow();
            assert!(!down || world.line_stopped || world.stopped);
            return;
        }
        Effect::Forward { .. } => answer_forward(world, &pending, trouble),
        Effect::Commit { .. } => answer_commit(world, &pending, trouble),
        Effect::Probe => {
            let down = Failure::new(FailureKind::Unauthorized, "401");
            let result = if trouble && world.rng.bool() {
                Err(down)
            } else {
                Ok(())
            };
            world.engine.handle_probe(result, now);
        }
        Effect::QueryEndOffsets { partitions } => {
            let log = world.log(Path::Drain);
            let ends: Vec<_> = partitions
                .iter()
                .map(|tp| (tp.clone(), log[tp.partition as usize].len() as i64))
                .collect();
            world.engine.handle_end_offsets(&ends, now);
        }
        effect => unreachable!("{effect:?} needs no answer"),
    }
    world.follow();
}

fn verdict(world: &mut World, record: &Record, trouble: bool) -> Verdict {
    if trouble {
        match world.rng.u32(..30) {
            0 => return sink_down(),
            1 => return retry_after(world.rng.u64(..5)),
            2..5 => return unreachable(),
            _ => {}
        }
    }
    match world.ledger.fate(record) {
        Fate::Fine => Verdict::Delivered,
        Fate::Flaky if world.rng.bool() => Verdict::Delivered,
        Fate::Flaky | Fate::Broken => transient(),
        Fate::Poison => rejected(),
    }
}

fn answer_forward(world: &mut World, pending: &Pending, trouble: bool) {
    let Effect::Forward {
        ticket,
        place,
        offset,
        to,
        partition,
        body,
    } = &pending.effect
    else {
        return;
    };
    let failure = |in_doubt| ForwardFailure {
        message: "no leader".into(),
        in_doubt,
    };
    let luck = if trouble { world.rng.u32(..10) } else { 9 };
    let result = match luck {
        0 if has_troubles(world) => {
            world.ledger.may_repeat();
            world.write(*to, *partition, body);
            Err(failure(true))
        }
        0..=2 => Err(failure(false)),
        _ => Ok(world.write(*to, *partition, body)),
    };
    if result.is_ok() {
        world
            .ledger
            .settled(place.path, place.tp.partition, *offset);
    }
    if result.is_ok() && pending.term.is_some() {
        let totals = &mut world.totals[place.path as usize];
        match to {
            Destination::DeadLetter => totals.dead_lettered += 1,
            Destination::Permanent => totals.permanent += 1,
        }
    }
    let now = world.now();
    world.engine.handle_forwarded(*ticket, result, now);
}

/// The group refuses the commit of a partition that is another's.
fn answer_commit(world: &mut World, pending: &Pending, trouble: bool) {
    let Effect::Commit {
        ticket,
        path,
        offsets,
    } = &pending.effect
    else {
        return;
    };
    let held = &world.held[*path as usize];
    let owned = offsets
        .iter()
        .all(|(tp, _)| held.contains_key(&tp.partition));
    let luck = if trouble { world.rng.u32(..20) } else { 9 };
    let kind = match luck {
        _ if !owned => Some(CommitFailureKind::Fenced),
        0 => Some(CommitFailureKind::Fenced),
        1..4 => Some(CommitFailureKind::Retriable),
        _ => None,
    };
    if owned && (kind.is_none() || luck == 1) {
        for (tp, next) in offsets {
            world.committed[*path as usize].insert(tp.partition, *next);
        }
    }
    let message = String::from("refused");
    let result = kind.map_or(Ok(()), |kind| Err(CommitFailure { kind, message }));
    let now = world.now();
    world.engine.handle_committed(*ticket, result, now);
}

impl World {
    /// Lets all troubles end and all work be done.
    pub(super) fn come_to_rest(&mut self) {
        for _ in 0..MOST_STEPS {
            if self.stopped {
                restart(self);
            }
            for path in PATHS {
                let unowned = unowned(self, path);
                if !unowned.is_empty() {
                    self.assign(path, &unowned);
                }
            }
            if !self.pending.is_empty() {
                answer(self, 0, false);
            } else if !self.fetch_all() {
                if self.is_at_rest() {
                    return;
                }
                self.elapsed = self.next_timeout();
                let now = self.now();
                self.engine.handle_timeout(now);
                self.follow();
            }
        }
        panic!("this world never comes to rest");
    }

    fn next_timeout(&self) -> Duration {
        let now = self.now().at;
        let at = self
            .engine
            .poll_timeout()
            .expect("work is left, and nothing will happen");
        self.elapsed + at.saturating_duration_since(now)
    }

    /// Hands over what every partition has, or that it has no more; true if there was any.
    fn fetch_all(&mut self) -> bool {
        let mut any = false;
        for path in PATHS {
            let partitions: Vec<i32> = self.held[path as usize].keys().copied().collect();
            for partition in partitions {
                let held = self.held[path as usize].get(&partition);
                let Some(held) = held.filter(|held| !held.paused && !held.revoking) else {
                    continue;
                };
                let end = self.log(path)[partition as usize].len() as i64;
                any |= held.position < end;
                fetch_one(self, path, partition);
            }
        }
        any || !self.pending.is_empty()
    }

    fn is_at_rest(&self) -> bool {
        PATHS.iter().all(|path| {
            let log = self.log(*path).iter().enumerate();
            log.map(|(n, log)| (n as i32, log.len() as i64))
                .all(|(n, end)| end == *self.committed[*path as usize].get(&n).unwrap_or(&0))
        })
    }
}
