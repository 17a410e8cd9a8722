//! What happens in a world: records, answers, time, rebalances, crashes.

use std::time::Duration;

use super::answers::answer;
use super::ledger::Fate;
use super::world::{PARTITIONS, World, is_marker};
use super::*;
use crate::engine::testing::Chunk;

pub(super) const PATHS: [Path; 2] = [Path::Main, Path::Drain];

/// The settings of a world.
pub(super) fn config(seed: u64) -> Config {
    let mut rng = fastrand::Rng::with_seed(!seed);
    let delays = [0, 1, 30].map(Duration::from_secs);
    Config {
        concurrency: rng.usize(1..=3),
        rate: rng.bool().then(|| Rate {
            messages: rng.u32(1..=3),
            per: Duration::from_secs(rng.u64(1..=5)),
        }),
        max_retries: rng.u32(0..=3),
        dead_letter_partitions: rng.i32(2..=3),
        permanent_partitions: rng.i32(1..=3),
        final_destination: *pick(&mut rng, &[Destination::DeadLetter, Destination::Permanent]),
        drain: Some(DrainConfig {
            interval: Duration::from_secs(rng.u64(5..300)),
            max_retries: rng.u32(0..=3),
            mode: *pick(&mut rng, &[DrainMode::UntilEmpty, DrainMode::Snapshot]),
            delays: delays[..rng.usize(0..=3)].to_vec(),
            ..DrainConfig::default()
        }),
        ..Config::default()
    }
}

fn pick<'a, T>(rng: &mut fastrand::Rng, of: &'a [T]) -> &'a T {
    &of[rng.usize(..of.len())]
}

/// One thing happens.
pub(super) fn happen(world: &mut World) {
    let path = *pick(&mut world.rng, &PATHS);
    if world.stopped {
        return restart(world);
    }
    match world.rng.u32(..100) {
        0..10 => publish(world, path),
        10..35 => fetch(world, path),
        35..70 if !world.pending.is_empty() => {
            let index = world.rng.usize(..world.pending.len());
            answer(world, index, true);
        }
        70..85 => pass_time(world),
        85..92 => assign(world, path),
        92..96 => revoke(world, path),
        96 => {
            let now = world.now();
            world.engine.handle_shutdown(now);
            world.follow();
        }
        97 if world.troubled => restart(world),
        98 if world.troubled => go_back(world, path),
        99 if world.troubled => lose(world, path),
        _ => {}
    }
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

pub(super) fn fetch_one(world: &mut World, path: Path, partition: i32) {
    let now = world.now();
    let most = world.rng.usize(1..=3);
    let position = world.held[path as usize][&partition].position;
    let left = &world.log(path)[partition as usize][position as usize..];
    let records: Vec<_> = left.iter().take(most).cloned().collect();
    let taken = records.len() as i64;
    let records: Vec<_> = records.into_iter().filter(|it| !is_marker(it)).collect();
    let held = world.held[path as usize].get_mut(&partition).unwrap();
    let retold = held.end.filter(|_| std::mem::take(&mut held.retells));
    let tp = tp(path, partition);
    if let Some(end) = retold.or((taken == 0).then_some(position)) {
        held.end = Some(end);
        world.engine.handle_end_of_partition(path, &tp, end, now);
    } else {
        held.position += taken;
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

pub(super) fn unowned(world: &World, path: Path) -> Vec<i32> {
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

/// What was read of a partition is no more, and is written again: the consumer begins anew at or
/// before the committed offset.
fn go_back(world: &mut World, path: Path) {
    let owned = world.held[path as usize].iter();
    let owned: Vec<i32> = owned
        .filter(|(_, held)| !held.revoking)
        .map(|(n, _)| *n)
        .collect();
    if owned.is_empty() {
        return;
    }
    let partition = *pick(&mut world.rng, &owned);
    let committed = world.committed[path as usize].get(&partition);
    let offset = world.rng.i64(0..=*committed.unwrap_or(&0));
    let tp = tp(path, partition);
    world.forget(&Place {
        path,
        tp: tp.clone(),
    });
    let since = world.held[path as usize][&partition].since;
    world.hold(path, partition, offset, Some(since));
    let now = world.now();
    world.engine.handle_reset(path, tp, offset, now);
    world.follow();
}

/// The process ends as it is, and another begins. What was in flight may have arrived.
pub(super) fn restart(world: &mut World) {
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
                path,
                records,
                offsets,
                ..
            } if arrives && world.owns(path, &offsets, pending.asked) => {
                if offsets.is_empty() {
                    world.ledger.may_repeat();
                }
                for record in &records {
                    let from = record.from.partition;
                    world.ledger.settled(path, from, record.offset);
                }
                world.write_all(path, &records, &offsets);
            }
            _ => {}
        }
    }
    world.engine = Engine::new(world.config.clone(), world.forwarding);
    world.held = Default::default();
    world.totals = Default::default();
    world.stopped = false;
    world.line_stopped = false;
    world.closed_until = Duration::ZERO;
    world.sent_at.clear();
}
