//! Partitions that change hands: in order, by a crash, by a freeze; and those that must not.

pub(crate) mod consumer_protocol;

use std::time::{Duration, Instant};

use crate::support::cluster::Cluster;
use crate::support::notifier::Setup;
use crate::support::runner::{Test, tests};
use crate::support::stream::{assert_once_each, delivered, number, payments, publish_during};
use crate::support::telegram::{Answer, Telegram};

pub(crate) const TESTS: &[Test] = tests![
    java_takes_over_and_hands_back(Cluster, Java),
    a_killed_member_is_replaced_within_its_session(Cluster),
    a_frozen_member_is_refused_and_rejoins(Cluster),
    a_static_member_restarts_in_its_place(Cluster),
    the_same_instance_id_fences_the_first(Cluster),
    a_slow_send_costs_no_membership(Cluster),
    a_send_in_flight_ends_before_its_partition_goes(Cluster),
    what_waits_for_its_turn_goes_with_its_partition(Cluster),
];

/// How the members of a group come by their partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Classic,
    Consumer,
}

impl Protocol {
    /// A short session, with heartbeats to match: where members have a say in it, as long as this.
    fn set(self, setup: Setup, session_ms: u32) -> Setup {
        match self {
            Self::Classic => with_session(setup, session_ms),
            Self::Consumer => setup.set("NOTIFIER_KAFKA_GROUP_PROTOCOL", "consumer"),
        }
    }

    /// How long it takes to notice that a member is gone, on a busy machine too.
    fn patience(self) -> Duration {
        match self {
            Self::Classic => Duration::from_secs(12),
            Self::Consumer => Duration::from_secs(20),
        }
    }

    /// By ranges, so that it is known who gets what.
    fn ranges(self, setup: Setup) -> Setup {
        match self {
            Self::Classic => setup.set("NOTIFIER_KAFKA_PARTITION_ASSIGNMENT_STRATEGY", "range"),
            Self::Consumer => setup
                .set("NOTIFIER_KAFKA_GROUP_PROTOCOL", "consumer")
                .set("NOTIFIER_KAFKA_GROUP_REMOTE_ASSIGNOR", "range"),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Consumer => "consumer",
        }
    }
}

async fn java_takes_over_and_hands_back() {
    java_and_back(Protocol::Classic).await;
}

async fn java_and_back(protocol: Protocol) {
    let cluster = Cluster::shared().await;
    let telegram = Telegram::start().await;
    let setup = Setup::new(cluster, &telegram);
    let setup = setup.set("NOTIFIER_KAFKA_GROUP_PROTOCOL", protocol.name());
    let (topic, group) = (&setup.source, &setup.group);
    let mut notifier = setup.run();
    cluster.wait_for_members(group, 1, 3).await;
    cluster.produce(topic, &payments(0..900, 3)).await;
    telegram.wait_for(30).await;
    assert!(notifier.shut_down().await.success());
    let ours = delivered(&telegram.sent());
    assert!(ours.len() < 900, "stopped in mid-stream");
    let handed_over = cluster.committed(group, topic).await;
    assert_eq!(handed_over.values().sum::<i64>(), ours.len() as i64);

    let further = ["--group-protocol", protocol.name()];
    let mut java = cluster.java_consumer(topic, group, &further);
    java.wait_for_consumed(900 - ours.len() as u64).await;
    java.shut_down().await;
    java.wait_for("shutdown_complete", 1).await;
    assert_eq!(java.consumed(), 900 - ours.len() as u64);
    let events = java.events();
    let batches = events.iter().filter(|it| it["name"] == "records_consumed");
    for (partition, offset) in handed_over {
        let mut spans = batches
            .clone()
            .flat_map(|it| it["partitions"].as_array().into_iter().flatten());
        let first = spans.find(|span| span["partition"] == partition);
        assert!(
            first.is_none_or(|span| span["minOffset"] == offset),
            "{first:?}"
        );
    }

    cluster.produce(topic, &payments(900..930, 3)).await;
    let mut notifier = setup.run();
    let all = telegram.wait_for_payments(900..930).await;
    assert_eq!(
        all.len(),
        ours.len() + 30,
        "ours goes on where Java stopped"
    );
    cluster.wait_for_commits(group, topic, 930).await;
    assert!(notifier.shut_down().await.success());
}

async fn a_killed_member_is_replaced_within_its_session() {
    killed(Protocol::Classic).await;
}

async fn killed(protocol: Protocol) {
    let cluster = Cluster::shared().await;
    let telegram = Telegram::start().await;
    let setup = protocol.set(Setup::new(cluster, &telegram), 4000);
    let (topic, group) = (&setup.source, &setup.group);
    let mut killed = setup.run();
    cluster.wait_for_members(group, 1, 3).await;
    let mut heir = setup.run();
    cluster.wait_for_members(group, 2, 3).await;

    let scenes = async {
        telegram.wait_for(60).await;
        killed.kill().await;
        let since = Instant::now();
        cluster.wait_for_members(group, 1, 3).await;
        let took = since.elapsed();
        assert!(
            took < protocol.patience(),
            "{took:?} for a session of some seconds"
        );
    };
    let published = publish_during(cluster, topic, 3, scenes).await;
    telegram.wait_for_payments(0..published).await;
    cluster.wait_for_commits(group, topic, published).await;
    assert!(heir.shut_down().await.success());
}

async fn a_frozen_member_is_refused_and_rejoins() {
    frozen(Protocol::Classic).await;
}

/// A member is frozen while its send is under way, and comes back when the partition is another's.
async fn frozen(protocol: Protocol) {
    let cluster = Cluster::shared().await;
    let telegram = Telegram::start().await;
    let setup = protocol.set(Setup::new(cluster, &telegram), 4000);
    let (topic, group) = (&setup.source, &setup.group);
    telegram.answer(|call| number(call) == 0 && call.repeats == 0, Answer::Held);
    let mut frozen = setup.run();
    cluster.wait_for_members(group, 1, 3).await;
    cluster.produce(topic, &payments(0..1, 3)).await;
    telegram.wait_for(1).await;
    frozen.process().pause();
    let mut heir = setup.run();
    telegram.wait_for(2).await;
    cluster.wait_for_members(group, 1, 3).await;
    cluster.produce(topic, &payments(1..30, 3)).await;
    telegram.wait_for_payments(0..30).await;
    cluster.wait_for_commits(group, topic, 30).await;

    telegram.release();
    frozen.process().resume();
    frozen.wait_for_log("partitions lost").await;
    cluster.wait_for_members(group, 2, 3).await;
    cluster.wait_for_commits(group, topic, 30).await;
    cluster.produce(topic, &payments(30..60, 3)).await;
    telegram.wait_for_payments(0..60).await;
    cluster.wait_for_commits(group, topic, 60).await;
    let repeated = telegram
        .sent()
        .iter()
        .filter(|it| it.repeats > 0)
        .map(number)
        .collect::<Vec<_>>();
    assert_eq!(repeated, [0], "only what was under way is sent again");
    assert!(frozen.shut_down().await.success());
    assert!(heir.shut_down().await.success());
}

async fn a_static_member_restarts_in_its_place() {
    let cluster = Cluster::shared().await;
    let telegram = Telegram::start().await;
    let setup = with_session(Setup::new(cluster, &telegram), 30_000);
    let (topic, group) = (&setup.source, &setup.group);
    let [first, second] =
        ["first", "second"].map(|name| setup.clone().set("NOTIFIER_KAFKA_GROUP_INSTANCE_ID", name));
    let mut leader = first.run();
    cluster.wait_for_members(group, 1, 3).await;
    let mut follower = second.run();
    let before = cluster.wait_for_members(group, 2, 3).await;
    cluster.produce(topic, &payments(0..30, 3)).await;
    telegram.wait_for_payments(0..30).await;
    cluster.wait_for_commits(group, topic, 30).await;
    let generation = newest_generation(&follower.log(), group).expect("it has partitions");

    for (notifier, setup, name) in [
        (&mut leader, &first, "first"),
        (&mut follower, &second, "second"),
    ] {
        assert!(notifier.shut_down().await.success());
        let without = cluster
            .wait_for_group(group, |group| group.members.len() == 2)
            .await;
        assert_eq!(
            without.state, "Stable",
            "nobody has left, as far as the group knows"
        );
        *notifier = setup.run();
        let is_new = |it: &&crate::support::group::Member| {
            let same = before.members.iter().any(|known| known.id == it.id);
            it.instance_id.as_deref() == Some(name) && !same
        };
        let after = cluster
            .wait_for_group(group, |group| group.members.iter().any(|it| is_new(&it)))
            .await;
        assert!(after.shares_out(2, 3), "{after:?}");
        let newest = notifier
            .process()
            .wait_until("an assignment", |log| newest_generation(log, group));
        assert_eq!(newest.await, generation);
    }
    cluster.produce(topic, &payments(30..60, 3)).await;
    assert_once_each(&telegram.wait_for_payments(0..60).await, 60);
    assert!(leader.shut_down().await.success());
    assert!(follower.shut_down().await.success());
}

async fn the_same_instance_id_fences_the_first() {
    let cluster = Cluster::shared().await;
    let telegram = Telegram::start().await;
    let setup = with_session(Setup::new(cluster, &telegram), 6000)
        .set("NOTIFIER_KAFKA_GROUP_INSTANCE_ID", "only-one");
    let mut first = setup.run();
    let before = cluster.wait_for_members(&setup.group, 1, 3).await;
    let mut second = setup.run();
    let status = first.process().ended().await;
    assert_eq!(status.code(), Some(1));
    let told = first.wait_for_log("FENCED_INSTANCE_ID").await;
    assert!(told.contains(&setup.group), "{told}");
    let after = cluster.wait_for_members(&setup.group, 1, 3).await;
    assert_ne!(before.members[0].id, after.members[0].id);
    cluster.produce(&setup.source, &payments(0..3, 3)).await;
    telegram.wait_for_payments(0..3).await;
    assert!(second.shut_down().await.success());
}

async fn a_slow_send_costs_no_membership() {
    slow(Protocol::Classic).await;
}

async fn slow(protocol: Protocol) {
    let cluster = Cluster::shared().await;
    let telegram = Telegram::start().await;
    let setup = protocol.set(Setup::new(cluster, &telegram), 6000);
    telegram.answer_payment(0, Answer::Held);
    let mut notifier = setup.run();
    let before = cluster.wait_for_members(&setup.group, 1, 3).await;
    cluster.produce(&setup.source, &payments(0..6, 3)).await;
    telegram.wait_for(1).await;
    // Nothing happens meanwhile: that is what is tried.
    tokio::time::sleep(protocol.patience() * 3 / 5).await;
    telegram.release();
    assert_once_each(&telegram.wait_for_payments(0..6).await, 6);
    cluster
        .wait_for_commits(&setup.group, &setup.source, 6)
        .await;
    let after = cluster.wait_for_members(&setup.group, 1, 3).await;
    assert_eq!(before.members, after.members);
    let assigned = notifier
        .log()
        .into_iter()
        .filter(|line| is_assignment(line, &setup.group));
    assert_eq!(assigned.count(), 1, "one generation");
    assert!(notifier.shut_down().await.success());
}

async fn a_send_in_flight_ends_before_its_partition_goes() {
    in_flight(Protocol::Classic).await;
}

async fn in_flight(protocol: Protocol) {
    let cluster = Cluster::shared().await;
    let telegram = Telegram::start().await;
    // Of partitions 0 to 2, `range` gives 2 to the second member.
    let setup = protocol
        .ranges(Setup::new(cluster, &telegram))
        .set("NOTIFIER_CONSUMER_CONCURRENCY", "3");
    let (topic, group) = (&setup.source, &setup.group);
    telegram.answer(|_| true, Answer::Held);
    let mut first = setup.run();
    cluster.wait_for_members(group, 1, 3).await;
    cluster.produce(topic, &payments(0..3, 3)).await;
    telegram.wait_for(3).await;
    let mut second = setup.run();
    first.wait_for_log("partitions to be given up").await;
    assert!(
        cluster.committed(group, topic).await.is_empty(),
        "the sends are under way"
    );
    cluster.produce(topic, &payments(3..30, 3)).await;
    telegram.release();
    cluster.wait_for_members(group, 2, 3).await;
    let all = telegram.wait_for_payments(0..30).await;
    cluster.wait_for_commits(group, topic, 30).await;
    assert!(first.shut_down().await.success());
    assert!(second.shut_down().await.success());
    assert_once_each(&all, 30);
}

async fn what_waits_for_its_turn_goes_with_its_partition() {
    waiting_turn(Protocol::Classic).await;
}

async fn waiting_turn(protocol: Protocol) {
    let cluster = Cluster::shared().await;
    let telegram = Telegram::start().await;
    let setup = protocol
        .ranges(protocol.set(Setup::new(cluster, &telegram), 6000))
        .set("NOTIFIER_CONSUMER_CONCURRENCY", "3");
    let (topic, group) = (&setup.source, &setup.group);
    // One turn is all that a member has here.
    let slow = setup.clone().set("NOTIFIER_TELEGRAM_RATE", "1/10m");
    let mut first = slow.run();
    cluster.wait_for_members(group, 1, 3).await;
    cluster.produce(topic, &payments(0..9, 3)).await;
    telegram.wait_for(1).await;
    let since = Instant::now();
    let mut second = slow.run();
    cluster.wait_for_members(group, 2, 3).await;
    telegram.wait_for(2).await;
    assert!(first.shut_down().await.success());
    assert!(second.shut_down().await.success());
    // Far less than a send that began may take.
    assert!(since.elapsed() < Duration::from_secs(30));

    let mut heir = setup.run();
    assert_once_each(&telegram.wait_for_payments(0..9).await, 9);
    assert!(heir.shut_down().await.success());
}

/// A short session, with heartbeats to match.
fn with_session(setup: Setup, session_ms: u32) -> Setup {
    setup
        .set("NOTIFIER_KAFKA_SESSION_TIMEOUT_MS", session_ms.to_string())
        .set("NOTIFIER_KAFKA_HEARTBEAT_INTERVAL_MS", "300")
}

fn is_assignment(line: &str, group: &str) -> bool {
    line.contains("partitions assigned") && line.contains(&format!("group={group} "))
}

/// The last generation of a group that a log tells of.
fn newest_generation(log: &[String], group: &str) -> Option<String> {
    let line = log.iter().rev().find(|line| is_assignment(line, group))?;
    let (_, rest) = line.split_once("generation=")?;
    rest.split_whitespace().next().map(str::to_owned)
}
