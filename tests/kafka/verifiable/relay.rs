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

/// How partitions are shared out.
#[derive(Clone, Copy)]
enum Strategy {
    /// By one of the members: the assignor's name, and its class in Java.
    Classic(&'static str, &'static str),
    /// By the coordinator (KIP-848): its assignor's name.
    Consumer(&'static str),
}
use Strategy::{Classic, Consumer};

const RANGE: Strategy = Classic("range", "org.apache.kafka.clients.consumer.RangeAssignor");
const COOPERATIVE: Strategy = Classic(
    "cooperative-sticky",
    "org.apache.kafka.clients.consumer.CooperativeStickyAssignor",
);
const UNIFORM: Strategy = Consumer("uniform");

pub(crate) async fn our_range_members_come_and_go() {
    members_come_and_go(RANGE, [Ours, Ours, Ours, Ours]).await;
}

pub(crate) async fn our_cooperative_members_come_and_go() {
    members_come_and_go(COOPERATIVE, [Ours, Ours, Ours, Ours]).await;
}

pub(super) async fn our_members_come_and_go_by_the_consumer_protocol() {
    members_come_and_go(UNIFORM, [Ours, Ours, Ours, Ours]).await;
}

pub(super) async fn our_members_come_and_go_by_the_coordinators_ranges() {
    members_come_and_go(Consumer("range"), [Ours, Ours, Ours, Ours]).await;
}

pub(super) async fn mixed_members_come_and_go_by_the_consumer_protocol() {
    members_come_and_go(UNIFORM, [Java, Ours, Ours, Librdkafka]).await;
}

pub(super) async fn javas_members_come_and_go_by_the_consumer_protocol() {
    members_come_and_go(UNIFORM, [Java, Java, Java, Java]).await;
}

pub(super) async fn mixed_range_members_come_and_go() {
    members_come_and_go(RANGE, [Java, Ours, Ours, Librdkafka]).await;
}

pub(super) async fn mixed_cooperative_members_come_and_go() {
    members_come_and_go(COOPERATIVE, [Ours, Java, Librdkafka, Ours]).await;
}

/// Members of both protocols in one group, which the coordinator moves to the consumer protocol with
/// the first of it, and back when its last has gone.
pub(super) async fn members_of_both_protocols_come_and_go() {
    let members = [
        (Ours, RANGE),
        (Ours, UNIFORM),
        (Java, RANGE),
        (Ours, UNIFORM),
    ];
    relay(members).await;
}

pub(super) async fn the_last_members_of_a_group_are_classic_again() {
    let members = [
        (Ours, UNIFORM),
        (Java, UNIFORM),
        (Ours, COOPERATIVE),
        (Java, COOPERATIVE),
    ];
    relay(members).await;
}

/// None of ours: what the cluster itself does wrong shows here.
pub(super) async fn javas_cooperative_members_come_and_go() {
    members_come_and_go(COOPERATIVE, [Java, Java, Java, Java]).await;
}

pub(super) async fn librdkafkas_range_members_come_and_go() {
    let all = [Librdkafka, Librdkafka, Librdkafka, Librdkafka];
    members_come_and_go(RANGE, all).await;
}

async fn members_come_and_go(strategy: Strategy, makers: [Maker; 4]) {
    relay(makers.map(|maker| (maker, strategy))).await;
}

/// While records come in, three members join, the first leaves, the second is killed, a fourth
/// joins.
async fn relay(members: [(Maker, Strategy); 4]) {
    let cluster = Cluster::shared().await;
    let topic = cluster.unique("relay");
    cluster.create_topic(&topic, 6, &[]).await;
    let rate = ["--throughput", "100", "--repeating-keys", "64"];
    let mut producer = cluster.our_producer(&topic, &rate);
    let join = |nth: usize| {
        // The others wait for the end of the one that is killed; a busy machine must not end theirs.
        let timeout_ms = if nth == 1 { "8000" } else { "25000" };
        member(cluster, members[nth], &topic, timeout_ms)
    };

    let mut first = join(0);
    first.wait_for_owned(6).await;
    // A coordinator that has not heard of a new topic yet would take what a classic member owns of
    // it for nobody's when the group moves to the consumer protocol.
    first.wait_for_consumed(1).await;
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
    (maker, strategy): (Maker, Strategy),
    topic: &str,
    timeout_ms: &str,
) -> Verifiable {
    let ours = match strategy {
        Classic(name, _) => ["--assignment-strategy", name],
        Consumer(name) => ["--group-remote-assignor", name],
    };
    let java = match strategy {
        Classic(_, class) => ["--assignment-strategy", class],
        Consumer(name) => ["--group-remote-assignor", name],
    };
    // By the consumer protocol the brokers say how long a session is.
    let further = match strategy {
        Classic(..) => ["--session-timeout", timeout_ms],
        Consumer(_) => ["--group-protocol", "consumer"],
    };
    match (maker, strategy) {
        (Ours, _) => cluster.our_consumer(topic, topic, &[ours, further].concat()),
        (Java, _) => cluster.java_consumer(topic, topic, &[java, further].concat()),
        (Librdkafka, Classic(name, _)) => {
            let strategy = format!("partition.assignment.strategy={name}");
            let timeout = format!("session.timeout.ms={timeout_ms}");
            cluster.librdkafka_consumer(topic, topic, &[&strategy, &timeout])
        }
        (Librdkafka, Consumer(name)) => {
            let assignor = format!("group.remote.assignor={name}");
            cluster.librdkafka_consumer(topic, topic, &["group.protocol=consumer", &assignor])
        }
    }
}
