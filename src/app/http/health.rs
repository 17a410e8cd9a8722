//! Whether the service is well, by what is seen of it.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::engine::run::View;
use crate::engine::{Life, Line, Path, PathStatus};

/// Partitions that are named; of more, their number is told.
const MOST_NAMED: usize = 10;

/// What is seen of a service.
#[derive(Debug)]
pub(super) enum Sight {
    /// It connects, and makes sure of its topics. Each step of that has an end of its own.
    Starting,
    /// It works, or finishes what it has in flight.
    Running(Box<View>),
    /// It has finished, and leaves its groups.
    Leaving,
    /// Its loop, or one of its consumers', does not answer.
    Silent(Duration),
}

/// Why a service is not ready: each condition that fails, by its name, with a word for a person.
pub(super) type Failing = Vec<(&'static str, String)>;

impl Sight {
    /// The phase that it is in.
    pub(super) fn phase(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running(view) if view.engine.life == Life::Running => "running",
            Self::Running(_) | Self::Leaving => "stopping",
            Self::Silent(_) => "silent",
        }
    }

    /// True unless only a new start could help.
    pub(super) fn is_alive(&self) -> bool {
        !matches!(self, Self::Silent(_))
    }

    /// What keeps it from being ready.
    pub(super) fn failing(&self, stuck_after: Duration) -> Failing {
        match self {
            Self::Starting => vec![("phase", "starting".to_owned())],
            Self::Leaving => vec![("phase", "stopping".to_owned())],
            Self::Silent(waited) => vec![("loop", format!("no answer within {waited:?}"))],
            Self::Running(view) => failing(view, stuck_after),
        }
    }

    /// The answer about being alive.
    pub(super) fn alive_json(&self) -> Value {
        json!({ "alive": self.is_alive(), "phase": self.phase() })
    }
}

/// The answer about being ready.
pub(super) fn ready_json(failing: &Failing) -> Value {
    let reasons = failing
        .iter()
        .map(|(name, why)| ((*name).to_owned(), Value::from(why.as_str())));
    let reasons: Map<_, _> = reasons.collect();
    json!({ "ready": failing.is_empty(), "failing": reasons })
}

fn failing(view: &View, stuck_after: Duration) -> Failing {
    let engine = &view.engine;
    let mut failing = Failing::new();
    if engine.life != Life::Running {
        failing.push(("phase", "stopping".to_owned()));
    }
    let consumers = [
        ("membership", &view.main),
        ("drain_membership", &view.drain),
    ];
    for (name, consumer) in consumers {
        match consumer {
            Some(standing) if !standing.is_member => {
                failing.push((name, "not a member of its group".to_owned()));
            }
            // None at all is an assignment too: a member that waits in case another one goes.
            Some(standing) if standing.assignments == 0 => {
                failing.push((name, "no partitions were given out yet".to_owned()));
            }
            _ => {}
        }
    }
    if let Line::Stopped(lasting) = engine.line {
        let why = format!("the sink can't be used, for {:?}", whole(lasting));
        failing.push(("line", why));
    }
    let paths = [(Path::Main, &engine.main), (Path::Drain, &engine.drain)];
    failing.extend(stuck(&paths, stuck_after).map(|why| ("partitions", why)));
    failing.extend(uncommitted(&paths, stuck_after).map(|why| ("commits", why)));
    failing
}

type Paths<'a> = [(Path, &'a PathStatus); 2];

fn stuck(paths: &Paths<'_>, limit: Duration) -> Option<String> {
    let mut stuck = Vec::new();
    for (path, status) in paths {
        for partition in &status.partitions {
            if let Some(lasting) = partition.blocked_for.filter(|it| *it >= limit) {
                let tp = &partition.partition;
                stuck.push(format!("{tp} ({path}) for {:?}", whole(lasting)));
            }
        }
    }
    let more = stuck.len().saturating_sub(MOST_NAMED);
    stuck.truncate(MOST_NAMED);
    if more > 0 {
        stuck.push(format!("{more} more"));
    }
    (!stuck.is_empty()).then(|| format!("stuck: {}", stuck.join(", ")))
}

fn uncommitted(paths: &Paths<'_>, limit: Duration) -> Option<String> {
    let failing = paths.iter().filter_map(|(path, status)| {
        let lasting = status.commits.failing_for.filter(|it| *it >= limit)?;
        Some(format!(
            "none acknowledged for {:?} ({path})",
            whole(lasting)
        ))
    });
    let failing: Vec<_> = failing.collect();
    (!failing.is_empty()).then(|| failing.join(", "))
}

/// Whole seconds: a person needs no more.
fn whole(lasting: Duration) -> Duration {
    Duration::from_secs(lasting.as_secs())
}
