//! Groups whose members come and go while records come in: ours alone, and with Java's and
//! librdkafka's.

use std::collections::BTreeMap;

use super::{acknowledged, committed};
use crate::support::audit::replay;
use crate::support::cluster::Cluster;
use crate::support::verifiable::Verifiable;

/// Who made a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Maker {
    Ours,
    Java,
    Librdkafka,
}
use Maker::{Java, Librdkafka, Ours};

/// How partitions are shared out: the assignor's name, and its class in Java.
#[derive(Clone, Copy)]
struct Strategy(&'static str, &'static str);

const RANGE: Strategy = Strategy("range", "org.apache.kafka.clients.consumer.RangeAssignor");
const COOPERATIVE: Strategy = Strategy(
    "cooperative-sticky",
    "org.apache.kafka.clients.consumer.CooperativeStickyAssignor",
);

pub(super) async fn our_range_members_come_and_go() {
    members_come_and_go(RANGE, [Ours, Ours, Ours, Ours]).await;
}

pub(super) async fn our_cooperative_members_come_and_go() {
    members_come_and_go(COOPERATIVE, [Ours, Ours, Ours, Ours]).await;
}

pub(super) async fn mixed_range_members_come_and_go() {
    members_come_and_go(RANGE, [Java, Ours, Ours, Librdkafka]).await;
}

pub(super) async fn mixed_cooperative_members_come_and_go() {
    members_come_and_go(COOPERATIVE, [Ours, Java, Librdkafka, Ours]).await;
}

/// None of ours: what the cluster itself does wrong shows here.
pub(super) async fn javas_cooperative_members_come_and_go() {
    members_come_and_go(COOPERATIVE, [Java, Java, Java, Java]).await;
}

pub(super) async fn librdkafkas_range_members_come_and_go() {
    let all = [Librdkafka, Librdkafka, Librdkafka, Librdkafka];
    members_come_and_go(RANGE, all).await;
}

/// While records come in, three members join, the first leaves, the second is killed, a fourth
/// joins.
async fn members_come_and_go(strategy: Strategy, makers: [Maker; 4]) {
    let cluster = Cluster::shared().await;
    let topic = cluster.unique("relay");
    cluster.create_topic(&topic, 6, &[]).await;
    let rate = ["--throughput", "100", "--repeating-keys", "64"];
    let mut producer = cluster.our_producer(&topic, &rate);
    let join = |nth: usize| {
        // The others wait for the end of the one that is killed; a busy machine must not end theirs.
        let timeout_ms = if nth == 1 { "8000" } else { "25000" };
        member(cluster, makers[nth], strategy, &topic, timeout_ms)
    };

    let mut first = join(0);
    first.wait_for_owned(6).await;
    let mut second = join(1);
    tokio::join!(first.wait_for_owned(3), second.wait_for_owned(3));
    let mut third = join(2);
    third.wait_for_owned(2).await;
    first.shut_down().await;
    tokio::join!(second.wait_for_owned(3), third.wait_for_owned(3));
    second.kill().await;
    third.wait_for_owned(6).await;
    let mut fourth = join(3);
    tokio::join!(third.wait_for_owned(3), fourth.wait_for_owned(3));

    // Every partition gets records for the last two.
    producer.wait_for_more(200).await;
    assert!(producer.shut_down().await.success());
    let ends = acknowledged(&producer);
    assert_eq!(ends.len(), 6, "{ends:?}");
    for (partition, end) in &ends {
        tokio::select! {
            () = third.wait_for_offset(*partition, *end) => {}
            () = fourth.wait_for_offset(*partition, *end) => {}
        }
    }
    tokio::join!(third.shut_down(), fourth.shut_down());

    let audit = replay(&[
        ("first", first.events()),
        ("second", second.events()),
        ("third", third.events()),
        ("fourth", fourth.events()),
    ]);
    let progress = audit.progress().iter();
    let consumed_to = progress.map(|((_, partition), it)| (*partition, it.consumed_to));
    assert_eq!(consumed_to.collect::<BTreeMap<_, _>>(), ends);
    assert_eq!(committed(cluster, &topic).await, ends);
}

/// Starts a member of the group that is named as the topic.
fn member(
    cluster: &Cluster,
    maker: Maker,
    strategy: Strategy,
    topic: &str,
    timeout_ms: &str,
) -> Verifiable {
    let Strategy(name, class) = strategy;
    let timeout = ["--session-timeout", timeout_ms];
    match maker {
        Ours => {
            let strategy = ["--assignment-strategy", name];
            cluster.our_consumer(topic, topic, &[strategy, timeout].concat())
        }
        Java => {
            let strategy = ["--assignment-strategy", class];
            cluster.java_consumer(topic, topic, &[strategy, timeout].concat())
        }
        Librdkafka => {
            let strategy = format!("partition.assignment.strategy={name}");
            let timeout = format!("session.timeout.ms={timeout_ms}");
            cluster.librdkafka_consumer(topic, topic, &[&strategy, &timeout])
        }
    }
}
