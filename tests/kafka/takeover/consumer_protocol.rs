//! By the consumer protocol (KIP-848): the same as by the classic one, and what is its own.

use super::{
    Protocol, frozen, in_flight, is_assignment, java_and_back, killed, slow, waiting_turn,
};
use crate::support::cluster::Cluster;
use crate::support::notifier::Setup;
use crate::support::runner::{Test, tests};
use crate::support::stream::{assert_once_each, payments, publish_during};
use crate::support::telegram::Telegram;

pub(crate) const TESTS: &[Test] = tests![
    java_takes_over_and_hands_back(Cluster, Java),
    a_killed_member_is_replaced_within_its_session(Cluster),
    a_frozen_member_is_refused_and_rejoins(Cluster),
    a_slow_send_costs_no_membership(Cluster),
    a_send_in_flight_ends_before_its_partition_goes(Cluster),
    what_waits_for_its_turn_goes_with_its_partition(Cluster),
    a_static_member_restarts_in_its_place(Cluster),
    an_instance_id_is_free_when_its_holder_has_left(Cluster),
    a_cluster_without_it_is_used_by_the_classic_protocol(Cluster),
    a_group_moves_to_it_and_back_while_it_works(Cluster) within 240,
    an_assignor_that_the_brokers_lack_is_told(Cluster),
];

async fn java_takes_over_and_hands_back() {
    java_and_back(Protocol::Consumer).await;
}

async fn a_killed_member_is_replaced_within_its_session() {
    killed(Protocol::Consumer).await;
}

async fn a_frozen_member_is_refused_and_rejoins() {
    frozen(Protocol::Consumer).await;
}

async fn a_slow_send_costs_no_membership() {
    slow(Protocol::Consumer).await;
}

async fn a_send_in_flight_ends_before_its_partition_goes() {
    in_flight(Protocol::Consumer).await;
}

async fn what_waits_for_its_turn_goes_with_its_partition() {
    waiting_turn(Protocol::Consumer).await;
}

/// The coordinator keeps its partitions for it, and for nobody else.
async fn a_static_member_restarts_in_its_place() {
    let cluster = Cluster::shared().await;
    let telegram = Telegram::start().await;
    let setup = Protocol::Consumer.set(Setup::new(cluster, &telegram), 0);
    let (topic, group) = (&setup.source, &setup.group);
    let [first, second] =
        ["first", "second"].map(|name| setup.clone().set("NOTIFIER_KAFKA_GROUP_INSTANCE_ID", name));
    let mut restarted = first.run();
    cluster.wait_for_members(group, 1, 3).await;
    let mut other = second.run();
    let before = cluster.wait_for_members(group, 2, 3).await;
    cluster.produce(topic, &payments(0..30, 3)).await;
    telegram.wait_for_payments(0..30).await;
    cluster.wait_for_commits(group, topic, 30).await;
    assert!(restarted.shut_down().await.success());
    restarted = first.run();
    let after = cluster
        .wait_for_group(group, |now| {
            let known = |it: &_| before.members.contains(it);
            now.shares_out(2, 3) && !now.members.iter().all(known)
        })
        .await;
    for member in &before.members {
        let same = after
            .members
            .iter()
            .find(|it| it.instance_id == member.instance_id);
        assert_eq!(same.map(|it| &it.partitions), Some(&member.partitions));
    }
    cluster.produce(topic, &payments(30..60, 3)).await;
    assert_once_each(&telegram.wait_for_payments(0..60).await, 60);
    let given_up = other.log().into_iter();
    let given_up =
        given_up.filter(|it| it.contains("given up") && it.contains(&format!("group={group} ")));
    assert_eq!(given_up.count(), 0, "the other keeps all it has");
    assert!(restarted.shut_down().await.success());
    assert!(other.shut_down().await.success());
}

/// By the classic protocol the second would fence the first.
async fn an_instance_id_is_free_when_its_holder_has_left() {
    let cluster = Cluster::shared().await;
    let telegram = Telegram::start().await;
    let setup = Protocol::Consumer
        .set(Setup::new(cluster, &telegram), 0)
        .set("NOTIFIER_KAFKA_GROUP_INSTANCE_ID", "only-one");
    let mut first = setup.run();
    cluster.wait_for_members(&setup.group, 1, 3).await;
    let mut second = setup.run();
    second
        .wait_for_log("group.instance.id is another member's")
        .await;
    cluster.produce(&setup.source, &payments(0..3, 3)).await;
    telegram.wait_for_payments(0..3).await;
    assert!(first.shut_down().await.success());
    let assigned = |log: &[String]| {
        let mut log = log.iter();
        log.any(|line| is_assignment(line, &setup.group))
            .then_some(())
    };
    second.process().wait_until("an assignment", assigned).await;
    cluster.produce(&setup.source, &payments(3..6, 3)).await;
    assert_once_each(&telegram.wait_for_payments(0..6).await, 6);
    assert!(second.shut_down().await.success());
}

async fn a_cluster_without_it_is_used_by_the_classic_protocol() {
    let settings = [("group.coordinator.rebalance.protocols", "classic")];
    let cluster = Cluster::start(1, &settings).await;
    let telegram = Telegram::start().await;
    let setup = Protocol::Consumer.set(Setup::new(&cluster, &telegram), 0);
    let mut notifier = setup.run();
    let group = cluster.wait_for_members(&setup.group, 1, 3).await;
    assert_eq!(group.members.len(), 1);
    cluster.produce(&setup.source, &payments(0..3, 3)).await;
    telegram.wait_for_payments(0..3).await;
    let warning = |line: &String| {
        line.contains("the classic protocol is used")
            && line.contains(&format!("group={}", setup.group))
    };
    let told = notifier.log().iter().filter(|it| warning(it)).count();
    assert_eq!(
        told,
        2,
        "one by each of its two groups: {:#?}",
        notifier.log()
    );
    assert!(notifier.shut_down().await.success());
}

/// Members are replaced one after another by such of the other protocol, in both directions, while
/// payments come in.
async fn a_group_moves_to_it_and_back_while_it_works() {
    let cluster = Cluster::shared().await;
    let telegram = Telegram::start().await;
    let classic = Setup::new(cluster, &telegram);
    let consumer = Protocol::Consumer.set(classic.clone(), 0);
    let (topic, group) = (&classic.source, &classic.group);
    let mut members = [classic.run(), classic.run()];
    cluster.wait_for_members(group, 2, 3).await;
    let scenes = async {
        for setup in [&consumer, &classic] {
            for member in &mut members {
                assert!(member.shut_down().await.success());
                cluster.wait_for_members(group, 1, 3).await;
                *member = setup.run();
                cluster.wait_for_members(group, 2, 3).await;
            }
        }
    };
    let published = publish_during(cluster, topic, 3, scenes).await;
    let sent = telegram.wait_for_payments(0..published).await;
    cluster.wait_for_commits(group, topic, published).await;
    assert_once_each(&sent, published);
    for mut member in members {
        assert!(member.shut_down().await.success());
    }
}

async fn an_assignor_that_the_brokers_lack_is_told() {
    let cluster = Cluster::shared().await;
    let telegram = Telegram::start().await;
    let setup = Protocol::Consumer
        .set(Setup::new(cluster, &telegram), 0)
        .set("NOTIFIER_KAFKA_GROUP_REMOTE_ASSIGNOR", "fair");
    let mut notifier = setup.run();
    let status = notifier.process().ended().await;
    assert_eq!(status.code(), Some(1));
    let told = notifier.wait_for_log("UNSUPPORTED_ASSIGNOR").await;
    assert!(told.contains("group.remote.assignor must be"), "{told}");
    assert!(told.contains("The broker says"), "{told}");
}
