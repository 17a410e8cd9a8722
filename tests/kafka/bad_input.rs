//! Input that nobody should send: where it ends up, with all its bytes.
//!
//! Each test publishes everything of its kind at once, spread over the partitions: what one bad
//! record does to those behind it is then seen too.

use serde_json::{Value, json};

use crate::support::now_ms;
use crate::support::payments::{payment, record, retry_text, texts};
use crate::support::records::Record;
use crate::support::runner::{Test, tests};
use crate::support::stage::Stage;

pub(crate) const TESTS: &[Test] = tests![
    what_is_no_payment_goes_to_the_permanent_topic_at_once(Cluster),
    what_is_no_payment_may_be_a_dead_letter_first(Cluster),
    a_dead_letter_that_is_no_payment_is_not_sent(Cluster),
    a_long_text_is_shortened_and_sent(Cluster),
    headers_come_through_the_main_path(Cluster),
    headers_come_through_the_drain(Cluster),
    a_malformed_retry_count_starts_at_zero(Cluster),
    a_retry_count_beyond_the_last_ends_at_once(Cluster),
    a_retry_count_in_the_source_topic_stays(Cluster),
    records_without_a_timestamp(Cluster),
    a_value_of_the_largest_size_is_forwarded_too(Cluster),
];

/// Values that can't be sent, each with a word that the reason must have.
fn no_payments() -> Vec<(Option<Vec<u8>>, &'static str)> {
    let with = |field: &str, value: Value| {
        let mut json: Value = serde_json::from_str(&payment(1)).unwrap();
        json[field] = value;
        Some(json.to_string().into_bytes())
    };
    let bytes = |value: &[u8]| Some(value.to_vec());
    vec![
        (bytes(b"not json"), "JSON"),
        (bytes(b"{\"mail\": "), "JSON"),
        (bytes(payment(1).repeat(2).as_bytes()), "JSON"),
        (bytes(&[0xff, 0xfe, 0x00, 0x80]), "JSON"),
        (bytes(&[b'['; 100_000]), "JSON"),
        (bytes(b"[1, 2]"), "object"),
        (bytes(b"\"text\""), "object"),
        (bytes(b"null"), "object"),
        (bytes(b"{}"), "mail"),
        (bytes(b"{\"mail\": {\"a\": 1}}"), "mail"),
        (None, "null"),
        (bytes(b""), "empty"),
        (with("mail", json!(42)), "mail"),
        (with("concertTitle", Value::Null), "concertTitle"),
        (with("amount", json!("50000")), "amount"),
        (with("amount", json!(0.5)), "amount"),
        (with("startDt", json!("2024-02-30T19:00:00")), "startDt"),
        (with("startDt", json!([2024, 13, 1, 0, 0])), "startDt"),
        (
            with("confirmDt", json!("2024-12-24T19:00:00Z")),
            "confirmDt",
        ),
        (with("confirmDt", json!(1_735_000_000)), "confirmDt"),
    ]
}

/// The values as records over three partitions, with headers that must come through.
fn bad_records() -> Vec<(Record, &'static str)> {
    let bad = no_payments().into_iter().enumerate();
    bad.map(|(n, (value, reason))| {
        let record = Record {
            value,
            ..Record::new("")
        };
        let record = strange_headers(record.at(i32::try_from(n).unwrap() % 3));
        (record.key([0xff, u8::try_from(n).unwrap()]), reason)
    })
    .collect()
}

fn strange_headers(record: Record) -> Record {
    record
        .header("twice", "1")
        .null_header("null")
        .header([0xc3, 0x28, 0x00], [0xff, 0x00])
        .null_header([0xff])
        .header("twice", "2")
        .header("", "")
        .header("twice", "1")
}

/// Asserts that a forwarded record holds all of its source's bytes, where none of the headers is
/// one that the service owns.
fn assert_kept(forwarded: &Record, source: &Record) {
    assert_eq!(forwarded.partition, source.partition);
    assert_eq!(forwarded.key, source.key);
    assert_eq!(forwarded.value, source.value);
    assert_eq!(forwarded.headers[..source.headers.len()], source.headers);
}

/// Finds a record's forward by its key, which no two share.
fn forward_of<'a>(source: &Record, forwarded: &'a [Record]) -> &'a Record {
    let mut same = forwarded.iter().filter(|it| it.key == source.key);
    let found = same.next().unwrap_or_else(|| panic!("lost: {source:?}"));
    assert_eq!(same.next(), None, "twice");
    found
}

fn header_text(record: &Record, name: &str) -> String {
    let value = record.get(name).unwrap_or_else(|| panic!("no {name}"));
    String::from_utf8(value.to_vec()).expect("it is text")
}

async fn what_is_no_payment_goes_to_the_permanent_topic_at_once() {
    let stage = Stage::new().await.without_drain();
    let bad = bad_records();
    let (sources, _): (Vec<_>, Vec<_>) = bad.iter().cloned().unzip();
    stage.publish(&sources).await;
    // A good one behind them in each partition.
    let good = [0, 1, 2].map(|n| record(n).at(i32::try_from(n).unwrap()));
    stage.publish(&good).await;
    stage
        .run_until(async |_| {
            stage.telegram.wait_for(3).await;
            stage.permanent(bad.len()).await;
        })
        .await;

    stage.sent(3);
    stage.dead_letters(0).await;
    let parked = stage.permanent(bad.len()).await;
    for (source, reason) in &bad {
        let parked = forward_of(source, &parked);
        assert_kept(parked, source);
        assert_eq!(header_text(parked, "retry-count"), "0");
        let told = header_text(parked, "kafka_dlt-exception-message");
        assert!(told.contains(reason), "{told}, without {reason}");
        assert_eq!(
            header_text(parked, "kafka_dlt-exception-fqcn"),
            "payment_notifier.undecodable"
        );
        let topic = header_text(parked, "kafka_dlt-original-topic");
        assert_eq!(topic, stage.setup.source);
    }
    let ends: Vec<_> = (0..3)
        .map(|partition| {
            let there = sources.iter().filter(|it| it.partition == partition);
            (partition, i64::try_from(there.count()).unwrap() + 1)
        })
        .collect();
    stage.committed(&ends).await;
}

async fn what_is_no_payment_may_be_a_dead_letter_first() {
    let stage = Stage::new()
        .await
        .without_drain()
        .set("NOTIFIER_RETRY_FINAL", "dead-letter");
    let (source, _) = bad_records().swap_remove(1);
    stage.publish(std::slice::from_ref(&source)).await;
    stage
        .run_until(async |_| {
            stage.dead_letters(1).await;
        })
        .await;
    stage.permanent(0).await;
    assert_kept(&stage.dead_letters(1).await[0], &source);
    let done = stage.drain().await;
    assert_eq!(
        (&done["permanent"], &done["put_back"]),
        (&json!(1), &json!(0))
    );
    assert_kept(&stage.permanent(1).await[0], &source);
    stage.sent(0);
}

async fn a_dead_letter_that_is_no_payment_is_not_sent() {
    let stage = Stage::new().await;
    let bad = bad_records();
    let (sources, _): (Vec<_>, Vec<_>) = bad.iter().cloned().unzip();
    stage.bury(&sources).await;
    stage.bury(&[record(1).at(1)]).await;
    let done = stage.drain().await;
    assert_eq!(done["delivered"], 1);
    assert_eq!(done["put_back"], 0);
    assert_eq!(done["permanent"], bad.len());
    stage.sent(1);
    let parked = stage.permanent(bad.len()).await;
    for (source, reason) in &bad {
        let parked = forward_of(source, &parked);
        assert_kept(parked, source);
        let told = header_text(parked, "kafka_dlt-exception-message");
        assert!(told.contains(reason), "{told}, without {reason}");
        // A forwarded record's count is larger than before, and the record's own end.
        assert_eq!(header_text(parked, "retry-count"), "1");
    }
}

async fn a_long_text_is_shortened_and_sent() {
    let stage = Stage::new().await.without_drain();
    let long = |title: &str| {
        let mut json: Value = serde_json::from_str(&payment(1)).unwrap();
        json["concertTitle"] = title.into();
        Record::new(json.to_string())
    };
    let titles = ["가".repeat(5_000), "🎸".repeat(3_000), "x".repeat(300_000)];
    let records: Vec<_> = titles.iter().map(|title| long(title)).collect();
    stage.publish(&records).await;
    stage.bury(&records[..1]).await;
    stage
        .run_until(async |_| {
            stage.telegram.wait_for(3).await;
        })
        .await;
    assert_eq!(stage.drain().await["delivered"], 1);
    // Telegram's stand-in refuses what is longer than 4,096 characters.
    let sent = stage.sent(4);
    for call in &sent {
        assert!(
            call.text
                .starts_with("🎫 콘서트 결제가 완료되었습니다!\n예약자 ID: user1@")
        );
        assert!(call.text.contains('…'), "{}", call.text);
        assert!(call.text.encode_utf16().count() <= 4096);
    }
    assert!(sent[3].text.ends_with("[재시도 발송 - 시도 횟수: 1]\n"));
    stage.permanent(0).await;
}

async fn headers_come_through_the_main_path() {
    let stage = Stage::new().await.without_drain();
    stage.busy(|_| true);
    let sources = [
        strange_headers(Record::new(payment(1))).key("a"),
        Record::new(payment(2)).key("").at(1),
        Record::new(payment(3)).at(2),
    ];
    stage.publish(&sources).await;
    stage
        .run_until(async |_| {
            stage.dead_letters(3).await;
        })
        .await;
    for (forwarded, source) in stage.dead_letters(3).await.iter().zip(&sources) {
        assert_kept(forwarded, source);
        // What was added is text or a big-endian number under a name of its own.
        let added = &forwarded.headers[source.headers.len()..];
        let names: Vec<_> = added
            .iter()
            .map(|(name, _)| std::str::from_utf8(name).unwrap())
            .collect();
        let owned =
            |name: &&str| name.starts_with("kafka_dlt-") || name.starts_with("payment-notifier-");
        assert!(names.iter().all(owned), "{names:?}");
    }
}

async fn headers_come_through_the_drain() {
    let stage = Stage::new().await;
    stage.busy(|_| true);
    let source = strange_headers(
        Record::new(payment(1))
            .key([0x00, 0xff])
            .header("retry-count", "0")
            .at(2),
    );
    stage.bury(std::slice::from_ref(&source)).await;
    assert_eq!(stage.drain().await["sent"], 3);
    let mut kept = source.clone();
    kept.headers.remove(0);
    let put_back = stage.dead_letters(4).await;
    for (n, forwarded) in put_back[1..].iter().enumerate() {
        assert_kept(forwarded, &kept);
        assert_eq!(header_text(forwarded, "retry-count"), (n + 1).to_string());
        let counts = forwarded.headers.iter().filter(|it| it.0 == b"retry-count");
        assert_eq!(counts.count(), 1);
    }
    assert_kept(&stage.permanent(1).await[0], &kept);
}

async fn a_malformed_retry_count_starts_at_zero() {
    let stage = Stage::new().await.set("NOTIFIER_DRAIN_MODE", "snapshot");
    stage.busy(|_| true);
    let counts: [&[u8]; 7] = [
        b"abc",
        b"",
        b"-1",
        b"99999999999999999999",
        &[0, 0, 0, 2],
        &[0xff, 0xfe],
        b"1.0",
    ];
    let mut sources: Vec<_> = counts
        .iter()
        .enumerate()
        .map(|(n, count)| record(n).header("retry-count", count))
        .collect();
    sources.push(record(7).null_header("retry-count"));
    stage.bury(&sources).await;

    let output = stage.setup.call(&["drain", "--json"], "").await;
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    let warned = log
        .lines()
        .filter(|line| line.contains("retry-count is not a count"));
    assert_eq!(warned.count(), 8, "{log}");
    let told = |found: &str| log.contains(&format!("found={found:?}"));
    assert!(told("\"abc\"") && told("null"), "{log}");
    let expected: Vec<_> = (0..8).map(|n| retry_text(n, 1)).collect();
    assert_eq!(texts(&stage.sent(8)), expected);
    let put_back = stage.dead_letters(16).await;
    for (forwarded, source) in put_back[8..].iter().zip(&sources) {
        assert_eq!(
            (&forwarded.key, &forwarded.value),
            (&source.key, &source.value)
        );
        let counts = forwarded.headers.iter().filter(|it| it.0 == b"retry-count");
        let counts: Vec<_> = counts.map(|(_, value)| value.as_deref()).collect();
        assert_eq!(counts, [Some(&b"1"[..])]);
    }

    // Every record ends: three more passes and nothing is left.
    let done = [
        stage.drain().await,
        stage.drain().await,
        stage.drain().await,
    ];
    assert_eq!(done[2]["permanent"], 8);
    assert_eq!(stage.drain().await["sent"], 0);
    stage.sent(24);
}

async fn a_retry_count_beyond_the_last_ends_at_once() {
    let stage = Stage::new().await;
    let counts = ["3", "4", "2147483647", "+3", "0003"];
    let records: Vec<_> = counts
        .iter()
        .enumerate()
        .map(|(n, count)| record(n).header("retry-count", count))
        .collect();
    stage.bury(&records).await;
    let done = stage.drain().await;
    assert_eq!((&done["sent"], &done["permanent"]), (&json!(0), &json!(5)));
    let parked = stage.permanent(5).await;
    let parked: Vec<_> = parked
        .iter()
        .map(|it| header_text(it, "retry-count"))
        .collect();
    assert_eq!(parked, ["3", "4", "2147483647", "3", "3"]);
    stage.sent(0);
}

async fn a_retry_count_in_the_source_topic_stays() {
    let stage = Stage::new().await.without_drain();
    stage.busy(|_| true);
    let source = record(1).header("retry-count", "2").header("after", "it");
    stage.publish(std::slice::from_ref(&source)).await;
    stage
        .run_until(async |_| {
            stage.dead_letters(1).await;
        })
        .await;
    stage.sent(4);
    assert_kept(&stage.dead_letters(1).await[0], &source);
    // The count only rises: one send is left of the drain's three.
    assert_eq!(stage.drain().await["sent"], 1);
    assert_eq!(texts(&stage.sent(5))[4], retry_text(1, 3));
}

async fn records_without_a_timestamp() {
    let stage = Stage::new().await.without_drain();
    stage.busy(|_| true);
    let bad = Record::new("not json").key("bad").timestamp(-1);
    stage
        .publish(&[record(1).timestamp(-1), bad.clone(), record(2).timestamp(0)])
        .await;
    let before = now_ms();
    stage
        .run_until(async |_| {
            stage.dead_letters(2).await;
            stage.permanent(1).await;
        })
        .await;
    let dead_letters = stage.dead_letters(2).await;
    let parked = stage.permanent(1).await;
    let original = |record: &Record| {
        let bytes = record.get("kafka_dlt-original-timestamp").unwrap();
        i64::from_be_bytes(bytes.try_into().expect("eight bytes"))
    };
    assert_eq!(original(&dead_letters[0]), -1);
    assert_eq!(original(&dead_letters[1]), 0);
    assert_eq!(original(&parked[0]), -1);
    assert_kept(&parked[0], &bad);
    // A dead letter is as old as its death: retention must not take it for what it has no age.
    for record in dead_letters.iter().chain(&parked) {
        assert!(record.timestamp >= before, "{record:?}");
    }
    assert_eq!(stage.drain().await["sent"], 6);
}

async fn a_value_of_the_largest_size_is_forwarded_too() {
    // What one request of a producer with the default limit can hold, less a few bytes.
    const LARGEST: usize = 1_048_400;
    let stage = Stage::without_topics().await;
    let mut notifier = stage.setup.run();
    notifier.wait_for_log("partitions assigned").await;
    let large = Record::new(vec![b'x'; LARGEST]).key("k").header("h", "v");
    stage.publish(&[large]).await;
    stage.publish(&[record(1)]).await;
    stage.telegram.wait_for(1).await;
    let parked = stage.permanent(1).await.remove(0);
    assert_eq!(parked.value.as_ref().map(Vec::len), Some(LARGEST));
    assert_eq!(parked.get("h"), Some(&b"v"[..]));
    assert!(notifier.shut_down().await.success());
}
