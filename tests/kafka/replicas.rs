//! Three nodes of Apache Kafka, and what a consumer does about which of them it reads from: the
//! closest (KIP-392), and one whose log is not the one that was read before (KIP-320).

use std::collections::BTreeMap;
use std::future::Future;

use payment_notifier::cluster::NewTopic;
use payment_notifier::consumer::{CommitOffset, ConsumerConfig, Event};
use payment_notifier::net::Connector;
use payment_notifier::producer::{ProducerConfig, ProducerRecord};
use payment_notifier::{Client, ClientConfig, Consumer, Producer};

use crate::support::PATIENCE;
use crate::support::cluster::{Cluster, ONE_CLUSTER_AT_A_TIME};
use crate::support::counting::Counting;
use crate::support::ours::connect;
use crate::support::runner::{Test, tests};

pub(crate) const TESTS: &[Test] = tests![
    // The broker in memory has one log for all replicas.
    the_closest_replica_is_read_and_the_leader_when_it_is_gone(Kafka) within 600,
    a_log_that_was_cut_off_is_read_on_from_where_it_parted(Kafka) within 600,
];

const TOPIC: &str = "replicated";

/// Makes the topic, with one partition, and tells the nodes that have it: its leader first.
async fn create(
    cluster: &Cluster,
    client: &Client,
    replicas: i16,
    configs: &[(&str, &str)],
) -> Vec<usize> {
    let configs = configs.iter();
    let topic = NewTopic {
        name: TOPIC.to_owned(),
        partitions: 1,
        replication_factor: replicas,
        configs: configs
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
    };
    let created = client.admin().create_topic(&topic, PATIENCE).await;
    created.expect("a topic can be made");
    let leader = cluster.leader(TOPIC, 0).await;
    let all = cluster.replicas(TOPIC, 1).await.remove(0).into_iter();
    let all = all.filter_map(|node| usize::try_from(node).ok());
    let others = all.filter(|node| *node != leader);
    [leader].into_iter().chain(others).collect()
}

/// Writes texts by a producer of its own, which has no past with the topic.
async fn produce(client: &Client, texts: impl IntoIterator<Item = String>) {
    let producer = Producer::new(client, ProducerConfig::default());
    let mut deliveries = Vec::new();
    for text in texts {
        let record = ProducerRecord::new(TOPIC, None, Some(text.as_bytes()));
        deliveries.push(producer.send(&record).await.expect("a topic in order"));
    }
    for delivery in deliveries {
        delivery.await.expect("it is acknowledged");
    }
}

/// A consumer, and what it has read by offset.
struct Reader {
    consumer: Consumer,
    texts: BTreeMap<i64, String>,
    resets: Vec<i64>,
}

impl Reader {
    fn join(client: &Client, rack: &str) -> Self {
        let config = ConsumerConfig {
            group_id: "readers".to_owned(),
            topics: vec![TOPIC.to_owned()],
            client_rack: rack.to_owned(),
            ..ConsumerConfig::default()
        };
        Self {
            consumer: Consumer::join(client, config).expect("settings in order"),
            texts: BTreeMap::new(),
            resets: Vec::new(),
        }
    }

    /// Reads, and commits what it reads, until there is a record at an offset.
    async fn read_to(&mut self, last: i64) {
        let reading = async {
            while self.texts.keys().next_back() != Some(&last) {
                match self.consumer.next().await.expect("a member in order") {
                    Event::Records(mut records) => {
                        while let Some(record) = records.next() {
                            let record = record.expect("readable bytes");
                            let value = record.value().unwrap_or_default();
                            let text = String::from_utf8_lossy(value).into_owned();
                            let before = self.texts.insert(record.offset, text);
                            assert_eq!(before, None, "{} came twice", record.offset);
                        }
                        let next = records.next_offset();
                        let done = CommitOffset::new(records.partition().clone(), next);
                        // A coordinator that has just gone is no matter of these tests.
                        drop(self.consumer.commit(vec![done]));
                    }
                    Event::Reset(_, offset) => {
                        self.resets.push(offset);
                        self.texts.split_off(&offset);
                    }
                    Event::Revoking(partitions) => self.consumer.revoked(&partitions),
                    _ => {}
                }
            }
        };
        in_time(&format!("record {last}"), reading).await;
    }
}

async fn in_time<T>(what: &str, done: impl Future<Output = T>) -> T {
    let limit = 3 * PATIENCE;
    let done = tokio::time::timeout(limit, done).await;
    done.unwrap_or_else(|_| panic!("no {what} within {limit:?}"))
}

async fn the_closest_replica_is_read_and_the_leader_when_it_is_gone() {
    const BYTES: u64 = 50 * 20_000;
    let _turn = ONE_CLUSTER_AT_A_TIME.lock().await;
    let selector = "org.apache.kafka.common.replica.RackAwareReplicaSelector";
    let cluster = Cluster::start(3, &[("replica.selector.class", selector)]).await;
    let writer = connect(&cluster).await;
    let nodes = create(&cluster, &writer, 3, &[]).await;
    let (leader, near) = (nodes[0], nodes[1]);
    produce(&writer, (0..50).map(|_| "x".repeat(20_000))).await;

    let addresses: Vec<_> = cluster.bootstrap().split(',').map(str::to_owned).collect();
    let address_of = |node: usize| addresses[node - 1].clone();
    let counting = Counting::default();
    let config = ClientConfig {
        bootstrap_servers: addresses.clone(),
        connector: Connector::new(counting.connect()),
        ..ClientConfig::default()
    };
    let client = Client::connect(config).await.expect("the cluster is up");
    // The nodes are in racks of their own.
    let mut reader = Reader::join(&client, &format!("rack-{near}"));
    reader.read_to(49).await;
    let (from_near, from_leader) = (
        counting.bytes_from(&address_of(near)),
        counting.bytes_from(&address_of(leader)),
    );
    assert!(from_near >= BYTES, "{from_near}");
    assert!(from_leader < BYTES / 5, "{from_leader}");

    cluster.kill(near).await;
    produce(&writer, (0..50).map(|_| "y".repeat(20_000))).await;
    reader.read_to(99).await;
    let from_leader = counting.bytes_from(&address_of(leader));
    assert!(from_leader >= BYTES, "{from_leader}");
    assert!(reader.resets.is_empty(), "{:?}", reader.resets);
}

/// The node that lacks the last records is made the leader, as an operator would who has lost the
/// other one for good.
async fn a_log_that_was_cut_off_is_read_on_from_where_it_parted() {
    let _turn = ONE_CLUSTER_AT_A_TIME.lock().await;
    let cluster = Cluster::start(3, &[]).await;
    let client = connect(&cluster).await;
    let unclean = [
        ("min.insync.replicas", "1"),
        ("unclean.leader.election.enable", "true"),
    ];
    // The third node keeps the controllers' majority.
    let nodes = create(&cluster, &client, 2, &unclean).await;
    let (leader, other) = (nodes[0], nodes[1]);
    let texts = |name: &str, count: usize| -> Vec<_> {
        (0..count).map(|n| format!("{name} {n}")).collect()
    };
    produce(&client, texts("kept", 10)).await;
    let mut reader = Reader::join(&client, "");
    reader.read_to(9).await;

    cluster.kill(other).await;
    produce(&client, texts("lost", 10)).await;
    reader.read_to(19).await;
    assert!(reader.resets.is_empty(), "{:?}", reader.resets);
    cluster.kill(leader).await;
    cluster.restart(other).await;
    let written = produce(&client, texts("new", 12));
    let read = reader.read_to(21);
    tokio::join!(in_time("leader", written), read);
    assert_eq!(reader.resets, [10]);
    let read: Vec<_> = reader.texts.into_values().collect();
    assert_eq!(read, [texts("kept", 10), texts("new", 12)].concat());
}
