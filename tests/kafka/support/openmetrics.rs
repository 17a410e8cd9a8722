//! A strict reader of the OpenMetrics text format: it panics where Prometheus might read something
//! else than was meant.

use std::collections::{BTreeMap, BTreeSet};

/// One reading: the value of each series, by its name and its labels, which are in order.
pub(crate) struct Metrics {
    series: BTreeMap<String, f64>,
    types: BTreeMap<String, String>,
}

type Labels = Vec<(String, String)>;

/// A family while it is read.
#[derive(Default)]
struct Family {
    name: String,
    kind: String,
    unit: Option<String>,
    samples: Vec<(String, Labels, f64)>,
}

impl Metrics {
    /// Reads a text.
    pub(crate) fn read(text: &str) -> Self {
        let body = text.strip_suffix("# EOF\n").expect("it ends with EOF");
        let mut metrics = Self {
            series: BTreeMap::new(),
            types: BTreeMap::new(),
        };
        let mut family = Family::default();
        for line in body.lines() {
            let Some(comment) = line.strip_prefix("# ") else {
                family.samples.push(sample(line));
                continue;
            };
            let mut words = comment.splitn(3, ' ');
            let mut word = || words.next().unwrap_or_else(|| panic!("{line}"));
            let (what, name, rest) = (word(), word(), word());
            if name != family.name {
                metrics.add(std::mem::take(&mut family));
                family.name = name.to_owned();
            }
            assert!(family.samples.is_empty(), "{line} after its samples");
            match what {
                "HELP" => assert!(rest.ends_with('.') && !rest.ends_with(".."), "{line}"),
                "TYPE" => family.kind = rest.to_owned(),
                "UNIT" => family.unit = Some(rest.to_owned()),
                _ => panic!("{line}"),
            }
        }
        metrics.add(family);
        metrics
    }

    fn add(&mut self, family: Family) {
        let Family {
            name,
            kind,
            unit,
            samples,
        } = family;
        if name.is_empty() {
            assert!(samples.is_empty(), "samples of nothing: {samples:?}");
            return;
        }
        assert!(is_name(&name) && !name.ends_with("_total"), "{name}");
        assert!(!name.ends_with("_created"), "{name} is reserved");
        if let Some(unit) = unit {
            assert!(name.ends_with(&format!("_{unit}")), "{name} is in {unit}");
        }
        let suffixes: &[&str] = match &*kind {
            "gauge" => &[""],
            "counter" => &["_total"],
            "histogram" => &["_bucket", "_count", "_sum"],
            _ => panic!("{name} is a {kind:?}"),
        };
        if kind == "histogram" {
            check_buckets(&name, &samples);
        }
        for (sample, labels, value) in samples {
            let suffix = sample.strip_prefix(&name).unwrap_or("?");
            assert!(suffixes.contains(&suffix), "{sample} of {name}");
            assert!(kind == "gauge" || value >= 0.0, "{sample} {value}");
            let known = self.series.insert(key(&sample, &labels), value);
            assert_eq!(known, None, "{sample} {labels:?} is there twice");
        }
        let known = self.types.insert(name.clone(), kind);
        assert_eq!(known, None, "{name} is there twice");
    }

    /// The value of a series, written as `name{label="value"}` with its labels in order.
    pub(crate) fn get(&self, series: &str) -> Option<f64> {
        self.series.get(series).copied()
    }

    /// The sum of all series of this name that have this label; of all, where it is empty.
    pub(crate) fn sum(&self, name: &str, label: &str) -> f64 {
        let of_name = |key: &str| key == name || key.starts_with(&format!("{name}{{"));
        let found = self.series.iter();
        let found = found.filter(|(key, _)| of_name(key) && key.contains(label));
        found.map(|(_, value)| value).sum()
    }

    /// The names of all families.
    pub(crate) fn names(&self) -> BTreeSet<&str> {
        self.types.keys().map(String::as_str).collect()
    }
}

fn check_buckets(name: &str, samples: &[(String, Labels, f64)]) {
    let mut counts: BTreeMap<Labels, (f64, f64)> = BTreeMap::new();
    for (sample, labels, value) in samples {
        let mut others = labels.clone();
        others.retain(|(label, _)| label != "le");
        if *sample == format!("{name}_bucket") {
            let bound = labels.iter().find(|(label, _)| label == "le");
            let bound = number(&bound.expect("a bucket has a bound").1);
            let (last_bound, last) = counts.entry(others).or_insert((f64::NEG_INFINITY, 0.0));
            assert!(bound > *last_bound && value >= last, "{name} {labels:?}");
            (*last_bound, *last) = (bound, *value);
        }
    }
    for (sample, labels, value) in samples {
        if *sample == format!("{name}_count") {
            assert_eq!(counts[labels], (f64::INFINITY, *value), "{name} {labels:?}");
        }
    }
}

/// `name{label="value",…} value`.
fn sample(line: &str) -> (String, Labels, f64) {
    let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line:?}"));
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => {
            let labels = labels.strip_suffix('}');
            (name, labels.unwrap_or_else(|| panic!("{line}")))
        }
        None => (series, ""),
    };
    assert!(is_name(name), "{line}");
    let labels: Labels = labels.split_terminator(',').map(label).collect();
    let names: BTreeSet<_> = labels.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), labels.len(), "{line}");
    (name.to_owned(), labels, number(value))
}

/// No value here needs a comma, a quote or an escape: one that has is none of ours.
fn label(text: &str) -> (String, String) {
    let (name, value) = text.split_once('=').unwrap_or_else(|| panic!("{text}"));
    let value = value.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    let value = value.unwrap_or_else(|| panic!("{text}"));
    assert!(is_name(name) && !name.contains(':'), "{text}");
    assert!(!value.contains(['"', '\\']), "{text}");
    (name.to_owned(), value.to_owned())
}

fn number(text: &str) -> f64 {
    match text {
        "+Inf" => f64::INFINITY,
        _ => text.parse().unwrap_or_else(|_| panic!("{text}")),
    }
}

fn is_name(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    text.starts_with(|first: char| first.is_ascii_lowercase()) && text.bytes().all(legal)
}

fn key(name: &str, labels: &Labels) -> String {
    let mut labels = labels.clone();
    labels.sort_unstable();
    let labels = labels
        .iter()
        .map(|(name, value)| format!("{name}=\"{value}\""));
    let labels: Vec<_> = labels.collect();
    if labels.is_empty() {
        return name.to_owned();
    }
    format!("{name}{{{}}}", labels.join(","))
}
