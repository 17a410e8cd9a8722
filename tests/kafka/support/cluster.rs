//! The clusters that tests run on: Apache Kafka, and the broker in memory. A test of both is the
//! same code: the runner says which one [`Cluster::shared`] and [`Cluster::start`] give.

mod apache;
mod memory;

use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Mutex, MutexGuard};

use apache::{Apache, OLDER_VERSION};
pub(crate) use apache::{SCRIPT, ask_script, missing, older_missing, tool};
use memory::Memory;

/// For tests that start three nodes, which fill a small machine.
pub(crate) static ONE_CLUSTER_AT_A_TIME: Turns = Turns(Mutex::const_new(()));

static SHARED_KAFKA: OnceLock<Cluster> = OnceLock::new();
static SHARED_OLDER_KAFKA: OnceLock<Cluster> = OnceLock::new();
static SHARED_MEMORY: OnceLock<Cluster> = OnceLock::new();

tokio::task_local! {
    static FLAVOUR: Flavour;
}

/// What a cluster is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// Apache Kafka: the truth.
    Kafka,
    /// Apache Kafka as many still run it.
    OlderKafka,
    /// `payment_notifier::broker`.
    Memory,
}

/// See [`ONE_CLUSTER_AT_A_TIME`].
pub(crate) struct Turns(Mutex<()>);

impl Turns {
    /// Waits for a turn; those in memory have theirs at once.
    pub(crate) async fn lock(&self) -> Option<MutexGuard<'_, ()>> {
        match FLAVOUR.get() {
            Flavour::Kafka | Flavour::OlderKafka => Some(self.0.lock().await),
            Flavour::Memory => None,
        }
    }
}

/// A running cluster.
pub(crate) struct Cluster {
    bootstrap: String,
    kind: Kind,
}

enum Kind {
    Apache(Apache),
    Memory(Memory),
}

/// Runs a test on clusters of this flavour.
pub(super) async fn with<T>(flavour: Flavour, test: impl Future<Output = T>) -> T {
    FLAVOUR.scope(flavour, test).await
}

/// Ends the shared clusters, where there are any, and waits until they are gone.
pub(crate) fn take_down_shared() {
    for shared in [&SHARED_KAFKA, &SHARED_OLDER_KAFKA] {
        if let Some(cluster) = shared.get()
            && let Kind::Apache(apache) = &cluster.kind
        {
            apache.down();
        }
    }
}

impl Cluster {
    /// The single node that tests share, each with topics and groups of its own.
    pub(crate) async fn shared() -> &'static Self {
        let flavour = FLAVOUR.get();
        let shared = match flavour {
            Flavour::Kafka => &SHARED_KAFKA,
            Flavour::OlderKafka => &SHARED_OLDER_KAFKA,
            Flavour::Memory => &SHARED_MEMORY,
        };
        blocking(move || shared.get_or_init(|| Self::launch(flavour, 1, &[]))).await
    }

    /// A cluster of the test's own, of 1 or 3 nodes, to break or to set up differently.
    pub(crate) async fn start(nodes: usize, settings: &[(&str, &str)]) -> Self {
        let flavour = FLAVOUR.get();
        let settings = settings.iter();
        let settings: Vec<_> = settings
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        blocking(move || Self::launch(flavour, nodes, &settings)).await
    }

    fn launch(flavour: Flavour, nodes: usize, settings: &[(String, String)]) -> Self {
        match flavour {
            Flavour::Kafka | Flavour::OlderKafka => {
                let version = (flavour == Flavour::OlderKafka).then_some(OLDER_VERSION);
                let apache = Apache::launch(version, nodes, settings);
                Self {
                    bootstrap: apache.bootstrap_of("plaintext").to_owned(),
                    kind: Kind::Apache(apache),
                }
            }
            Flavour::Memory => {
                let memory = Memory::launch(nodes, settings);
                Self {
                    bootstrap: memory.broker.bootstrap_servers(),
                    kind: Kind::Memory(memory),
                }
            }
        }
    }

    /// The PLAINTEXT addresses, where clients are `User:ANONYMOUS`.
    pub(crate) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// The addresses of one of the listeners: `plaintext`, `tls`, `mtls`, `sasl`, `sasltls`. Users
    /// are `alice` and `bob`, passwords `alice-secret` and `bob-secret`, for every mechanism.
    pub(crate) fn bootstrap_of(&self, listener: &str) -> String {
        match &self.kind {
            Kind::Apache(apache) => apache.bootstrap_of(listener).to_owned(),
            Kind::Memory(memory) => memory.bootstrap_of(listener),
        }
    }

    /// Where `tls/server.pem` and `tls/trusted.pem` are, which a test of its own cluster may
    /// replace.
    pub(crate) fn directory(&self) -> &Path {
        match &self.kind {
            Kind::Apache(apache) => Path::new(apache.fact("directory")),
            Kind::Memory(memory) => memory.directory(),
        }
    }

    /// How many logins node 1 has refused, renewed ones among them.
    pub(crate) fn refused_logins(&self) -> usize {
        match &self.kind {
            Kind::Apache(_) => {
                let log = self.directory().join("node-1/broker.log");
                let log = std::fs::read_to_string(log).expect("the broker logs");
                let log = log.to_lowercase();
                let kinds = ["failed authentication with", "failed re-authentication"];
                let is_one = |line: &&str| kinds.iter().any(|kind| line.contains(kind));
                log.lines().filter(is_one).count()
            }
            Kind::Memory(memory) => {
                let refused = memory.broker.refused_logins();
                usize::try_from(refused).expect("a small number")
            }
        }
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
        match &self.kind {
            Kind::Apache(apache) => apache.command(name, node).await,
            Kind::Memory(memory) => memory.command(name, node).await,
        }
    }

    /// Runs one of Kafka's tools to its end and returns its standard output. It needs Java, also on
    /// the broker in memory.
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

    /// Has the cluster be without a feature (KIP-584). The broker in memory is set up so.
    pub(crate) async fn turn_off_feature(&self, feature: &str) {
        if let Kind::Apache(_) = self.kind {
            let level = format!("{feature}=0");
            let arguments = ["downgrade", "--feature", &level];
            self.tool("kafka-features", &arguments).await;
        }
    }

    /// A name that no other test has.
    pub(crate) fn unique(&self, name: &str) -> String {
        static COUNT: AtomicUsize = AtomicUsize::new(1);
        format!("{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}
