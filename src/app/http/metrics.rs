//! A service's metrics, named as Prometheus would have it: base units, `_total` for what only
//! rises. What Kafka's own clients measure has their name for it: `records-lag`,
//! `incoming-byte-total`, `assigned-partitions`.

mod kafka;

use std::fmt;
use std::time::Duration;

use super::backlog::Waiting;
use super::health::Sight;
use super::meters::{Meters, path_name};
use super::sheet::{Labels, Sheet};
use crate::engine::run::View;
use crate::engine::{Line, Path, PathStatus};
use crate::net::TrafficSums;
use crate::wire::TopicPartition;

/// What a reading is made of.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    pub(super) sight: &'a Sight,
    pub(super) is_ready: bool,
    pub(super) waiting: Vec<Waiting>,
    pub(super) traffic: Option<TrafficSums>,
    pub(super) meters: &'a Meters,
    /// Times since 1970.
    pub(super) started: Duration,
    pub(super) now: Duration,
}

/// Writes a reading down, in the OpenMetrics format.
///
/// # Errors
///
/// None that a `String` has.
pub(super) fn encode(reading: &Reading<'_>) -> Result<String, fmt::Error> {
    let mut sheet = Sheet::default();
    process(&mut sheet, reading);
    meters(&mut sheet, reading.meters);
    if let Sight::Running(view) = reading.sight {
        line(&mut sheet, &view.engine.line);
        records(&mut sheet, view);
        commits(&mut sheet, view);
        partitions(&mut sheet, view);
        kafka::groups(&mut sheet, view);
        kafka::backlog(&mut sheet, view, reading);
    }
    if let Some(traffic) = &reading.traffic {
        kafka::connections(&mut sheet, traffic);
        kafka::requests(&mut sheet, traffic);
    }
    sheet.encode()
}

fn one<T>(value: T) -> [(Labels, T); 1] {
    [(Labels::new(), value)]
}

fn flag(value: bool) -> f64 {
    f64::from(u8::from(value))
}

/// Below 2⁵³, as all that is counted here, it is exact.
#[allow(clippy::cast_precision_loss, reason = "said above")]
fn float(number: u64) -> f64 {
    number as f64
}

fn process(sheet: &mut Sheet, reading: &Reading<'_>) {
    let version = ("version", env!("CARGO_PKG_VERSION").to_owned());
    sheet.gauge(
        "payment_notifier_build_info",
        "Always 1; the label says which version runs",
        [(vec![version], 1.0)],
    );
    sheet.seconds(
        "process_start_time",
        "When the process started, since 1970",
        one(reading.started.as_secs_f64()),
    );
    sheet.gauge(
        "payment_notifier_ready",
        "1 where /readyz says so",
        one(flag(reading.is_ready)),
    );
}

fn meters(sheet: &mut Sheet, meters: &Meters) {
    sheet.metric(
        "payment_notifier_verdicts",
        "What came of deliveries, by the kind of failure where there is one",
        meters.verdicts.clone(),
    );
    sheet.seconds_metric(
        "payment_notifier_send_duration",
        "How long a delivery takes, from its beginning to its verdict",
        meters.durations.clone(),
    );
    sheet.metric(
        "payment_notifier_drain_passes",
        "Passes of the drain that have ended",
        meters.passes.clone(),
    );
    sheet.seconds(
        "payment_notifier_drain_last_pass_timestamp",
        "When the last pass of the drain ended, since 1970; not there before",
        meters
            .last_pass()
            .into_iter()
            .flat_map(|at| one(at.as_secs_f64())),
    );
}

fn line(sheet: &mut Sheet, line: &Line) {
    let states = ["open", "held", "stopped"].into_iter().zip([
        *line == Line::Open,
        *line == Line::Held,
        matches!(line, Line::Stopped(_)),
    ]);
    sheet.gauge(
        "payment_notifier_line_state",
        "1 for the state of the line to the sink: open, held for as long as the sink asks, stopped",
        states.map(|(state, is)| (vec![("state", state.to_owned())], flag(is))),
    );
    let lasting = match line {
        Line::Stopped(lasting) => lasting.as_secs_f64(),
        _ => 0.0,
    };
    sheet.seconds(
        "payment_notifier_line_stopped",
        "How long the line has been stopped; 0 where it is not",
        one(lasting),
    );
}

fn paths(view: &View) -> impl Iterator<Item = (Path, &PathStatus)> {
    let main = view.main.as_ref().map(|_| (Path::Main, &view.engine.main));
    let drain = view.drain.as_ref();
    let drain = drain.map(|_| (Path::Drain, &view.engine.drain));
    main.into_iter().chain(drain)
}

fn of(path: Path) -> Labels {
    vec![("path", path_name(path).to_owned())]
}

fn with(mut labels: Labels, name: &'static str, value: impl Into<String>) -> Labels {
    labels.push((name, value.into()));
    labels
}

fn records(sheet: &mut Sheet, view: &View) {
    sheet.counter(
        "payment_notifier_sends",
        "Deliveries begun",
        paths(view).map(|(path, it)| (of(path), it.totals.sent)),
    );
    sheet.gauge(
        "payment_notifier_sends_in_flight",
        "Deliveries begun that have no verdict yet",
        paths(view).map(|(path, it)| (of(path), float(it.sending as u64))),
    );
    sheet.counter(
        "payment_notifier_delivered",
        "Records that the sink has",
        paths(view).map(|(path, it)| (of(path), it.totals.delivered)),
    );
    sheet.counter(
        "payment_notifier_forwards",
        "Records forwarded to another topic, and acknowledged",
        paths(view).flat_map(|(path, it)| {
            [
                (
                    with(of(path), "destination", "dead-letter"),
                    it.totals.dead_lettered,
                ),
                (
                    with(of(path), "destination", "permanent"),
                    it.totals.permanent,
                ),
            ]
        }),
    );
    sheet.gauge(
        "payment_notifier_forwards_in_flight",
        "Records being forwarded that are not acknowledged yet",
        paths(view).map(|(path, it)| (of(path), float(it.forwarding as u64))),
    );
}

fn commits(sheet: &mut Sheet, view: &View) {
    sheet.counter(
        "payment_notifier_commits",
        "Commits of offsets, and those that failed; most of these are tried again",
        paths(view).flat_map(|(path, it)| {
            [
                (
                    with(of(path), "result", "acknowledged"),
                    it.commits.acknowledged,
                ),
                (with(of(path), "result", "failed"), it.commits.refused),
            ]
        }),
    );
    sheet.seconds(
        "payment_notifier_commits_failing",
        "How long no commit that was tried has been acknowledged; 0 where all is well",
        paths(view).map(|(path, it)| {
            let lasting = it.commits.failing_for.unwrap_or_default();
            (of(path), lasting.as_secs_f64())
        }),
    );
}

fn place(path: Path, tp: &TopicPartition) -> Labels {
    let labels = with(of(path), "topic", &*tp.topic);
    with(labels, "partition", tp.partition.to_string())
}

fn partitions(sheet: &mut Sheet, view: &View) {
    let blocked = paths(view).flat_map(|(path, status)| {
        let blocked = status
            .partitions
            .iter()
            .map(|it| (&it.partition, it.blocked_for));
        blocked.filter_map(move |(tp, lasting)| Some((place(path, tp), lasting?.as_secs_f64())))
    });
    sheet.seconds(
        "payment_notifier_partition_blocked",
        "How long a partition has been unable to go on; only those that are",
        blocked,
    );
    sheet.gauge(
        "payment_notifier_drain_pass_running",
        "1 while a pass of the drain is under way",
        one(flag(view.engine.in_pass)),
    );
}
