//! Our members in Kafka's groups: what its tools show of them, and how they share with others'.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::cluster::Cluster;
use crate::support::notifier::Setup;
use crate::support::runner::{Test, tests};
use crate::support::stream::{delivered, payments, publish_during};
use crate::support::telegram::Telegram;
use crate::support::verifiable::Verifiable;

pub(crate) const TESTS: &[Test] = tests![
    kafkas_tool_sees_our_members_and_their_lag(Cluster, Java),
    kafkas_tool_sees_our_members_of_the_consumer_protocol(Cluster, Java),
    range_is_shared_with_java_and_librdkafka(Cluster, Java, ConfluentKafka) within 240,
    cooperative_sticky_is_shared_with_java_and_librdkafka(Cluster, Java, ConfluentKafka) within 240,
];

const PARTITIONS: usize = 6;

async fn kafkas_tool_sees_our_members_and_their_lag() {
    seen_by_kafkas_tool("classic").await;
}

async fn kafkas_tool_sees_our_members_of_the_consumer_protocol() {
    seen_by_kafkas_tool("consumer").await;
}

async fn seen_by_kafkas_tool(protocol: &str) {
    let cluster = Cluster::shared().await;
    let telegram = Telegram::start().await;
    let setup = Setup::new(cluster, &telegram)
        .set("NOTIFIER_KAFKA_GROUP_PROTOCOL", protocol)
        .set("NOTIFIER_KAFKA_CLIENT_ID", "seoul-1");
    let mut notifier = setup.run();
    cluster.wait_for_members(&setup.group, 1, 3).await;
    cluster.produce(&setup.source, &payments(0..9, 3)).await;
    telegram.wait_for_payments(0..9).await;
    cluster
        .wait_for_commits(&setup.group, &setup.source, 9)
        .await;

    // Columns: group, topic, partition, current offset, end, lag, member, host, client id.
    let offsets = describe(cluster, &setup, &[]).await;
    for partition in ["0", "1", "2"] {
        let row = offsets
            .iter()
            .find(|row| row.get(2).is_some_and(|it| it == partition));
        let row = row.unwrap_or_else(|| panic!("no partition {partition} in {offsets:?}"));
        assert_eq!(row[1], setup.source);
        assert_eq!(row[3..6], ["3", "3", "0"], "offset, end, lag");
        assert_eq!(row[7], "/127.0.0.1");
        assert_eq!(row[8], "seoul-1");
    }
    // Columns: group, member, host, client id, number of partitions, …, the assignment, ….
    let members = describe(cluster, &setup, &["--members", "--verbose"]).await;
    let row = members.iter().find(|row| row.first() == Some(&setup.group));
    let row = row.unwrap_or_else(|| panic!("no member in {members:?}"));
    assert_eq!(row[2..5], ["/127.0.0.1", "seoul-1", "3"]);
    let assignment = format!("{}:0,1,2", setup.source);
    assert!(row.contains(&assignment), "{row:?}");

    assert!(notifier.shut_down().await.success());
    cluster.produce(&setup.source, &payments(9..12, 3)).await;
    let offsets = describe(cluster, &setup, &[]).await;
    let ours = offsets
        .iter()
        .filter(|row| row.first() == Some(&setup.group));
    let ours: Vec<_> = ours.map(|row| row[3..7].to_vec()).collect();
    assert_eq!(ours, vec![["3", "4", "1", "-"]; 3], "nobody is there");
}

async fn range_is_shared_with_java_and_librdkafka() {
    share("range", "org.apache.kafka.clients.consumer.RangeAssignor").await;
}

async fn cooperative_sticky_is_shared_with_java_and_librdkafka() {
    let java = "org.apache.kafka.clients.consumer.CooperativeStickyAssignor";
    share("cooperative-sticky", java).await;
}

/// Members of three clients come and go while payments flow.
async fn share(assignor: &str, java_assignor: &str) {
    let cluster = Cluster::shared().await;
    let telegram = Telegram::start().await;
    let setup = Setup::new(cluster, &telegram)
        .set("NOTIFIER_KAFKA_PARTITION_ASSIGNMENT_STRATEGY", assignor)
        .set("NOTIFIER_TOPICS_PARTITIONS", PARTITIONS.to_string());
    let (topic, group) = (&setup.source, &setup.group);
    let at_rest = async |members| {
        let group = cluster
            .wait_for_members(group, members, PARTITIONS as i32)
            .await;
        let even =
            |count: usize| (PARTITIONS / members..=PARTITIONS.div_ceil(members)).contains(&count);
        assert!(
            group.members.iter().all(|it| even(it.partitions.len())),
            "{group:?}"
        );
    };

    let mut first = setup.run();
    at_rest(1).await;
    let mut others = Vec::new();
    let scenes = async {
        let strategy = ["--assignment-strategy", java_assignor];
        let mut java = cluster.java_consumer(topic, group, &strategy);
        at_rest(2).await;
        let strategy = format!("partition.assignment.strategy={assignor}");
        let mut librdkafka = cluster.librdkafka_consumer(topic, group, &[&strategy]);
        at_rest(3).await;
        let mut second = setup.run();
        at_rest(4).await;
        // Whoever leads the group goes first, and another has to lead.
        assert!(first.shut_down().await.success());
        at_rest(3).await;
        assert!(java.shut_down().await.code().is_some());
        at_rest(2).await;
        assert!(second.shut_down().await.success());
        at_rest(1).await;
        first = setup.run();
        at_rest(2).await;
        assert!(librdkafka.shut_down().await.success());
        at_rest(1).await;
        others.extend([java, librdkafka]);
    };
    let published = publish_during(cluster, topic, PARTITIONS, scenes).await;
    cluster.wait_for_commits(group, topic, published).await;
    assert!(first.shut_down().await.success());

    let ours = delivered(&telegram.sent());
    let mut seen: BTreeSet<usize> = ours.iter().copied().collect();
    assert_eq!(
        seen.len(),
        ours.len(),
        "one of ours sent a payment that the other had sent"
    );
    for other in &others {
        let theirs = consumed_numbers(other);
        assert!(!theirs.is_empty(), "a member that never got a record");
        seen.extend(theirs);
    }
    let lost: Vec<_> = (0..published).filter(|n| !seen.contains(n)).collect();
    assert!(lost.is_empty(), "of {published} nobody had {lost:?}");
}

/// The payments that a verifiable consumer had.
fn consumed_numbers(consumer: &Verifiable) -> Vec<usize> {
    let events = consumer.events();
    let batches = events
        .iter()
        .filter(|event| event["name"] == "records_consumed");
    let spans = batches.flat_map(|event| event["partitions"].as_array().into_iter().flatten());
    spans.flat_map(numbers).collect()
}

/// The payments of a span of offsets of one partition.
fn numbers(span: &Value) -> impl Iterator<Item = usize> + use<> {
    let number = |key: &str| span[key].as_u64().expect("a span has numbers") as usize;
    let partition = number("partition");
    (number("minOffset")..=number("maxOffset")).map(move |offset| offset * PARTITIONS + partition)
}

/// The lines of `kafka-consumer-groups --describe`, in words.
async fn describe(cluster: &Cluster, setup: &Setup, further: &[&str]) -> Vec<Vec<String>> {
    let mut arguments = vec!["--describe", "--group", &setup.group];
    arguments.extend(further);
    let told = cluster.tool("kafka-consumer-groups", &arguments).await;
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
    told.lines().map(words).collect()
}
