//! An engine whose effects read as short lines.

use std::time::{Duration, Instant};

use super::{Chunk, WALL_MS, record_with_headers, tp};
use crate::engine::words::Ticket;
use crate::engine::*;
use crate::sink::{Failure, Verdict};
use crate::wire::TopicPartition;
use crate::wire::batch::RecordBody;

/// An engine, its clock and the effects it had.
pub(in crate::engine) struct Rig {
    pub(in crate::engine) engine: Engine<Chunk>,
    start: Instant,
    elapsed: Duration,
    /// The bodies of all forwards so far.
    pub(in crate::engine) bodies: Vec<RecordBody>,
}

impl Rig {
    pub(in crate::engine) fn new(config: Config) -> Self {
        Self::with(config, Forwarding::AtLeastOnce)
    }

    pub(in crate::engine) fn with(config: Config, forwarding: Forwarding) -> Self {
        Self {
            engine: Engine::new(config, forwarding),
            start: Instant::now(),
            elapsed: Duration::ZERO,
            bodies: Vec::new(),
        }
    }

    /// One without a drain, that has these partitions of the main path.
    pub(in crate::engine) fn main(config: Config, partitions: &[i32]) -> Self {
        let mut rig = Self::new(Config {
            drain: None,
            ..config
        });
        rig.assigned(Path::Main, partitions);
        assert_eq!(rig.effects(), [""; 0]);
        rig
    }

    /// One that has these partitions of the dead-letter topic, all empty, and has begun its first
    /// pass.
    pub(in crate::engine) fn drain(drain: DrainConfig, partitions: &[i32]) -> Self {
        let mut rig = Self::new(Config {
            drain: Some(drain),
            ..Config::default()
        });
        rig.assigned(Path::Drain, partitions);
        assert_eq!(rig.effects()[0], "DrainStarted");
        let ends: Vec<_> = partitions.iter().map(|n| (*n, 0)).collect();
        assert_eq!(rig.ends(&ends), [""; 0]);
        rig
    }

    pub(in crate::engine) fn now(&self) -> Moment {
        Moment {
            at: self.start + self.elapsed,
            wall_ms: WALL_MS + self.elapsed.as_millis() as i64,
        }
    }

    /// Lets time pass.
    pub(in crate::engine) fn after_ms(&mut self, ms: u64) -> Vec<String> {
        self.elapsed += Duration::from_millis(ms);
        self.engine.handle_timeout(self.now());
        self.effects()
    }

    /// Milliseconds until the engine wants to be called.
    pub(in crate::engine) fn wait_ms(&self) -> Option<u128> {
        let at = self.engine.poll_timeout()?;
        Some((at - self.now().at).as_millis())
    }

    pub(in crate::engine) fn assigned(&mut self, path: Path, partitions: &[i32]) {
        let partitions = partitions.iter().map(|n| tp(path, *n)).collect();
        self.engine.handle_assigned(path, partitions, self.now());
    }

    pub(in crate::engine) fn revoking(&mut self, path: Path, partitions: &[i32]) -> Vec<String> {
        let partitions = partitions.iter().map(|n| tp(path, *n)).collect();
        self.engine.handle_revoking(path, partitions, self.now());
        self.effects()
    }

    pub(in crate::engine) fn lost(&mut self, path: Path, partition: i32) -> Vec<String> {
        self.engine
            .handle_lost(path, &[tp(path, partition)], self.now());
        self.effects()
    }

    pub(in crate::engine) fn reset(
        &mut self,
        path: Path,
        partition: i32,
        offset: i64,
    ) -> Vec<String> {
        self.engine
            .handle_reset(path, tp(path, partition), offset, self.now());
        self.effects()
    }

    pub(in crate::engine) fn records(
        &mut self,
        path: Path,
        partition: i32,
        chunk: impl Into<Chunk>,
    ) -> Vec<String> {
        self.engine
            .handle_records(path, &tp(path, partition), chunk.into(), self.now());
        self.effects()
    }

    /// Plain records at these offsets.
    pub(in crate::engine) fn plain(
        &mut self,
        path: Path,
        partition: i32,
        offsets: &[i64],
    ) -> Vec<String> {
        let records = offsets
            .iter()
            .map(|offset| Ok(record_with_headers(*offset, &[])));
        let chunk = Chunk(records.collect());
        self.records(path, partition, chunk)
    }

    pub(in crate::engine) fn end(&mut self, partition: i32, offset: i64) -> Vec<String> {
        let tp = tp(Path::Drain, partition);
        self.engine
            .handle_end_of_partition(Path::Drain, &tp, offset, self.now());
        self.effects()
    }

    /// The end offsets that were asked for.
    pub(in crate::engine) fn ends(&mut self, ends: &[(i32, i64)]) -> Vec<String> {
        let ends: Vec<_> = ends
            .iter()
            .map(|(n, end)| (tp(Path::Drain, *n), *end))
            .collect();
        self.engine.handle_end_offsets(&ends, self.now());
        self.effects()
    }

    pub(in crate::engine) fn failed(&mut self, partition: i32) -> Vec<String> {
        let tp = tp(Path::Drain, partition);
        self.engine
            .handle_partition_failed(Path::Drain, &tp, self.now());
        self.effects()
    }

    pub(in crate::engine) fn verdict(&mut self, ticket: u64, verdict: Verdict) -> Vec<String> {
        self.engine
            .handle_verdict(Ticket(ticket), verdict, self.now());
        self.effects()
    }

    pub(in crate::engine) fn forwarded(&mut self, ticket: u64, offset: i64) -> Vec<String> {
        self.engine
            .handle_forwarded(Ticket(ticket), Ok(vec![offset]), self.now());
        self.effects()
    }

    /// A transaction's records got these offsets.
    pub(in crate::engine) fn moved(&mut self, ticket: u64, offsets: &[i64]) -> Vec<String> {
        self.engine
            .handle_forwarded(Ticket(ticket), Ok(offsets.to_vec()), self.now());
        self.effects()
    }

    pub(in crate::engine) fn not_forwarded(
        &mut self,
        ticket: u64,
        kind: ForwardFailureKind,
    ) -> Vec<String> {
        let message = "no leader".into();
        let failure = ForwardFailure { kind, message };
        self.engine
            .handle_forwarded(Ticket(ticket), Err(failure), self.now());
        self.effects()
    }

    pub(in crate::engine) fn committed(&mut self, ticket: u64) -> Vec<String> {
        self.engine
            .handle_committed(Ticket(ticket), Ok(()), self.now());
        self.effects()
    }

    pub(in crate::engine) fn not_committed(
        &mut self,
        ticket: u64,
        kind: CommitFailureKind,
    ) -> Vec<String> {
        let message = "refused".into();
        let failure = CommitFailure { kind, message };
        self.engine
            .handle_committed(Ticket(ticket), Err(failure), self.now());
        self.effects()
    }

    pub(in crate::engine) fn probed(&mut self, result: Result<(), Failure>) -> Vec<String> {
        self.engine.handle_probe(result, self.now());
        self.effects()
    }

    pub(in crate::engine) fn shutdown(&mut self) -> Vec<String> {
        self.engine.handle_shutdown(self.now());
        self.effects()
    }

    /// The effects since the last call, a line each.
    pub(in crate::engine) fn effects(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(effect) = self.engine.poll_effect() {
            if let Effect::Forward { records, .. } = &effect {
                self.bodies.extend(records.iter().map(|it| it.body.clone()));
            }
            lines.push(line(effect));
        }
        lines
    }
}

/// An effect in a few words: `kind ticket path partition@offset …`.
fn line(effect: Effect) -> String {
    let numbers = |partitions: Vec<TopicPartition>| {
        let numbers: Vec<_> = partitions
            .iter()
            .map(|tp| tp.partition.to_string())
            .collect();
        numbers.join(" ")
    };
    match effect {
        Effect::Send {
            ticket,
            place,
            record,
            retry,
        } => {
            let retry = retry.map(|n| format!(" retry {n}")).unwrap_or_default();
            let (path, partition) = (place.path, place.tp.partition);
            format!(
                "send {} {path} {partition}@{}{retry}",
                ticket.0, record.offset
            )
        }
        Effect::Forward {
            ticket,
            path,
            records,
            offsets,
            again,
        } => {
            let records = records.iter().map(|it| {
                let (from, to) = (it.from.partition, it.partition);
                format!(" {from} to {} {to}", it.to)
            });
            let records: String = records.collect();
            let offsets = offsets
                .iter()
                .map(|(tp, next)| format!(" {}={next}", tp.partition));
            let offsets: String = offsets.collect();
            let commit = if offsets.is_empty() { "" } else { ", commit" };
            let again = if again { " again" } else { "" };
            format!(
                "forward{again} {} {path}{records}{commit}{offsets}",
                ticket.0
            )
        }
        Effect::Commit {
            ticket,
            path,
            offsets,
        } => {
            let offsets: Vec<_> = offsets
                .iter()
                .map(|(tp, next)| format!("{}={next}", tp.partition))
                .collect();
            format!("commit {} {path} {}", ticket.0, offsets.join(" "))
        }
        Effect::Pause { path, partitions } => format!("pause {path} {}", numbers(partitions)),
        Effect::Resume { path, partitions } => format!("resume {path} {}", numbers(partitions)),
        Effect::Revoked { path, partitions } => format!("revoked {path} {}", numbers(partitions)),
        Effect::QueryEndOffsets { partitions } => format!("ends of {}", numbers(partitions)),
        Effect::Probe => "probe".to_owned(),
        Effect::Stopped => "stopped".to_owned(),
        Effect::Report(report) => report_line(report),
    }
}

fn report_line(report: Report) -> String {
    match report {
        Report::LineStopped { failure } => format!("LineStopped {failure}"),
        Report::LineStillStopped { stopped_for, .. } => format!("LineStillStopped {stopped_for:?}"),
        Report::LineHeld { wait, .. } => format!("LineHeld {wait:?}"),
        Report::DrainFinished(DrainSummary {
            totals,
            interrupted,
            stuck,
        }) => {
            let Totals {
                sent,
                delivered,
                dead_lettered,
                permanent,
            } = totals;
            let cut = if interrupted { " interrupted" } else { "" };
            let stuck = match stuck {
                0 => String::new(),
                n => format!(" stuck {n}"),
            };
            format!("DrainFinished {sent}: {delivered} {dead_lettered} {permanent}{cut}{stuck}")
        }
        Report::KafkaSilent { awaited, waited } => format!("KafkaSilent {awaited:?} {waited:?}"),
        Report::PartitionStuck { place, message } => {
            format!("PartitionStuck {} {message}", place.tp.partition)
        }
        Report::CommitFailing { path, message } => format!("CommitFailing {path} {message}"),
        Report::BadRetryCount { offset, found, .. } => format!("BadRetryCount @{offset} {found}"),
        Report::GaveUp { place, offset } => format!("GaveUp {}@{offset}", place.tp.partition),
        Report::Uncommitted { place, next_offset } => {
            format!("Uncommitted {}={next_offset}", place.tp.partition)
        }
        Report::NoTransactions { message } => format!("NoTransactions {message}"),
        Report::TooFewPartitions { to, partitions, .. } => {
            format!("TooFewPartitions {to} {partitions}")
        }
        Report::LineResumed | Report::DrainStarted => format!("{report:?}"),
    }
}
