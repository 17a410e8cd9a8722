//! Group members and producers that tell what they do in the JSON of Kafka's own system tests,
//! one object a line: Java's, librdkafka's and ours alike.

use std::process::ExitStatus;

use serde_json::Value;
use tokio::process::Command;

use super::process::Process;

/// A verifiable consumer or producer.
pub(crate) struct Verifiable(Process);

impl Verifiable {
    /// Starts one by its command.
    pub(crate) fn start(name: &str, command: &mut Command) -> Self {
        Self(Process::start(name, command))
    }

    /// What it has told so far.
    pub(crate) fn events(&self) -> Vec<Value> {
        events(&self.0.lines())
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

    /// Waits until the events satisfy `find`, and returns what it found.
    pub(crate) async fn wait_until<R>(
        &self,
        what: &str,
        mut find: impl FnMut(&[Value]) -> Option<R>,
    ) -> R {
        self.0.wait_until(what, |lines| find(&events(lines))).await
    }

    /// The number of records consumed so far.
    pub(crate) fn consumed(&self) -> u64 {
        consumed(&self.events())
    }

    /// Leaves in order (SIGTERM), and waits until that is done.
    pub(crate) async fn shut_down(&mut self) -> ExitStatus {
        self.0.terminate();
        self.0.ended().await
    }

    /// The process, to signal and to wait for.
    pub(crate) fn process(&mut self) -> &mut Process {
        &mut self.0
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
