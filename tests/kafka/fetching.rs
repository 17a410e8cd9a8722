//! What our consumer reads of what others wrote, and where it begins when its offset is gone.

use payment_notifier::consumer::ConsumerConfig;

use crate::support::cluster::{Cluster, tool};
use crate::support::notifier::{Notifier, Setup};
use crate::support::ours::consume;
use crate::support::payments::payment;
use crate::support::records::Record;
use crate::support::runner::{Test, tests};
use crate::support::stream::{delivered, payments};
use crate::support::telegram::Telegram;

pub(crate) const TESTS: &[Test] = tests![
    all_of_javas_codecs_are_read(Cluster, Java),
    batches_beyond_the_fetch_limit_are_read(Cluster, Java),
    earliest_goes_on_at_the_first_record_left(Cluster),
    latest_goes_on_at_the_next_record_to_come(Cluster),
    without_a_policy_the_service_ends(Cluster),
];

async fn all_of_javas_codecs_are_read() {
    let cluster = Cluster::shared().await;
    let lines: Vec<_> = (0..200).map(payment).collect();
    let input = lines.join("\n") + "\n";
    for (codec, name) in (1..).zip(["gzip", "snappy", "lz4", "zstd"]) {
        let topic = cluster.unique(name);
        cluster.create_topic(&topic, 1, &[]).await;
        let compressed = ["--compression-codec", name];
        cluster
            .java_console_producer(&topic, &input, &compressed)
            .await;
        assert_eq!(cluster.first_batch(&topic).await.codec, codec, "{name}");
        let records = consume(cluster, &topic, lines.len(), ConsumerConfig::default()).await;
        let texts: Vec<_> = records.iter().map(Record::text).collect();
        assert_eq!(texts, lines, "{name}");
    }
}

async fn batches_beyond_the_fetch_limit_are_read() {
    let cluster = Cluster::shared().await;
    for codec in ["none", "zstd"] {
        let topic = cluster.unique("large");
        cluster.create_topic(&topic, 1, &[]).await;
        let records = "3000";
        let output = tool("org.apache.kafka.tools.ProducerPerformance")
            .args([
                "--topic",
                &topic,
                "--num-records",
                records,
                "--record-size",
                "2000",
            ])
            .args(["--throughput", "-1", "--producer-props"])
            .arg(format!("bootstrap.servers={}", cluster.bootstrap()))
            .arg(format!("compression.type={codec}"))
            .args([
                "batch.size=1000000",
                "linger.ms=5000",
                "max.request.size=1048576",
            ])
            .output()
            .await
            .expect("python3 starts");
        assert!(output.status.success(), "{output:?}");
        let bytes = cluster.first_batch(&topic).await.bytes;
        assert!(bytes > 250_000, "the first batch has {bytes} bytes only");

        // The first batch comes all the same (KIP-74).
        let limited = ConsumerConfig {
            max_partition_fetch_bytes: 100_000,
            fetch_max_bytes: 200_000,
            ..ConsumerConfig::default()
        };
        let records = consume(cluster, &topic, 3000, limited).await;
        let offsets = records.iter().map(|record| record.offset);
        assert!(offsets.eq(0..3000), "in order, without a gap");
        let whole = |it: &Record| it.value.as_ref().is_some_and(|value| value.len() == 2000);
        assert!(records.iter().all(whole));
    }
}

async fn earliest_goes_on_at_the_first_record_left() {
    let beyond = BeyondTheLog::set("earliest").await;
    let left = (20..40).filter(|n| !DELETED.contains(n));
    beyond.ends_with(left.collect(), [20, 20]).await;
}

async fn latest_goes_on_at_the_next_record_to_come() {
    let beyond = BeyondTheLog::set("latest").await;
    let mut expected: Vec<_> = (20..40).filter(|n| n % 2 == 1).collect();
    beyond.notifier.wait_for_log("offset out of range").await;
    beyond.telegram.wait_for_payments(39..40).await;
    // Nothing tells that the new position was found, but that what comes later is consumed.
    let mut to_come = 40;
    while !delivered(&beyond.telegram.sent())
        .iter()
        .any(|n| *n >= 40 && n % 2 == 0)
    {
        let (cluster, topic) = (beyond.cluster, &beyond.setup.source);
        cluster
            .produce(topic, &payments(to_come..to_come + 2, 2))
            .await;
        beyond
            .telegram
            .wait_for_payments(to_come + 1..to_come + 2)
            .await;
        to_come += 2;
    }
    let sent = delivered(&beyond.telegram.sent());
    let first = sent
        .iter()
        .copied()
        .filter(|n| *n >= 40 && n % 2 == 0)
        .min();
    expected.extend((40..to_come).filter(|n| n % 2 == 1 || Some(*n) >= first));
    let committed = [20 + (to_come - 40) / 2, 20 + (to_come - 40) / 2];
    beyond.ends_with(expected, committed).await;
}

async fn without_a_policy_the_service_ends() {
    let mut beyond = BeyondTheLog::set("none").await;
    assert_eq!(beyond.notifier.process().ended().await.code(), Some(1));
    let log = beyond.notifier.log();
    let last = log.last().map_or("", |line| line);
    let partition = format!("{}-0", beyond.setup.source);
    let told = [
        "ERROR",
        &partition,
        "auto.offset.reset is none",
        "--reset-offsets",
    ];
    assert!(told.iter().all(|it| last.contains(it)), "{log:#?}");
    // Nothing of the partition is skipped.
    let (topic, group) = (&beyond.setup.source, &beyond.setup.group);
    assert_eq!(beyond.cluster.committed(group, topic).await[&0], 10);
    let since = delivered(&beyond.telegram.sent()).split_off(20);
    assert!(since.iter().all(|n| n % 2 == 1), "{since:?}");
}

/// Of partition 0's ten records after the committed offset, the five that are deleted.
const DELETED: [usize; 5] = [20, 22, 24, 26, 28];

/// A service that comes back when its committed offset, of one of two partitions, is gone.
struct BeyondTheLog {
    cluster: &'static Cluster,
    telegram: Telegram,
    setup: Setup,
    notifier: Notifier,
}

impl BeyondTheLog {
    async fn set(policy: &str) -> Self {
        let cluster = Cluster::shared().await;
        let telegram = Telegram::start().await;
        let setup = Setup::new(cluster, &telegram).set("NOTIFIER_TOPICS_PARTITIONS", "2");
        let (topic, group) = (&setup.source, &setup.group);
        let mut before = setup.run();
        cluster.wait_for_members(group, 1, 2).await;
        cluster.produce(topic, &payments(0..20, 2)).await;
        cluster.wait_for_commits(group, topic, 20).await;
        assert!(before.shut_down().await.success());
        cluster.produce(topic, &payments(20..40, 2)).await;
        cluster.delete_records(topic, 0, 15).await;
        let setup = setup.set("NOTIFIER_CONSUMER_AUTO_OFFSET_RESET", policy);
        let notifier = setup.run();
        Self {
            cluster,
            telegram,
            setup,
            notifier,
        }
    }

    /// Checks what was delivered since, and what is committed in the end.
    async fn ends_with(mut self, expected: Vec<usize>, committed: [usize; 2]) {
        let (topic, group) = (&self.setup.source, &self.setup.group);
        let total = committed.iter().sum();
        self.cluster.wait_for_commits(group, topic, total).await;
        assert!(self.notifier.shut_down().await.success());
        let mut since = delivered(&self.telegram.sent()).split_off(20);
        since.sort_unstable();
        assert_eq!(since, expected);
        let offsets = self.cluster.committed(group, topic).await;
        let offsets: Vec<_> = offsets
            .into_values()
            .map(|offset| offset as usize)
            .collect();
        assert_eq!(offsets, committed);
    }
}
