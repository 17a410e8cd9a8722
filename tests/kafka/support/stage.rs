//! What most tests begin with: topics on the shared cluster, a Telegram, the program.

use serde_json::Value;

use super::cluster::Cluster;
use super::notifier::{Notifier, Setup};
use super::records::Record;
use super::telegram::{Answer, Sent, Telegram};

/// See the module.
pub(crate) struct Stage {
    pub(crate) cluster: &'static Cluster,
    pub(crate) telegram: Telegram,
    pub(crate) setup: Setup,
}

impl Stage {
    /// Three topics of three partitions each, and a Telegram that takes everything.
    pub(crate) async fn new() -> Self {
        let stage = Self::without_topics().await;
        for topic in stage.setup.topics() {
            stage.cluster.create_topic(topic, 3, &[]).await;
        }
        stage
    }

    /// The same before anyone made its topics.
    pub(crate) async fn without_topics() -> Self {
        let cluster = Cluster::shared().await;
        let telegram = Telegram::start().await;
        let setup = Setup::new(cluster, &telegram);
        Self {
            cluster,
            telegram,
            setup,
        }
    }

    /// Sets a variable of the program.
    pub(crate) fn set(self, name: &str, value: &str) -> Self {
        let setup = self.setup.set(name, value);
        Self { setup, ..self }
    }

    /// Has the service leave dead letters where they are, for a test to look at.
    pub(crate) fn without_drain(self) -> Self {
        self.set("NOTIFIER_DRAIN_ENABLED", "false")
    }

    /// Answers with 503 to what satisfies a condition.
    pub(crate) fn busy(&self, when: impl Fn(&Sent) -> bool + Send + 'static) {
        let answer = Answer::error(503, "Service Unavailable");
        self.telegram.answer(when, answer);
    }

    /// Puts records into the source topic.
    pub(crate) async fn publish(&self, records: &[Record]) {
        self.cluster.produce(&self.setup.source, records).await;
    }

    /// Puts records into the dead-letter topic.
    pub(crate) async fn bury(&self, records: &[Record]) {
        self.cluster.produce(&self.setup.dead_letter, records).await;
    }

    /// The dead letters, once there are as many.
    pub(crate) async fn dead_letters(&self, count: usize) -> Vec<Record> {
        let topic = &self.setup.dead_letter;
        exactly(self.cluster.wait_for_records(topic, count).await, count)
    }

    /// The records in the permanent topic, once there are as many.
    pub(crate) async fn permanent(&self, count: usize) -> Vec<Record> {
        let topic = &self.setup.permanent;
        exactly(self.cluster.wait_for_records(topic, count).await, count)
    }

    /// Waits until the records in the permanent topic satisfy a condition.
    pub(crate) async fn wait_for_permanent(&self, enough: impl Fn(&[Record]) -> bool) {
        self.cluster
            .wait_until_read(&self.setup.permanent, enough)
            .await;
    }

    /// Runs the service until `done`, then stops it in order: what it did is settled after that.
    pub(crate) async fn run_until(&self, done: impl AsyncFnOnce(&Notifier)) -> Vec<String> {
        let mut notifier = self.setup.run();
        done(&notifier).await;
        let status = notifier.shut_down().await;
        assert!(status.success(), "{status}");
        notifier.log()
    }

    /// One pass of the drain, by its command, and what it printed.
    pub(crate) async fn drain(&self) -> Value {
        let output = self.setup.call(&["drain", "--json"], "").await;
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).expect("it prints JSON")
    }

    /// The calls that Telegram got, of which there must be as many.
    pub(crate) fn sent(&self, count: usize) -> Vec<Sent> {
        let sent = self.telegram.sent();
        assert_eq!(sent.len(), count, "{sent:#?}");
        sent
    }

    /// Waits until the main path's committed offsets are these.
    pub(crate) async fn committed(&self, wanted: &[(i32, i64)]) {
        let (group, topic) = (&self.setup.group, &self.setup.source);
        self.cluster.wait_for_committed(group, topic, wanted).await;
    }

    /// Waits until the drain has committed these offsets, or later ones.
    pub(crate) async fn drain_is_past(&self, wanted: &[(i32, i64)]) {
        let (group, topic) = (&self.setup.drain_group(), &self.setup.dead_letter);
        self.cluster.wait_until_past(group, topic, wanted).await;
    }

    /// Waits until the drain's committed offsets are these.
    pub(crate) async fn drain_committed(&self, wanted: &[(i32, i64)]) {
        let (group, topic) = (&self.setup.drain_group(), &self.setup.dead_letter);
        self.cluster.wait_for_committed(group, topic, wanted).await;
    }
}

fn exactly(records: Vec<Record>, count: usize) -> Vec<Record> {
    assert_eq!(records.len(), count, "{records:#?}");
    records
}
