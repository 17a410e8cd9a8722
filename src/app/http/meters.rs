//! What is counted while messages are sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use tokio::time::Instant;

use crate::clock::wall_clock_ms;
use crate::engine::run::Handler;
use crate::engine::{DrainSummary, Path, Report};
use crate::sink::{Failure, Verdict};
use crate::wire::batch::Record;

/// From a Telegram next door to one that is given up after the usual 30 seconds.
const SECONDS: [f64; 11] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Labels whose values are all known here.
pub(super) type Known<const N: usize> = [(&'static str, &'static str); N];

/// See the module.
#[derive(Debug)]
pub(in crate::app) struct Meters {
    pub(super) verdicts: Family<Known<3>, Counter>,
    pub(super) durations: Family<Known<1>, Histogram, fn() -> Histogram>,
    pub(super) passes: Family<Known<1>, Counter>,
    /// When the last pass ended, in milliseconds since 1970; 0 before there was one.
    last_pass_ms: AtomicI64,
}

impl Default for Meters {
    fn default() -> Self {
        let meters = Self {
            verdicts: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            passes: Family::default(),
            last_pass_ms: AtomicI64::new(0),
        };
        // A first one is seen as a rise only where there was a zero before.
        for result in ["complete", "stuck", "interrupted"] {
            drop(meters.passes.get_or_create(&[("result", result)]));
        }
        meters
    }
}

impl Meters {
    /// When the last pass of the drain ended, where there was one.
    pub(super) fn last_pass(&self) -> Option<Duration> {
        let ms = u64::try_from(self.last_pass_ms.load(Ordering::Relaxed)).ok()?;
        (ms > 0).then_some(Duration::from_millis(ms))
    }

    fn judged(&self, path: Path, verdict: &Verdict, took: Duration) {
        let path = path_name(path);
        let (verdict, failure) = verdict_names(verdict);
        let labels = [("path", path), ("verdict", verdict), ("failure", failure)];
        self.verdicts.get_or_create(&labels).inc();
        let durations = self.durations.get_or_create(&[("path", path)]);
        durations.observe(took.as_secs_f64());
    }

    fn pass_ended(&self, summary: &DrainSummary) {
        let result = match summary {
            DrainSummary {
                interrupted: true, ..
            } => "interrupted",
            DrainSummary { stuck: 1.., .. } => "stuck",
            _ => "complete",
        };
        self.passes.get_or_create(&[("result", result)]).inc();
        self.last_pass_ms.store(wall_clock_ms(), Ordering::Relaxed);
    }
}

/// A path's name as a label.
pub(super) fn path_name(path: Path) -> &'static str {
    match path {
        Path::Main => "main",
        Path::Drain => "drain",
    }
}

/// The names of a verdict and of its failure. The failure's text is no label: it has no bound.
fn verdict_names(verdict: &Verdict) -> (&'static str, &'static str) {
    match verdict {
        Verdict::Delivered => ("delivered", ""),
        Verdict::Transient(failure) => ("transient", failure.kind.name()),
        Verdict::RetryAfter(_, failure) => ("retry-after", failure.kind.name()),
        Verdict::Rejected(failure) => ("rejected", failure.kind.name()),
        Verdict::Uncertain(failure) => ("uncertain", failure.kind.name()),
        Verdict::SinkDown(failure) => ("sink-down", failure.kind.name()),
    }
}

/// A handler whose verdicts are counted.
#[derive(Debug)]
pub(in crate::app) struct Measured<H> {
    handler: Arc<H>,
    meters: Arc<Meters>,
}

impl<H> Measured<H> {
    pub(super) fn new(handler: Arc<H>, meters: Arc<Meters>) -> Self {
        Self { handler, meters }
    }
}

impl<H: Handler> Handler for Measured<H> {
    async fn deliver(&self, record: &Record, retry: Option<u32>) -> Verdict {
        let began = Instant::now();
        let verdict = self.handler.deliver(record, retry).await;
        let path = retry.map_or(Path::Main, |_| Path::Drain);
        self.meters.judged(path, &verdict, began.elapsed());
        verdict
    }

    fn probe(&self) -> impl Future<Output = Result<(), Failure>> + Send {
        self.handler.probe()
    }

    fn told(&self, report: &Report) {
        if let Report::DrainFinished(summary) = report {
            self.meters.pass_ended(summary);
        }
        self.handler.told(report);
    }
}
