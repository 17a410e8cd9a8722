//! How much waits in Kafka: where the partitions end, and how old the oldest dead letter is.
//!
//! It is looked up when metrics are asked for, at most once in [`EVERY`]: one ListOffsets for each
//! leader of the partitions that are assigned, and one Fetch of a single batch for each dead-letter
//! partition whose oldest record is another one than at the last look. The consumers could not tell
//! as much: they fetch nothing, and so see no end, while the line is stopped or between two drains.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::cluster::{Client, OffsetAt};
use crate::consumer::timestamp_at;
use crate::engine::Path;
use crate::engine::run::View;
use crate::wire::{IsolationLevel, TopicPartition};

/// How old what is told may be.
const EVERY: Duration = Duration::from_secs(5);
/// How long a look may take: less than Prometheus waits. What is not known by then is left out.
const PATIENCE: Duration = Duration::from_secs(3);
/// Batches that are fetched at a time.
const AT_A_TIME: usize = 8;

/// What waits in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) path: Path,
    pub(super) partition: TopicPartition,
    /// Offsets from the first record that has not come to its end up to the end.
    pub(super) records: u64,
    /// The timestamp of that record, in milliseconds since 1970; asked for dead letters alone.
    pub(super) oldest_ms: Option<i64>,
}

/// Where it is looked up.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) client: Client,
    /// As the consumers have it: where partitions end for them.
    pub(super) isolation: IsolationLevel,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    looked_at: Option<Instant>,
    ends: BTreeMap<TopicPartition, i64>,
    /// Offsets with the timestamps of the records there.
    oldest: BTreeMap<TopicPartition, (i64, i64)>,
}

/// A partition with the offset of its first record that has not come to its end.
type Front = (Path, TopicPartition, i64);

impl Backlog {
    /// What waits in the partitions of a view, as far as that can be found out.
    pub(super) async fn look(&self, source: &Source, view: &View) -> Vec<Waiting> {
        let fronts = fronts(view);
        let mut known = self.known.lock().await;
        known.refresh(source, &fronts).await;
        let waiting = fronts.into_iter().filter_map(|(path, partition, next)| {
            let end = *known.ends.get(&partition)?;
            let oldest = known.oldest.get(&partition);
            let oldest = oldest.filter(|(offset, _)| *offset == next);
            Some(Waiting {
                path,
                records: u64::try_from(end.saturating_sub(next)).unwrap_or(0),
                oldest_ms: oldest.map(|(_, timestamp)| *timestamp),
                partition,
            })
        });
        waiting.collect()
    }
}

impl Known {
    async fn refresh(&mut self, source: &Source, fronts: &[Front]) {
        let now = Instant::now();
        if self.looked_at.is_some_and(|at| now - at < EVERY) {
            return;
        }
        self.looked_at = Some(now);
        let deadline = now + PATIENCE;
        let wanted = fronts
            .iter()
            .map(|(_, tp, _)| (tp.clone(), OffsetAt::Latest));
        let wanted: Vec<_> = wanted.collect();
        let asked = source.client.admin();
        let asked = asked.ask_offsets(&wanted, source.isolation, deadline);
        let (ends, failure) = asked.await;
        if let Some(error) = failure {
            tracing::debug!(%error, "some end offsets are not known");
        }
        self.ends = ends.into_iter().collect();
        self.find_oldest(source, fronts, deadline).await;
    }

    async fn find_oldest(&mut self, source: &Source, fronts: &[Front], deadline: Instant) {
        let drained = fronts.iter().filter(|(path, _, _)| *path == Path::Drain);
        let waits = |tp: &TopicPartition, next| self.ends.get(tp).is_some_and(|end| *end > next);
        let waiting: BTreeMap<_, _> = drained
            .filter(|(_, tp, next)| waits(tp, *next))
            .map(|(_, tp, next)| (tp.clone(), *next))
            .collect();
        self.oldest
            .retain(|tp, (offset, _)| waiting.get(tp) == Some(offset));
        let unknown = waiting
            .into_iter()
            .filter(|(tp, _)| !self.oldest.contains_key(tp));
        let unknown: Vec<_> = unknown.collect();
        let found = futures_util::stream::iter(unknown)
            .map(async |(tp, next)| {
                let Source { client, isolation } = source;
                let timestamp = timestamp_at(client, &tp, next, *isolation, deadline).await;
                (tp, next, timestamp)
            })
            .buffer_unordered(AT_A_TIME);
        let mut found = std::pin::pin!(found);
        while let Some((tp, next, timestamp)) = found.next().await {
            match timestamp {
                Ok(Some(timestamp)) => drop(self.oldest.insert(tp, (next, timestamp))),
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!(partition = %tp, %error, "the oldest dead letter is not known");
                }
            }
        }
    }
}

/// Where each partition stands, once that is known.
fn fronts(view: &View) -> Vec<Front> {
    let paths = [
        (Path::Main, &view.engine.main, &view.main),
        (Path::Drain, &view.engine.drain, &view.drain),
    ];
    let mut fronts = Vec::new();
    for (path, engine, consumer) in paths {
        for partition in &engine.partitions {
            let tp = &partition.partition;
            let began_at = consumer.as_ref().and_then(|it| it.began_at.get(tp));
            let next = partition.next_offset.or(began_at.copied().flatten());
            fronts.extend(next.map(|next| (path, tp.clone(), next)));
        }
    }
    fronts
}
