//! The records that a Spring service left, and the same done by this one.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::payments::{is_retry, texts};
use crate::support::records::Record;
use crate::support::runner::{Test, tests};
use crate::support::stage::Stage;

pub(crate) const TESTS: &[Test] = tests![
    the_reference_figures_are_reproduced(Cluster),
    keyed_payments_are_sent_in_order(Cluster),
    dead_letters_have_springs_headers(Cluster),
    springs_dead_letters_are_drained(Cluster),
    a_dead_letter_of_spring_keeps_its_origin_when_put_back(Cluster),
];

const ALL_FAIL: &str = include_str!("../fixtures/spring/all-sends-fail.jsonl");
const ALL_SUCCEED: &str = include_str!("../fixtures/spring/all-sends-succeed.jsonl");
const TEXTS: &str = include_str!("../fixtures/spring/texts.jsonl");

async fn the_reference_figures_are_reproduced() {
    let stage = Stage::new().await.set("NOTIFIER_DRAIN_INTERVAL", "300ms");
    stage.busy(|_| true);
    stage.publish(&captured(ALL_FAIL, "pn2")).await;
    stage
        .run_until(async |_| {
            stage.permanent(6).await;
        })
        .await;

    let sent = texts(&stage.sent(42));
    let (first, retries) = captured_texts();
    let mut often = BTreeMap::new();
    for text in &sent {
        *often.entry(text.as_str()).or_insert(0) += 1;
    }
    for text in &first {
        assert_eq!(often.remove(text.as_str()), Some(4), "{text}");
        for attempt in 1..=3 {
            let retry = format!("{text}[재시도 발송 - 시도 횟수: {attempt}]\n");
            assert_eq!(often.remove(retry.as_str()), Some(1), "{retry}");
        }
    }
    assert_eq!(often, BTreeMap::new());
    assert!(retries.iter().all(|text| sent.contains(text)));

    let dead_letters = stage.dead_letters(24).await;
    let theirs = captured(ALL_FAIL, "pn2.DLQ");
    assert_eq!(counts(&dead_letters), counts(&theirs));
    let permanent = stage.permanent(6).await;
    assert_eq!(
        values(&permanent),
        values(&captured(ALL_FAIL, "pn2.permanent"))
    );
}

async fn keyed_payments_are_sent_in_order() {
    let stage = Stage::new().await.without_drain();
    let published = captured(ALL_SUCCEED, "payment-notification");
    assert_eq!(published.len(), 6);
    stage.publish(&published).await;
    stage
        .run_until(async |_| {
            stage.telegram.wait_for(6).await;
        })
        .await;
    let sent = texts(&stage.sent(6));
    let mut sorted = sent.clone();
    sorted.sort_unstable();
    let (first, _) = captured_texts();
    assert_eq!(sorted, first);
    for partition in 0..3 {
        let in_log = published.iter().filter(|it| it.partition == partition);
        let places: Vec<_> = in_log
            .map(|record| {
                let mail = json_of(record)["mail"].to_string();
                let about = format!("예약자 ID: {}\n", mail.trim_matches('"'));
                sent.iter().position(|text| text.contains(&about)).unwrap()
            })
            .collect();
        assert!(places.is_sorted(), "{partition}: {places:?}");
    }
}

async fn dead_letters_have_springs_headers() {
    let stage = Stage::new()
        .await
        .set("NOTIFIER_CONSUMER_GROUP_ID", "telegram-notification")
        .without_drain();
    stage.busy(|_| true);
    stage.publish(&captured(ALL_FAIL, "pn2")).await;
    stage
        .run_until(async |_| {
            stage.dead_letters(6).await;
        })
        .await;

    let theirs = captured(ALL_FAIL, "pn2.DLQ");
    let theirs = theirs.iter().filter(|it| it.get("retry-count").is_none());
    for (ours, theirs) in stage.dead_letters(6).await.iter().zip(theirs) {
        assert_eq!(ours.partition, theirs.partition);
        assert_eq!(ours.key, theirs.key);
        assert_eq!(ours.value, theirs.value);
        for (name, value) in &theirs.headers {
            let name = std::str::from_utf8(name).unwrap();
            let same = match name {
                "kafka_dlt-original-topic" => ours.get(name) == Some(stage.setup.source.as_bytes()),
                // There are no Java classes and frames here to tell of.
                "kafka_dlt-exception-stacktrace" => ours.get(name).is_none(),
                _ if name.starts_with("kafka_dlt-exception-") => {
                    ours.get(name).is_some_and(<[u8]>::is_ascii)
                }
                _ => ours.get(name) == value.as_deref(),
            };
            assert!(same, "{name}: {:?}, not {value:?}", ours.get(name));
        }
        assert_eq!(ours.get("kafka_dlt-original-partition").unwrap().len(), 4);
        assert_eq!(ours.get("kafka_dlt-original-offset").unwrap().len(), 8);
        assert_eq!(ours.get("kafka_dlt-original-timestamp").unwrap().len(), 8);
    }
}

async fn springs_dead_letters_are_drained() {
    let stage = Stage::new().await;
    let theirs = captured(ALL_FAIL, "pn2.DLQ");
    stage.bury(&theirs).await;
    let done = stage.drain().await;
    let expected = json!({
        "sent": 18, "delivered": 18, "put_back": 0, "permanent": 6,
        "partitions": 3, "partitions_of_topic": 3, "stuck": 0, "interrupted": false
    });
    assert_eq!(done, expected);
    let sent = stage.sent(18);
    assert!(sent.iter().all(is_retry));
    let mut expected: Vec<_> = counts(&theirs)
        .into_iter()
        .filter(|count| count.as_deref() != Some("3"))
        .map(|count| 1 + count.map_or(0, |count| count.parse::<u32>().unwrap()))
        .collect();
    expected.sort_unstable();
    let attempt = |text: &str| {
        let (_, number) = text.rsplit_once(": ").unwrap();
        number.trim_end_matches("]\n").parse::<u32>().unwrap()
    };
    let mut attempts: Vec<_> = sent.iter().map(|call| attempt(&call.text)).collect();
    attempts.sort_unstable();
    assert_eq!(attempts, expected);

    let used_up = theirs
        .iter()
        .filter(|it| it.get("retry-count") == Some(b"3"));
    let used_up: Vec<_> = used_up.collect();
    for (parked, theirs) in stage.permanent(6).await.iter().zip(used_up) {
        assert_eq!(parked.partition, theirs.partition);
        assert_eq!((&parked.key, &parked.value), (&theirs.key, &theirs.value));
        // Nothing was tried here: all that Spring's service wrote is there.
        let kept: Vec<_> = theirs
            .headers
            .iter()
            .filter(|(name, _)| name != b"retry-count")
            .collect();
        let prefix: Vec<_> = parked.headers.iter().take(kept.len()).collect();
        assert_eq!(prefix, kept);
        assert_eq!(parked.get("retry-count"), Some(&b"3"[..]));
    }
}

async fn a_dead_letter_of_spring_keeps_its_origin_when_put_back() {
    let stage = Stage::new().await;
    stage.busy(|_| true);
    let theirs = captured(ALL_FAIL, "pn2.DLQ").swap_remove(3);
    assert_eq!(theirs.get("retry-count"), None);
    stage.bury(std::slice::from_ref(&theirs)).await;
    assert_eq!(stage.drain().await["sent"], 3);
    let put_back = stage.dead_letters(4).await;
    let parked = stage.permanent(1).await;
    for record in put_back[1..].iter().chain(&parked) {
        assert_eq!((&record.key, &record.value), (&theirs.key, &theirs.value));
        assert_eq!(record.get("__TypeId__"), theirs.get("__TypeId__"));
        let origin = theirs.headers.iter().filter_map(|(name, value)| {
            let name = std::str::from_utf8(name).ok()?;
            name.starts_with("kafka_dlt-original-")
                .then_some((name, value))
        });
        for (name, value) in origin {
            assert_eq!(record.get(name), value.as_deref(), "{name}");
        }
        let first = record.get("payment-notifier-first-failure").unwrap();
        assert!(
            first.starts_with(b"java.lang.RuntimeException: "),
            "{first:?}"
        );
        let last = record.get("payment-notifier-last-failure").unwrap();
        assert!(last.starts_with(b"server-error: "), "{last:?}");
    }
}

/// The captured records of a topic, by partition and offset.
fn captured(file: &str, topic: &str) -> Vec<Record> {
    let bytes = |text: &Value| Some(STANDARD.decode(text.as_str()?).unwrap());
    let lines = file.lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        let headers = line["headers"].as_array().unwrap().iter().map(|header| {
            let name = header[0].as_str().unwrap().as_bytes().to_vec();
            (name, bytes(&header[1]))
        });
        let record = Record {
            partition: line["partition"].as_i64().unwrap().try_into().unwrap(),
            offset: line["offset"].as_i64().unwrap(),
            timestamp: line["timestamp"].as_i64().unwrap(),
            key: bytes(&line["key"]),
            value: bytes(&line["value"]),
            headers: headers.collect(),
        };
        (line["topic"].as_str().unwrap().to_owned(), record)
    });
    let of_topic = lines.filter(|(of, _)| of == topic);
    let mut records: Vec<_> = of_topic.map(|(_, record)| record).collect();
    records.sort_unstable_by_key(|record| (record.partition, record.offset));
    records
}

/// The texts of first sends, sorted, and those of retries.
fn captured_texts() -> (Vec<String>, Vec<String>) {
    let all = TEXTS
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let (retries, mut first): (Vec<String>, Vec<_>) =
        all.partition(|text: &String| text.contains("재시도"));
    first.sort_unstable();
    assert_eq!((first.len(), retries.len()), (6, 3));
    (first, retries)
}

fn counts(records: &[Record]) -> Vec<Option<String>> {
    let text = |count: &[u8]| String::from_utf8(count.to_vec()).unwrap();
    let counts = records.iter().map(|it| it.get("retry-count").map(text));
    let mut counts: Vec<_> = counts.collect();
    counts.sort_unstable();
    counts
}

fn values(records: &[Record]) -> Vec<&[u8]> {
    let mut values: Vec<_> = records.iter().flat_map(|it| it.value.as_deref()).collect();
    values.sort_unstable();
    values
}

fn json_of(record: &Record) -> Value {
    serde_json::from_slice(record.value.as_deref().unwrap()).unwrap()
}
