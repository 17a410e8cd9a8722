//! What Telegram's answers mean for the record, and for the line.

use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::support::notifier::Notifier;
use crate::support::payments::{is_about, is_retry, record, retry_text, text, texts};
use crate::support::records::Record;
use crate::support::runner::{Test, tests};
use crate::support::silent_address;
use crate::support::stage::Stage;
use crate::support::telegram::{Answer, Sent, TOKEN, Telegram};

pub(crate) const TESTS: &[Test] = tests![
    telegram_is_reached_by_the_proxy_of_the_environment(Cluster),
    a_wait_costs_no_attempt(Cluster),
    a_wait_holds_all_partitions(Cluster),
    a_wait_costs_no_attempt_of_the_drain(Cluster),
    a_refused_message_goes_to_the_permanent_topic_at_once(Cluster),
    a_refused_message_may_be_a_dead_letter_first(Cluster),
    a_refused_dead_letter_goes_to_the_permanent_topic_at_once(Cluster),
    a_revoked_token_stops_the_line_until_it_works_again(Cluster),
    a_revoked_token_is_replaced_in_its_file(Cluster),
    a_revoked_token_stops_the_drain_and_costs_no_attempt(Cluster),
    the_services_drain_goes_on_when_the_token_works_again(Cluster),
    an_unreachable_telegram_ends_a_drain_and_costs_no_attempt(Cluster),
    an_address_that_is_not_telegrams_costs_no_attempt(Cluster),
    an_unreachable_telegram_stops_the_line_until_it_is_back(Cluster),
    a_record_in_backoff_holds_up_its_partition_alone(Cluster),
    sends_side_by_side_are_of_different_partitions(Cluster),
    a_rate_is_kept(Cluster),
    a_broken_connection_is_tried_again(Cluster),
    a_chat_that_moved_gets_its_messages(Cluster),
];

async fn a_wait_costs_no_attempt() {
    let stage = Stage::new().await.without_drain();
    stage.busy(|call| call.repeats >= 2);
    stage
        .telegram
        .answer(|call| call.repeats < 2, Answer::retry_after(1));
    stage.publish(&[record(1)]).await;
    stage
        .run_until(async |_| {
            stage.dead_letters(1).await;
        })
        .await;
    // Two that were asked to wait, and all four deliveries.
    let sent = stage.sent(6);
    for pair in sent[..3].windows(2) {
        assert!(waited(pair) >= Duration::from_secs(1), "{pair:?}");
    }
    let attempts = stage.dead_letters(1).await[0]
        .get("payment-notifier-delivery-attempts")
        .map(<[u8]>::to_vec);
    assert_eq!(attempts, Some(b"4".to_vec()));
}

async fn a_wait_holds_all_partitions() {
    let stage = Stage::new().await.without_drain();
    stage
        .telegram
        .answer(|call| call.nth == 0, Answer::retry_after(1));
    let records = [0, 1, 2].map(|n| record(n).at(i32::try_from(n).unwrap()));
    stage.publish(&records).await;
    stage
        .run_until(async |_| {
            stage.telegram.wait_for(4).await;
        })
        .await;
    let sent = stage.sent(4);
    assert!(waited(&sent[..2]) >= Duration::from_secs(1), "{sent:?}");
    // The one that had to wait goes first.
    assert_eq!(sent[1].text, sent[0].text);
    stage.committed(&[(0, 1), (1, 1), (2, 1)]).await;
}

async fn a_wait_costs_no_attempt_of_the_drain() {
    let stage = Stage::new().await;
    stage
        .telegram
        .answer(|call| call.nth < 2, Answer::retry_after(1));
    stage.bury(&[record(1)]).await;
    let done = stage.drain().await;
    assert_eq!(
        (&done["delivered"], &done["put_back"]),
        (&json!(1), &json!(0))
    );
    let expected = [1, 1, 1].map(|attempt| retry_text(1, attempt));
    assert_eq!(texts(&stage.sent(3)), expected);
    stage.dead_letters(1).await;
}

async fn a_refused_message_goes_to_the_permanent_topic_at_once() {
    let stage = Stage::new().await.without_drain();
    refuse(&stage);
    let sources = [record(1), record(2), record(3)];
    stage.publish(&sources).await;
    stage
        .run_until(async |_| {
            stage.telegram.wait_for(3).await;
        })
        .await;
    let expected = [1, 2, 3].map(text);
    assert_eq!(texts(&stage.sent(3)), expected);
    stage.dead_letters(0).await;
    let parked = stage.permanent(2).await;
    for (parked, source) in parked.iter().zip(&sources) {
        assert_eq!((&parked.key, &parked.value), (&source.key, &source.value));
        assert_eq!(parked.headers[..1], source.headers);
    }
    assert_eq!(kind(&parked[0]), "payment_notifier.bad-request");
    assert_eq!(kind(&parked[1]), "payment_notifier.forbidden");
    let told = parked[0].get("kafka_dlt-exception-message").unwrap();
    assert!(String::from_utf8_lossy(told).contains("chat not found"));
    stage.committed(&[(0, 3)]).await;
}

async fn a_refused_message_may_be_a_dead_letter_first() {
    let stage = Stage::new()
        .await
        .without_drain()
        .set("NOTIFIER_RETRY_FINAL", "dead-letter");
    refuse(&stage);
    stage.publish(&[record(1), record(2)]).await;
    stage
        .run_until(async |_| {
            stage.dead_letters(2).await;
        })
        .await;
    stage.sent(2);
    stage.permanent(0).await;
}

async fn a_refused_dead_letter_goes_to_the_permanent_topic_at_once() {
    let stage = Stage::new().await;
    refuse(&stage);
    stage.bury(&[record(1), record(2), record(3)]).await;
    let done = stage.drain().await;
    let expected = json!({
        "sent": 3, "delivered": 1, "put_back": 0, "permanent": 2,
        "partitions": 3, "partitions_of_topic": 3, "stuck": 0, "interrupted": false
    });
    assert_eq!(done, expected);
    let counts: Vec<_> = stage.permanent(2).await.iter().map(retry_count).collect();
    assert_eq!(counts, ["1", "1"]);
    stage.dead_letters(3).await;
}

async fn a_revoked_token_stops_the_line_until_it_works_again() {
    let stage = Stage::new()
        .await
        .without_drain()
        .set("NOTIFIER_TELEGRAM_PROBE_INTERVAL", "100ms");
    stage.telegram.revoke_token(true);
    let records = [0, 1, 2, 3].map(|n| record(n).at(i32::try_from(n).unwrap() % 3));
    stage.publish(&records).await;
    let log = stage
        .run_until(async |notifier| {
            let told = notifier.wait_for_log("the line has stopped").await;
            assert!(
                told.contains("unauthorized") && told.contains("401"),
                "{told}"
            );
            // Probes go on and change nothing.
            stage.telegram.wait_for_probes(5).await;
            stage.sent(1);
            assert_eq!(committed(&stage).await, []);
            stage.telegram.revoke_token(false);
            notifier.wait_for_log("the line goes on").await;
            stage.telegram.wait_for(5).await;
        })
        .await;
    stage.sent(5);
    stage.dead_letters(0).await;
    stage.permanent(0).await;
    stage.committed(&[(0, 2), (1, 1), (2, 1)]).await;
    let errors = log.iter().filter(|line| line.contains("ERROR"));
    assert_eq!(errors.count(), 1, "one error a minute: {log:#?}");
    assert!(log.iter().all(|line| !line.contains(TOKEN)), "{log:#?}");
}

/// Without a restart.
async fn a_revoked_token_is_replaced_in_its_file() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "123456:revoked\n").expect("written");
    let stage = Stage::new()
        .await
        .without_drain()
        .set("NOTIFIER_TELEGRAM_PROBE_INTERVAL", "100ms");
    let setup = stage.setup.without("NOTIFIER_TELEGRAM_TOKEN");
    let path = file.path().to_str().expect("a path of text");
    let stage = Stage {
        setup: setup.set("NOTIFIER_TELEGRAM_TOKEN_FILE", path),
        ..stage
    };
    stage.publish(&[record(1)]).await;
    let log = stage
        .run_until(async |notifier| {
            notifier.wait_for_log("the line has stopped").await;
            std::fs::write(file.path(), TOKEN).expect("written");
            notifier.wait_for_log("the line goes on").await;
            stage.telegram.wait_for(1).await;
        })
        .await;
    stage.dead_letters(0).await;
    stage.permanent(0).await;
    stage.committed(&[(0, 1)]).await;
    assert!(log.iter().all(|line| !line.contains(TOKEN)), "{log:#?}");
}

async fn a_revoked_token_stops_the_drain_and_costs_no_attempt() {
    let stage = Stage::new().await;
    stage.telegram.revoke_token(true);
    stage
        .bury(&[record(1), record(2).header("retry-count", "3")])
        .await;
    let output = stage.setup.call(&["drain", "--json"], "").await;
    // Nobody waits for a one-shot drain's next probe.
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let done: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let expected = json!({
        "sent": 1, "delivered": 0, "put_back": 0, "permanent": 0,
        "partitions": 3, "partitions_of_topic": 3, "stuck": 0, "interrupted": true
    });
    assert_eq!(done, expected);
    stage.telegram.revoke_token(false);
    assert_eq!(stage.drain().await["delivered"], 1);
    let expected = [1, 1].map(|attempt| retry_text(1, attempt));
    assert_eq!(texts(&stage.sent(2)), expected);
    stage.permanent(1).await;
}

async fn the_services_drain_goes_on_when_the_token_works_again() {
    let stage = Stage::new()
        .await
        .set("NOTIFIER_TELEGRAM_PROBE_INTERVAL", "100ms");
    stage.telegram.revoke_token(true);
    let used_up = record(2).at(1).header("retry-count", "3");
    stage.bury(&[record(1), used_up]).await;
    let log = stage
        .run_until(async |notifier| {
            notifier.wait_for_log("the line has stopped").await;
            // What needs no Telegram goes on meanwhile.
            stage.permanent(1).await;
            stage.sent(1);
            stage.telegram.revoke_token(false);
            notifier.wait_for_log("drain finished").await;
        })
        .await;
    let expected = [1, 1].map(|attempt| retry_text(1, attempt));
    assert_eq!(texts(&stage.sent(2)), expected);
    stage.drain_committed(&[(0, 1), (1, 1)]).await;
    let passes = log.iter().filter(|line| line.contains("drain started"));
    assert_eq!(passes.count(), 1);
}

async fn an_unreachable_telegram_ends_a_drain_and_costs_no_attempt() {
    let stage = Stage::new().await;
    stage.bury(&[record(1)]).await;
    let (_kept, nowhere) = silent_address();
    let nowhere = format!("http://{nowhere}");
    let setup = stage.setup.clone();
    let setup = setup.set("NOTIFIER_TELEGRAM_BASE_URL", nowhere);
    let output = setup.call(&["drain"], "").await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("dead letters may be left"), "{output:?}");
    stage.dead_letters(1).await;
    assert_eq!(stage.drain().await["delivered"], 1);
    assert_eq!(texts(&stage.sent(1)), [retry_text(1, 1)]);
}

async fn an_address_that_is_not_telegrams_costs_no_attempt() {
    let stage = Stage::new()
        .await
        .without_drain()
        .set("NOTIFIER_TELEGRAM_PROBE_INTERVAL", "100ms");
    let not_found = Answer::error(404, "Not Found");
    stage.telegram.answer(|call| call.nth < 6, not_found);
    stage.publish(&[record(1)]).await;
    stage
        .run_until(async |_| {
            stage.telegram.wait_for(7).await;
        })
        .await;
    // More than the four that a record has.
    stage.sent(7);
    stage.dead_letters(0).await;
    stage.committed(&[(0, 1)]).await;
}

async fn an_unreachable_telegram_stops_the_line_until_it_is_back() {
    let stage = Stage::new().await;
    let (kept, address) = silent_address();
    let stage = stage
        .without_drain()
        .set("NOTIFIER_TELEGRAM_BASE_URL", &format!("http://{address}"))
        .set("NOTIFIER_TELEGRAM_PROBE_INTERVAL", "100ms");
    let records = [record(1), record(2), record(3).at(1)];
    stage.publish(&records).await;
    let mut notifier = stage.setup.run();
    let told = notifier.wait_for_log("the line has stopped").await;
    assert!(told.contains("unreachable"), "{told}");
    assert!(!told.contains(TOKEN), "{told}");
    assert_eq!(committed(&stage).await, []);
    stage.dead_letters(0).await;

    let telegram = Telegram::start_on(kept.listen(1024).expect("it is bound"));
    telegram.wait_for(3).await;
    stop(&mut notifier).await;
    let sent = telegram.sent();
    assert_eq!(sent.len(), 3, "{sent:?}");
    stage.dead_letters(0).await;
    stage.committed(&[(0, 2), (1, 1)]).await;
}

async fn a_record_in_backoff_holds_up_its_partition_alone() {
    let stage = Stage::new()
        .await
        .without_drain()
        .set("NOTIFIER_RETRY_BACKOFF", "3s");
    stage.busy(|call| is_about(call, 0));
    let others = (1..7).map(|n| record(n).at(1 + i32::try_from(n).unwrap() % 2));
    let others: Vec<_> = others.collect();
    stage.publish(&[record(0), record(9)]).await;
    stage.publish(&others).await;
    stage
        .run_until(async |_| {
            let again =
                |sent: &[Sent]| sent.iter().filter(|call| is_about(call, 0)).nth(1).cloned();
            stage.telegram.wait_until("a retry", again).await;
        })
        .await;
    let sent = stage.sent(8);
    // All others are before the retry, but the one behind it in its own partition.
    assert!(is_about(&sent[7], 0), "{sent:?}");
    assert!(sent.iter().all(|call| !is_about(call, 9)), "{sent:?}");
    stage.committed(&[(1, 3), (2, 3)]).await;
}

async fn sends_side_by_side_are_of_different_partitions() {
    let stage = Stage::new()
        .await
        .without_drain()
        .set("NOTIFIER_CONSUMER_CONCURRENCY", "5");
    stage.telegram.answer(|call| call.nth < 3, Answer::Held);
    let records: Vec<_> = (0..12)
        .map(|n| record(n).at(i32::try_from(n).unwrap() % 3))
        .collect();
    stage.publish(&records).await;
    stage
        .run_until(async |_| {
            let sent = stage.telegram.wait_for(3).await;
            let mut first = texts(&sent);
            first.sort_unstable();
            assert_eq!(first, [0, 1, 2].map(text));
            stage.telegram.release();
            stage.telegram.wait_for(12).await;
        })
        .await;
    let sent = stage.sent(12);
    for partition in 0..3 {
        let of_partition = |n: &usize| n % 3 == partition;
        let places = (0..12).filter(of_partition).map(|n| {
            let mut calls = sent.iter();
            calls.position(|call| is_about(call, n)).unwrap()
        });
        assert!(places.is_sorted(), "{sent:#?}");
    }
    stage.committed(&[(0, 4), (1, 4), (2, 4)]).await;
}

async fn a_rate_is_kept() {
    let stage = Stage::new()
        .await
        .without_drain()
        .set("NOTIFIER_TELEGRAM_RATE", "1/1s")
        .set("NOTIFIER_CONSUMER_CONCURRENCY", "3");
    let records = [0, 1, 2, 3].map(|n| record(n).at(i32::try_from(n).unwrap() % 3));
    stage.publish(&records).await;
    stage
        .run_until(async |_| {
            stage.telegram.wait_for(4).await;
        })
        .await;
    let sent = stage.sent(4);
    let took = sent[3].at - sent[0].at;
    // Arrivals differ by what a busy machine makes of them.
    assert!(took >= Duration::from_millis(2500), "{took:?}");
}

async fn a_broken_connection_is_tried_again() {
    let stage = Stage::new().await.without_drain();
    stage.telegram.answer(|call| call.nth < 3, Answer::Drop);
    stage.publish(&[record(1)]).await;
    stage
        .run_until(async |_| {
            stage.telegram.wait_for(4).await;
        })
        .await;
    stage.sent(4);
    stage.dead_letters(0).await;
    stage.committed(&[(0, 1)]).await;
}

async fn a_chat_that_moved_gets_its_messages() {
    let stage = Stage::new().await.without_drain();
    stage
        .telegram
        .answer(|call| call.nth == 0, Answer::migrated_to(-100_777));
    stage
        .telegram
        .answer(|call| call.chat_id == "-100777", Answer::ok());
    stage.publish(&[record(1), record(2)]).await;
    let log = stage
        .run_until(async |_| {
            stage.telegram.wait_for(3).await;
        })
        .await;
    let sent = stage.sent(3);
    assert!(sent[1..].iter().all(|call| call.chat_id == "-100777"));
    assert_eq!(texts(&sent), [text(1), text(1), text(2)]);
    assert!(sent.iter().all(|call| !is_retry(call)));
    let warned = log
        .iter()
        .filter(|line| line.contains("the chat has moved"));
    assert_eq!(warned.count(), 1);
}

/// Answers 400 to payment 1 and 403 to payment 2.
fn refuse(stage: &Stage) {
    let bad = Answer::error(400, "Bad Request: chat not found");
    stage.telegram.answer(|call| is_about(call, 1), bad);
    let forbidden = Answer::error(403, "Forbidden: bot was kicked");
    stage.telegram.answer(|call| is_about(call, 2), forbidden);
}

async fn committed(stage: &Stage) -> Vec<(i32, i64)> {
    let (group, topic) = (&stage.setup.group, &stage.setup.source);
    let offsets = stage.cluster.committed(group, topic).await;
    offsets.into_iter().collect()
}

async fn stop(notifier: &mut Notifier) {
    let status = notifier.shut_down().await;
    assert!(status.success(), "{status}");
}

fn waited(calls: &[Sent]) -> Duration {
    calls[1].at - calls[0].at
}

fn kind(record: &Record) -> String {
    let kind = record.get("kafka_dlt-exception-fqcn").unwrap();
    String::from_utf8_lossy(kind).into_owned()
}

fn retry_count(record: &Record) -> String {
    let count = record.get("retry-count").unwrap();
    String::from_utf8_lossy(count).into_owned()
}

/// As the variable says, which every HTTP client knows. Nothing of the request is for its eyes.
async fn telegram_is_reached_by_the_proxy_of_the_environment() {
    let proxy = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = proxy.local_addr().expect("it is bound");
    let stage = Stage::new()
        .await
        .set("NOTIFIER_TELEGRAM_BASE_URL", "https://telegram.test")
        .set("HTTPS_PROXY", &format!("http://{address}"));
    stage.publish(&[record(1)]).await;
    let mut notifier = stage.setup.run();
    let (mut asked, _) = proxy.accept().await.expect("it is asked");
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let more = asked.read_buf(&mut request).await;
        assert_ne!(more.expect("a request"), 0, "it ends too soon");
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    assert!(
        request.starts_with("CONNECT telegram.test:443 HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(!request.contains(TOKEN), "{request}");
    drop(asked);
    assert!(notifier.shut_down().await.success());
}
