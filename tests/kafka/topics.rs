//! Topics that change, or refuse, beneath the running service.

use std::pin::Pin;

use crate::support::cluster::{Cluster, ONE_CLUSTER_AT_A_TIME};
use crate::support::notifier::{Notifier, Setup};
use crate::support::payments::payment;
use crate::support::records::Record;
use crate::support::runner::{Test, tests};
use crate::support::stream::{assert_once_each, number, payments};
use crate::support::telegram::{Answer, Sent, Telegram};

pub(crate) const TESTS: &[Test] = tests![
    added_partitions_are_consumed(Cluster),
    a_topic_made_again_is_consumed_from_its_beginning(Cluster),
    a_topic_made_again_unseen_is_consumed_from_its_beginning(Cluster),
    a_topic_made_again_is_another_one_to_the_consumer_protocol(Cluster),
    no_offset_of_a_topic_that_was_made_again_is_committed(Cluster),
    dead_letters_fold_into_too_few_partitions(Cluster),
    too_few_replicas_for_a_dead_letter_stop_its_line(Cluster) within 600,
    // Access rules are Apache Kafka's alone.
    a_forbidden_dead_letter_topic_stops_its_line(Kafka),
    a_dead_letter_beyond_its_topics_limit_stops_its_line(Cluster),
];

async fn added_partitions_are_consumed() {
    let cluster = Cluster::shared().await;
    let telegram = Telegram::start().await;
    let setup = watchful(Setup::new(cluster, &telegram));
    let (topic, group) = (&setup.source, &setup.group);
    cluster.create_topic(topic, 1, &[]).await;
    cluster.create_topic(&setup.dead_letter, 3, &[]).await;
    let mut notifier = setup.run();
    cluster.wait_for_members(group, 1, 1).await;
    cluster.grow_topic(topic, 3).await;
    // Before the service can know of them, and consumed all the same.
    cluster.produce(topic, &payments(0..9, 3)).await;
    assert_once_each(&telegram.wait_for_payments(0..9).await, 9);
    cluster.wait_for_members(group, 1, 3).await;
    cluster.wait_for_commits(group, topic, 9).await;
    assert!(notifier.shut_down().await.success());
}

pub(crate) async fn a_topic_made_again_is_consumed_from_its_beginning() {
    make_again("classic", async |_, again| again.await).await;
}

/// Both the metadata and the coordinator tell of it, in either order.
async fn a_topic_made_again_is_another_one_to_the_consumer_protocol() {
    make_again("consumer", async |_, again| again.await).await;
}

/// The service never learns that there was no such topic for a while.
async fn a_topic_made_again_unseen_is_consumed_from_its_beginning() {
    make_again("classic", async |notifier, again| {
        notifier.process().pause();
        again.await;
        notifier.process().resume();
        notifier.wait_for_log("deleted and made again").await;
    })
    .await;
}

/// Ten records a partition, then one: what of the old topic is under way or held when the new one
/// is there counts for nothing in it.
async fn no_offset_of_a_topic_that_was_made_again_is_committed() {
    let cluster = Cluster::shared().await;
    let telegram = Telegram::start().await;
    let setup = watchful(Setup::new(cluster, &telegram));
    let (topic, group) = (&setup.source, &setup.group);
    telegram.answer_payment(15, Answer::Held);
    let mut notifier = setup.run();
    cluster.wait_for_members(group, 1, 3).await;
    cluster.produce(topic, &payments(0..30, 3)).await;
    let is_held = |sent: &[Sent]| sent.iter().any(|it| number(it) == 15).then_some(());
    telegram.wait_until("payment 15", is_held).await;

    notifier.process().pause();
    cluster.delete_topic(topic).await;
    cluster.create_topic(topic, 3, &[]).await;
    cluster.produce(topic, &payments(30..33, 3)).await;
    notifier.process().resume();
    notifier.wait_for_log("deleted and made again").await;
    telegram.release();
    // The group may have the old topic's until the service begins anew, and never again after.
    let (mut begun, mut done) = (false, false);
    while !done {
        let offsets = cluster.committed(group, topic).await;
        let possible = offsets.values().all(|next| *next <= 1);
        assert!(possible || !begun, "{offsets:?}");
        // With the topic the cluster has deleted its offsets: where there are none, none was begun.
        begun |= possible && offsets.len() == 3;
        done = possible && offsets.values().sum::<i64>() == 3;
    }
    let mut sent = telegram.wait_for_payments(30..33).await;
    assert!(notifier.shut_down().await.success());
    let offsets = cluster.committed(group, topic).await;
    assert!(offsets.values().all(|next| *next == 1), "{offsets:?}");
    sent.retain(|n| *n >= 30);
    sent.sort_unstable();
    assert_eq!(sent, [30, 31, 32]);
}

async fn make_again(
    protocol: &str,
    during: impl AsyncFnOnce(&mut Notifier, Pin<Box<dyn Future<Output = ()> + '_>>),
) {
    let cluster = Cluster::shared().await;
    let telegram = Telegram::start().await;
    let setup = watchful(Setup::new(cluster, &telegram));
    let setup = setup.set("NOTIFIER_KAFKA_GROUP_PROTOCOL", protocol);
    let (topic, group) = (&setup.source, &setup.group);
    let mut notifier = setup.run();
    cluster.wait_for_members(group, 1, 3).await;
    cluster.produce(topic, &payments(0..30, 3)).await;
    telegram.wait_for_payments(0..30).await;
    cluster.wait_for_commits(group, topic, 30).await;

    let again = async {
        cluster.delete_topic(topic).await;
        cluster.create_topic(topic, 3, &[]).await;
        // More than the first time: none may be taken for consumed because its offset once was.
        cluster.produce(topic, &payments(30..96, 3)).await;
    };
    during(&mut notifier, Box::pin(again)).await;
    assert_once_each(&telegram.wait_for_payments(30..96).await, 96);
    cluster.wait_for_commits(group, topic, 66).await;
    assert!(notifier.shut_down().await.success());
}

async fn dead_letters_fold_into_too_few_partitions() {
    let cluster = Cluster::shared().await;
    let telegram = Telegram::start().await;
    let setup = watchful(Setup::new(cluster, &telegram));
    let (topic, group) = (&setup.source, &setup.group);
    cluster.create_topic(topic, 2, &[]).await;
    cluster.create_topic(&setup.dead_letter, 2, &[]).await;
    telegram.answer(|_| true, Answer::error(503, "Service Unavailable"));
    let mut notifier = setup.run();
    cluster.wait_for_members(group, 1, 2).await;
    cluster.grow_topic(topic, 4).await;
    cluster.wait_for_members(group, 1, 4).await;
    let record = Record::new(payment(3)).at(3).key("k").header("h", "v");
    cluster.produce(topic, &[record]).await;
    let folded = cluster.wait_for_records(&setup.dead_letter, 1).await;
    assert_eq!(folded[0].partition, 1, "3 modulo 2");
    assert_eq!(
        folded[0].get("kafka_dlt-original-partition"),
        Some(&[0, 0, 0, 3][..])
    );
    assert_eq!(folded[0].key.as_deref(), Some(&b"k"[..]));
    let told = notifier.wait_for_log("too few partitions").await;
    assert!(
        told.contains("WARN") && told.contains("partitions=2"),
        "{told}"
    );
    cluster.wait_for_commits(group, topic, 1).await;
    assert!(notifier.shut_down().await.success());
}

async fn too_few_replicas_for_a_dead_letter_stop_its_line() {
    let _turn = ONE_CLUSTER_AT_A_TIME.lock().await;
    let cluster = &Cluster::start(3, &[]).await;
    let telegram = Telegram::start().await;
    let setup = Setup::new(cluster, &telegram).set("NOTIFIER_TOPICS_REPLICATION_FACTOR", "3");
    let all = [("min.insync.replicas", "3")];
    cluster.create_topic(&setup.dead_letter, 3, &all).await;
    // Made before one of its replicas is missing.
    cluster.create_topic(&setup.source, 3, &[]).await;
    cluster.create_topic(&setup.permanent, 3, &[]).await;
    cluster.coordinator(&setup.group).await;
    cluster.stop(3).await;
    stops_and_goes_on(
        cluster,
        &telegram,
        &setup,
        "NOT_ENOUGH_REPLICAS",
        async || {
            cluster.restart(3).await;
        },
    )
    .await;
}

async fn a_forbidden_dead_letter_topic_stops_its_line() {
    let cluster = Cluster::shared().await;
    let telegram = Telegram::start().await;
    let setup = Setup::new(cluster, &telegram);
    let topic = &setup.dead_letter;
    cluster.create_topic(topic, 3, &[]).await;
    let rule = |rule, operation| {
        let anyone = ["--allow-principal", "User:ANONYMOUS", "--topic", topic];
        [&[rule, "--operation", operation], &anyone[..]].concat()
    };
    cluster.tool("kafka-acls", &rule("--add", "Read")).await;
    stops_and_goes_on(
        cluster,
        &telegram,
        &setup,
        "TOPIC_AUTHORIZATION_FAILED",
        async || {
            cluster.tool("kafka-acls", &rule("--add", "Write")).await;
        },
    )
    .await;
}

async fn a_dead_letter_beyond_its_topics_limit_stops_its_line() {
    let cluster = Cluster::shared().await;
    let telegram = Telegram::start().await;
    let setup = Setup::new(cluster, &telegram);
    let narrow = [("max.message.bytes", "200")];
    cluster.create_topic(&setup.dead_letter, 3, &narrow).await;
    stops_and_goes_on(
        cluster,
        &telegram,
        &setup,
        "MESSAGE_TOO_LARGE",
        async || {
            let topic = &setup.dead_letter;
            cluster
                .configure_topic(topic, "max.message.bytes", "100000")
                .await;
        },
    )
    .await;
}

/// Payment 3, the second of its partition, can't be sent, and its dead letter can't be written
/// until it is mended: its line stops, the others go on; then it goes on where it was.
async fn stops_and_goes_on(
    cluster: &Cluster,
    telegram: &Telegram,
    setup: &Setup,
    reason: &str,
    mend: impl AsyncFnOnce(),
) {
    let setup = watchful(setup.clone())
        .set("NOTIFIER_KAFKA_REQUEST_TIMEOUT_MS", "4000")
        .set("NOTIFIER_KAFKA_DELIVERY_TIMEOUT_MS", "4500");
    let (topic, group) = (&setup.source, &setup.group);
    telegram.answer_payment(3, Answer::error(503, "Service Unavailable"));
    let mut notifier = setup.run();
    cluster.wait_for_members(group, 1, 3).await;
    cluster.produce(topic, &payments(0..12, 3)).await;
    let told = notifier.wait_for_log("partition stuck").await;
    assert!(told.contains(reason), "{told}");
    // What is mended is not for the first drain.
    notifier.wait_for_log("drain finished").await;
    cluster.wait_for_commits(group, topic, 1 + 4 + 4).await;
    assert_eq!(
        cluster.committed(group, topic).await[&0],
        1,
        "not beyond the stuck one"
    );
    assert!(cluster.read(&setup.dead_letter).await.is_empty());
    assert_sends(
        telegram,
        &notifier,
        &[0, 1, 2, 3, 3, 3, 3, 4, 5, 7, 8, 10, 11],
    );

    mend().await;
    cluster.wait_for_commits(group, topic, 12).await;
    assert_sends(
        telegram,
        &notifier,
        &[0, 1, 2, 3, 3, 3, 3, 4, 5, 6, 7, 8, 9, 10, 11],
    );
    let dead = cluster.wait_for_records(&setup.dead_letter, 1).await;
    assert_eq!(dead.len(), 1, "{dead:?}");
    assert_eq!((dead[0].partition, dead[0].text()), (0, payment(3)));
    let stuck = notifier
        .log()
        .into_iter()
        .filter(|line| line.contains("partition stuck"));
    assert_eq!(stuck.count(), 1, "once a minute at most");
    assert!(notifier.shut_down().await.success());
}

#[track_caller]
fn assert_sends(telegram: &Telegram, notifier: &Notifier, expected: &[usize]) {
    let mut sent: Vec<_> = telegram.sent().iter().map(number).collect();
    sent.sort_unstable();
    assert_eq!(sent, expected, "{:#?}", notifier.log());
}

/// The service looks at the topics every second.
fn watchful(setup: Setup) -> Setup {
    setup.set("NOTIFIER_KAFKA_METADATA_MAX_AGE_MS", "1000")
}
