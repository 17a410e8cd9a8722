//! Our producer and consumer beside rskafka and Java, which share no code with them.

use std::collections::BTreeMap;

use payment_notifier::Producer;
use payment_notifier::consumer::ConsumerConfig;
use payment_notifier::producer::{ProducerConfig, ProducerRecord};
use payment_notifier::wire::batch::RecordBody;
use rskafka::chrono::DateTime;
use rskafka::client::ClientBuilder;
use rskafka::client::partition::{Compression, PartitionClient, UnknownTopicHandling};

use crate::support::cluster::Cluster;
use crate::support::ours::{connect, consume};
use crate::support::records::Record;
use crate::support::runner::{Test, tests};

pub(crate) const TESTS: &[Test] = tests![
    our_consumer_reads_what_rskafka_wrote(Cluster),
    rskafka_reads_what_our_producer_wrote(Cluster),
    keys_go_where_java_sends_them(Cluster, Java),
];

const TIME_MS: i64 = 1_735_000_000_123;

async fn our_consumer_reads_what_rskafka_wrote() {
    let cluster = Cluster::shared().await;
    let topic = cluster.unique("rskafka-wrote");
    let partition = rskafka(cluster, &topic).await;
    let codecs = [
        Compression::NoCompression,
        Compression::Gzip,
        Compression::Snappy,
    ];
    for codec in codecs {
        let records = (0..50).map(theirs).collect();
        partition
            .produce(records, codec)
            .await
            .expect("rskafka writes");
    }
    let expected: Vec<_> = (0..150).map(|n| ours(n as i64, n % 50)).collect();
    let consumed = consume(cluster, &topic, 150, ConsumerConfig::default()).await;
    assert_eq!(consumed, expected);
}

async fn rskafka_reads_what_our_producer_wrote() {
    let cluster = Cluster::shared().await;
    let topic = cluster.unique("we-wrote");
    let partition = rskafka(cluster, &topic).await;
    let client = connect(cluster).await;
    let producer = Producer::new(&client, ProducerConfig::default());
    let mut deliveries = Vec::new();
    for n in 0..50 {
        let Record {
            key,
            value,
            headers,
            timestamp,
            ..
        } = ours(0, n);
        let headers: Vec<_> = headers
            .iter()
            .map(|(key, value)| (&key[..], value.as_deref()))
            .collect();
        let record = ProducerRecord {
            topic: topic.as_str().into(),
            partition: Some(0),
            timestamp_ms: Some(timestamp),
            body: RecordBody::new(key.as_deref(), value.as_deref(), &headers),
        };
        deliveries.push(producer.send(&record).await.expect("it has a place"));
    }
    for (offset, delivery) in (0..).zip(deliveries) {
        assert_eq!(delivery.await.expect("it is acknowledged").offset, offset);
    }
    let fetched = partition.fetch_records(0, 1..1 << 20, 1000).await;
    let (fetched, high_watermark) = fetched.expect("rskafka reads");
    assert_eq!(high_watermark, 50);
    let fetched: Vec<_> = fetched.into_iter().map(|it| it.record).collect();
    assert_eq!(fetched, (0..50).map(theirs).collect::<Vec<_>>());
}

async fn keys_go_where_java_sends_them() {
    let cluster = Cluster::shared().await;
    let [by_java, by_us] = ["keys-by-java", "keys-by-us"].map(|name| cluster.unique(name));
    for topic in [&by_java, &by_us] {
        cluster.create_topic(topic, 7, &[]).await;
    }
    // Of all lengths modulo 4, as murmur2 takes four bytes at a time; some beyond ASCII.
    let keys: Vec<_> = (0..60)
        .map(|n| format!("{}{n}", &"결제abcdef"[..n % 3 * 3]))
        .collect();
    let lines: String = keys.iter().map(|key| format!("{key}\tvalue\n")).collect();
    let keyed = ["--reader-property", "parse.key=true"];
    cluster
        .java_console_producer(&by_java, &lines, &keyed)
        .await;
    let producer = Producer::new(&connect(cluster).await, ProducerConfig::default());
    for key in &keys {
        let record = ProducerRecord::new(by_us.as_str(), Some(key.as_bytes()), Some(b"value"));
        let delivery = producer.send(&record).await.expect("it has a place");
        delivery.await.expect("it is acknowledged");
    }
    let java = partitions(&cluster.wait_for_records(&by_java, keys.len()).await);
    let us = partitions(&cluster.wait_for_records(&by_us, keys.len()).await);
    assert_eq!(java.len(), keys.len());
    assert_eq!(java, us);
}

/// The partition of each key.
fn partitions(records: &[Record]) -> BTreeMap<Vec<u8>, i32> {
    let keyed = records
        .iter()
        .map(|it| (it.key.clone().expect("it has a key"), it.partition));
    keyed.collect()
}

/// A topic of one partition, with rskafka's client of it.
async fn rskafka(cluster: &Cluster, topic: &str) -> PartitionClient {
    cluster.create_topic(topic, 1, &[]).await;
    let brokers = vec![cluster.bootstrap().to_owned()];
    let client = ClientBuilder::new(brokers)
        .build()
        .await
        .expect("rskafka connects");
    let partition = client.partition_client(topic, 0, UnknownTopicHandling::Retry);
    partition.await.expect("rskafka finds the topic")
}

/// Record number `n`, as rskafka has it.
fn theirs(n: usize) -> rskafka::record::Record {
    rskafka::record::Record {
        key: (!n.is_multiple_of(3)).then(|| format!("key {n}").into_bytes()),
        value: (!n.is_multiple_of(5)).then(|| format!("value {n}").repeat(n).into_bytes()),
        headers: BTreeMap::from([
            ("a".to_owned(), vec![0xff]),
            ("b".to_owned(), n.to_string().into()),
        ]),
        timestamp: DateTime::from_timestamp_millis(TIME_MS + n as i64).expect("a time"),
    }
}

/// Record number `n`, as the tests have it.
fn ours(offset: i64, n: usize) -> Record {
    let same = theirs(n);
    Record {
        partition: 0,
        offset,
        timestamp: TIME_MS + n as i64,
        key: same.key,
        value: same.value,
        headers: vec![
            (b"a".to_vec(), Some(vec![0xff])),
            (b"b".to_vec(), Some(n.to_string().into())),
        ],
    }
}
