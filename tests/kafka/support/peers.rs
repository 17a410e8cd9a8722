//! librdkafka's clients: `kcat`, and `confluent-kafka` for Python, which is newer.

use std::process::Stdio;

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::cluster::{Cluster, SCRIPT, ask_script};
use super::process::Process;
use super::records::Record;
use super::verifiable::Verifiable;

const CONSUMER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/kafka/peers/librdkafka_consumer.py"
);
const RECORDS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/kafka/peers/librdkafka_records.py"
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

    /// Writes records by librdkafka; header keys must be text.
    ///
    /// # Panics
    ///
    /// Where it fails.
    pub(crate) async fn librdkafka_write(
        &self,
        topic: &str,
        records: &[Record],
        settings: &[&str],
    ) {
        let lines: String = records.iter().map(|record| line(record) + "\n").collect();
        let mut command = self.librdkafka(&["write", topic], settings);
        finish("librdkafka", &mut command, &lines).await;
    }

    /// Reads so many records by librdkafka, from the beginning.
    ///
    /// # Panics
    ///
    /// Where it fails.
    pub(crate) async fn librdkafka_read(&self, topic: &str, count: usize) -> Vec<Record> {
        let mut command = self.librdkafka(&["read", topic, &count.to_string()], &[]);
        let told = finish("librdkafka", &mut command, "").await;
        let mut records: Vec<_> = told.lines().map(record).collect();
        records.sort_by_key(|it| (it.partition, it.offset));
        records
    }

    fn librdkafka(&self, what: &[&str], settings: &[&str]) -> Command {
        let mut command = Command::new("python3");
        command
            .args([SCRIPT, "librdkafka", RECORDS])
            .args(what)
            .arg(format!("bootstrap.servers={}", self.bootstrap()))
            .args(settings);
        command
    }

    /// Runs `kcat` to its end and returns its standard output.
    ///
    /// # Panics
    ///
    /// Where it fails.
    pub(crate) async fn kcat(&self, arguments: &[&str]) -> String {
        self.kcat_fed(arguments, "").await
    }

    /// The same with something on its standard input.
    pub(crate) async fn kcat_fed(&self, arguments: &[&str], input: &str) -> String {
        let mut command = Command::new("kcat");
        command.args(["-b", self.bootstrap()]).args(arguments);
        finish("kcat", &mut command, input).await
    }

    /// A member of a group by `kcat`, from the earliest offset, which prints `partition:value`;
    /// further arguments are `KEY=VALUE` settings of librdkafka.
    pub(crate) fn kcat_member(&self, topic: &str, group: &str, settings: &[&str]) -> Process {
        let mut command = Command::new("kcat");
        command.args(["-b", self.bootstrap(), "-G", group, "-u"]);
        command.args(["-f", "%p:%s\\n", "-X", "auto.offset.reset=earliest"]);
        command.args(settings.iter().flat_map(|it| ["-X", *it]));
        Process::start("kcat", command.arg(topic))
    }
}

/// Runs a client to its end and returns its standard output.
async fn finish(name: &str, command: &mut Command, input: &str) -> String {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let fed = async move {
        // A client that reads nothing may have ended by now.
        let _ = stdin.write_all(input.as_bytes()).await;
    };
    let ((), ended) = tokio::join!(fed, child.wait_with_output());
    let output = ended.expect("a child can be waited for");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} failed: {stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A record as `librdkafka_records.py` has it.
fn line(record: &Record) -> String {
    let bytes = |bytes: &Option<Vec<u8>>| bytes.as_ref().map(|bytes| BASE64.encode(bytes));
    let header = |(key, value)| (std::str::from_utf8(key).expect("text"), bytes(value));
    let headers = record
        .headers
        .iter()
        .map(|(key, value)| header((key, value)));
    json!({
        "partition": record.partition,
        "timestamp": record.timestamp,
        "key": bytes(&record.key),
        "value": bytes(&record.value),
        "headers": headers.collect::<Vec<_>>(),
    })
    .to_string()
}

fn record(line: &str) -> Record {
    let told: Value = serde_json::from_str(line).expect("it tells in JSON");
    let number = |name: &str| told[name].as_i64().expect("a number");
    let bytes = |value: &Value| {
        value
            .as_str()
            .map(|text| BASE64.decode(text).expect("base64"))
    };
    let headers = told["headers"].as_array().into_iter().flatten();
    let header = |header: &Value| {
        let key = header[0].as_str().expect("a header has a key");
        (key.as_bytes().to_vec(), bytes(&header[1]))
    };
    Record {
        partition: number("partition") as i32,
        offset: number("offset"),
        timestamp: number("timestamp"),
        key: bytes(&told["key"]),
        value: bytes(&told["value"]),
        headers: headers.map(header).collect(),
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
    ask_script(&["librdkafka"], "confluent-kafka needs Python 3")
}
