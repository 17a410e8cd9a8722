//! Where an engine stands, for those who watch it. Nothing is kept for it: it is put together
//! when it is asked for, so that it costs nothing while nobody asks.

use std::time::{Duration, Instant};

use super::RecordSource;
use super::drain::Drain;
use super::lanes::Lanes;
use super::machine::{Engine, Life};
use super::report::Totals;
use super::words::Path;
use crate::wire::TopicPartition;

/// Where an engine stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// How far it is in its life.
    pub life: Life,
    /// The line to the sink.
    pub line: Line,
    /// True while a pass of the drain is under way.
    pub in_pass: bool,
    /// The main path.
    pub main: PathStatus,
    /// The drain's path, which is empty where there is no drain.
    pub drain: PathStatus,
}

/// The line to the sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// Records are sent.
    Open,
    /// The sink asked to wait.
    Held,
    /// The sink can't be used, for this long.
    Stopped(Duration),
}

/// Where a path stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathStatus {
    /// What it has done.
    pub totals: Totals,
    /// Deliveries begun and not judged.
    pub sending: usize,
    /// Forwards begun and not answered.
    pub forwarding: usize,
    /// Its commits.
    pub commits: CommitStatus,
    /// Its partitions, those that are leaving among them.
    pub partitions: Vec<PartitionStatus>,
}

/// How the commits of a path went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitStatus {
    /// How many the group has.
    pub acknowledged: u64,
    /// How many it has not, most of which were tried again.
    pub refused: u64,
    /// How long none has been acknowledged that was tried.
    pub failing_for: Option<Duration>,
}

/// Where a partition stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionStatus {
    /// The partition.
    pub partition: TopicPartition,
    /// The offset after the last record that has come to its end; none where none has yet.
    pub next_offset: Option<i64>,
    /// How long it has not been able to go on: its record can't be forwarded, or its bytes can't
    /// be read. A record that waits for its retry, or for the line, is no such thing.
    pub blocked_for: Option<Duration>,
}

impl<S: RecordSource> Engine<S> {
    /// Where it stands.
    pub fn status(&self, now: Instant) -> Status {
        Status {
            life: self.life,
            line: self.gate.line(now),
            in_pass: self.drain.as_ref().is_some_and(Drain::is_in_pass),
            main: self.path_status(Path::Main, &self.main, now),
            drain: self.path_status(Path::Drain, &self.drained, now),
        }
    }

    fn path_status(&self, path: Path, lanes: &Lanes<S>, now: Instant) -> PathStatus {
        let partitions = lanes.iter().map(|(tp, lane)| PartitionStatus {
            partition: tp.clone(),
            next_offset: lane.next_offset(),
            blocked_for: lane.blocked_since().map(|since| now - since),
        });
        let flights = self.forwards.values().filter(|it| it.path == path);
        PathStatus {
            totals: lanes.totals,
            sending: self.sends.values().filter(|it| it.path == path).count(),
            forwarding: flights.map(|it| it.partitions.len()).sum(),
            commits: lanes.commits.status(now),
            partitions: partitions.collect(),
        }
    }
}
