//! When the drain runs, and what it takes up.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::cluster::Cluster;
use crate::support::notifier::{Notifier, Setup};
use crate::support::payments::{is_about, is_retry, payment, record, retry_text, texts};
use crate::support::runner::{Test, tests};
use crate::support::stage::Stage;
use crate::support::telegram::{Answer, Telegram};

pub(crate) const TESTS: &[Test] = tests![
    the_membership_is_kept_between_drains(Cluster),
    the_interval_counts_from_the_end_of_a_drain(Cluster),
    a_snapshot_tries_each_record_once(Cluster),
    a_dead_letter_rests_before_its_retry(Cluster),
    a_resting_dead_letter_stays_where_it_is(Cluster),
    the_drain_can_be_disabled(Cluster),
    the_number_of_retries_can_be_set(Cluster),
    a_drain_commits_record_by_record(Cluster),
    the_markers_of_transactions_hold_nothing_up(Cluster, Java),
    a_drain_beside_a_static_member_leaves_it_in_place(Cluster),
    a_drain_ends_where_kafka_goes_away(Cluster) within 300,
    a_drain_that_gets_no_partitions_ends(Cluster) within 300,
];

async fn the_membership_is_kept_between_drains() {
    let stage = Stage::new().await.set("NOTIFIER_DRAIN_INTERVAL", "200ms");
    let group = stage.setup.drain_group();
    let passes = |count: usize| {
        move |lines: &[String]| {
            let over = lines.iter().filter(|line| line.contains("drain finished"));
            (over.count() >= count).then_some(())
        }
    };
    let mut notifier = stage.setup.run();
    let process = notifier.process();
    process.wait_until("a pass", passes(1)).await;
    let before = stage.cluster.members(&group).await;
    assert_eq!(before.len(), 1);
    // Records that come in between are drained by the same member.
    stage.bury(&[record(1).at(2)]).await;
    stage.telegram.wait_for(1).await;
    process.wait_until("six passes", passes(6)).await;
    assert_eq!(stage.cluster.members(&group).await, before);
    assert!(notifier.shut_down().await.success());
    let log = notifier.log();
    let assigned: Vec<_> = log
        .iter()
        .filter(|line| line.contains("partitions assigned") && line.contains(&group))
        .collect();
    assert_eq!(assigned.len(), 1, "{assigned:#?}");
    assert!(assigned[0].contains("generation=1 "), "{assigned:?}");
    stage.sent(1);
}

async fn the_interval_counts_from_the_end_of_a_drain() {
    let stage = Stage::new()
        .await
        .set("NOTIFIER_DRAIN_INTERVAL", "1500ms")
        .set("NOTIFIER_DRAIN_MODE", "snapshot");
    stage.busy(|_| true);
    stage.bury(&[record(1)]).await;
    stage
        .run_until(async |_| {
            stage.permanent(1).await;
        })
        .await;
    let sent = stage.sent(3);
    for pair in sent.windows(2) {
        let apart = pair[1].at - pair[0].at;
        assert!(apart >= Duration::from_millis(1500), "{apart:?}");
    }
}

async fn a_snapshot_tries_each_record_once() {
    let stage = Stage::new().await.set("NOTIFIER_DRAIN_MODE", "snapshot");
    stage.busy(|_| true);
    stage.bury(&[record(1), record(2).at(1), record(3)]).await;
    for attempt in 1..=3 {
        let done = stage.drain().await;
        assert_eq!((&done["sent"], &done["put_back"]), (&json!(3), &json!(3)));
        let sent = texts(&stage.sent(3 * attempt));
        for n in 1..=3 {
            let retry = retry_text(n, attempt);
            assert_eq!(sent.iter().filter(|text| **text == retry).count(), 1);
        }
    }
    let done = stage.drain().await;
    assert_eq!((&done["sent"], &done["permanent"]), (&json!(0), &json!(3)));
    stage.permanent(3).await;
}

async fn a_dead_letter_rests_before_its_retry() {
    let stage = Stage::new()
        .await
        .set("NOTIFIER_DRAIN_INTERVAL", "100ms")
        .set("NOTIFIER_DRAIN_DELAYS", "1s, 2s");
    stage.busy(|_| true);
    stage.publish(&[record(1)]).await;
    stage
        .run_until(async |_| {
            stage.permanent(1).await;
        })
        .await;
    let sent = stage.sent(7);
    let after = |n: usize| sent[n].at - sent[n - 1].at;
    assert!(sent[4..].iter().all(is_retry));
    // Clocks count whole milliseconds.
    let seconds = |s: u64| Duration::from_millis(s * 1000 - 1);
    assert!(after(4) >= seconds(1), "{:?}", after(4));
    assert!(after(5) >= seconds(2), "{:?}", after(5));
    assert!(
        after(6) >= seconds(2),
        "the last delay holds on: {:?}",
        after(6)
    );
}

async fn a_resting_dead_letter_stays_where_it_is() {
    let stage = Stage::new().await.without_drain();
    stage.busy(|_| true);
    stage.publish(&[record(1)]).await;
    stage
        .run_until(async |_| {
            stage.dead_letters(1).await;
        })
        .await;
    let stage = stage.set("NOTIFIER_DRAIN_DELAYS", "1h");
    let done = stage.drain().await;
    assert_eq!((&done["sent"], &done["put_back"]), (&json!(0), &json!(0)));
    stage.dead_letters(1).await;
    stage.drain_committed(&[]).await;
    // It is not lost to a drain that waits less.
    let stage = stage.set("NOTIFIER_DRAIN_DELAYS", "");
    assert_eq!(stage.drain().await["sent"], 3);
    stage.sent(7);
}

async fn the_drain_can_be_disabled() {
    let stage = Stage::new().await.without_drain();
    stage.bury(&[record(1)]).await;
    stage.publish(&[record(2)]).await;
    let log = stage
        .run_until(async |_| {
            stage.telegram.wait_for(1).await;
        })
        .await;
    assert!(log.iter().all(|line| !line.contains("drain started")));
    assert!(log.iter().all(|line| !line.contains("dlq-retry")));
    stage.sent(1);
    // The command drains all the same.
    assert_eq!(stage.drain().await["delivered"], 1);
}

async fn the_number_of_retries_can_be_set() {
    let stage = Stage::new()
        .await
        .without_drain()
        .set("NOTIFIER_RETRY_MAX_RETRIES", "0")
        .set("NOTIFIER_DRAIN_MAX_RETRIES", "1");
    stage.busy(|_| true);
    stage.publish(&[record(1)]).await;
    stage
        .run_until(async |_| {
            stage.dead_letters(1).await;
        })
        .await;
    stage.sent(1);
    let done = stage.drain().await;
    assert_eq!((&done["sent"], &done["permanent"]), (&json!(1), &json!(1)));
    stage.permanent(1).await;
}

async fn a_drain_commits_record_by_record() {
    // The group waits no longer for the one that is killed.
    let stage = Stage::new()
        .await
        .set("NOTIFIER_KAFKA_SESSION_TIMEOUT_MS", "2000")
        .set("NOTIFIER_KAFKA_HEARTBEAT_INTERVAL_MS", "500");
    stage.telegram.answer(|call| call.nth == 2, Answer::Held);
    stage
        .bury(&[record(1), record(2), record(3), record(4)])
        .await;
    let mut notifier = stage.setup.run();
    stage.telegram.wait_for(3).await;
    // While the third is on its way, the first two are done with, whatever happens now.
    stage.drain_committed(&[(0, 2)]).await;
    notifier.kill().await;
    stage.telegram.release();
    assert_eq!(stage.drain().await["delivered"], 2);
    let expected = [1, 2, 3, 3, 4].map(|n| retry_text(n, 1));
    assert_eq!(texts(&stage.sent(5)), expected);
}

async fn the_markers_of_transactions_hold_nothing_up() {
    let stage = Stage::new().await;
    let payload = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(payload.path(), payment(1)).unwrap();
    for topic in [&stage.setup.dead_letter, &stage.setup.source] {
        // A transaction a record: most of the log is markers, and its last offset is one.
        let arguments = [
            ["--topic", topic],
            ["--payload-file", payload.path().to_str().unwrap()],
            ["--num-records", "9"],
            ["--throughput", "100"],
            ["--transactional-id", topic],
            ["--transaction-duration-ms", "1"],
        ];
        let tool = "org.apache.kafka.tools.ProducerPerformance";
        stage.cluster.tool(tool, arguments.as_flattened()).await;
    }
    assert_eq!(stage.drain().await["delivered"], 9);
    assert_eq!(stage.drain().await["sent"], 0);
    stage
        .run_until(async |notifier| {
            notifier.wait_for_log("drain finished").await;
            stage.telegram.wait_for(18).await;
        })
        .await;
    stage.sent(18);
}

async fn a_drain_beside_a_static_member_leaves_it_in_place() {
    let stage = Stage::new()
        .await
        .set("NOTIFIER_KAFKA_GROUP_INSTANCE_ID", "notifier-1")
        .set("NOTIFIER_DRAIN_INTERVAL", "1h");
    let mut notifier = stage.setup.run();
    notifier.wait_for_log("drain finished").await;
    stage
        .bury(&[record(1), record(2).at(1), record(3).at(2)])
        .await;
    let pass = stage.drain().await;
    let partitions = pass["partitions"].as_u64().unwrap();
    assert!((1..3).contains(&partitions), "a share of the three: {pass}");
    assert_eq!(pass["delivered"].as_u64(), Some(partitions), "{pass}");
    stage.publish(&[record(4)]).await;
    let sent = stage
        .telegram
        .wait_until("payment 4 sent", |sent| {
            sent.iter()
                .any(|call| is_about(call, 4))
                .then_some(sent.len())
        })
        .await;
    assert_eq!(sent as u64, partitions + 1);
    assert!(notifier.shut_down().await.success());
}

async fn a_drain_ends_where_kafka_goes_away() {
    let away = Away::set().await;
    let (cluster, telegram, setup) = (&away.cluster, &away.telegram, &away.setup);
    telegram.answer(|_| true, Answer::Held);
    cluster.produce(&setup.dead_letter, &[record(1)]).await;
    let mut drain = setup.start(&["drain", "--json"]);
    telegram.wait_for(1).await;
    cluster.kill(1).await;
    telegram.release();
    let (told, printed) = away.ends(&mut drain).await;
    assert!(
        told.contains("waited for the acknowledgement of a commit"),
        "{told}"
    );
    let twice = format!(
        "may be delivered again: {}-0 before offset 1",
        setup.dead_letter
    );
    assert!(told.contains(&twice), "{told}");
    assert_eq!(
        (&printed["sent"], &printed["delivered"]),
        (&json!(1), &json!(1))
    );
}

async fn a_drain_that_gets_no_partitions_ends() {
    let away = Away::set().await;
    let setup = &away.setup;
    // The group waits for a member that is gone without a word.
    let mut gone = setup.run();
    gone.wait_for_log("drain finished").await;
    gone.kill().await;
    let mut drain = setup.start(&["drain", "--json"]);
    let (told, printed) = away.ends(&mut drain).await;
    assert!(told.contains("waited for the group's assignment"), "{told}");
    assert_eq!(
        (&printed["sent"], &printed["partitions"]),
        (&json!(0), &json!(0))
    );
}

/// A cluster of its own, that a drain waits for no longer than eight seconds.
struct Away {
    cluster: Cluster,
    telegram: Telegram,
    setup: Setup,
}

impl Away {
    async fn set() -> Self {
        let cluster = Cluster::start(1, &[]).await;
        let telegram = Telegram::start().await;
        let setup = Setup::new(&cluster, &telegram)
            .set("NOTIFIER_KAFKA_DEFAULT_API_TIMEOUT_MS", "8000")
            .set("NOTIFIER_CONSUMER_SHUTDOWN_TIMEOUT", "1s");
        for topic in setup.topics() {
            cluster.create_topic(topic, 3, &[]).await;
        }
        // The first group of a cluster waits for the topic of all groups.
        cluster.coordinator(&setup.drain_group()).await;
        Self {
            cluster,
            telegram,
            setup,
        }
    }

    /// Waits for the drain's end; its last word, and what it printed.
    async fn ends(&self, drain: &mut Notifier) -> (String, Value) {
        let status = drain.process().ended().await;
        let log = drain.log();
        assert_eq!(status.code(), Some(1), "{log:#?}");
        let printed = log.iter().find(|line| line.starts_with('{'));
        let printed = printed.unwrap_or_else(|| panic!("nothing printed: {log:#?}"));
        let printed: Value = serde_json::from_str(printed).expect("it prints JSON");
        assert_eq!(printed["interrupted"], true, "{printed}");
        let mut errors = log.iter().filter(|line| line.contains("ERROR"));
        let told = errors.next_back().map_or("", |line| line);
        assert!(told.contains("nothing came from Kafka for 8s"), "{log:#?}");
        (told.to_owned(), printed)
    }
}
