//! Users whom a broker lets in, but does not let do everything: what is forbidden is told by the
//! name of what it is forbidden on, and by Kafka's name for that.

use super::at;
use super::refusals::refused;
use crate::support::cluster::Cluster;
use crate::support::coordinator::{Operation, Resource};
use crate::support::notifier::Setup;
use crate::support::payments::payment;
use crate::support::runner::{Test, tests};
use crate::support::telegram::{Answer, Telegram};

pub(crate) const TESTS: &[Test] = tests![
    a_topic_that_may_not_be_written(Kafka),
    topics_that_may_not_be_made(Kafka),
    transactions_that_may_not_be_made(Kafka),
    a_certificates_owner_is_a_user(Kafka),
];

const NO_TOPIC: &str = "TOPIC_AUTHORIZATION_FAILED (29)";

/// Alice's setup, with its three topics.
async fn alice(cluster: &Cluster, telegram: &Telegram) -> Setup {
    let setup = at(cluster, telegram, "sasltls").over_tls("SASL_SSL");
    for topic in setup.topics() {
        cluster.create_topic(topic, 3, &[]).await;
    }
    setup.logged_in("SCRAM-SHA-512", "alice")
}

/// Forwarding waits for someone to grant the right, and loses nothing meanwhile.
async fn a_topic_that_may_not_be_written() {
    let cluster = Cluster::shared().await;
    let telegram = Telegram::start().await;
    telegram.answer(|_| true, Answer::error(400, "Bad Request"));
    let setup = alice(cluster, &telegram).await;
    let permanent = Resource::Topic(&setup.permanent);
    cluster.allow("alice", Operation::Read, permanent).await;
    let mut notifier = setup.run();
    let published = setup.call(&["publish"], &payment(1)).await;
    assert!(published.status.success(), "{published:?}");
    let told = notifier.wait_for_log("partition stuck").await;
    assert!(
        told.contains(&setup.permanent) && told.contains(NO_TOPIC),
        "{told}"
    );
    cluster.allow("alice", Operation::Write, permanent).await;
    cluster.allow("ANONYMOUS", Operation::Read, permanent).await;
    let forwarded = cluster.wait_for_records(&setup.permanent, 1).await;
    assert_eq!(forwarded[0].text(), payment(1));
    assert!(notifier.shut_down().await.success());

    let source = Resource::Topic(&setup.source);
    cluster.allow("alice", Operation::Read, source).await;
    let forbidden = setup.call(&["publish"], &payment(2)).await;
    assert_eq!(forbidden.status.code(), Some(1));
    let told = String::from_utf8_lossy(&forbidden.stderr);
    assert!(told.contains("acknowledged 0 of 1"), "{told}");
    assert!(
        told.contains(&setup.source) && told.contains(NO_TOPIC),
        "{told}"
    );
}

/// The right to make topics is one to the cluster or to a topic of that name. Rules for the
/// cluster bind everyone on it, so it is one of the test's own.
async fn topics_that_may_not_be_made() {
    let cluster = Cluster::start(1, &[]).await;
    let telegram = Telegram::start().await;
    for user in ["ANONYMOUS", "bob"] {
        cluster.allow(user, Operation::All, Resource::Cluster).await;
    }
    let setup = at(&cluster, &telegram, "sasltls").over_tls("SASL_SSL");
    let source = Resource::Topic(&setup.source);
    cluster.allow("alice", Operation::Describe, source).await;
    cluster.allow("bob", Operation::All, source).await;
    let told = refused(&setup.clone().logged_in("SCRAM-SHA-512", "alice")).await;
    assert!(
        told.contains(&setup.source) && told.contains(NO_TOPIC),
        "{told}"
    );
    let mut bob = setup.logged_in("SCRAM-SHA-512", "bob").run();
    bob.wait_for_log("partitions assigned").await;
    assert!(bob.shut_down().await.success());
}

/// Said once, and forwarded at least once.
async fn transactions_that_may_not_be_made() {
    let cluster = Cluster::shared().await;
    let telegram = Telegram::start().await;
    telegram.answer(|_| true, Answer::error(400, "Bad Request"));
    let setup = alice(cluster, &telegram).await;
    let setup = setup
        .set("NOTIFIER_KAFKA_GROUP_INSTANCE_ID", "first")
        .set("NOTIFIER_DRAIN_ENABLED", "false");
    let id = format!("{}-first-main-0", setup.group);
    let id = Resource::TransactionalId(&id);
    cluster.allow("alice", Operation::Describe, id).await;
    let mut notifier = setup.run();
    let told = notifier.wait_for_log("no transactions").await;
    assert!(
        told.contains("TRANSACTIONAL_ID_AUTHORIZATION_FAILED"),
        "{told}"
    );
    let published = setup.call(&["publish"], &payment(1)).await;
    assert!(published.status.success(), "{published:?}");
    let forwarded = cluster.wait_for_records(&setup.permanent, 1).await;
    assert_eq!(forwarded[0].text(), payment(1));
    assert!(notifier.shut_down().await.success());
    let log = notifier.log();
    let told = log.iter().filter(|line| line.contains("no transactions"));
    assert_eq!(told.count(), 1, "{log:#?}");
}

/// By the subject of the certificate.
async fn a_certificates_owner_is_a_user() {
    let cluster = Cluster::shared().await;
    let telegram = Telegram::start().await;
    let setup = at(cluster, &telegram, "mtls").over_tls("SSL");
    for topic in setup.topics() {
        cluster.create_topic(topic, 3, &[]).await;
        let topic = Resource::Topic(topic);
        cluster.allow("CN=client-p256", Operation::All, topic).await;
    }
    let mut owner = setup.clone().with_certificate().run();
    owner.wait_for_log("partitions assigned").await;
    assert!(owner.shut_down().await.success());
    let other = setup
        .kafka_file("ssl.certificate.location", "client-p384.pem")
        .kafka_file("ssl.key.location", "p384-key.pem");
    let told = refused(&other).await;
    assert!(told.contains(NO_TOPIC), "{told}");
}
