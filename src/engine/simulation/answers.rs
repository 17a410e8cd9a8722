//! Answers to what the engine asked for, badly at times.

use super::ledger::Fate;
use super::world::{Pending, World};
use super::*;
use crate::engine::testing::{rejected, retry_after, sink_down, transient, unreachable};
use crate::sink::{Failure, FailureKind, Verdict};

/// Answers something that is under way, badly at times if there may be trouble.
pub(super) fn answer(world: &mut World, index: usize, trouble: bool) {
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
                world.totals[place.path as usize].delivered +=
                    u64::from(pending.terms[0].is_some());
            }
            if let Verdict::RetryAfter(wait, _) = &verdict {
                world.closed_until = world.closed_until.max(world.elapsed + *wait);
            }
            world.line_stopped |= down;
            world.engine.handle_verdict(ticket, verdict, now);
            world.follow();
            assert!(!down || world.engine.gate.is_stopped() || world.stopped);
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
            world.line_stopped &= result.is_err();
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
        path,
        records,
        offsets,
        ..
    } = &pending.effect
    else {
        return;
    };
    let failure = |kind| ForwardFailure {
        kind,
        message: "no leader".into(),
    };
    let luck = if trouble { world.rng.u32(..10) } else { 9 };
    let owned = world.owns(*path, offsets, pending.asked);
    let result = match luck {
        _ if !owned => Err(failure(ForwardFailureKind::Fenced)),
        0 if world.troubled && offsets.is_empty() => {
            world.ledger.may_repeat();
            world.write_all(*path, records, offsets);
            Err(failure(ForwardFailureKind::InDoubt))
        }
        0 if !offsets.is_empty() => Err(failure(ForwardFailureKind::Fenced)),
        0..=2 => Err(failure(ForwardFailureKind::NotWritten)),
        _ => Ok(world.write_all(*path, records, offsets)),
    };
    if result.is_ok() {
        for (record, term) in records.iter().zip(&pending.terms) {
            let totals = &mut world.totals[*path as usize];
            world
                .ledger
                .settled(*path, record.from.partition, record.offset);
            match record.to {
                _ if term.is_none() => {}
                Destination::DeadLetter => totals.dead_lettered += 1,
                Destination::Permanent => totals.permanent += 1,
            }
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
    let owned = world.owns(*path, offsets, pending.asked);
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
