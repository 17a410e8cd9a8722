//! The metrics of one moment, family by family.
//!
//! A registry is made for each reading: a partition that has gone leaves no series behind.

use std::fmt;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Metric, Registry, Unit};

/// The labels of one series.
pub(super) type Labels = Vec<(&'static str, String)>;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Sheet(Registry);

impl Sheet {
    /// What only rises. Prometheus sees the name with `_total` after it.
    pub(super) fn counter(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Labels, u64)>,
    ) {
        self.metric(name, help, counters(series));
    }

    /// As [`Sheet::counter`], in a unit that Prometheus sees after the name.
    pub(super) fn counter_of(
        &mut self,
        (name, unit): (&str, Unit),
        help: &str,
        series: impl IntoIterator<Item = (Labels, u64)>,
    ) {
        self.0
            .register_with_unit(name, help, unit, counters(series));
    }

    /// As [`Sheet::counter_of`] seconds.
    pub(super) fn seconds_counter(&mut self, name: &str, help: &str, seconds: f64) {
        let counter = Counter::<f64, AtomicU64>::default();
        counter.inc_by(seconds);
        self.0
            .register_with_unit(name, help, Unit::Seconds, counter);
    }

    /// What rises and falls.
    pub(super) fn gauge(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Labels, f64)>,
    ) {
        self.metric(name, help, gauges(series));
    }

    /// As [`Sheet::gauge`], in seconds: Prometheus sees that after the name.
    pub(super) fn seconds(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Labels, f64)>,
    ) {
        self.0
            .register_with_unit(name, help, Unit::Seconds, gauges(series));
    }

    /// A metric that is kept elsewhere.
    pub(super) fn metric(&mut self, name: &str, help: &str, metric: impl Metric) {
        self.0.register(name, help, metric);
    }

    /// As [`Sheet::metric`], in seconds.
    pub(super) fn seconds_metric(&mut self, name: &str, help: &str, metric: impl Metric) {
        self.0.register_with_unit(name, help, Unit::Seconds, metric);
    }

    /// The text in the OpenMetrics format.
    ///
    /// # Errors
    ///
    /// None that a `String` has.
    pub(super) fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.0)?;
        Ok(text)
    }
}

fn counters(series: impl IntoIterator<Item = (Labels, u64)>) -> Family<Labels, Counter> {
    let family = Family::<Labels, Counter>::default();
    for (labels, value) in series {
        family.get_or_create(&labels).inc_by(value);
    }
    family
}

fn gauges(
    series: impl IntoIterator<Item = (Labels, f64)>,
) -> Family<Labels, Gauge<f64, AtomicU64>> {
    let family = Family::<Labels, Gauge<f64, AtomicU64>>::default();
    for (labels, value) in series {
        family.get_or_create(&labels).set(value);
    }
    family
}
