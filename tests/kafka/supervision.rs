//! What a supervisor is told by HTTP, of the program as it is delivered.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use crate::support::PATIENCE;
use crate::support::cluster::Cluster;
use crate::support::notifier::Notifier;
use crate::support::openmetrics::Metrics;
use crate::support::payments::{is_about, record};
use crate::support::runner::{Test, tests};
use crate::support::stage::Stage;
use crate::support::telegram::{Answer, CHAT_ID, TOKEN};

pub(crate) const TESTS: &[Test] = tests![
    the_sums_are_told_and_no_secret_is(Cluster),
    a_revoked_token_is_told_until_it_works_again(Cluster),
    a_stop_is_told_while_it_lasts(Cluster),
    clients_that_say_nothing_cost_nothing(Cluster),
    a_frozen_cluster_holds_up_no_answer(Cluster) within 300,
    a_start_is_told_while_it_lasts(Memory),
    an_address_that_is_taken_is_told(Memory),
    nowhere_is_listened_where_nothing_is_said(Memory),
];

/// The program's site, as its log tells where it is.
struct Site {
    address: String,
}

impl Site {
    async fn of(notifier: &Notifier) -> Self {
        let line = notifier.wait_for_log("listening for GET").await;
        let address = line.split("address=").nth(1);
        let address = address.unwrap_or_else(|| panic!("{line}"));
        Self {
            address: address.split_whitespace().next().unwrap().to_owned(),
        }
    }

    /// A status and a body.
    async fn get(&self, path: &str) -> (u16, String) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let exchange = async {
            let mut stream = TcpStream::connect(&self.address).await?;
            stream.write_all(request.as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            Ok::<_, std::io::Error>(answer)
        };
        let answer = timeout(PATIENCE, exchange).await.expect("an answer");
        let answer = answer.unwrap_or_else(|error| panic!("{path}: {error}"));
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).expect("a status");
        (status.parse().unwrap(), body.to_owned())
    }

    async fn json(&self, path: &str) -> (u16, Value) {
        let (status, body) = self.get(path).await;
        let json = serde_json::from_str(&body);
        (status, json.unwrap_or_else(|_| panic!("{body}")))
    }

    async fn metrics(&self) -> Metrics {
        let (status, body) = self.get("/metrics").await;
        assert_eq!(status, 200, "{body}");
        Metrics::read(&body)
    }

    /// Waits until the answer about being ready satisfies a condition.
    async fn wait_until_ready(&self, is_it: impl Fn(u16, &Value) -> bool) {
        self.wait_for(async || {
            let (status, json) = self.json("/readyz").await;
            is_it(status, &json).then_some(()).ok_or(json.to_string())
        })
        .await;
    }

    async fn ready(&self) {
        self.wait_until_ready(|status, _| status == 200).await;
    }

    /// Asks again and again, as a supervisor does.
    async fn wait_for(&self, look: impl AsyncFn() -> Result<(), String>) {
        let began = Instant::now();
        while let Err(seen) = look().await {
            assert!(began.elapsed() < PATIENCE, "{seen}");
            sleep(Duration::from_millis(50)).await;
        }
    }
}

/// One goes well, one is refused, one is a dead letter, one can't be read.
async fn the_sums_are_told_and_no_secret_is() {
    let stage = Stage::new().await.without_drain();
    let Stage { cluster, setup, .. } = &stage;
    let setup = setup
        .clone()
        .set(
            "NOTIFIER_KAFKA_BOOTSTRAP_SERVERS",
            cluster.bootstrap_of("sasl"),
        )
        .kafka("security.protocol", "sasl_plaintext")
        .logged_in("PLAIN", "alice");
    stage
        .telegram
        .answer(|call| is_about(call, 2), Answer::error(400, "Bad Request"));
    stage.busy(|call| is_about(call, 3));
    let unreadable = crate::support::records::Record::new("unreadable-message-text");
    stage
        .publish(&[record(1), record(2), record(3), unreadable])
        .await;
    let mut notifier = setup.run();
    let site = Site::of(&notifier).await;
    assert!(site.address.starts_with("127.0.0.1:"), "{}", site.address);
    stage.committed(&[(0, 4)]).await;
    site.wait_for(async || {
        let metrics = site.metrics().await;
        let lag = metrics.sum("kafka_consumer_records_lag", "path=\"main\"");
        let commits = metrics.sum("payment_notifier_commits_total", "acknowledged");
        let ready = metrics.get("payment_notifier_ready");
        let is_it = (lag, ready) == (0.0, Some(1.0)) && commits >= 1.0;
        is_it.then_some(()).ok_or(format!("{lag} {ready:?}"))
    })
    .await;
    let metrics = site.metrics().await;
    let sum = |name: &str, label: &str| metrics.sum(&format!("payment_notifier_{name}"), label);
    // The one that can't be read is an attempt that Telegram does not see.
    let attempts = stage.sent(6).len() as f64 + 1.0;
    assert_eq!(sum("sends_total", ""), attempts);
    assert_eq!(sum("verdicts_total", ""), attempts);
    assert_eq!(sum("send_duration_seconds_count", ""), attempts);
    assert_eq!(sum("verdicts_total", "transient"), 4.0);
    assert_eq!(sum("verdicts_total", "undecodable"), 1.0);
    assert_eq!(sum("delivered_total", ""), 1.0);
    assert_eq!(sum("forwards_total", "dead-letter"), 1.0);
    assert_eq!(sum("forwards_total", "permanent"), 2.0);
    assert_eq!(metrics.sum("kafka_consumer_assigned_partitions", ""), 3.0);
    assert!(metrics.get("kafka_client_incoming_bytes_total") > Some(1000.0));
    assert!(metrics.get("kafka_client_outgoing_bytes_total") > Some(1000.0));
    assert!(metrics.get("kafka_client_connections") > Some(1.0));
    assert!(metrics.get("kafka_client_requests_total{api=\"Produce\"}") > Some(0.0));
    let version = concat!("{version=\"", env!("CARGO_PKG_VERSION"), "\"}");
    let info = format!("payment_notifier_build_info{version}");
    assert_eq!(metrics.get(&info), Some(1.0));
    let token = TOKEN.split_once(':').unwrap().1;
    for path in ["/healthz", "/readyz", "/metrics", "/"] {
        let (_, body) = site.get(path).await;
        for secret in [
            token,
            CHAT_ID,
            "-secret",
            "example.com",
            "콘서트",
            "unreadable-message",
        ] {
            assert!(!body.contains(secret), "{path}: {secret}: {body}");
        }
    }
    assert!(notifier.shut_down().await.success());
}

async fn a_revoked_token_is_told_until_it_works_again() {
    let stage = Stage::new().await;
    let stage = stage.set("NOTIFIER_TELEGRAM_PROBE_INTERVAL", "200ms");
    let mut notifier = stage.setup.run();
    let site = Site::of(&notifier).await;
    site.ready().await;
    stage.telegram.revoke_token(true);
    stage.publish(&[record(1)]).await;
    site.wait_until_ready(|status, json| {
        let only = json["failing"].as_object().is_some_and(|it| it.len() == 1);
        status == 503 && only && json["failing"]["line"].is_string()
    })
    .await;
    assert_eq!(site.json("/healthz").await.0, 200);
    stage.telegram.revoke_token(false);
    site.ready().await;
    assert!(notifier.shut_down().await.success());
}

async fn a_stop_is_told_while_it_lasts() {
    let stage = Stage::new().await;
    stage.telegram.answer(|_| true, Answer::Held);
    let mut notifier = stage.setup.run();
    let site = Site::of(&notifier).await;
    site.ready().await;
    stage.publish(&[record(1)]).await;
    stage.telegram.wait_for(1).await;
    notifier.process().terminate();
    notifier.wait_for_log("stopping").await;
    site.wait_until_ready(|status, json| status == 503 && json["failing"]["phase"] == "stopping")
        .await;
    let (status, json) = site.json("/healthz").await;
    assert_eq!((status, &json["phase"]), (200, &Value::from("stopping")));
    site.metrics().await;
    stage.telegram.release();
    assert!(notifier.process().ended().await.success());
    assert!(TcpStream::connect(&site.address).await.is_err());
}

async fn clients_that_say_nothing_cost_nothing() {
    let stage = Stage::new().await;
    let mut notifier = stage.setup.run();
    let site = Site::of(&notifier).await;
    site.ready().await;
    let mut silent = Vec::new();
    for n in 0..200 {
        let mut stream = TcpStream::connect(&site.address).await.unwrap();
        let started = if n % 2 == 0 {
            ""
        } else {
            "GET /metrics HTTP/1.1\r\nHo"
        };
        // The oldest of them have been closed by then.
        let _ = stream.write_all(started.as_bytes()).await;
        silent.push(stream);
    }
    stage.publish(&[record(1), record(2)]).await;
    stage.telegram.wait_for(2).await;
    let asked = Instant::now();
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(site.get(path).await.0, 200);
    }
    assert!(asked.elapsed() < Duration::from_secs(5), "{asked:?}");
    stage.committed(&[(0, 2)]).await;
    assert!(notifier.shut_down().await.success());
    drop(silent);
}

async fn a_frozen_cluster_holds_up_no_answer() {
    let cluster = Cluster::start(1, &[]).await;
    let stage = Stage::new().await;
    let stage = stage.set("NOTIFIER_KAFKA_BOOTSTRAP_SERVERS", cluster.bootstrap());
    let stage = stage.set("NOTIFIER_KAFKA_SESSION_TIMEOUT_MS", "6000");
    let mut notifier = stage.setup.run();
    let site = Site::of(&notifier).await;
    site.ready().await;
    cluster.pause(1).await;
    let not_a_member =
        |status, json: &Value| status == 503 && json["failing"]["membership"].is_string();
    site.wait_until_ready(not_a_member).await;
    let asked = Instant::now();
    site.metrics().await;
    assert!(asked.elapsed() < Duration::from_secs(8), "{asked:?}");
    assert_eq!(site.json("/healthz").await.0, 200);
    cluster.resume(1).await;
    site.ready().await;
    assert!(notifier.shut_down().await.success());
}

async fn a_start_is_told_while_it_lasts() {
    // It takes connections, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let stage = Stage::without_topics().await;
    let stage = stage.set("NOTIFIER_KAFKA_BOOTSTRAP_SERVERS", &address);
    let mut notifier = stage.setup.run();
    let site = Site::of(&notifier).await;
    let (status, json) = site.json("/readyz").await;
    assert_eq!(
        (status, &json["failing"]["phase"]),
        (503, &Value::from("starting"))
    );
    let (status, json) = site.json("/healthz").await;
    assert_eq!((status, &json["phase"]), (200, &Value::from("starting")));
    site.metrics().await;
    assert!(notifier.shut_down().await.success());
}

async fn an_address_that_is_taken_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let stage = Stage::without_topics().await;
    let stage = stage.set("NOTIFIER_HTTP_LISTEN", &address);
    let output = stage.setup.call(&["run"], "").await;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    let last = told.lines().last().unwrap_or_default();
    assert!(
        last.contains("ERROR") && last.contains("http.listen"),
        "{told}"
    );
    assert!(last.contains(&address) && last.contains("in use"), "{told}");
    // It did not come as far as Kafka.
    assert!(!told.contains("connected"), "{told}");
    // Draining by hand beside the service needs no address.
    let (mut drain, _) = (stage.setup.call(&["drain"], "").await, taken);
    drain.stderr.clear();
    assert!(drain.status.success(), "{drain:?}");
}

async fn nowhere_is_listened_where_nothing_is_said() {
    let stage = Stage::new().await.set("NOTIFIER_HTTP_LISTEN", "");
    stage.publish(&[record(1)]).await;
    let log = stage
        .run_until(async |_| {
            stage.telegram.wait_for(1).await;
        })
        .await;
    assert!(
        !log.iter().any(|line| line.contains("listening")),
        "{log:?}"
    );
}
