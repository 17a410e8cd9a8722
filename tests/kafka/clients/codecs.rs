//! All compressions, written by each client that has them, and read by all.

use std::collections::BTreeMap;

use payment_notifier::Producer;
use payment_notifier::consumer::ConsumerConfig;
use payment_notifier::producer::{ProducerConfig, ProducerRecord};
use rskafka::chrono::DateTime;
use rskafka::client::ClientBuilder;
use rskafka::client::partition::{Compression, PartitionClient, UnknownTopicHandling};

use super::lines;
use crate::support::cluster::{Cluster, tool};
use crate::support::ours::{connect, consume};
use crate::support::records::Record;

/// By their numbers in the attributes of a batch.
const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
/// What each client writes with each codec.
const BATCH: usize = 3;

/// What a client writes: long enough to be worth a compression.
fn texts(writer: &str, codec: &str) -> Vec<String> {
    let text = |n| format!("{codec} by {writer}, number {n}; {}", "결제 ".repeat(50));
    (0..BATCH).map(text).collect()
}

pub(super) async fn every_codec_of_every_client_is_read_by_all() {
    let cluster = Cluster::shared().await;
    let mut written: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (number, codec) in (0..).zip(CODECS) {
        let topic = cluster.unique(&format!("codec-{codec}"));
        cluster.create_topic(&topic, 1, &[]).await;
        let texts = write_by_all(cluster, &topic, codec).await;
        let codecs = cluster.codecs(&topic).await;
        let wrong = codecs.iter().any(|it| *it != number);
        assert!(
            !wrong && !codecs.is_empty(),
            "{codec} is {number}: {codecs:?}"
        );
        written.insert(topic, texts);
    }

    for (topic, texts) in &written {
        let count = texts.len();
        let ours = consume(cluster, topic, count, ConsumerConfig::default()).await;
        assert_texts("we", topic, &values(&ours), texts);
        let librdkafka = cluster.librdkafka_read(topic, count).await;
        assert_texts("librdkafka", topic, &values(&librdkafka), texts);
        let kcat = cluster.kcat(&["-C", "-t", topic, "-e", "-q"]).await;
        assert_texts("kcat", topic, &lines(&kcat), texts);
        // It reads the others by a C library.
        if ["none", "gzip", "snappy"]
            .iter()
            .any(|codec| topic.contains(codec))
        {
            assert_texts(
                "rskafka",
                topic,
                &read_by_rskafka(cluster, topic).await,
                texts,
            );
        }
    }
    let all: Vec<_> = written.values().flatten().cloned().collect();
    let topics: Vec<_> = written.keys().map(String::as_str).collect();
    let java = read_by_java(cluster, &topics, all.len()).await;
    assert_texts("Java", "all", &java, &all);
}

/// Writes a topic by every client that has a codec, and returns all that was written.
async fn write_by_all(cluster: &Cluster, topic: &str, codec: &str) -> Vec<String> {
    let java = texts("Java", codec);
    let compressed = ["--compression-codec", codec];
    cluster
        .java_console_producer(topic, &(java.join("\n") + "\n"), &compressed)
        .await;
    let kcat = texts("kcat", codec);
    let arguments = ["-P", "-t", topic, "-p", "0", "-z", codec];
    cluster.kcat_fed(&arguments, &kcat.join("\n")).await;
    let librdkafka = texts("librdkafka", codec);
    let records: Vec<_> = librdkafka.iter().map(Record::new).collect();
    let settings = [
        &format!("compression.codec={codec}"),
        "enable.idempotence=true",
        "linger.ms=100",
    ];
    cluster.librdkafka_write(topic, &records, &settings).await;
    let mut written = [java, kcat, librdkafka].concat();
    let compression = match codec {
        "none" => Some(Compression::NoCompression),
        "gzip" => Some(Compression::Gzip),
        "snappy" => Some(Compression::Snappy),
        _ => None,
    };
    if let Some(compression) = compression {
        let texts = texts("rskafka", codec);
        let records = texts.iter().map(|text| rskafka_record(text)).collect();
        let partition = rskafka(cluster, topic).await;
        let produced = partition.produce(records, compression).await;
        produced.expect("rskafka writes");
        written.extend(texts);
    }
    if codec == "none" {
        let texts = texts("us", codec);
        let producer = Producer::new(&connect(cluster).await, ProducerConfig::default());
        for text in &texts {
            let record = ProducerRecord::new(topic, None, Some(text.as_bytes()));
            let delivery = producer.send(&record).await.expect("it has a place");
            delivery.await.expect("it is acknowledged");
        }
        written.extend(texts);
    }
    written
}

#[track_caller]
fn assert_texts(reader: &str, topic: &str, read: &[String], written: &[String]) {
    let sorted = |texts: &[String]| {
        let mut texts = texts.to_vec();
        texts.sort_unstable();
        texts
    };
    assert_eq!(sorted(read), sorted(written), "{reader}, of {topic}");
}

fn values(records: &[Record]) -> Vec<String> {
    records.iter().map(Record::text).collect()
}

/// Reads several topics by one of Java's console consumers, as each takes its time to start.
async fn read_by_java(cluster: &Cluster, topics: &[&str], count: usize) -> Vec<String> {
    let output = tool("kafka-console-consumer")
        .args(["--bootstrap-server", cluster.bootstrap()])
        .args(["--include", &topics.join("|"), "--from-beginning"])
        .args(["--max-messages", &count.to_string()])
        .output()
        .await
        .expect("python3 starts");
    assert!(output.status.success(), "{output:?}");
    lines(&String::from_utf8_lossy(&output.stdout))
}

async fn read_by_rskafka(cluster: &Cluster, topic: &str) -> Vec<String> {
    let partition = rskafka(cluster, topic).await;
    let (mut texts, mut next) = (Vec::new(), 0);
    loop {
        let fetched = partition.fetch_records(next, 1..1 << 20, 1000).await;
        let (records, end) = fetched.expect("rskafka reads");
        for record in records {
            next = record.offset + 1;
            let value = record.record.value.unwrap_or_default();
            texts.push(String::from_utf8_lossy(&value).into_owned());
        }
        if next >= end {
            return texts;
        }
    }
}

async fn rskafka(cluster: &Cluster, topic: &str) -> PartitionClient {
    let brokers = vec![cluster.bootstrap().to_owned()];
    let client = ClientBuilder::new(brokers).build().await;
    let client = client.expect("rskafka connects");
    let partition = client.partition_client(topic, 0, UnknownTopicHandling::Retry);
    partition.await.expect("rskafka finds the topic")
}

fn rskafka_record(text: &str) -> rskafka::record::Record {
    rskafka::record::Record {
        key: None,
        value: Some(text.as_bytes().to_vec()),
        headers: BTreeMap::new(),
        timestamp: DateTime::from_timestamp_millis(1_735_000_000_000).expect("a time"),
    }
}
