//! Brokers that die, freeze and restart while payments are published and sent: none is lost, and as
//! only brokers fail, none is sent twice.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use payment_notifier::producer::{Delivery, ProducerConfig, ProducerRecord};
use payment_notifier::{Client, ClientConfig, Producer};
use tokio::time::Instant;

use crate::support::cluster::{Cluster, ONE_CLUSTER_AT_A_TIME};
use crate::support::notifier::Setup;
use crate::support::ours::connect;
use crate::support::payments::payment;
use crate::support::runner::{Test, tests};
use crate::support::stream::{assert_once_each, payments};
use crate::support::telegram::Telegram;

pub(crate) const TESTS: &[Test] = tests![
    a_leader_and_the_coordinator_are_killed(Cluster) within 600,
    a_leader_and_the_coordinator_of_a_consumer_protocol_group_are_killed(Cluster) within 600,
    a_frozen_broker_is_gone_around(Cluster) within 600,
    all_brokers_restart_one_by_one(Cluster) within 600,
    all_brokers_restart_one_by_one_under_the_consumer_protocol(Cluster) within 600,
    a_frozen_broker_holds_up_no_look_up(Cluster) within 600,
    a_cluster_gone_beyond_the_session_is_consumed_again(Cluster) within 600,
];

const CONSUMER_PROTOCOL: (&str, &str) = ("NOTIFIER_KAFKA_GROUP_PROTOCOL", "consumer");
/// Between payments, so that a fault meets some at every stage.
const PACE: Duration = Duration::from_millis(10);

async fn a_leader_and_the_coordinator_are_killed() {
    kill_leader_and_coordinator(&[]).await;
}

async fn a_leader_and_the_coordinator_of_a_consumer_protocol_group_are_killed() {
    kill_leader_and_coordinator(&[CONSUMER_PROTOCOL]).await;
}

async fn kill_leader_and_coordinator(settings: &[(&str, &str)]) {
    let _turn = ONE_CLUSTER_AT_A_TIME.lock().await;
    let stage = Stage::set(settings).await;
    let Stage { cluster, setup, .. } = &stage;
    stage
        .play(async {
            stage.flows().await;
            let leader = cluster.leader(&setup.source, 0).await;
            cluster.kill(leader).await;
            stage.flows().await;
            cluster.restart(leader).await;
            stage.flows().await;
            let coordinator = cluster.coordinator(&setup.group).await;
            cluster.kill(coordinator).await;
            stage.flows().await;
            cluster.restart(coordinator).await;
            stage.flows().await;
        })
        .await;
}

async fn a_frozen_broker_is_gone_around() {
    let _turn = ONE_CLUSTER_AT_A_TIME.lock().await;
    let stage = Stage::set(&[("NOTIFIER_KAFKA_REQUEST_TIMEOUT_MS", "4000")]).await;
    let Stage { cluster, setup, .. } = &stage;
    stage
        .play(async {
            stage.flows().await;
            let leader = cluster.leader(&setup.source, 0).await;
            cluster.pause(leader).await;
            stage.flows().await;
            cluster.resume(leader).await;
            stage.flows().await;
            let coordinator = cluster.coordinator(&setup.group).await;
            cluster.pause(coordinator).await;
            stage.flows().await;
            cluster.resume(coordinator).await;
            stage.flows().await;
        })
        .await;
}

async fn all_brokers_restart_one_by_one() {
    restart_all_brokers(&[]).await;
}

async fn all_brokers_restart_one_by_one_under_the_consumer_protocol() {
    restart_all_brokers(&[CONSUMER_PROTOCOL]).await;
}

async fn restart_all_brokers(settings: &[(&str, &str)]) {
    let _turn = ONE_CLUSTER_AT_A_TIME.lock().await;
    let stage = Stage::set(settings).await;
    stage
        .play(async {
            for node in 1..=3 {
                stage.flows().await;
                stage.cluster.stop(node).await;
                stage.flows().await;
                stage.cluster.restart(node).await;
            }
            stage.flows().await;
        })
        .await;
}

async fn a_cluster_gone_beyond_the_session_is_consumed_again() {
    let cluster = Cluster::start(1, &[]).await;
    let telegram = Telegram::start().await;
    let setup = Setup::new(&cluster, &telegram)
        .set("NOTIFIER_KAFKA_REQUEST_TIMEOUT_MS", "4000")
        .set("NOTIFIER_KAFKA_SESSION_TIMEOUT_MS", "4000")
        .set("NOTIFIER_KAFKA_HEARTBEAT_INTERVAL_MS", "300");
    let (topic, group) = (&setup.source, &setup.group);
    let mut notifier = setup.run();
    cluster.wait_for_members(group, 1, 3).await;
    cluster.produce(topic, &payments(0..30, 3)).await;
    telegram.wait_for_payments(0..30).await;
    cluster.wait_for_commits(group, topic, 30).await;
    cluster.kill(1).await;
    notifier.wait_for_log("partitions lost").await;
    let told = notifier.wait_for_log("coordinator is out of reach").await;
    assert!(told.contains("WARN") && told.contains("group="), "{told}");
    cluster.restart(1).await;
    notifier.wait_for_log("coordinator is back").await;
    cluster.produce(topic, &payments(30..60, 3)).await;
    assert_once_each(&telegram.wait_for_payments(0..60).await, 60);
    cluster.wait_for_commits(group, topic, 60).await;
    assert!(notifier.shut_down().await.success());
}

/// Whichever broker the client asks, another answers in its place.
async fn a_frozen_broker_holds_up_no_look_up() {
    let _turn = ONE_CLUSTER_AT_A_TIME.lock().await;
    let cluster = Cluster::start(3, &[]).await;
    cluster.coordinator("anyone").await;
    let client = connect(&cluster).await;
    for node in 1..=3 {
        cluster.pause(node).await;
        let since = Instant::now();
        let deadline = since + client.config().request_timeout;
        client.refresh(deadline).await.expect("two brokers answer");
        client
            .find_coordinator("anyone", deadline)
            .await
            .expect("two brokers answer");
        let took = since.elapsed();
        assert!(
            took < Duration::from_secs(15),
            "{took:?} with node {node} frozen"
        );
        cluster.resume(node).await;
    }
}

/// A cluster of three, with the service on it.
struct Stage {
    cluster: Cluster,
    telegram: Telegram,
    setup: Setup,
    published: Cell<usize>,
}

impl Stage {
    async fn set(settings: &[(&str, &str)]) -> Self {
        // A coordinator that is killed with the controller on it is away for half of the usual session.
        let session = [
            ("group.consumer.session.timeout.ms", "30000"),
            ("group.consumer.heartbeat.interval.ms", "3000"),
        ];
        let cluster = Cluster::start(3, &session).await;
        let telegram = Telegram::start().await;
        let mut setup =
            Setup::new(&cluster, &telegram).set("NOTIFIER_TOPICS_REPLICATION_FACTOR", "3");
        for (name, value) in settings {
            setup = setup.set(name, *value);
        }
        Self {
            cluster,
            telegram,
            setup,
            published: Cell::new(0),
        }
    }

    /// Lets the faults happen while payments are published and sent, and checks what became of
    /// them.
    async fn play(&self, faults: impl Future<Output = ()>) {
        let (cluster, setup) = (&self.cluster, &self.setup);
        let mut notifier = setup.run();
        cluster.wait_for_members(&setup.group, 1, 3).await;
        let over = Cell::new(false);
        let faults = async {
            faults.await;
            over.set(true);
        };
        let ((), count) = tokio::join!(faults, self.publish(&over));

        let delivered = self.telegram.wait_for_payments(0..count).await;
        cluster
            .wait_for_commits(&setup.group, &setup.source, count)
            .await;
        assert!(notifier.shut_down().await.success());
        assert_once_each(&delivered, count);
        let mut written = BTreeMap::new();
        for record in cluster.read(&setup.source).await {
            *written.entry(record.text()).or_insert(0) += 1;
        }
        assert_eq!(written.len(), count);
        assert!(written.values().all(|times| *times == 1), "{written:?}");
    }

    /// Publishes until it is over; how many payments there were, all acknowledged.
    async fn publish(&self, over: &Cell<bool>) -> usize {
        let client = Client::connect(ClientConfig {
            bootstrap_servers: self
                .cluster
                .bootstrap()
                .split(',')
                .map(str::to_owned)
                .collect(),
            request_timeout: Duration::from_secs(4),
            ..ClientConfig::default()
        });
        let client = client.await.expect("the cluster is up");
        let producer = Producer::new(&client, ProducerConfig::default());
        let mut deliveries: Vec<Delivery> = Vec::new();
        while !over.get() {
            let number = deliveries.len();
            let payment = payment(number);
            let record = ProducerRecord::new(
                &*self.setup.source,
                Some(payment.as_bytes()),
                Some(payment.as_bytes()),
            );
            deliveries.push(
                producer
                    .send(&record)
                    .await
                    .expect("it has a place in the buffer"),
            );
            self.published.set(number + 1);
            tokio::time::sleep(PACE).await;
        }
        let count = deliveries.len();
        for delivery in deliveries {
            delivery.await.expect("all replicas have it");
        }
        count
    }

    /// Waits until a payment was delivered for each partition that was published from now on:
    /// then all leaders and the service are at work.
    async fn flows(&self) {
        let from = self.published.get();
        self.telegram.wait_for_payments(from..from + 60).await;
    }
}
