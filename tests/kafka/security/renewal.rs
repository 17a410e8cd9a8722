//! Logins and certificates that end, and are renewed without a restart.

use std::time::{Duration, Instant};

use kafka_protocol::messages::MetadataRequest;
use payment_notifier::cluster::Node;
use payment_notifier::net::Security;
use payment_notifier::net::sasl::{Hash, Login, Sasl};
use payment_notifier::{Client, ClientConfig};

use super::at;
use super::refusals::refused;
use crate::support::cluster::Cluster;
use crate::support::runner::{Test, tests};
use crate::support::stream::{delivered, payments};
use crate::support::telegram::Telegram;
use crate::support::tls::put_together;

pub(crate) const TESTS: &[Test] = tests![
    logins_are_renewed_on_the_same_connection(Cluster),
    a_service_outlives_many_sessions(Cluster),
    certificates_are_renewed_under_load(Cluster) within 240,
    // The broker in memory has the users that it was started with.
    a_changed_password_is_read_again(Kafka),
];

/// KIP-368: the broker closes a connection on which anything but a renewal comes later.
async fn logins_are_renewed_on_the_same_connection() {
    let cluster = Cluster::start(1, &[("connections.max.reauth.ms", "10000")]).await;
    let login = Login {
        username: "alice".to_owned(),
        password: "alice-secret".into(),
    };
    for sasl in [
        Sasl::Plain(login.clone().into()),
        Sasl::Scram(Hash::Sha256, login.into()),
    ] {
        let config = ClientConfig {
            bootstrap_servers: vec![cluster.bootstrap_of("sasl")],
            security: Security {
                tls: None,
                sasl: Some(sasl),
            },
            ..ClientConfig::default()
        };
        let client = Client::connect(config).await.expect("a login");
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        let channel = client.channel();
        let connection = channel.connection(Node::Any, deadline).await;
        let connection = connection.expect("a connection");
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(12) {
            let request = MetadataRequest::default();
            let asked = (0..3).map(|_| connection.call(&request, deadline));
            for answer in futures_util::future::join_all(asked).await {
                answer.expect("the login holds");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(connection.is_open());
    }
}

/// The same for all connections of the service, long polls among them.
async fn a_service_outlives_many_sessions() {
    let cluster = Cluster::start(1, &[("connections.max.reauth.ms", "1500")]).await;
    let telegram = Telegram::start().await;
    let setup = at(&cluster, &telegram, "sasl")
        .kafka("security.protocol", "SASL_PLAINTEXT")
        .logged_in("SCRAM-SHA-512", "alice");
    let mut notifier = setup.run();
    cluster.wait_for_members(&setup.group, 1, 3).await;
    let started = Instant::now();
    let mut published = 0;
    while started.elapsed() < Duration::from_secs(8) {
        let next = payments(published..published + 3, 3);
        cluster.produce(&setup.source, &next).await;
        published += 3;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    telegram.wait_for_payments(0..published).await;
    assert!(notifier.shut_down().await.success());
    assert_eq!(delivered(&telegram.sent()).len(), published);
    let log = notifier.log();
    assert!(!log.iter().any(|line| line.contains("WARN")), "{log:#?}");
    assert_eq!(cluster.refused_logins(), 0);
}

/// Another authority takes over: first both are trusted, then brokers and clients get new
/// certificates, then the old authority is trusted no more. The program runs on through it all.
async fn certificates_are_renewed_under_load() {
    const ROUND: usize = 60;
    let cluster = Cluster::start(1, &[]).await;
    let telegram = Telegram::start().await;
    let ours = tempfile::tempdir().expect("a directory");
    let [ca, certificate] = ["ca.pem", "client.pem"].map(|name| ours.path().join(name));
    put_together(&ca, &["ca.pem"]);
    put_together(&certificate, &["p256-key.pem", "client-p256.pem"]);
    let text = |path: &std::path::Path| path.display().to_string();
    let setup = at(&cluster, &telegram, "mtls")
        .kafka("security.protocol", "SSL")
        .kafka("ssl.ca.location", text(&ca))
        .kafka("ssl.certificate.location", text(&certificate))
        .kafka("ssl.key.location", text(&certificate));
    let mut notifier = setup.run();
    cluster.wait_for_members(&setup.group, 1, 3).await;

    let theirs = cluster.directory().join("tls");
    let steps: [(&[&str], &str, &str); 3] = [
        (&["ca.pem", "other-ca.pem"], "server.pem", "client-p256.pem"),
        (
            &["ca.pem", "other-ca.pem"],
            "other-server.pem",
            "other-client.pem",
        ),
        (&["other-ca.pem"], "other-server.pem", "other-client.pem"),
    ];
    for (round, (trusted, server, client)) in (1..).zip(steps) {
        let numbers = (round - 1) * ROUND..round * ROUND;
        cluster.produce(&setup.source, &payments(numbers, 3)).await;
        put_together(&ca, trusted);
        put_together(&certificate, &["p256-key.pem", client]);
        put_together(&theirs.join("trusted.pem"), trusted);
        put_together(&theirs.join("server.pem"), &["p256-key.pem", server]);
        // Some are sent already, others wait: the broker goes in between.
        cluster.stop(1).await;
        cluster.restart(1).await;
        telegram.wait_for_payments(0..round * ROUND).await;
    }
    let total = 3 * ROUND;
    cluster
        .produce(&setup.source, &payments(total..total + 9, 3))
        .await;
    telegram.wait_for_payments(0..total + 9).await;
    cluster
        .wait_for_commits(&setup.group, &setup.source, total + 9)
        .await;
    assert!(notifier.shut_down().await.success());
    // What was being sent while its partition was lost may have come twice, and nothing else.
    let delivered = delivered(&telegram.sent());
    assert!(delivered.len() <= total + 9 + 3 * 3, "{}", delivered.len());
}

/// A password is changed while all runs: those who are logged in find the new one in its file, or
/// in systemd's credential, when they have to log in again.
async fn a_changed_password_is_read_again() {
    let cluster = Cluster::start(1, &[("connections.max.reauth.ms", "1500")]).await;
    let telegram = Telegram::start().await;
    let directory = tempfile::tempdir().expect("a directory");
    // The name of the key, as systemd's credentials have it.
    let file = directory.path().join("kafka.sasl.password");
    let put = |password: &str| std::fs::write(&file, format!("{password}\n"));
    put("alice-secret").expect("a directory to write to");
    let alice = || {
        at(&cluster, &telegram, "sasl")
            .kafka("security.protocol", "SASL_PLAINTEXT")
            .kafka("sasl.mechanism", "SCRAM-SHA-512")
            .kafka("sasl.username", "alice")
    };
    let path = |path: &std::path::Path| path.display().to_string();
    let setups = [
        alice().kafka("sasl.password_file", path(&file)),
        alice().set("CREDENTIALS_DIRECTORY", path(directory.path())),
    ];
    let mut running = Vec::new();
    for setup in &setups {
        running.push(setup.run());
        cluster.wait_for_members(&setup.group, 1, 3).await;
    }

    let change = "SCRAM-SHA-512=[password=another-secret]";
    let user = ["--entity-type", "users", "--entity-name", "alice"];
    let alter = [&["--alter", "--add-config", change], &user[..]].concat();
    cluster.tool("kafka-configs", &alter).await;
    let told = refused(&alice().kafka("sasl.password", "alice-secret")).await;
    assert!(told.contains("Authentication failed"), "{told}");
    put("another-secret").expect("a directory to write to");
    for (numbers, setup) in [0..9, 9..18].into_iter().zip(&setups) {
        cluster.produce(&setup.source, &payments(numbers, 3)).await;
    }
    telegram.wait_for_payments(0..18).await;
    for mut notifier in running {
        assert!(notifier.shut_down().await.success());
        let log = notifier.log().join("\n");
        assert!(!log.contains("-secret"), "{log}");
    }
}
