//! What the service must do, whatever else it does: from the payment to the message, the dead
//! letter and the permanent topic.

use serde_json::json;

use crate::support::now_ms;
use crate::support::payments::{is_retry, payment, record, retry_text, text, texts};
use crate::support::records::Record;
use crate::support::runner::{Test, tests};
use crate::support::stage::Stage;
use crate::support::telegram::{Answer, CHAT_ID};

pub(crate) const TESTS: &[Test] = tests![
    what_is_published_arrives_field_for_field(Cluster),
    the_topics_are_created_where_they_are_missing(Cluster),
    a_busy_telegram_makes_a_dead_letter_that_the_next_drain_sends(Cluster),
    a_telegram_that_never_answers_makes_a_dead_letter_too(Cluster),
    what_always_fails_is_drained_three_times_and_ends_in_the_permanent_topic(Cluster),
    a_parked_record_tells_its_whole_history(Cluster),
    a_second_attempt_of_the_same_drain_succeeds(Cluster),
    a_drain_sends_all_there_is_in_order(Cluster),
    the_service_drains_what_was_there_before_it_started(Cluster),
];

pub(crate) async fn what_is_published_arrives_field_for_field() {
    let stage = Stage::new().await.without_drain();
    let event = json!({
        "paymentId": 7, "nested": {"mail": "not this one"},
        "mail": "김철수+tag@example.com", "concertTitle": "\"따옴표\" & <꺾쇠> {mail} 🎸",
        "startDt": "2025-01-02T03:04:05.678", "confirmDt": [2024, 2, 29, 23, 59, 1, 1],
        "amount": 9_007_199_254_740_993_i64,
    });
    let published = stage.setup.call(&["publish"], &event.to_string()).await;
    assert!(published.status.success(), "{published:?}");
    let arrived = stage.cluster.wait_for_records(&stage.setup.source, 1).await;
    assert_eq!(arrived[0].value, Some(event.to_string().into_bytes()));

    stage
        .run_until(async |_| {
            stage.telegram.wait_for(1).await;
        })
        .await;
    let sent = stage.sent(1);
    assert_eq!(sent[0].chat_id, CHAT_ID);
    assert_eq!(
        sent[0].text,
        "🎫 콘서트 결제가 완료되었습니다!\n\
         예약자 ID: 김철수+tag@example.com\n\
         콘서트: \"따옴표\" & <꺾쇠> {mail} 🎸\n\
         시작 날짜: 2025-01-02 03:04:05\n\
         결제 날짜: 2024-02-29 23:59:01\n\
         결제 금액: 9007199254740993원\n\
         콘서트 시작 10분전에는 꼭 입장 부탁드립니다!!\n"
    );
    assert_eq!(stage.dead_letters(0).await, []);
}

pub(crate) async fn the_topics_are_created_where_they_are_missing() {
    let stage = Stage::without_topics().await;
    stage
        .run_until(async |_| {
            // Partition 2 is the last of three.
            for topic in stage.setup.topics() {
                stage.cluster.produce(topic, &[record(0).at(2)]).await;
            }
            stage.telegram.wait_for(1).await;
        })
        .await;
    for topic in stage.setup.topics() {
        let replicas = stage.cluster.replicas(topic, 3).await;
        assert_eq!(replicas, vec![[1]; 3], "{topic}");
    }
}

pub(crate) async fn a_busy_telegram_makes_a_dead_letter_that_the_next_drain_sends() {
    let stage = Stage::new().await.set("NOTIFIER_DRAIN_INTERVAL", "300ms");
    stage.busy(|call| !is_retry(call));
    let source = record(1).at(2).header("trace", "1").header("trace", "2");
    stage.publish(std::slice::from_ref(&source)).await;
    stage
        .run_until(async |_| {
            stage.telegram.wait_for(5).await;
        })
        .await;

    let sent = texts(&stage.sent(5));
    assert_eq!(sent[..4], [text(1), text(1), text(1), text(1)]);
    assert_eq!(sent[4], retry_text(1, 1));
    let dead_letter = &stage.dead_letters(1).await[0];
    assert_eq!(dead_letter.partition, 2);
    assert_eq!(dead_letter.key, source.key);
    assert_eq!(dead_letter.value, source.value);
    assert_eq!(dead_letter.headers[..3], source.headers);
    assert_eq!(dead_letter.get("retry-count"), None);
    assert_eq!(
        dead_letter.get("kafka_dlt-exception-fqcn"),
        Some(&b"payment_notifier.server-error"[..])
    );
    assert_eq!(stage.permanent(0).await, []);
    stage.committed(&[(2, 1)]).await;
    stage.drain_is_past(&[(2, 1)]).await;
}

async fn a_telegram_that_never_answers_makes_a_dead_letter_too() {
    let stage = Stage::new()
        .await
        .set("NOTIFIER_TELEGRAM_TIMEOUT", "1s")
        .set("NOTIFIER_DRAIN_INTERVAL", "300ms");
    stage.telegram.answer(|call| !is_retry(call), Answer::Never);
    stage.publish(&[record(1).at(1)]).await;
    stage
        .run_until(async |_| {
            stage.telegram.wait_for(5).await;
        })
        .await;

    let sent = texts(&stage.sent(5));
    assert_eq!(sent[..4], [text(1), text(1), text(1), text(1)]);
    assert_eq!(sent[4], retry_text(1, 1));
    let dead_letter = &stage.dead_letters(1).await[0];
    assert_eq!((dead_letter.partition, dead_letter.text()), (1, payment(1)));
    assert_eq!(
        dead_letter.get("kafka_dlt-exception-fqcn"),
        Some(&b"payment_notifier.timeout"[..])
    );
    stage.committed(&[(1, 1)]).await;
    stage.drain_is_past(&[(1, 1)]).await;
}

async fn what_always_fails_is_drained_three_times_and_ends_in_the_permanent_topic() {
    let stage = Stage::new().await.without_drain();
    stage.busy(|_| true);
    stage.publish(&[record(1).at(1)]).await;
    stage
        .run_until(async |_| {
            stage.dead_letters(1).await;
        })
        .await;
    stage.sent(4);

    let done = stage.drain().await;
    let expected = json!({
        "sent": 3, "delivered": 0, "put_back": 3, "permanent": 1,
        "partitions": 3, "partitions_of_topic": 3, "stuck": 0, "interrupted": false
    });
    assert_eq!(done, expected);
    let retries = [1, 2, 3].map(|attempt| retry_text(1, attempt));
    assert_eq!(texts(&stage.sent(7))[4..], retries);
    let counts: Vec<_> = stage.dead_letters(4).await.iter().map(count).collect();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(counts, [None, some("1"), some("2"), some("3")]);
    let last = &stage.permanent(1).await[0];
    assert_eq!((last.partition, last.text()), (1, payment(1)));
    assert_eq!(count(last), some("3"));
    // Four deliveries of the main path and three of the drain.
    let attempts = last.get("payment-notifier-delivery-attempts");
    assert_eq!(attempts, Some(&b"7"[..]));
    stage.drain_is_past(&[(1, 4)]).await;

    let again = stage.drain().await;
    assert_eq!(
        (&again["sent"], &again["permanent"]),
        (&json!(0), &json!(0))
    );
}

async fn a_parked_record_tells_its_whole_history() {
    let stage = Stage::new().await.without_drain();
    stage.busy(|_| true);
    stage
        .telegram
        .answer(is_retry, Answer::error(500, "Internal Server Error"));
    let source = record(1).at(2).timestamp(1_700_000_000_123);
    stage.publish(&[record(0).at(2), source]).await;
    let started = now_ms();
    stage
        .run_until(async |_| {
            stage.dead_letters(2).await;
        })
        .await;
    let drained_from = now_ms();
    assert_eq!(stage.drain().await["permanent"], 2);

    let parked = &stage.permanent(2).await[1];
    let bytes = |name: &str| parked.get(name).unwrap_or_else(|| panic!("no {name}"));
    let text = |name: &str| String::from_utf8(bytes(name).to_vec()).unwrap();
    // Where it came from, however often it was put back.
    assert_eq!(text("kafka_dlt-original-topic"), stage.setup.source);
    assert_eq!(bytes("kafka_dlt-original-partition"), 2_i32.to_be_bytes());
    assert_eq!(bytes("kafka_dlt-original-offset"), 1_i64.to_be_bytes());
    let timestamp = 1_700_000_000_123_i64.to_be_bytes();
    assert_eq!(bytes("kafka_dlt-original-timestamp"), timestamp);
    assert_eq!(text("kafka_dlt-original-timestamp-type"), "CreateTime");
    assert_eq!(text("kafka_dlt-original-consumer-group"), stage.setup.group);
    // What became of it.
    assert_eq!(text("retry-count"), "3");
    assert_eq!(text("payment-notifier-delivery-attempts"), "7");
    let first = text("payment-notifier-first-failure");
    assert!(
        first.starts_with("server-error: ") && first.contains("503"),
        "{first}"
    );
    let last = text("payment-notifier-last-failure");
    assert!(
        last.starts_with("server-error: ") && last.contains("500"),
        "{last}"
    );
    assert!(text("kafka_dlt-exception-message").contains("500"));
    let time = |name: &str| text(name).parse::<i64>().unwrap();
    let first = time("payment-notifier-first-failure-time");
    let last = time("payment-notifier-last-failure-time");
    assert!((started..=drained_from).contains(&first), "{first}");
    assert!((drained_from..=now_ms()).contains(&last), "{last}");
    // Each is told once.
    let mut names: Vec<_> = parked.headers.iter().map(|(name, _)| name).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "{names:?}");
}

async fn a_second_attempt_of_the_same_drain_succeeds() {
    let stage = Stage::new().await;
    stage.busy(|call| call.text == retry_text(1, 1));
    stage.bury(&[record(1)]).await;
    let done = stage.drain().await;
    let expected = json!({
        "sent": 2, "delivered": 1, "put_back": 1, "permanent": 0,
        "partitions": 3, "partitions_of_topic": 3, "stuck": 0, "interrupted": false
    });
    assert_eq!(done, expected);
    let retries = [1, 2].map(|attempt| retry_text(1, attempt));
    assert_eq!(texts(&stage.sent(2)), retries);
    stage.permanent(0).await;
}

async fn a_drain_sends_all_there_is_in_order() {
    let stage = Stage::new().await;
    let in_one = [record(1).at(1), record(2).at(1), record(3).at(1)];
    stage.bury(&in_one).await;
    assert_eq!(stage.drain().await["delivered"], 3);
    let expected = [1, 2, 3].map(|n| retry_text(n, 1));
    assert_eq!(texts(&stage.sent(3)), expected);
}

async fn the_service_drains_what_was_there_before_it_started() {
    // The next pass would come in five minutes.
    let stage = Stage::new().await;
    stage.bury(&[record(1).at(1), record(2).at(2)]).await;
    let log = stage
        .run_until(async |notifier| {
            notifier.wait_for_log("drain finished").await;
        })
        .await;
    stage.sent(2);
    let passes = log.iter().filter(|line| line.contains("drain started"));
    assert_eq!(passes.count(), 1);
    stage.drain_committed(&[(1, 1), (2, 1)]).await;
}

fn count(record: &Record) -> Option<String> {
    let count = record.get("retry-count")?;
    Some(String::from_utf8_lossy(count).into_owned())
}
