//! Runs the tests: on which clusters, what each needs, its time limit, how many at a time.

use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::Duration;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use tokio::sync::Semaphore;

use super::cluster::{self, Flavour};
use super::{openssl, peers};

/// Most of a test is waiting.
const TESTS_AT_A_TIME: usize = 8;
/// Apache Kafka's brokers share the machine's cores with the tests.
static ON_KAFKA_AT_A_TIME: Semaphore = Semaphore::const_new(3);

/// A test of this suite; [`tests!`] makes them.
#[derive(Clone, Copy)]
pub(crate) struct Test {
    pub(crate) name: &'static str,
    pub(crate) on: On,
    pub(crate) needs: &'static [Need],
    pub(crate) within: Duration,
    pub(crate) body: fn() -> Pin<Box<dyn Future<Output = ()>>>,
}

/// Where a test runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    /// It asks for no cluster.
    Nothing,
    /// On both: on Apache Kafka, and on the broker in memory.
    Cluster,
    /// On Apache Kafka alone, as the other one can't do what it is about.
    Kafka,
    /// On an older Apache Kafka alone; the same test runs on the others elsewhere.
    OlderKafka,
    /// On the broker in memory alone.
    Memory,
}

/// What a machine may lack.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Need {
    /// Java, Maven, Python: for Apache Kafka, its tools and its clients.
    Java,
    /// The older Apache Kafka, beside what is needed for the newest.
    OlderKafka,
    /// The `kcat` command.
    Kcat,
    /// `confluent-kafka` for Python.
    ConfluentKafka,
    /// The `openssl` command.
    OpenSsl,
}

/// Lists async functions as tests: `name`, `name(Cluster)`, `name(Kafka, Kcat) within 300`
/// (seconds). The first word in parentheses is where it runs, the others are what it needs.
macro_rules! tests {
    ($($name:ident $(($on:ident $(, $need:ident)*))? $(within $seconds:literal)?),+ $(,)?) => {
        &[$($crate::support::runner::Test {
            name: concat!(module_path!(), "::", stringify!($name)),
            on: tests!(@on $($on)?),
            needs: &[$($($crate::support::runner::Need::$need),*)?],
            within: std::time::Duration::from_secs(tests!(@seconds $($seconds)?)),
            body: || Box::pin($name()),
        }),+]
    };
    (@on) => { $crate::support::runner::On::Nothing };
    (@on $on:ident) => { $crate::support::runner::On::$on };
    (@seconds) => { 120 };
    (@seconds $seconds:literal) => { $seconds };
}
pub(crate) use tests;

/// Runs the suites as libtest would, with its arguments. What runs quickest comes first.
pub(crate) fn run(suites: &[&[Test]]) -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(TESTS_AT_A_TIME);
    let tests = || suites.iter().copied().flatten().copied();
    let on_nothing = tests()
        .filter(|test| test.on == On::Nothing)
        .map(|test| (test, None));
    let on_both = [Flavour::Memory, Flavour::Kafka, Flavour::OlderKafka]
        .into_iter()
        .flat_map(|flavour| {
            let its_tests = tests().filter(move |test| test.on.has(flavour));
            its_tests.map(move |test| (test, Some(flavour)))
        });
    let trials = on_nothing.chain(on_both).map(|(test, flavour)| {
        let name = test.name.trim_start_matches("kafka::");
        let name = match flavour {
            None => name.to_owned(),
            Some(Flavour::Kafka) => format!("kafka::{name}"),
            // Its module says so.
            Some(Flavour::OlderKafka) => name.to_owned(),
            Some(Flavour::Memory) => format!("memory::{name}"),
        };
        Trial::ignorable_test(name, move || run_one(test, flavour))
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    cluster::take_down_shared();
    if conclusion.num_ignored > 0 {
        let count = conclusion.num_ignored;
        eprintln!("{count} tests of this suite did NOT run; the reason stands beside each\n");
    }
    conclusion.exit_code()
}

fn run_one(test: Test, flavour: Option<Flavour>) -> Result<Completion, Failed> {
    let its_cluster: &[Need] = match flavour {
        Some(Flavour::Kafka) => &[Need::Java],
        Some(Flavour::OlderKafka) => &[Need::Java, Need::OlderKafka],
        Some(Flavour::Memory) | None => &[],
    };
    let mut needs = its_cluster.iter().chain(test.needs);
    if let Some(reason) = needs.find_map(|need| need.missing()) {
        return match std::env::var_os("REQUIRE_KAFKA") {
            Some(value) if value == "1" => Err(format!("REQUIRE_KAFKA=1, but {reason}").into()),
            _ => Ok(Completion::ignored_with(
                reason.lines().next().unwrap_or_default(),
            )),
        };
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(async {
        let _turn = match flavour {
            Some(Flavour::Kafka | Flavour::OlderKafka) => ON_KAFKA_AT_A_TIME.acquire().await.ok(),
            Some(Flavour::Memory) | None => None,
        };
        let limited = tokio::time::timeout(test.within, (test.body)());
        match flavour {
            Some(flavour) => cluster::with(flavour, limited).await,
            None => limited.await,
        }
    });
    // A blocking call that hangs must not hang the suite.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => Ok(Completion::Completed),
        Err(_) => Err(format!("not done within {:?}", test.within).into()),
    }
}

impl On {
    fn has(self, flavour: Flavour) -> bool {
        match self {
            Self::Nothing => false,
            Self::Cluster => flavour != Flavour::OlderKafka,
            Self::Kafka => flavour == Flavour::Kafka,
            Self::OlderKafka => flavour == Flavour::OlderKafka,
            Self::Memory => flavour == Flavour::Memory,
        }
    }
}

impl Need {
    /// Why this machine lacks it, if it does. Looked up once.
    fn missing(self) -> Option<&'static str> {
        static JAVA: OnceLock<Option<String>> = OnceLock::new();
        static OLDER_KAFKA: OnceLock<Option<String>> = OnceLock::new();
        static KCAT: OnceLock<Option<String>> = OnceLock::new();
        static CONFLUENT_KAFKA: OnceLock<Option<String>> = OnceLock::new();
        static OPENSSL: OnceLock<Option<String>> = OnceLock::new();
        match self {
            Self::Java => JAVA.get_or_init(cluster::missing),
            Self::OlderKafka => OLDER_KAFKA.get_or_init(cluster::older_missing),
            Self::Kcat => KCAT.get_or_init(peers::kcat_missing),
            Self::ConfluentKafka => CONFLUENT_KAFKA.get_or_init(peers::confluent_kafka_missing),
            Self::OpenSsl => OPENSSL.get_or_init(openssl::missing),
        }
        .as_deref()
    }
}
