//! librdkafka's clients: `kcat`, and `confluent-kafka` for Python, which is newer.

use std::process::Stdio;

use tokio::process::Command;

use super::cluster::{Cluster, SCRIPT, ask_script};
use super::verifiable::Verifiable;

const CONSUMER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/kafka/peers/librdkafka_consumer.py"
);

impl Cluster {
    /// A librdkafka consumer that speaks the JSON of the verifiable clients, from the earliest
    /// offset; further arguments are `KEY=VALUE` settings of librdkafka.
    pub(crate) fn librdkafka_consumer(
        &self,
        topic: &str,
        group: &str,
        settings: &[&str],
    ) -> Verifiable {
        let mut command = Command::new("python3");
        command
            .args([SCRIPT, "librdkafka", CONSUMER, topic])
            .arg(format!("bootstrap.servers={}", self.bootstrap()))
            .arg(format!("group.id={group}"))
            .args(settings);
        Verifiable::start("librdkafka's consumer", &mut command)
    }

    /// Runs `kcat` to its end and returns its standard output.
    ///
    /// # Panics
    ///
    /// Where it fails.
    pub(crate) async fn kcat(&self, arguments: &[&str]) -> String {
        let output = Command::new("kcat")
            .args(["-b", self.bootstrap()])
            .args(arguments)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .expect("kcat starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kcat failed: {stderr}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// Why there is no `kcat`, if there is none.
pub(crate) fn kcat_missing() -> Option<String> {
    let asked = std::process::Command::new("kcat").arg("-V").output();
    asked
        .err()
        .map(|error| format!("kcat does not start: {error}"))
}

/// Why there is no `confluent-kafka`, if it can't be installed.
pub(crate) fn confluent_kafka_missing() -> Option<String> {
    ask_script("librdkafka", "confluent-kafka needs Python 3")
}
