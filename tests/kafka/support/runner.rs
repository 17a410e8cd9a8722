//! Runs the tests: what each needs, its time limit, how many at a time.

use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::Duration;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use super::{cluster, peers};

/// Most of a test is waiting for brokers, which share the machine's cores with it.
const TESTS_AT_A_TIME: usize = 3;

/// A test of this suite; [`tests!`] makes them.
#[derive(Clone, Copy)]
pub(crate) struct Test {
    pub(crate) name: &'static str,
    pub(crate) needs: &'static [Need],
    pub(crate) within: Duration,
    pub(crate) body: fn() -> Pin<Box<dyn Future<Output = ()>>>,
}

/// What a machine may lack.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Need {
    /// Java, Maven, Python.
    Kafka,
    /// The `kcat` command.
    Kcat,
    /// `confluent-kafka` for Python.
    ConfluentKafka,
}

/// Lists async functions as tests: `name`, `name(Kafka, Kcat)`, `name(Kafka) within 300` (seconds).
macro_rules! tests {
    ($($name:ident $(($($need:ident),+))? $(within $seconds:literal)?),+ $(,)?) => {
        &[$($crate::support::runner::Test {
            name: concat!(module_path!(), "::", stringify!($name)),
            needs: &[$($($crate::support::runner::Need::$need),+)?],
            within: std::time::Duration::from_secs(tests!(@seconds $($seconds)?)),
            body: || Box::pin($name()),
        }),+]
    };
    (@seconds) => { 120 };
    (@seconds $seconds:literal) => { $seconds };
}
pub(crate) use tests;

/// Runs the suites as libtest would, with its arguments.
pub(crate) fn run(suites: &[&[Test]]) -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(TESTS_AT_A_TIME);
    let trials = suites.iter().copied().flatten().copied().map(|test| {
        let name = test.name.trim_start_matches("kafka::");
        Trial::ignorable_test(name, move || run_one(test))
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    cluster::take_down_shared();
    if conclusion.num_ignored > 0 {
        let count = conclusion.num_ignored;
        eprintln!("{count} tests of this suite did NOT run; the reason stands beside each\n");
    }
    conclusion.exit_code()
}

fn run_one(test: Test) -> Result<Completion, Failed> {
    if let Some(reason) = test.needs.iter().find_map(|need| need.missing()) {
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
    let outcome =
        runtime.block_on(async { tokio::time::timeout(test.within, (test.body)()).await });
    // A blocking call that hangs must not hang the suite.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => Ok(Completion::Completed),
        Err(_) => Err(format!("not done within {:?}", test.within).into()),
    }
}

impl Need {
    /// Why this machine lacks it, if it does. Looked up once.
    fn missing(self) -> Option<&'static str> {
        static KAFKA: OnceLock<Option<String>> = OnceLock::new();
        static KCAT: OnceLock<Option<String>> = OnceLock::new();
        static CONFLUENT_KAFKA: OnceLock<Option<String>> = OnceLock::new();
        match self {
            Self::Kafka => KAFKA.get_or_init(cluster::missing),
            Self::Kcat => KCAT.get_or_init(peers::kcat_missing),
            Self::ConfluentKafka => CONFLUENT_KAFKA.get_or_init(peers::confluent_kafka_missing),
        }
        .as_deref()
    }
}
