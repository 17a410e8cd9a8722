//! Group members and producers that tell what they do in the JSON of Kafka's own system tests,
//! one object a line: Java's, librdkafka's and ours alike.

use std::process::ExitStatus;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::process::Command;

use super::audit::KILLED;
use super::process::Process;

/// A verifiable consumer or producer.
pub(crate) struct Verifiable {
    process: Process,
    /// What it could not tell of by itself.
    killed: Option<Value>,
}

impl Verifiable {
    /// Starts one by its command.
    pub(crate) fn start(name: &str, command: &mut Command) -> Self {
        Self {
            process: Process::start(name, command),
            killed: None,
        }
    }

    /// What it has told so far; its last event is [`KILLED`] where it was.
    pub(crate) fn events(&self) -> Vec<Value> {
        let mut events = events(&self.process.lines());
        events.extend(self.killed.clone());
        events
    }

    /// Waits for the `nth` event of a name, counted from 1.
    pub(crate) async fn wait_for(&self, name: &str, nth: usize) -> Value {
        let what = format!("event {name} number {nth}");
        self.wait_until(&what, |events| {
            let mut named = events.iter().filter(|event| event["name"] == name);
            named.nth(nth - 1).cloned()
        })
        .await
    }

    /// Waits until this many records are consumed.
    pub(crate) async fn wait_for_consumed(&self, count: u64) {
        let what = format!("{count} records consumed");
        self.wait_until(&what, |events| (consumed(events) >= count).then_some(()))
            .await;
    }

    /// Waits until a batch of this partition is told that ends before this offset.
    pub(crate) async fn wait_for_offset(&self, partition: i64, end: i64) {
        let what = format!("records of partition {partition} up to {end}");
        self.wait_until(&what, |events| {
            let mut spans = events
                .iter()
                .filter(|event| event["name"] == "records_consumed")
                .flat_map(|event| event["partitions"].as_array().into_iter().flatten());
            spans
                .any(|span| span["partition"] == partition && span["maxOffset"] == end - 1)
                .then_some(())
        })
        .await;
    }

    /// Waits until it has told this many lines more. (The events of a producer are too many to be
    /// looked at again for each of them.)
    pub(crate) async fn wait_for_more(&self, count: usize) {
        let enough = self.process.lines().len() + count;
        self.process
            .wait_until("more events", |lines| (lines.len() >= enough).then_some(()))
            .await;
    }

    /// Waits until the events satisfy `find`, and returns what it found.
    pub(crate) async fn wait_until<R>(
        &self,
        what: &str,
        mut find: impl FnMut(&[Value]) -> Option<R>,
    ) -> R {
        self.process
            .wait_until(what, |lines| find(&events(lines)))
            .await
    }

    /// The number of records consumed so far.
    pub(crate) fn consumed(&self) -> u64 {
        consumed(&self.events())
    }

    /// Leaves in order (SIGTERM), and waits until that is done.
    pub(crate) async fn shut_down(&mut self) -> ExitStatus {
        self.process.terminate();
        self.process.ended().await
    }

    /// SIGKILL, and waits until it has ended.
    pub(crate) async fn kill(&mut self) {
        self.process.kill();
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.expect("it is after 1970").as_millis();
        self.process.ended().await;
        self.killed = Some(json!({"timestamp": now, "name": KILLED}));
    }

    /// Waits until it owns this many partitions.
    pub(crate) async fn wait_for_owned(&self, count: usize) {
        let what = format!("{count} partitions owned");
        self.wait_until(&what, |events| (owned(events) == count).then_some(()))
            .await;
    }

    /// The process, to signal and to wait for.
    pub(crate) fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// Lines that aren't events are a client's log.
fn events(lines: &[String]) -> Vec<Value> {
    let parsed = lines
        .iter()
        .filter_map(|line| serde_json::from_str(line).ok());
    parsed.filter(Value::is_object).collect()
}

fn consumed(events: &[Value]) -> u64 {
    let batches = events
        .iter()
        .filter(|event| event["name"] == "records_consumed");
    batches.filter_map(|event| event["count"].as_u64()).sum()
}

/// How many partitions a consumer owns after these events.
fn owned(events: &[Value]) -> usize {
    events.iter().fold(0, |owned, event| {
        let count = event["partitions"].as_array().map_or(0, Vec::len);
        match event["name"].as_str() {
            Some("partitions_assigned") => owned + count,
            Some("partitions_revoked") => owned - count,
            _ => owned,
        }
    })
}
