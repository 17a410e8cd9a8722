//! One side does not accept the other: told by name, at once, and tried once.

use std::time::{Duration, Instant};

use payment_notifier::net::Security;
use payment_notifier::net::sasl::{Login, Sasl};
use payment_notifier::{Client, ClientConfig, ErrorKind};

use super::{all_of_it_works_on, at};
use crate::support::cluster::Cluster;
use crate::support::coordinator::{Operation, Resource};
use crate::support::notifier::Setup;
use crate::support::runner::{Test, tests};
use crate::support::telegram::Telegram;
use crate::support::tls::put_together;

pub(crate) const TESTS: &[Test] = tests![
    a_broker_that_we_do_not_trust(Cluster),
    a_broker_with_a_certificate_that_is_wrong(Cluster),
    a_client_that_the_broker_does_not_trust(Cluster),
    a_wrong_password(Cluster),
    a_wrong_password_is_tried_once(Cluster),
    the_wrong_port(Cluster),
    a_user_without_rights(Kafka),
];

/// Far below the default request timeout: what can't get better is not tried again.
const AT_ONCE: Duration = Duration::from_secs(10);

/// Has the service fail to start, and returns what it told last.
pub(super) async fn refused(setup: &Setup) -> String {
    let started = Instant::now();
    let output = setup.call(&["run"], "").await;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        started.elapsed() < AT_ONCE,
        "{:?}: {told}",
        started.elapsed()
    );
    assert!(
        !told.contains("-secret") && !told.contains("panicked"),
        "{told}"
    );
    let last = told.lines().last().expect("it tells something").to_owned();
    assert!(last.contains("ERROR"), "{told}");
    last
}

async fn a_broker_that_we_do_not_trust() {
    let cluster = Cluster::shared().await;
    let telegram = Telegram::start().await;
    let setup = at(cluster, &telegram, "tls")
        .over_tls("SSL")
        .kafka_file("ssl.ca.location", "other-ca.pem");
    let told = refused(&setup).await;
    assert!(told.contains("nobody whom we trust"), "{told}");
    // The system's authorities do not know it either.
    let setup = at(cluster, &telegram, "tls").kafka("security.protocol", "SSL");
    assert!(refused(&setup).await.contains("nobody whom we trust"));
}

async fn a_broker_with_a_certificate_that_is_wrong() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = |name: &str| {
        let path = directory.path().join(name);
        put_together(&path, &["p256-key.pem", name]);
        path.display().to_string()
    };
    let cluster = Cluster::start(
        1,
        &[
            (
                "listener.name.tls.ssl.keystore.location",
                &store("expired.pem"),
            ),
            (
                "listener.name.sasltls.ssl.keystore.location",
                &store("elsewhere.pem"),
            ),
        ],
    )
    .await;
    let telegram = Telegram::start().await;
    let told = refused(&at(&cluster, &telegram, "tls").over_tls("SSL")).await;
    assert!(told.contains("expired"), "{told}");

    let elsewhere = |cluster: &Cluster, telegram: &Telegram| {
        let setup = at(cluster, telegram, "sasltls").over_tls("SASL_SSL");
        setup.logged_in("PLAIN", "alice")
    };
    let told = refused(&elsewhere(&cluster, &telegram)).await;
    assert!(told.contains("for another host"), "{told}");
    all_of_it_works_on(&cluster, |cluster, telegram| {
        let unchecked = "ssl.endpoint.identification.algorithm";
        elsewhere(cluster, telegram).kafka(unchecked, "none")
    })
    .await;
}

async fn a_client_that_the_broker_does_not_trust() {
    let cluster = Cluster::shared().await;
    let telegram = Telegram::start().await;
    let nobody = at(cluster, &telegram, "mtls").over_tls("SSL");
    let told = refused(&nobody).await;
    assert!(told.contains("ssl.certificate.location"), "{told}");
    let stranger = nobody
        .kafka_file("ssl.certificate.location", "other-client.pem")
        .kafka_file("ssl.key.location", "p256-key.pem");
    let told = refused(&stranger).await;
    assert!(told.contains("refused the TLS handshake"), "{told}");
}

async fn a_wrong_password() {
    let cluster = Cluster::shared().await;
    let telegram = Telegram::start().await;
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let setup = at(cluster, &telegram, "sasl")
            .kafka("security.protocol", "SASL_PLAINTEXT")
            .logged_in(mechanism, "alice");
        for (key, value) in [
            ("sasl.password", "bob-secret"),
            ("sasl.username", "mallory"),
        ] {
            let told = refused(&setup.clone().kafka(key, value)).await;
            assert!(told.contains(&format!("SASL {mechanism}: ")), "{told}");
            assert!(told.contains("Authentication failed"), "{told}");
        }
    }
    let token = at(cluster, &telegram, "sasl")
        .kafka("security.protocol", "SASL_PLAINTEXT")
        .kafka("sasl.mechanism", "OAUTHBEARER")
        .kafka("sasl.oauthbearer.token_command", "echo not.a.token");
    let told = refused(&token).await;
    assert!(
        told.contains("SASL OAUTHBEARER: the token was refused: {"),
        "{told}"
    );
}

/// Brokers lock accounts.
async fn a_wrong_password_is_tried_once() {
    let cluster = Cluster::start(1, &[]).await;
    let address = cluster.bootstrap_of("sasl");
    let login = Login {
        username: "alice".to_owned(),
        password: "wrong".into(),
    };
    let config = ClientConfig {
        // However many addresses there are.
        bootstrap_servers: vec![address; 5],
        security: Security {
            tls: None,
            sasl: Some(Sasl::Plain(login.into())),
        },
        ..ClientConfig::default()
    };
    let error = Client::connect(config).await.expect_err("a refusal");
    assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
    assert_eq!(cluster.refused_logins(), 1);
}

async fn the_wrong_port() {
    let cluster = Cluster::shared().await;
    let telegram = Telegram::start().await;
    let short = |setup: Setup| {
        let setup = setup.kafka("request.timeout.ms", "3000");
        setup.kafka("socket.connection.setup.timeout.ms", "2000")
    };
    // TLS where there is none, none where there is, a login where there is none, none where
    // there is.
    let plaintext = at(cluster, &telegram, "plaintext").over_tls("SSL");
    let tls = at(cluster, &telegram, "tls");
    let no_login = at(cluster, &telegram, "plaintext")
        .kafka("security.protocol", "SASL_PLAINTEXT")
        .logged_in("PLAIN", "alice");
    let login = at(cluster, &telegram, "sasl");
    for (setup, why) in [
        (plaintext, "security.protocol"),
        (tls, "TLS"),
        (no_login, "takes no login"),
        (login, "security.protocol"),
    ] {
        let told = refused(&short(setup)).await;
        assert!(told.contains(why), "{why}: {told}");
    }
}

async fn a_user_without_rights() {
    let cluster = Cluster::shared().await;
    let telegram = Telegram::start().await;
    let setup = at(cluster, &telegram, "sasltls").over_tls("SASL_SSL");
    for topic in setup.topics() {
        cluster.create_topic(topic, 3, &[]).await;
    }
    let resource = Resource::Topic(&setup.source);
    cluster.allow("bob", Operation::All, resource).await;
    let alice = setup.clone().logged_in("SCRAM-SHA-512", "alice");
    let told = refused(&alice).await;
    assert!(told.contains(&setup.source), "{told}");
    assert!(told.contains("TOPIC_AUTHORIZATION_FAILED"), "{told}");
    // The tests' own clients are anonymous, and forbidden too: bob's commits are seen by tools.
    let mut bob = setup.logged_in("SCRAM-SHA-512", "bob").run();
    bob.wait_for_log("partitions assigned").await;
    assert!(bob.shut_down().await.success());
}
