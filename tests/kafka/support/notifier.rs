//! The program under test, as it is delivered.

use std::process::{ExitStatus, Output, Stdio};

use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

use super::PATIENCE;
use super::cluster::Cluster;
use super::process::Process;
use super::telegram::{CHAT_ID, TOKEN, Telegram};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_payment-notifier");

/// An environment for the program: topics and a group of the test's own.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) source: String,
    pub(crate) dead_letter: String,
    pub(crate) permanent: String,
    pub(crate) group: String,
    environment: Vec<(String, String)>,
}

impl Setup {
    /// Points the program at a cluster and a Telegram. Retries come quickly; all else is default.
    pub(crate) fn new(cluster: &Cluster, telegram: &Telegram) -> Self {
        let source = cluster.unique("payment-notification");
        let setup = Self {
            dead_letter: format!("{source}.DLQ"),
            permanent: format!("{source}.permanent"),
            group: format!("{source}-group"),
            source: source.clone(),
            environment: Vec::new(),
        };
        let [dead_letter, permanent, group] =
            [&setup.dead_letter, &setup.permanent, &setup.group].map(Clone::clone);
        setup
            .set("NOTIFIER_KAFKA_BOOTSTRAP_SERVERS", cluster.bootstrap())
            .set("NOTIFIER_TOPICS_SOURCE", source)
            .set("NOTIFIER_TOPICS_DEAD_LETTER", dead_letter)
            .set("NOTIFIER_TOPICS_PERMANENT", permanent)
            .set("NOTIFIER_CONSUMER_GROUP_ID", group)
            .set("NOTIFIER_TELEGRAM_BASE_URL", telegram.url())
            .set("NOTIFIER_TELEGRAM_TOKEN", TOKEN)
            .set("NOTIFIER_TELEGRAM_CHAT_ID", CHAT_ID)
            .set("NOTIFIER_RETRY_BACKOFF", "50ms")
            .set("NOTIFIER_HTTP_LISTEN", "127.0.0.1:0")
    }

    /// The three topics.
    pub(crate) fn topics(&self) -> [&str; 3] {
        [&self.source, &self.dead_letter, &self.permanent]
    }

    /// The drain's own group.
    pub(crate) fn drain_group(&self) -> String {
        format!("{}-dlq-retry", self.group)
    }

    /// Sets a variable, or sets it anew.
    pub(crate) fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Takes a variable away.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.environment.retain(|(set, _)| set != name);
        self
    }

    /// Starts the service.
    pub(crate) fn run(&self) -> Notifier {
        self.start(&["run"])
    }

    /// Starts a command that runs beside the test.
    pub(crate) fn start(&self, arguments: &[&str]) -> Notifier {
        let mut command = self.command(arguments);
        let name = format!("payment-notifier {}", arguments.join(" "));
        Notifier(Process::start(&name, &mut command))
    }

    /// Runs a command of the program to its end, with this on its standard input.
    pub(crate) async fn call(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut stdin = child.stdin.take().expect("stdin is piped");
        let fed = async move {
            // A program that ends without reading is the test's to judge, by its output.
            let _ = stdin.write_all(input.as_bytes()).await;
        };
        let both = async { tokio::join!(fed, child.wait_with_output()).1 };
        let ended = timeout(PATIENCE, both).await;
        let ended = ended.unwrap_or_else(|_| panic!("{arguments:?} does not end"));
        ended.expect("a child can be waited for")
    }

    /// The command with this environment, and nothing else that it would take for its own.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        let inherited = std::env::vars_os().map(|(name, _)| name);
        for name in inherited.filter(|name| name.to_string_lossy().starts_with("NOTIFIER_")) {
            command.env_remove(name);
        }
        command
            .args(arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .kill_on_drop(true);
        command
    }
}

/// The running service. Dropping it kills it.
pub(crate) struct Notifier(Process);

impl Notifier {
    /// Its log so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.0.lines()
    }

    /// Waits for a line of the log that contains a text, or takes the first of the past ones.
    pub(crate) async fn wait_for_log(&self, text: &str) -> String {
        self.0.wait_for_line(text).await
    }

    /// SIGTERM, and waits for the end.
    pub(crate) async fn shut_down(&mut self) -> ExitStatus {
        self.0.terminate();
        self.0.ended().await
    }

    /// SIGKILL, and waits for the end.
    pub(crate) async fn kill(&mut self) -> ExitStatus {
        self.0.kill();
        self.0.ended().await
    }

    /// The process, to signal and to wait for.
    pub(crate) fn process(&mut self) -> &mut Process {
        &mut self.0
    }
}
