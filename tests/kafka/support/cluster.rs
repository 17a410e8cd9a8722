//! Apache Kafka clusters, by the script in `tests/kafka/cluster`.
//!
//! # Invariants
//!
//! - A cluster lives no longer than the pipe to its script: it ends when the [`Cluster`] is
//!   dropped, and also when this process is killed.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde_json::Value;

/// The script, run as `python3 SCRIPT` so that its mode doesn't matter.
pub(crate) const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kafka/cluster/kafka");

/// For tests that start three nodes, which fill a small machine.
pub(crate) static ONE_CLUSTER_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

static SHARED: OnceLock<Cluster> = OnceLock::new();

/// A running cluster.
pub(crate) struct Cluster {
    bootstrap: String,
    sasl_bootstrap: String,
    supervisor: Arc<Mutex<Supervisor>>,
}

/// The script's process, which takes one command a line and gives one answer a line.
struct Supervisor {
    child: Child,
    commands: Option<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Cluster {
    /// The single node that tests share, each with topics and groups of its own.
    pub(crate) async fn shared() -> &'static Self {
        blocking(|| SHARED.get_or_init(|| Self::launch(1, &[]))).await
    }

    /// A cluster of the test's own, of 1 or 3 nodes, to break or to set up differently.
    pub(crate) async fn start(nodes: usize, settings: &[(&str, &str)]) -> Self {
        let settings: Vec<_> = settings
            .iter()
            .map(|(key, value)| format!("--set={key}={value}"))
            .collect();
        blocking(move || Self::launch(nodes, &settings)).await
    }

    fn launch(nodes: usize, settings: &[String]) -> Self {
        let mut child = Command::new("python3")
            .arg(SCRIPT)
            .args(["up", "--nodes", &nodes.to_string()])
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
        let text = |key: &str| facts[key].as_str().expect("the script tells it").to_owned();
        Self {
            bootstrap: text("bootstrap"),
            sasl_bootstrap: text("sasl_bootstrap"),
            supervisor: Arc::new(Mutex::new(supervisor)),
        }
    }

    /// The PLAINTEXT addresses, where clients are `User:ANONYMOUS`.
    pub(crate) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// The SASL_PLAINTEXT addresses: mechanism PLAIN, users `alice` and `bob`, passwords
    /// `alice-secret` and `bob-secret`.
    pub(crate) fn sasl_bootstrap(&self) -> &str {
        &self.sasl_bootstrap
    }

    /// SIGKILL.
    pub(crate) async fn kill(&self, node: usize) {
        self.command("kill", node).await;
    }

    /// SIGTERM, and waits for the node to end in order.
    pub(crate) async fn stop(&self, node: usize) {
        self.command("stop", node).await;
    }

    /// Starts a node that was killed or stopped, and waits until it serves.
    pub(crate) async fn restart(&self, node: usize) {
        self.command("start", node).await;
    }

    /// SIGSTOP: connections stay open, and nothing is answered.
    pub(crate) async fn pause(&self, node: usize) {
        self.command("pause", node).await;
    }

    /// SIGCONT.
    pub(crate) async fn resume(&self, node: usize) {
        self.command("resume", node).await;
    }

    async fn command(&self, name: &'static str, node: usize) {
        let supervisor = Arc::clone(&self.supervisor);
        blocking(move || lock(&supervisor).command(&format!("{name} {node}"))).await;
    }

    /// Runs one of Kafka's tools to its end and returns its standard output.
    ///
    /// # Panics
    ///
    /// Where the tool fails.
    pub(crate) async fn tool(&self, name: &str, arguments: &[&str]) -> String {
        let output = tool(name)
            .args(["--bootstrap-server", &self.bootstrap])
            .args(arguments)
            .output()
            .await
            .expect("python3 starts");
        let [stdout, stderr] = [output.stdout, output.stderr]
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        assert!(output.status.success(), "{name} failed: {stdout}{stderr}");
        stdout
    }

    /// A name that no other test has.
    pub(crate) fn unique(&self, name: &str) -> String {
        static COUNT: AtomicUsize = AtomicUsize::new(1);
        format!("{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
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
    ask_script("fetch", "Apache Kafka's test cluster needs Python 3")
}

/// Lets the script prepare something; the reason why it can't begins with a line for a person.
pub(super) fn ask_script(command: &str, without_python: &str) -> Option<String> {
    let asked = Command::new("python3").args([SCRIPT, command]).output();
    let Ok(output) = asked else {
        return Some(format!("{without_python}, and there is no python3 on PATH"));
    };
    let told = String::from_utf8_lossy(&output.stderr);
    let reason = told
        .split_once("kafka: ")
        .map_or(&*told, |(_, reason)| reason);
    (!output.status.success()).then(|| reason.trim().to_owned())
}

/// Ends the shared cluster, if there is one, and waits until it is gone.
pub(crate) fn take_down_shared() {
    if let Some(cluster) = SHARED.get() {
        lock(&cluster.supervisor).down();
    }
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

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}
