//! Compression, ours against Java's, both ways.

use std::time::Duration;

use payment_notifier::consumer::ConsumerConfig;
use payment_notifier::producer::{Producer, ProducerConfig, ProducerRecord};
use payment_notifier::wire::compression::{Compression, GzipLevel};

use crate::support::cluster::{Cluster, tool};
use crate::support::ours::{connect, consume};
use crate::support::records::Record;
use crate::support::runner::{Test, tests};

pub(crate) const TESTS: &[Test] = tests![
    javas_batches_are_read_at_their_lowest_and_highest_levels(Cluster, Java) within 300,
    // The broker in memory keeps batches as they come.
    javas_batches_are_read_at_all_levels(Kafka) within 300,
    our_batches_are_read_by_java(Cluster, Java) within 300,
    a_batch_beyond_the_limit_is_told_and_not_skipped(Cluster),
];

/// A value of nothing, and then a megabyte of lines in one batch.
fn lines() -> Vec<String> {
    let line = |n: usize| format!("line {n} of a long text; ").repeat(80);
    let mut lines = vec![String::new()];
    lines.extend((0..480).map(line));
    lines
}

async fn javas_batches_are_read_at_their_lowest_and_highest_levels() {
    let cluster = Cluster::shared().await;
    let lines = lines();
    let input = lines.join("\n") + "\n";
    for (codec, levels) in [
        (Compression::Gzip, ["1", "9"].as_slice()),
        (Compression::Snappy, &[""]),
        (Compression::Lz4, &["1", "17"]),
        (Compression::Zstd, &["-5", "1", "22"]),
    ] {
        for level in levels {
            let topic = cluster.unique(codec.name());
            cluster.create_topic(&topic, 1, &[]).await;
            let mut settings = vec!["batch.size=1000000".to_owned(), "linger.ms=500".to_owned()];
            if !level.is_empty() {
                settings.push(format!("compression.{codec}.level={level}"));
            }
            let mut options = vec!["--compression-codec", codec.name()];
            for setting in &settings {
                options.extend(["--producer-property", setting]);
            }
            cluster
                .java_console_producer(&topic, &input, &options)
                .await;
            let codec_used = cluster.first_batch(&topic).await.codec;
            assert_eq!(codec_used, i16::from(codec.id()), "{codec} {level}");
            let records = consume(cluster, &topic, lines.len(), ConsumerConfig::default()).await;
            let texts: Vec<_> = records.iter().map(Record::text).collect();
            assert!(texts == lines, "{codec} {level}");
        }
    }
}

/// The broker compresses what is in its topics as they say, by what Java's client has for that
/// (KIP-390): no other way tries so many levels in a test's time.
async fn javas_batches_are_read_at_all_levels() {
    let cluster = Cluster::shared().await;
    let lines = lines();
    let levels = (1..=9).map(|level| (Compression::Gzip, level));
    let levels = levels.chain((1..=17).map(|level| (Compression::Lz4, level)));
    let fast = [-131_072, -1_000].into_iter().chain(-7..=-1);
    let levels = levels.chain(fast.chain(1..=22).map(|level| (Compression::Zstd, level)));
    for (codec, level) in levels {
        let topic = cluster.unique(codec.name());
        let setting = format!("compression.{codec}.level");
        let level = level.to_string();
        let settings = [
            ("compression.type", codec.name()),
            (setting.as_str(), level.as_str()),
        ];
        cluster.create_topic(&topic, 1, &settings).await;
        cluster.leader(&topic, 0).await;
        let none = (Compression::None, GzipLevel::default());
        write(cluster, &topic, &lines[..1], none.0, none.1).await;
        write(cluster, &topic, &lines[1..], none.0, none.1).await;
        let codecs = cluster.codecs(&topic).await;
        let its = i16::from(codec.id());
        assert!(
            codecs.iter().all(|it| *it == its),
            "{codec} {level}: {codecs:?}"
        );
        let records = consume(cluster, &topic, lines.len(), ConsumerConfig::default()).await;
        let texts: Vec<_> = records.iter().map(Record::text).collect();
        assert!(texts == lines, "{codec} {level}");
    }
}

async fn our_batches_are_read_by_java() {
    let cluster = Cluster::shared().await;
    let prefix = cluster.unique("ours");
    let mut written = Vec::new();
    let gzip = (1..=9).map(|level| (Compression::Gzip, GzipLevel::new(level)));
    // The others have one level, as we write them.
    let others = [Compression::Snappy, Compression::Lz4, Compression::Zstd];
    let others = others.map(|codec| (codec, GzipLevel::default()));
    for (number, (codec, level)) in gzip.chain(others).enumerate() {
        let topic = format!("{prefix}-{number}");
        cluster.create_topic(&topic, 1, &[]).await;
        cluster.leader(&topic, 0).await;
        let lines: Vec<_> = lines()
            .iter()
            .map(|line| format!("{line}{number}"))
            .collect();
        // A batch of nothing but an empty value, and one of a megabyte.
        let empty = [String::new()];
        write(cluster, &topic, &empty, codec, level).await;
        write(cluster, &topic, &lines, codec, level).await;
        let codecs = cluster.codecs(&topic).await;
        let its = i16::from(codec.id());
        assert!(
            codecs.iter().all(|it| *it == its),
            "{codec} {level:?}: {codecs:?}"
        );
        written.extend(empty);
        written.extend(lines);
    }
    let (topics, count) = (format!("{prefix}-.*"), written.len().to_string());
    let output = tool("kafka-console-consumer")
        .args([
            "--bootstrap-server",
            cluster.bootstrap(),
            "--from-beginning",
        ])
        .args(["--include", &topics, "--max-messages", &count])
        .output();
    let output = output.await.expect("python3 starts");
    assert!(output.status.success(), "{output:?}");
    let read = String::from_utf8(output.stdout).expect("text");
    let mut read: Vec<_> = read.lines().collect();
    read.sort_unstable();
    written.sort_unstable();
    assert!(read == written, "Java reads something else");
}

/// In one batch, where it is not larger than a broker allows.
async fn write(
    cluster: &Cluster,
    topic: &str,
    lines: &[String],
    compression: Compression,
    gzip_level: GzipLevel,
) {
    let config = ProducerConfig {
        batch_bytes: 1_040_000,
        linger: Duration::from_millis(200),
        compression,
        gzip_level,
        ..ProducerConfig::default()
    };
    let producer = Producer::new(&connect(cluster).await, config);
    let mut deliveries = Vec::new();
    for line in lines {
        let record = ProducerRecord::new(topic, None, Some(line.as_bytes()));
        deliveries.push(producer.send(&record).await.expect("a topic in order"));
    }
    for delivery in deliveries {
        delivery.await.expect("the broker takes it");
    }
}

async fn a_batch_beyond_the_limit_is_told_and_not_skipped() {
    let cluster = Cluster::shared().await;
    let stage = crate::support::stage::Stage::new().await;
    let topic = stage.setup.source.clone();
    write(
        cluster,
        &topic,
        &lines(),
        Compression::Zstd,
        GzipLevel::default(),
    )
    .await;
    let limited = stage.set("NOTIFIER_KAFKA_MAX_DECOMPRESSED_BYTES", "100000");
    let notifier = limited.setup.run();
    let told = notifier.wait_for_log("partition stopped").await;
    let advice = "raise max.decompressed.bytes, or move the group to offset";
    assert!(
        told.contains(&topic) && told.contains("from offset 0 on"),
        "{told}"
    );
    assert!(told.contains(advice), "{told}");
    assert!(limited.telegram.sent().is_empty());
}
