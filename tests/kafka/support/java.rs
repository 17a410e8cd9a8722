//! Java's clients.

use std::process::Stdio;

use tokio::io::AsyncWriteExt;

use super::cluster::{Cluster, tool};
use super::process::Process;
use super::verifiable::Verifiable;

impl Cluster {
    /// Java's verifiable consumer, from the earliest offset, with any further arguments.
    pub(crate) fn java_consumer(&self, topic: &str, group: &str, further: &[&str]) -> Verifiable {
        let mut command = tool("kafka-verifiable-consumer");
        command
            .args(["--bootstrap-server", self.bootstrap(), "--topic", topic])
            .args(["--group-id", group, "--reset-policy", "earliest"])
            .args(further);
        Verifiable::start("Java's consumer", &mut command)
    }

    /// Java's verifiable producer of `count` records, whose values are the numbers from 0.
    pub(crate) fn java_producer(&self, topic: &str, count: u64, further: &[&str]) -> Verifiable {
        let mut command = tool("kafka-verifiable-producer");
        command
            .args(["--bootstrap-server", self.bootstrap(), "--topic", topic])
            .args(["--max-messages", &count.to_string()])
            .args(further);
        Verifiable::start("Java's producer", &mut command)
    }

    /// Publishes lines by Java's console producer.
    ///
    /// # Panics
    ///
    /// Where it fails.
    pub(crate) async fn java_console_producer(&self, topic: &str, lines: &str, further: &[&str]) {
        let mut child = tool("kafka-console-producer")
            .args(["--bootstrap-server", self.bootstrap(), "--topic", topic])
            .args(further)
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("python3 starts");
        let mut stdin = child.stdin.take().expect("stdin is piped");
        let fed = async move { stdin.write_all(lines.as_bytes()).await };
        let (fed, ended) = tokio::join!(fed, child.wait_with_output());
        let output = ended.expect("a child can be waited for");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(fed.is_ok() && output.status.success(), "{stderr}");
    }

    /// Java's console consumer, which prints partition, offset, timestamp, headers, key and value.
    pub(crate) fn java_console_consumer(&self, topic: &str, further: &[&str]) -> Process {
        let shown = [
            "partition",
            "offset",
            "timestamp",
            "headers",
            "key",
            "value",
        ];
        let mut command = tool("kafka-console-consumer");
        command
            .args(["--bootstrap-server", self.bootstrap(), "--topic", topic])
            .arg("--from-beginning")
            .args(
                shown
                    .iter()
                    .flat_map(|what| ["--property".to_owned(), format!("print.{what}=true")]),
            )
            .args(further);
        Process::start("Java's console consumer", &mut command)
    }
}
