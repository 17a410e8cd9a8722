//! How the service stops.

use std::time::Instant;

use rustix::process::Signal;

use crate::support::cluster::Cluster;
use crate::support::notifier::Setup;
use crate::support::payments::{is_retry, payment, record, text, texts};
use crate::support::records::Record;
use crate::support::runner::{Test, tests};
use crate::support::stage::Stage;
use crate::support::telegram::{Answer, Sent, Telegram};

pub(crate) const TESTS: &[Test] = tests![
    a_signal_stops_in_order(Cluster),
    an_interrupt_stops_in_order_too(Cluster),
    a_send_that_takes_too_long_is_given_up_and_sent_again(Cluster),
    a_record_in_backoff_is_left_for_the_next_start(Cluster),
    a_held_or_stopped_line_stops_in_order(Cluster),
    a_stop_without_the_broker_names_what_is_not_committed(Cluster) within 300,
    a_static_member_stops_and_stays(Cluster),
    a_second_signal_ends_at_once(Cluster),
    a_signal_while_connecting_ends(Cluster),
    a_stopped_drain_says_that_it_is_not_done(Cluster),
    nothing_is_sent_twice_over_restarts(Cluster),
    nothing_is_lost_by_a_service_that_is_killed_again_and_again(Cluster) within 300,
];

async fn a_signal_stops_in_order() {
    let stage = Stage::new().await;
    stage.telegram.answer(|_| true, Answer::Held);
    stage.publish(&[record(1), record(2)]).await;
    let mut notifier = stage.setup.run();
    stage.telegram.wait_for(1).await;
    let drain = stage.setup.drain_group();
    stage.cluster.wait_for_members(&drain, 1, 3).await;
    notifier.process().terminate();
    notifier.wait_for_log("stopping").await;
    stage.telegram.release();
    let status = notifier.process().ended().await;
    assert_eq!(status.code(), Some(0), "{status}");
    // The send in flight finished and is committed; the one behind it was not begun.
    assert_eq!(texts(&stage.sent(1)), [text(1)]);
    stage.committed(&[(0, 1)]).await;
    for group in [stage.setup.group.clone(), stage.setup.drain_group()] {
        assert_eq!(stage.cluster.members(&group).await, [""; 0]);
    }
    let log = notifier.log();
    let left = log.iter().filter(|line| line.contains("group left"));
    assert_eq!(left.count(), 2, "{log:#?}");
}

async fn an_interrupt_stops_in_order_too() {
    let stage = Stage::new().await;
    stage.publish(&[record(1)]).await;
    let mut notifier = stage.setup.run();
    stage.telegram.wait_for(1).await;
    notifier.process().signal(Signal::INT);
    assert_eq!(notifier.process().ended().await.code(), Some(0));
    notifier.wait_for_log("SIGINT").await;
    stage.committed(&[(0, 1)]).await;
    assert_eq!(stage.cluster.members(&stage.setup.group).await, [""; 0]);
}

async fn a_send_that_takes_too_long_is_given_up_and_sent_again() {
    let stage = Stage::new()
        .await
        .set("NOTIFIER_CONSUMER_SHUTDOWN_TIMEOUT", "500ms");
    stage.telegram.answer(|call| call.nth == 0, Answer::Never);
    stage.publish(&[record(1)]).await;
    let mut notifier = stage.setup.run();
    stage.telegram.wait_for(1).await;
    assert_eq!(notifier.shut_down().await.code(), Some(0));
    notifier.wait_for_log("given up in flight").await;
    stage.committed(&[]).await;
    stage
        .run_until(async |_| {
            stage.telegram.wait_for(2).await;
        })
        .await;
    assert_eq!(texts(&stage.sent(2)), [text(1), text(1)]);
    stage.committed(&[(0, 1)]).await;
}

async fn a_record_in_backoff_is_left_for_the_next_start() {
    let stage = Stage::new().await.set("NOTIFIER_RETRY_BACKOFF", "1h");
    stage.busy(|call| call.nth == 0);
    stage.publish(&[record(1)]).await;
    stage
        .run_until(async |_| {
            stage.telegram.wait_for(1).await;
        })
        .await;
    stage.committed(&[]).await;
    stage
        .run_until(async |_| {
            stage.telegram.wait_for(2).await;
        })
        .await;
    stage.sent(2);
    stage.dead_letters(0).await;
    stage.committed(&[(0, 1)]).await;
}

async fn a_held_or_stopped_line_stops_in_order() {
    for answer in [
        Answer::retry_after(3600),
        Answer::error(401, "Unauthorized"),
    ] {
        let stage = Stage::new().await;
        stage.telegram.answer(|call| call.nth == 0, answer);
        stage.publish(&[record(1), record(2)]).await;
        stage
            .run_until(async |notifier| {
                let told = async |text| notifier.wait_for_log(text).await;
                tokio::select! {
                    _ = told("the sink asks to wait") => {}
                    _ = told("the line has stopped") => {}
                }
            })
            .await;
        stage.sent(1);
        stage.committed(&[]).await;
        stage
            .run_until(async |_| {
                stage.telegram.wait_for(3).await;
            })
            .await;
        assert_eq!(texts(&stage.sent(3)), [text(1), text(1), text(2)]);
        stage.committed(&[(0, 2)]).await;
    }
}

async fn a_stop_without_the_broker_names_what_is_not_committed() {
    let cluster = Cluster::start(1, &[]).await;
    let telegram = Telegram::start().await;
    let setup = Setup::new(&cluster, &telegram)
        .set("NOTIFIER_DRAIN_ENABLED", "false")
        .set("NOTIFIER_KAFKA_SESSION_TIMEOUT_MS", "15000")
        .set("NOTIFIER_CONSUMER_SHUTDOWN_TIMEOUT", "1s");
    let (topic, group) = (&setup.source, &setup.group);
    cluster.create_topic(topic, 3, &[]).await;
    telegram.answer(|call| call.nth == 0, Answer::Held);
    cluster.produce(topic, &[record(1)]).await;
    let mut notifier = setup.run();
    telegram.wait_for(1).await;
    cluster.kill(1).await;
    notifier.process().terminate();
    notifier.wait_for_log("stopping").await;
    telegram.release();
    let status = notifier.process().ended().await;
    let log = notifier.log();
    assert_eq!(status.code(), Some(1), "{log:#?}");
    let last = log.last().map_or("", |line| line);
    let lost = format!("may be delivered again: {topic}-0 before offset 1");
    assert!(last.contains("ERROR") && last.contains(&lost), "{log:#?}");
    let left = format!("group {group} not left: no answer from the coordinator within 5s");
    assert!(log.iter().any(|line| line.contains(&left)), "{log:#?}");
    assert!(
        !log.iter().any(|line| line.contains("group left")),
        "{log:#?}"
    );

    // What it told is so.
    cluster.restart(1).await;
    cluster.wait_for_committed(group, topic, &[]).await;
    let mut next = setup.run();
    telegram.wait_for(2).await;
    cluster.wait_for_committed(group, topic, &[(0, 1)]).await;
    assert!(next.shut_down().await.success());
    assert_eq!(texts(&telegram.sent()), [text(1), text(1)]);
}

async fn a_static_member_stops_and_stays() {
    let stage = Stage::new()
        .await
        .without_drain()
        .set("NOTIFIER_KAFKA_GROUP_INSTANCE_ID", "notifier-1");
    stage.publish(&[record(1)]).await;
    let log = stage
        .run_until(async |_| {
            stage.telegram.wait_for(1).await;
        })
        .await;
    stage.committed(&[(0, 1)]).await;
    assert_eq!(stage.cluster.members(&stage.setup.group).await.len(), 1);
    let told = |text| log.iter().any(|line| line.contains(text));
    assert!(
        told("static member stays until its session ends"),
        "{log:#?}"
    );
    assert!(!told("group left"), "{log:#?}");
}

async fn a_second_signal_ends_at_once() {
    let stage = Stage::new()
        .await
        .set("NOTIFIER_CONSUMER_SHUTDOWN_TIMEOUT", "1h");
    stage.telegram.answer(|_| true, Answer::Never);
    stage.publish(&[record(1)]).await;
    let mut notifier = stage.setup.run();
    stage.telegram.wait_for(1).await;
    notifier.process().terminate();
    notifier.wait_for_log("stopping").await;
    notifier.process().terminate();
    assert_eq!(notifier.process().ended().await.code(), Some(1));
    notifier.wait_for_log("ended at once").await;
    stage.committed(&[]).await;
}

async fn a_signal_while_connecting_ends() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let stage = Stage::without_topics()
        .await
        .set("NOTIFIER_KAFKA_BOOTSTRAP_SERVERS", &address);
    let accepted = tokio::task::spawn_blocking(move || silent.accept().map(|it| (silent, it)));
    let mut notifier = stage.setup.run();
    // Held, so that it stays open.
    let _connection = accepted.await.unwrap().unwrap();
    let asked = Instant::now();
    assert_eq!(notifier.shut_down().await.code(), Some(0));
    assert!(asked.elapsed().as_secs() < 8, "{:?}", asked.elapsed());
}

async fn a_stopped_drain_says_that_it_is_not_done() {
    let stage = Stage::new().await;
    stage.telegram.answer(|_| true, Answer::Held);
    stage.bury(&[record(1), record(2)]).await;
    let mut drain = stage.setup.start(&["drain"]);
    stage.telegram.wait_for(1).await;
    drain.process().terminate();
    drain.wait_for_log("stopping").await;
    stage.telegram.release();
    assert_eq!(drain.process().ended().await.code(), Some(1));
    drain.wait_for_log("sent 1: delivered 1").await;
    drain.wait_for_log("dead letters may be left").await;
    stage.drain_committed(&[(0, 1)]).await;
    stage.sent(1);
}

async fn nothing_is_sent_twice_over_restarts() {
    let stage = Stage::new().await;
    let records: Vec<_> = (0..60)
        .map(|n| record(n).at(i32::try_from(n).unwrap() % 3))
        .collect();
    stage.publish(&records).await;
    for most in [5, 23, 60] {
        stage
            .run_until(async |_| {
                stage.telegram.wait_for(most).await;
            })
            .await;
    }
    let mut sent = texts(&stage.sent(60));
    let mut expected: Vec<_> = (0..60).map(text).collect();
    sent.sort_unstable();
    expected.sort_unstable();
    assert_eq!(sent, expected);
    stage.committed(&[(0, 20), (1, 20), (2, 20)]).await;
}

async fn nothing_is_lost_by_a_service_that_is_killed_again_and_again() {
    const PAYMENTS: usize = 30;
    const KILLS: usize = 6;
    let stage = Stage::new()
        .await
        .set("NOTIFIER_RETRY_BACKOFF", "10ms")
        .set("NOTIFIER_DRAIN_INTERVAL", "100ms")
        .set("NOTIFIER_KAFKA_SESSION_TIMEOUT_MS", "1500")
        .set("NOTIFIER_KAFKA_HEARTBEAT_INTERVAL_MS", "300");
    // A third is busy for ever, a third is refused, and a third sent.
    let number = |call: &Sent| {
        let (_, rest) = call.text.split_once(" user").unwrap();
        let (number, _) = rest.split_once('@').unwrap();
        number.parse::<usize>().unwrap()
    };
    stage.busy(move |call| number(call) % 3 == 0);
    let refused = Answer::error(403, "Forbidden");
    stage
        .telegram
        .answer(move |call| number(call) % 3 == 1, refused);
    let records: Vec<_> = (0..PAYMENTS)
        .map(|n| record(n).at(i32::try_from(n / 10).unwrap()))
        .collect();
    stage.publish(&records).await;
    for _ in 0..KILLS {
        let mut notifier = stage.setup.run();
        let more = stage.telegram.sent().len() + 17;
        stage.telegram.wait_for(more).await;
        notifier.kill().await;
    }
    stage
        .run_until(async |_| {
            let sent = |sent: &[Sent]| {
                let is_sent = |n| sent.iter().any(|call| call.text == text(n));
                let mut good = (0..PAYMENTS).filter(|n| n % 3 == 2);
                good.all(is_sent).then_some(())
            };
            stage.telegram.wait_until("all good ones", sent).await;
            stage.committed(&[(0, 10), (1, 10), (2, 10)]).await;
            for n in (0..PAYMENTS).filter(|n| n % 3 != 2) {
                let there = |parked: &[Record]| parked.iter().any(|it| it.text() == payment(n));
                stage.wait_for_permanent(there).await;
            }
        })
        .await;
    // What was killed before its commit is done again, and its count still ends at three.
    let parked = stage.cluster.read(&stage.setup.permanent).await;
    let twice = parked.len() - 2 * PAYMENTS / 3;
    assert!(twice <= 2 * 3 * KILLS, "{twice}");
    for record in &parked {
        let count = record.get("retry-count").unwrap();
        assert!(count == b"0" || count == b"3", "{record:?}");
    }
    let retries = stage.telegram.sent();
    let retries = retries.iter().filter(|call| is_retry(call));
    assert!(retries.clone().count() >= PAYMENTS);
    let last = |call: &&Sent| call.text.ends_with("시도 횟수: 4]\n");
    assert_eq!(retries.filter(last).count(), 0);
}
