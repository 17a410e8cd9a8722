//! Apache Kafka, by the script in `tests/kafka/cluster`.
//!
//! # Invariants
//!
//! - A cluster lives no longer than the pipe to its script: it ends when this is dropped, and also
//!   when this process is killed.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::blocking;

/// The script, run as `python3 SCRIPT` so that its mode doesn't matter.
pub(crate) const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kafka/cluster/kafka");

/// Another version than the newest; `.ci/run` fetches it too.
pub(super) const OLDER_VERSION: &str = "3.9.2";

/// A running cluster.
pub(super) struct Apache {
    facts: Value,
    supervisor: Arc<Mutex<Supervisor>>,
}

/// The script's process, which takes one command a line and gives one answer a line.
struct Supervisor {
    child: Child,
    commands: Option<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Apache {
    /// Starts a cluster, of the version of `pom.xml` where no other is named.
    pub(super) fn launch(
        version: Option<&str>,
        nodes: usize,
        settings: &[(String, String)],
    ) -> Self {
        let settings = settings
            .iter()
            .map(|(key, value)| format!("--set={key}={value}"));
        let mut child = Command::new("python3")
            .arg(SCRIPT)
            .args(["up", "--nodes", &nodes.to_string()])
            .args(version.map(|version| format!("--version={version}")))
            .args(settings)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 starts");
        let commands = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let mut supervisor = Supervisor {
            child,
            commands,
            answers,
        };
        let facts = supervisor.answer();
        Self {
            facts,
            supervisor: Arc::new(Mutex::new(supervisor)),
        }
    }

    /// The addresses of a listener.
    pub(super) fn bootstrap_of(&self, listener: &str) -> &str {
        self.fact(&format!("{listener}_bootstrap"))
    }

    /// What the script told of the cluster.
    pub(super) fn fact(&self, key: &str) -> &str {
        self.facts[key].as_str().expect("the script tells it")
    }

    /// Has the script do something to a node.
    pub(super) async fn command(&self, name: &'static str, node: usize) {
        let supervisor = Arc::clone(&self.supervisor);
        blocking(move || lock(&supervisor).command(&format!("{name} {node}"))).await;
    }

    /// Ends the cluster, and waits until it is gone.
    pub(super) fn down(&self) {
        lock(&self.supervisor).down();
    }
}

/// A tool's command, for those that run beside a test.
pub(crate) fn tool(name: &str) -> tokio::process::Command {
    let mut command = tokio::process::Command::new("python3");
    command
        .args([SCRIPT, "tool", name])
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// Why Kafka can't run on this machine, if it can't. Downloads it, outside any test's time limit.
pub(crate) fn missing() -> Option<String> {
    ask_script(&["fetch"], "Apache Kafka and its tools need Python 3")
}

/// The same of the older version.
pub(crate) fn older_missing() -> Option<String> {
    let fetch = ["fetch", "--version", OLDER_VERSION];
    ask_script(&fetch, "Apache Kafka and its tools need Python 3")
}

/// Lets the script prepare something; the reason why it can't begins with a line for a person.
pub(crate) fn ask_script(command: &[&str], without_python: &str) -> Option<String> {
    let mut asked = Command::new("python3");
    let asked = asked.arg(SCRIPT).args(command).output();
    let Ok(output) = asked else {
        return Some(format!("{without_python}, and there is no python3 on PATH"));
    };
    let told = String::from_utf8_lossy(&output.stderr);
    let reason = told
        .split_once("kafka: ")
        .map_or(&*told, |(_, reason)| reason);
    (!output.status.success()).then(|| reason.trim().to_owned())
}

impl Supervisor {
    fn command(&mut self, line: &str) {
        let mut commands = self.commands.as_ref().expect("the cluster is up");
        writeln!(commands, "{line}").expect("the script reads");
        let answer = self.answer();
        assert!(answer["error"].is_null(), "{line}: {}", answer["error"]);
    }

    fn answer(&mut self) -> Value {
        let line = self.answers.next().transpose().ok().flatten();
        let line = line.expect("the script answers; otherwise it said why on stderr");
        serde_json::from_str(&line).expect("the script answers in JSON")
    }

    fn down(&mut self) {
        self.commands = None;
        // Failing to wait would leave nothing to be done.
        let _ = self.child.wait();
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.down();
    }
}

/// A failed command must not hide what it failed of from the tests that share the cluster.
fn lock(supervisor: &Mutex<Supervisor>) -> std::sync::MutexGuard<'_, Supervisor> {
    supervisor.lock().unwrap_or_else(PoisonError::into_inner)
}
