//! Our own client, where a test is about what it does with others.

use payment_notifier::consumer::{ConsumerConfig, Event};
use payment_notifier::{Client, ClientConfig, Consumer};

use super::cluster::Cluster;
use super::records::Record;

/// Reads a topic by our consumer, in a group of its own.
pub(crate) async fn consume(
    cluster: &Cluster,
    topic: &str,
    count: usize,
    config: ConsumerConfig,
) -> Vec<Record> {
    let group_id = cluster.unique("readers");
    let config = ConsumerConfig { group_id, ..config };
    consume_by(&connect(cluster).await, topic, count, config).await
}

/// Reads a topic by a client of the test's, in the group that the settings name.
pub(crate) async fn consume_by(
    client: &Client,
    topic: &str,
    count: usize,
    config: ConsumerConfig,
) -> Vec<Record> {
    let config = ConsumerConfig {
        topics: vec![topic.to_owned()],
        ..config
    };
    let mut consumer = Consumer::join(client, config).expect("settings in order");
    let mut consumed = Vec::new();
    while consumed.len() < count {
        let event = consumer.next().await.expect("a member in order");
        let Event::Records(mut records) = event else {
            continue;
        };
        let partition = records.partition().partition;
        while let Some(record) = records.next() {
            let record = record.expect("readable bytes");
            let header =
                |(key, value): (&[u8], Option<&[u8]>)| (key.to_vec(), value.map(<[u8]>::to_vec));
            consumed.push(Record {
                partition,
                offset: record.offset,
                timestamp: record.timestamp,
                key: record.key().map(<[u8]>::to_vec),
                value: record.value().map(<[u8]>::to_vec),
                headers: record.headers().map(header).collect(),
            });
        }
    }
    consumer.close().await.expect("the coordinator answers");
    consumed
}

/// Our client on a test's cluster.
pub(crate) async fn connect(cluster: &Cluster) -> Client {
    let config = ClientConfig {
        bootstrap_servers: cluster.bootstrap().split(',').map(str::to_owned).collect(),
        ..ClientConfig::default()
    };
    Client::connect(config).await.expect("the cluster is up")
}
