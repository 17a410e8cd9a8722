//! What keeps the service from starting, or ends it: told by its name, in bounded time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::coordinator::{Operation, Resource};
use crate::support::payments::{payment, record};
use crate::support::records::Record;
use crate::support::runner::{Test, tests};
use crate::support::silent_address;
use crate::support::stage::Stage;
use crate::support::telegram::TOKEN;

pub(crate) const TESTS: &[Test] = tests![
    // No cluster is reached: either will do.
    a_broker_whose_name_does_not_resolve(Memory),
    a_broker_that_refuses_connections(Memory),
    a_broker_that_is_an_http_server(Memory),
    a_broker_that_never_answers(Memory),
    a_broker_that_hangs_up(Memory),
    a_wait_for_brokers_is_told_before_it_is_over(Memory),
    several_brokers_that_can_t_be_reached_are_all_named(Memory),
    // From here on one is.
    one_broker_of_several_is_enough(Cluster),
    a_topic_is_missing_and_must_not_be_created(Cluster),
    a_topic_that_can_t_be_created(Cluster),
    // Access rules are Apache Kafka's alone.
    a_topic_that_must_not_be_seen(Kafka),
    a_topic_that_must_not_be_read(Kafka),
    a_group_that_must_not_be_joined(Kafka),
    a_drain_group_that_must_not_be_joined(Kafka),
    a_dead_letter_topic_with_too_few_partitions(Cluster),
    a_permanent_topic_with_too_few_partitions(Cluster),
    a_wrong_configuration_connects_to_nothing(Cluster),
];

/// Far beyond the request timeout that these tests set, and far below the default one.
const BOUND: Duration = Duration::from_secs(20);

/// The commands that connect.
const COMMANDS: [&str; 3] = ["run", "drain", "publish"];

/// Runs a command to its failure, and returns what it told.
async fn failure(stage: &Stage, command: &str) -> String {
    ends_with(stage, command, 1).await
}

/// Runs a command to an end with this code, and returns what it told.
async fn ends_with(stage: &Stage, command: &str, code: i32) -> String {
    let started = Instant::now();
    let output = stage.setup.call(&[command], &payment(1)).await;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{command}: {told}");
    assert!(started.elapsed() < BOUND, "{:?}: {told}", started.elapsed());
    assert!(output.stdout.is_empty(), "{command}: {output:?}");
    let secret = TOKEN.split_once(':').unwrap().1;
    assert!(!told.contains(secret), "{command}: {told}");
    assert!(!told.contains("panicked"), "{command}: {told}");
    // What ended it is the last word; a service says it also when its stopping begins.
    let errors = told.lines().filter(|line| line.contains("ERROR"));
    assert!((1..=2).contains(&errors.count()), "{command}: {told}");
    let last = told.lines().last().unwrap_or_default();
    assert!(last.contains("ERROR"), "{command}: {told}");
    told
}

/// Has all commands fail at brokers, and returns what they told.
async fn failures_at(bootstrap_servers: &str) -> Vec<String> {
    let stage = Stage::without_topics()
        .await
        .set("NOTIFIER_KAFKA_BOOTSTRAP_SERVERS", bootstrap_servers)
        .set("NOTIFIER_KAFKA_REQUEST_TIMEOUT_MS", "2000")
        .set("NOTIFIER_KAFKA_SOCKET_CONNECTION_SETUP_TIMEOUT_MS", "1000");
    let mut told = Vec::new();
    for command in COMMANDS {
        told.push(failure(&stage, command).await);
    }
    told
}

async fn a_broker_whose_name_does_not_resolve() {
    for told in failures_at("no-such-host.invalid:9092").await {
        assert!(told.contains("no-such-host.invalid:9092"), "{told}");
        assert!(
            told.contains("resolve") || told.contains("in time"),
            "{told}"
        );
    }
}

async fn a_broker_that_refuses_connections() {
    let (_kept, address) = silent_address();
    let address = address.to_string();
    for told in failures_at(&address).await {
        assert!(
            told.contains(&address) && told.contains("refused"),
            "{told}"
        );
    }
}

async fn a_broker_that_is_an_http_server() {
    let server = Peer::start(|mut stream| async move {
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).await;
        let answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
        let _ = stream.write_all(answer).await;
    })
    .await;
    for told in failures_at(&server.address).await {
        assert!(told.contains(&server.address), "{told}");
        assert!(told.contains("HTTP"), "{told}");
    }
    // No later attempt can end otherwise.
    assert_eq!(server.connections(), COMMANDS.len());
}

async fn a_broker_that_never_answers() {
    let server = Peer::start(|mut stream| async move {
        let mut read = Vec::new();
        let _ = stream.read_to_end(&mut read).await;
    })
    .await;
    for told in failures_at(&server.address).await {
        assert!(told.contains(&server.address), "{told}");
        assert!(
            told.contains("in time") || told.contains("no answer"),
            "{told}"
        );
    }
    assert!(server.connections() <= 4 * COMMANDS.len());
}

async fn a_broker_that_hangs_up() {
    let server = Peer::start(|stream| async move { drop(stream) }).await;
    for told in failures_at(&server.address).await {
        assert!(told.contains(&server.address), "{told}");
    }
    // Two seconds of attempts 50 ms apart, then 100, then 200 and so on: never a tight loop.
    let tried = server.connections();
    assert!((2..=10 * COMMANDS.len()).contains(&tried), "{tried}");
}

async fn a_wait_for_brokers_is_told_before_it_is_over() {
    let (_kept, address) = silent_address();
    let address = address.to_string();
    let stage = Stage::without_topics()
        .await
        .set("NOTIFIER_KAFKA_BOOTSTRAP_SERVERS", &address);
    for command in ["run", "drain"] {
        let mut waiting = stage.setup.start(&[command]);
        let told = waiting.wait_for_log("no broker answers yet").await;
        assert!(told.contains("WARN"), "{told}");
        assert!(told.contains(&address) && told.contains("30s"), "{told}");
        // It is still at it.
        waiting.process().terminate();
        waiting.wait_for_log("stopping").await;
        waiting.process().ended().await;
    }
}

async fn several_brokers_that_can_t_be_reached_are_all_named() {
    let kept = [silent_address(), silent_address()];
    let addresses = kept.each_ref().map(|(_, address)| address.to_string());
    for told in failures_at(&addresses.join(",")).await {
        assert!(addresses.iter().all(|it| told.contains(it)), "{told}");
    }
}

async fn one_broker_of_several_is_enough() {
    let stage = Stage::new().await;
    let silent = Peer::start(|mut stream| async move {
        let mut read = Vec::new();
        let _ = stream.read_to_end(&mut read).await;
    })
    .await;
    let (_kept, refusing) = silent_address();
    let servers = [
        "no-such-host.invalid:9092",
        &refusing.to_string(),
        &silent.address,
        stage.cluster.bootstrap(),
    ];
    let stage = stage
        .set("NOTIFIER_KAFKA_BOOTSTRAP_SERVERS", &servers.join(","))
        .set("NOTIFIER_KAFKA_SOCKET_CONNECTION_SETUP_TIMEOUT_MS", "4000");
    stage.bury(&[record(1)]).await;
    assert_eq!(stage.drain().await["delivered"], 1);
}

async fn a_topic_is_missing_and_must_not_be_created() {
    let stage = Stage::without_topics()
        .await
        .set("NOTIFIER_TOPICS_CREATE", "false")
        .set("NOTIFIER_KAFKA_REQUEST_TIMEOUT_MS", "2000");
    // Each in turn is the one that is missing.
    for topic in stage.setup.topics() {
        for command in ["run", "drain"] {
            let told = failure(&stage, command).await;
            assert!(told.contains(&format!("topic {topic} ")), "{told}");
            assert!(told.contains("topics.create"), "{told}");
        }
        stage.cluster.create_topic(topic, 1, &[]).await;
    }
    let stage = Stage::without_topics()
        .await
        .set("NOTIFIER_KAFKA_REQUEST_TIMEOUT_MS", "2000");
    // Publishing creates nothing.
    let told = failure(&stage, "publish").await;
    assert!(told.contains(&stage.setup.source), "{told}");
}

async fn a_topic_that_can_t_be_created() {
    let stage = Stage::without_topics()
        .await
        .set("NOTIFIER_TOPICS_REPLICATION_FACTOR", "2")
        .set("NOTIFIER_KAFKA_REQUEST_TIMEOUT_MS", "4000");
    let told = failure(&stage, "run").await;
    assert!(told.contains(&stage.setup.source), "{told}");
    assert!(told.contains("INVALID_REPLICATION_FACTOR"), "{told}");
}

async fn a_topic_that_must_not_be_seen() {
    let stage = Stage::new().await;
    for topic in stage.setup.topics() {
        let rule = Resource::Topic(topic);
        stage.cluster.allow("nobody", Operation::All, rule).await;
    }
    for command in COMMANDS {
        let told = failure(&stage, command).await;
        assert!(
            told.contains(&format!("topic {}", stage.setup.source)),
            "{told}"
        );
        assert!(told.contains("TOPIC_AUTHORIZATION_FAILED"), "{told}");
    }
}

async fn a_topic_that_must_not_be_read() {
    let stage = Stage::new().await.without_drain();
    let rule = Resource::Topic(&stage.setup.source);
    stage
        .cluster
        .allow("ANONYMOUS", Operation::Describe, rule)
        .await;
    let told = failure(&stage, "run").await;
    assert!(told.contains(&stage.setup.source), "{told}");
    assert!(told.contains("TOPIC_AUTHORIZATION_FAILED"), "{told}");
    // It was a member by then, and others need not wait for its session to end.
    let members = stage.cluster.members(&stage.setup.group).await;
    assert_eq!(members, [""; 0], "{told}");
    assert!(told.contains("group left"), "{told}");
    let told = failure(&stage, "publish").await;
    assert!(told.contains(&stage.setup.source), "{told}");
    assert!(told.contains("TOPIC_AUTHORIZATION_FAILED"), "{told}");
}

async fn a_group_that_must_not_be_joined() {
    let stage = Stage::new().await;
    let rule = Resource::Group(&stage.setup.group);
    stage.cluster.allow("nobody", Operation::All, rule).await;
    let told = failure(&stage, "run").await;
    assert!(
        told.contains(&format!("group `{}`", stage.setup.group)),
        "{told}"
    );
    assert!(told.contains("GROUP_AUTHORIZATION_FAILED"), "{told}");
}

async fn a_drain_group_that_must_not_be_joined() {
    let stage = Stage::new().await;
    let group = stage.setup.drain_group();
    let rule = Resource::Group(&group);
    stage.cluster.allow("nobody", Operation::All, rule).await;
    for command in ["run", "drain"] {
        let told = failure(&stage, command).await;
        assert!(told.contains(&format!("group `{group}`")), "{told}");
        assert!(told.contains("GROUP_AUTHORIZATION_FAILED"), "{told}");
    }
}

async fn a_dead_letter_topic_with_too_few_partitions() {
    let stage = Stage::without_topics().await;
    let [source, dead_letter, _] = stage.setup.topics();
    stage.cluster.create_topic(source, 3, &[]).await;
    stage.cluster.create_topic(dead_letter, 2, &[]).await;
    stage.publish(&[record(1)]).await;
    for command in ["run", "drain"] {
        let told = ends_with(&stage, command, 2).await;
        assert!(
            told.contains(&format!("topic {dead_letter} has 2 partitions")),
            "{told}"
        );
        assert!(told.contains(&format!("{source} has 3")), "{told}");
    }
    stage.sent(0);
}

async fn a_permanent_topic_with_too_few_partitions() {
    let stage = Stage::without_topics().await.without_drain();
    let [source, dead_letter, permanent] = stage.setup.topics();
    stage.cluster.create_topic(source, 3, &[]).await;
    stage.cluster.create_topic(dead_letter, 3, &[]).await;
    stage.cluster.create_topic(permanent, 2, &[]).await;
    let bad = [0, 1, 2, 2].map(|partition| Record::new("bad").at(partition));
    stage.publish(&bad).await;
    let log = stage
        .run_until(async |_| {
            stage.permanent(4).await;
        })
        .await;
    // The partition is taken modulo their count, and that is said once.
    let parked = stage.permanent(4).await;
    let places: Vec<_> = parked.iter().map(|it| it.partition).collect();
    assert_eq!(places, [0, 0, 0, 1]);
    let warned = log
        .iter()
        .filter(|line| line.contains("too few partitions"));
    assert_eq!(warned.count(), 1, "{log:#?}");
    stage.committed(&[(0, 1), (1, 1), (2, 2)]).await;
}

async fn a_wrong_configuration_connects_to_nothing() {
    let server = Peer::start(|stream| async move { drop(stream) }).await;
    let stage = Stage::without_topics()
        .await
        .set("NOTIFIER_KAFKA_BOOTSTRAP_SERVERS", &server.address)
        .set("NOTIFIER_TELEGRAM_CHAT_ID", "not a chat")
        .set("NOTIFIER_RETRY_BACKOF", "1s")
        .set("NOTIFIER_DRAIN_INTERVAL", "300");
    for command in ["run", "drain", "config"] {
        let output = stage.setup.call(&[command], "").await;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{told}");
        // All that is wrong at once, with the nearest right name.
        for word in [
            "3 problems",
            "NOTIFIER_TELEGRAM_CHAT_ID",
            "NOTIFIER_RETRY_BACKOF:",
            "NOTIFIER_RETRY_BACKOFF",
            "NOTIFIER_DRAIN_INTERVAL",
        ] {
            assert!(told.contains(word), "{word}: {told}");
        }
        assert!(!told.contains(TOKEN), "{told}");
    }
    assert_eq!(server.connections(), 0);
}

/// Whatever listens where a broker should.
struct Peer {
    address: String,
    connections: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Peer {
    async fn start<F>(serve: impl Fn(TcpStream) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(stream));
            }
        });
        Self {
            address,
            connections,
            task,
        }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}
