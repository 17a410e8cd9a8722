//! Transactions of a client that shares no code with this crate, step by step.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::PATIENCE;
use super::cluster::{Cluster, SCRIPT};

const PRODUCERS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/kafka/peers/librdkafka_transactions.py"
);

/// librdkafka's transactional producers. Dropping them leaves what is open to its timeout.
pub(crate) struct Transactions {
    _child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Transactions {
    /// Starts the program that they live in.
    ///
    /// # Panics
    ///
    /// Where it does not start.
    pub(crate) fn start(cluster: &Cluster) -> Self {
        let mut child = Command::new("python3")
            .args([SCRIPT, "librdkafka", PRODUCERS])
            .arg(format!("bootstrap.servers={}", cluster.bootstrap()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("python3 starts");
        let answers = child.stdout.take().expect("stdout is piped");
        Self {
            orders: child.stdin.take().expect("stdin is piped"),
            answers: BufReader::new(answers).lines(),
            _child: child,
        }
    }

    /// Writes records in a producer's transaction, which begins where there is none.
    pub(crate) async fn write(&mut self, id: &str, topic: &str, partition: i32, values: &[&str]) {
        self.order(json!(["write", id, topic, partition, values]))
            .await;
    }

    /// Commits an offset of a group within a producer's transaction.
    pub(crate) async fn offset(&mut self, id: &str, group: &str, topic: &str, offset: i64) {
        self.order(json!(["offset", id, group, topic, 0, offset]))
            .await;
    }

    /// Commits a producer's transaction.
    pub(crate) async fn commit(&mut self, id: &str) {
        self.order(json!(["commit", id])).await;
    }

    /// Aborts a producer's transaction.
    pub(crate) async fn abort(&mut self, id: &str) {
        self.order(json!(["abort", id])).await;
    }

    async fn order(&mut self, order: Value) {
        let line = format!("{order}\n");
        let written = self.orders.write_all(line.as_bytes()).await;
        written.expect("the producers take orders");
        let answer = timeout(PATIENCE, self.answers.next_line()).await;
        let answer = answer.unwrap_or_else(|_| panic!("{order} is not done in time"));
        let answer = answer.expect("the producers answer");
        assert_eq!(answer.as_deref(), Some("done"), "{order} failed");
    }
}
