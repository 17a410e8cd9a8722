//! What a consumer tells: records by partition, commits, partitions that come and go.

use std::collections::BTreeMap;
use std::time::Duration;

use payment_notifier::Error;
use payment_notifier::wire::TopicPartition;
use payment_notifier::wire::batch::RecordRef;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

/// The most records told at once.
const MAX_RECORDS: u64 = 1_000;
/// The longest that a record waits to be told.
const MAX_AGE: Duration = Duration::from_secs(1);

/// Records that were consumed and are not told yet.
#[derive(Default)]
pub(crate) struct Batch {
    count: u64,
    began: Option<Instant>,
    spans: BTreeMap<TopicPartition, Span>,
}

/// The records of one partition in a batch.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
struct Span {
    count: u64,
    min_offset: i64,
    max_offset: i64,
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn is_full(&self) -> bool {
        self.count >= MAX_RECORDS
    }

    /// What to commit once it is told.
    pub(crate) fn next_offsets(&self) -> impl Iterator<Item = (TopicPartition, i64)> {
        let spans = self.spans.iter();
        spans.map(|(tp, span)| (tp.clone(), span.max_offset + 1))
    }

    pub(crate) fn add(&mut self, partition: &TopicPartition, offset: i64) {
        self.began.get_or_insert_with(Instant::now);
        self.count += 1;
        let first = Span {
            count: 0,
            min_offset: offset,
            max_offset: offset,
        };
        let span = match self.spans.get_mut(partition) {
            Some(span) => span,
            None => self.spans.entry(partition.clone()).or_insert(first),
        };
        span.count += 1;
        span.max_offset = offset;
    }

    /// Resolves when its first record has waited long enough.
    pub(crate) async fn ripe(&self) {
        match self.began {
            Some(began) => sleep_until(began + MAX_AGE).await,
            None => std::future::pending().await,
        }
    }

    pub(crate) fn facts(&self) -> Value {
        let spans = self.spans.iter().map(|(tp, span)| of_partition(tp, span));
        json!({"count": self.count, "partitions": spans.collect::<Vec<_>>()})
    }
}

/// What is told of a partition: its name, and more.
#[derive(Serialize)]
struct OfPartition<'a, F> {
    topic: &'a str,
    partition: i32,
    #[serde(flatten)]
    facts: F,
}

fn of_partition<F>(tp: &TopicPartition, facts: F) -> OfPartition<'_, F> {
    OfPartition {
        topic: &tp.topic,
        partition: tp.partition,
        facts,
    }
}

pub(crate) fn partitions<'a>(partitions: impl IntoIterator<Item = &'a TopicPartition>) -> Value {
    let named = partitions.into_iter().map(|tp| of_partition(tp, ()));
    json!({"partitions": named.collect::<Vec<_>>()})
}

pub(crate) fn commit(offsets: &BTreeMap<TopicPartition, i64>, error: Option<&Error>) -> Value {
    let named = offsets.iter();
    let named = named.map(|(tp, offset)| of_partition(tp, json!({"offset": offset})));
    let mut facts = json!({"offsets": named.collect::<Vec<_>>(), "success": error.is_none()});
    if let Some(error) = error {
        facts["error"] = error.to_string().into();
    }
    facts
}

pub(crate) fn data<'a>(tp: &'a TopicPartition, record: &RecordRef<'_>) -> impl Serialize + use<'a> {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let (key, value) = (record.key().map(text), record.value().map(text));
    of_partition(
        tp,
        json!({"offset": record.offset, "key": key, "value": value}),
    )
}
