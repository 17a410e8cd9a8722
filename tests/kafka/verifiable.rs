//! Our verifiable clients beside Java's and librdkafka's: they tell the same, and groups of them
//! hold to what every group must.

mod audit;
pub(crate) mod relay;

use std::collections::BTreeMap;
use std::process::Stdio;

use payment_notifier::consumer::{Consumer, ConsumerConfig, Event};
use payment_notifier::{Client, ClientConfig};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::support::cluster::Cluster;
use crate::support::examples::example;
use crate::support::records::Record;
use crate::support::runner::{Test, tests};
use crate::support::verifiable::Verifiable;

use audit::the_audit_finds_what_is_wrong;
use relay::{
    javas_cooperative_members_come_and_go, javas_members_come_and_go_by_the_consumer_protocol,
    librdkafkas_range_members_come_and_go, members_of_both_protocols_come_and_go,
    mixed_cooperative_members_come_and_go, mixed_members_come_and_go_by_the_consumer_protocol,
    mixed_range_members_come_and_go, our_cooperative_members_come_and_go,
    our_members_come_and_go_by_the_consumer_protocol,
    our_members_come_and_go_by_the_coordinators_ranges, our_range_members_come_and_go,
    the_last_members_of_a_group_are_classic_again,
};

pub(crate) const TESTS: &[Test] = tests![
    the_audit_finds_what_is_wrong,
    wrong_arguments_are_refused,
    our_producer_tells_what_javas_does(Cluster, Java),
    our_producer_tells_in_order_at_full_speed(Cluster),
    our_consumer_tells_what_javas_does(Cluster, Java),
    our_consumer_ends_when_it_has_enough(Cluster),
    our_consumer_commits_by_itself_without_telling(Cluster),
    our_range_members_come_and_go(Cluster),
    our_cooperative_members_come_and_go(Cluster),
    mixed_range_members_come_and_go(Cluster, Java, ConfluentKafka) within 240,
    mixed_cooperative_members_come_and_go(Cluster, Java, ConfluentKafka) within 240,
    javas_cooperative_members_come_and_go(Cluster, Java) within 240,
    our_members_come_and_go_by_the_consumer_protocol(Cluster) within 240,
    our_members_come_and_go_by_the_coordinators_ranges(Cluster) within 240,
    mixed_members_come_and_go_by_the_consumer_protocol(Cluster, Java, ConfluentKafka) within 240,
    javas_members_come_and_go_by_the_consumer_protocol(Cluster, Java) within 240,
    members_of_both_protocols_come_and_go(Kafka, Java) within 240,
    the_last_members_of_a_group_are_classic_again(Kafka, Java) within 240,
    librdkafkas_range_members_come_and_go(Cluster, ConfluentKafka) within 240,
    a_member_that_closes_instead_of_revoking_leaves_at_once(Cluster),
];

async fn our_producer_tells_what_javas_does() {
    let cluster = Cluster::shared().await;
    let [theirs, ours] = ["theirs", "ours"].map(|name| cluster.unique(name));
    for topic in [&theirs, &ours] {
        cluster.create_topic(topic, 3, &[]).await;
    }
    let further = [
        "--value-prefix",
        "7",
        "--repeating-keys",
        "2",
        "--throughput",
        "1000",
    ];
    let java = cluster.java_producer(&theirs, 5, &further);
    let mut own = cluster.our_producer(&ours, &[&["--max-messages", "5"], &further[..]].concat());
    java.wait_for("tool_data", 1).await;
    assert!(own.process().ended().await.success());
    assert_eq!(shapes(&own), shapes(&java));
    let written = async |topic| -> Vec<_> {
        let records = cluster.wait_for_records(topic, 5).await;
        let content = |it: Record| (it.partition, it.key, it.value);
        records.into_iter().map(content).collect()
    };
    assert_eq!(written(&ours).await, written(&theirs).await);

    let settings = file("# too small\nmax.request.size = 10\nunheard.of=1\n");
    let settings = ["--producer.config", settings.path().to_str().unwrap()];
    let java = cluster.java_producer(&theirs, 1, &settings);
    let mut own = cluster.our_producer(&ours, &[&["--max-messages", "1"], &settings[..]].concat());
    own.process().wait_for_line("unheard.of").await;
    java.wait_for("tool_data", 1).await;
    own.wait_for("producer_send_error", 1).await;
    own.process().ended().await;
    assert_eq!(shapes(&own), shapes(&java));
}

pub(crate) async fn our_producer_tells_in_order_at_full_speed() {
    let cluster = Cluster::shared().await;
    let topic = cluster.unique("fast");
    cluster.create_topic(&topic, 3, &[]).await;
    let mut producer = cluster.our_producer(&topic, &["--max-messages", "5000"]);
    assert!(producer.process().ended().await.success());
    assert_eq!(acknowledged(&producer).values().sum::<i64>(), 5000);
    let summary = producer.wait_for("tool_data", 1).await;
    assert_eq!(
        (&summary["sent"], &summary["acked"]),
        (&json!(5000), &json!(5000))
    );
}

pub(crate) async fn our_consumer_tells_what_javas_does() {
    let cluster = Cluster::shared().await;
    let topic = cluster.unique("told");
    cluster.create_topic(&topic, 1, &[]).await;
    cluster
        .produce(
            &topic,
            &[Record::new("a").key("k"), Record::new("b").key("k")],
        )
        .await;
    let mut java = cluster.java_consumer(&topic, "theirs", &["--verbose"]);
    let mut own = cluster.our_consumer(&topic, "ours", &["--verbose"]);
    for consumer in [&mut java, &mut own] {
        consumer.wait_for("offsets_committed", 1).await;
        consumer.shut_down().await;
    }
    assert_eq!(shapes(&own), shapes(&java));
    let told = |consumer: &Verifiable, name: &str| {
        let mut events = consumer.events().into_iter();
        let mut event = events.find(|event| event["name"] == name).unwrap();
        event.as_object_mut().unwrap().remove("timestamp");
        event
    };
    for name in [
        "partitions_assigned",
        "record_data",
        "records_consumed",
        "offsets_committed",
    ] {
        assert_eq!(told(&own, name), told(&java, name));
    }
}

async fn our_consumer_ends_when_it_has_enough() {
    let cluster = Cluster::shared().await;
    let topic = cluster.unique("enough");
    cluster.create_topic(&topic, 1, &[]).await;
    let records: Vec<_> = (0..2500).map(|n| Record::new(n.to_string())).collect();
    cluster.produce(&topic, &records).await;
    let mut consumer = cluster.our_consumer(&topic, &topic, &["--max-messages", "2100"]);
    assert!(consumer.process().ended().await.success());
    let counts = consumer.events().into_iter();
    let counts: Vec<_> = counts.filter_map(|event| event["count"].as_u64()).collect();
    assert_eq!(counts, [1000, 1000, 100]);
    assert_eq!(
        committed(cluster, &topic).await,
        BTreeMap::from([(0, 2100)])
    );
}

async fn our_consumer_commits_by_itself_without_telling() {
    let cluster = Cluster::shared().await;
    let topic = cluster.unique("silent");
    cluster.create_topic(&topic, 1, &[]).await;
    cluster.produce(&topic, &[Record::new("a")]).await;
    let further = ["--enable-autocommit", "--group-instance-id", "one"];
    let mut consumer = cluster.our_consumer(&topic, &topic, &further);
    consumer.wait_for_consumed(1).await;
    assert!(consumer.shut_down().await.success());
    let mut told = consumer.events().into_iter();
    assert!(told.all(|event| event["name"] != "offsets_committed"));
    assert_eq!(committed(cluster, &topic).await, BTreeMap::from([(0, 1)]));
}

/// The offset after the last acknowledged record of each partition; each was acknowledged once,
/// and in order.
fn acknowledged(producer: &Verifiable) -> BTreeMap<i64, i64> {
    let mut offsets: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for event in producer.events() {
        assert_ne!(event["name"], "producer_send_error", "{event}");
        if event["name"] == "producer_send_success" {
            let [partition, offset] = ["partition", "offset"].map(|it| event[it].as_i64().unwrap());
            offsets.entry(partition).or_default().push(offset);
        }
    }
    let ends = offsets.into_iter().map(|(partition, offsets)| {
        let end = i64::try_from(offsets.len()).unwrap();
        assert_eq!(
            offsets,
            (0..end).collect::<Vec<_>>(),
            "partition {partition}"
        );
        (partition, end)
    });
    ends.collect()
}

/// The committed offsets of the group that is named as the topic.
async fn committed(cluster: &Cluster, topic: &str) -> BTreeMap<i64, i64> {
    let offsets = cluster.committed(topic, topic).await.into_iter();
    offsets
        .map(|(partition, offset)| (partition.into(), offset))
        .collect()
}

/// The events in order, each with its fields and their types, without values.
fn shapes(client: &Verifiable) -> Vec<(Value, Value)> {
    let events = client.events().into_iter();
    events
        .map(|event| (event["name"].clone(), shape(&event)))
        .collect()
}

fn shape(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, it)| (name.clone(), shape(it)))
            .collect(),
        Value::Array(items) => items.iter().map(shape).collect(),
        Value::Number(_) => "number".into(),
        Value::String(_) => "text".into(),
        Value::Null | Value::Bool(_) => value.clone(),
    }
}

fn file(text: &str) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(&file, text).unwrap();
    file
}

async fn a_member_that_closes_instead_of_revoking_leaves_at_once() {
    let cluster = Cluster::shared().await;
    let topic = cluster.unique("closing");
    cluster.create_topic(&topic, 2, &[]).await;
    let client = Client::connect(ClientConfig {
        bootstrap_servers: vec![cluster.bootstrap().to_owned()],
        ..ClientConfig::default()
    });
    let client = client.await.unwrap();
    let config = ConsumerConfig {
        group_id: topic.clone(),
        topics: vec![topic.clone()],
        // Nothing else ends the membership while this test lasts.
        session_timeout: std::time::Duration::from_secs(300),
        ..ConsumerConfig::default()
    };
    let mut leaver = Consumer::join(&client, config).unwrap();
    while !matches!(leaver.next().await.unwrap(), Event::Assigned(_)) {}
    let heir = cluster.our_consumer(&topic, &topic, &[]);
    while !matches!(leaver.next().await.unwrap(), Event::Revoking(_)) {}
    leaver.close().await.unwrap();
    heir.wait_for_owned(2).await;
}

async fn wrong_arguments_are_refused() {
    let place = ["--bootstrap-server", "localhost:1", "--topic", "t"];
    for (name, arguments, why) in [
        (
            "verifiable_consumer",
            ["--group-protocol", "streams"],
            "classic, consumer",
        ),
        (
            "verifiable_consumer",
            ["--assignment-strategy", "sticky"],
            "cooperative-sticky",
        ),
        ("verifiable_producer", ["--acks", "1"], "all"),
        (
            "verifiable_producer",
            ["--producer.config", "/nowhere"],
            "No such file",
        ),
    ] {
        let mut command = example(name);
        command.args(place).args(arguments);
        if name == "verifiable_consumer" {
            command.args(["--group-id", "g"]);
        }
        let output = command.stdin(Stdio::null()).output().await.unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains(why), "{arguments:?}: {told}");
    }
}
