use std::time::Instant;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::engine::testing::{WALL_MS, record_with_headers};
use crate::wire::batch::{Header, Record, TimestampType};

const ORIGIN: Origin<'_> = Origin {
    topic: "pay",
    partition: 2,
    group: "telegram-notification",
};

fn moment(ms: i64) -> Moment {
    Moment {
        at: Instant::now(),
        wall_ms: WALL_MS + ms,
    }
}

fn failed(texts: &[&str]) -> Attempts {
    let mut attempts = Attempts::default();
    for (n, text) in texts.iter().enumerate() {
        let failure = Failure::new(FailureKind::ServerError, *text);
        attempts.note(failure, moment(n as i64));
    }
    attempts
}

fn headers(body: &RecordBody) -> Vec<(String, Vec<u8>)> {
    body.headers()
        .map(|(key, value)| {
            let key = String::from_utf8_lossy(key).into_owned();
            (key, value.unwrap_or(b"(null)").to_vec())
        })
        .collect()
}

fn texts(body: &RecordBody) -> Vec<String> {
    headers(body)
        .iter()
        .map(|(key, value)| format!("{key}={}", value.escape_ascii()))
        .collect()
}

fn read_back(body: RecordBody, offset: i64, timestamp: i64) -> Record {
    Record {
        offset,
        timestamp,
        timestamp_type: TimestampType::CreateTime,
        body,
    }
}

#[test]
fn a_first_dead_letter_says_where_it_came_from_and_why() {
    let record = record_with_headers(258, &[(b"__TypeId__", Some(b"T"))]);
    let body = dead_letter_body(&record.as_ref(), ORIGIN, &failed(&["a", "b"]), None);
    assert_eq!(
        texts(&body),
        [
            "__TypeId__=T",
            "kafka_dlt-original-topic=pay",
            r"kafka_dlt-original-partition=\x00\x00\x00\x02",
            r"kafka_dlt-original-offset=\x00\x00\x00\x00\x00\x00\x01\x02",
            r"kafka_dlt-original-timestamp=\x00\x00\x00\x00\x00\x00\x03\xe8",
            "kafka_dlt-original-timestamp-type=CreateTime",
            "kafka_dlt-original-consumer-group=telegram-notification",
            "kafka_dlt-exception-fqcn=payment_notifier.server-error",
            "kafka_dlt-exception-cause-fqcn=payment_notifier.server-error",
            "kafka_dlt-exception-message=b",
            "payment-notifier-last-failure=server-error: b",
            "payment-notifier-last-failure-time=1700000000001",
            "payment-notifier-delivery-attempts=2",
            "payment-notifier-first-failure=server-error: a",
            "payment-notifier-first-failure-time=1700000000000",
        ]
    );
    assert_eq!(body.key(), Some(&b"key"[..]));
    assert_eq!(body.value(), Some(&b"value"[..]));
}

#[test]
fn a_second_failure_keeps_the_first_and_the_original_place() {
    let record = record_with_headers(7, &[]);
    let first = dead_letter_body(&record.as_ref(), ORIGIN, &failed(&["a"; 4]), None);
    let drained = read_back(first.clone(), 90, 2_000);
    let elsewhere = Origin {
        topic: "pay.DLQ",
        ..ORIGIN
    };
    let second = dead_letter_body(&drained.as_ref(), elsewhere, &failed(&["z"]), Some(1));
    let (first, second) = (headers(&first), headers(&second));
    let kept = |(key, _): &&(String, Vec<u8>)| {
        key.starts_with("kafka_dlt-original") || key.contains("first-failure")
    };
    let before: Vec<_> = first.iter().filter(kept).collect();
    let after: Vec<_> = second.iter().filter(kept).collect();
    assert_eq!(before, after);
    let value = |name: &str| {
        let mut found = second.iter().filter(|(key, _)| key == name);
        let value = found
            .next()
            .map(|(_, value)| value.escape_ascii().to_string());
        assert_eq!(found.next(), None, "{name} is there once");
        value.unwrap()
    };
    assert_eq!(value(h::EXCEPTION_MESSAGE), "z");
    assert_eq!(value(h::LAST_FAILURE), "server-error: z");
    assert_eq!(value(h::DELIVERY_ATTEMPTS), "5");
    assert_eq!(
        second.last().unwrap(),
        &("retry-count".to_owned(), b"1".to_vec())
    );
}

#[test]
fn a_springs_dead_letter_keeps_its_first_failure_in_our_words() {
    let record = record_with_headers(
        0,
        &[
            (b"kafka_dlt-exception-fqcn", Some(b"Listener")),
            (
                b"kafka_dlt-exception-cause-fqcn",
                Some(b"java.lang.RuntimeException"),
            ),
            (b"kafka_dlt-exception-message", Some(b"503")),
            (b"kafka_dlt-exception-stacktrace", Some(b"at ...")),
            (b"kafka_dlt-original-topic", Some(b"pn")),
            (b"retry-count", Some(b"1")),
            (b"retry-count", Some(b"2")),
        ],
    );
    let body = dead_letter_body(&record.as_ref(), ORIGIN, &failed(&["z"]), Some(3));
    assert_eq!(
        texts(&body),
        [
            "kafka_dlt-original-topic=pn",
            "kafka_dlt-exception-fqcn=payment_notifier.server-error",
            "kafka_dlt-exception-cause-fqcn=payment_notifier.server-error",
            "kafka_dlt-exception-message=z",
            "payment-notifier-last-failure=server-error: z",
            "payment-notifier-last-failure-time=1700000000000",
            "payment-notifier-delivery-attempts=1",
            "payment-notifier-first-failure=java.lang.RuntimeException: 503",
            "payment-notifier-first-failure-time=1000",
            "retry-count=3",
        ]
    );
}

#[test]
fn without_a_new_failure_the_last_one_stays() {
    let record = record_with_headers(0, &[]);
    let first = dead_letter_body(&record.as_ref(), ORIGIN, &failed(&["a"]), Some(3));
    let drained = read_back(first.clone(), 9, 2_000);
    let last = dead_letter_body(&drained.as_ref(), ORIGIN, &Attempts::default(), Some(3));
    assert_eq!(texts(&last), texts(&first));
}

#[test]
fn coordinates_of_others_are_coordinates() {
    for name in [
        "kafka_original-topic",
        "__connect.errors.topic",
        "dead-letter-topic",
    ] {
        let record = record_with_headers(0, &[(name.as_bytes(), Some(b"t"))]);
        let body = dead_letter_body(&record.as_ref(), ORIGIN, &failed(&["a"]), None);
        assert!(
            !texts(&body)
                .iter()
                .any(|text| text.starts_with("kafka_dlt-original"))
        );
    }
}

#[test]
fn a_record_without_a_timestamp_says_so() {
    let record = Record {
        timestamp: -1,
        timestamp_type: TimestampType::NoTimestampType,
        ..record_with_headers(0, &[])
    };
    let body = dead_letter_body(&record.as_ref(), ORIGIN, &failed(&["a"]), None);
    let texts = texts(&body);
    assert!(texts.contains(&"kafka_dlt-original-timestamp-type=NoTimestampType".to_owned()));
    let minus_one = r"kafka_dlt-original-timestamp=\xff\xff\xff\xff\xff\xff\xff\xff";
    assert!(texts.contains(&minus_one.to_owned()));
}

#[test]
fn a_long_text_is_cut_between_characters() {
    let text = "결제".repeat(500);
    let record = record_with_headers(0, &[]);
    let body = dead_letter_body(&record.as_ref(), ORIGIN, &failed(&[&text]), None);
    let message = body.headers().find_last(h::EXCEPTION_MESSAGE.as_bytes());
    let message = std::str::from_utf8(message.unwrap().unwrap()).unwrap();
    assert_eq!(message.len(), 999);
    assert!(text.starts_with(message));
}

fn owned(key: &[u8]) -> bool {
    [
        &b"payment-notifier-"[..],
        b"kafka_dlt-exception-",
        b"kafka_dlt-original-",
    ]
    .iter()
    .any(|prefix| key.starts_with(prefix))
        || key == b"retry-count"
}

fn any_key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..6),
        Just(b"retry-count".to_vec()),
        Just(b"kafka_dlt-exception-message".to_vec()),
        Just(b"kafka_dlt-original-topic".to_vec()),
        Just(b"payment-notifier-first-failure".to_vec()),
    ]
}

proptest! {
    #[test]
    fn a_forwarded_record_differs_only_in_the_headers_we_own(
        key in option::of(vec(any::<u8>(), 0..20)),
        value in option::of(vec(any::<u8>(), 0..200)),
        others in vec((any_key(), option::of(vec(any::<u8>(), 0..10))), 0..8),
        offset in 0..i64::MAX,
        timestamp in any::<i64>(),
        failures in 0..3_usize,
        count in option::of(any::<u32>()),
    ) {
        let given: Vec<Header<'_>> = others
            .iter()
            .map(|(key, value)| (key.as_slice(), value.as_deref()))
            .collect();
        let body = RecordBody::new(key.as_deref(), value.as_deref(), &given);
        let record = read_back(body, offset, timestamp);
        let body = dead_letter_body(&record.as_ref(), ORIGIN, &failed(&["x"; 2][..failures.min(2)]), count);
        prop_assert_eq!(body.key(), key.as_deref());
        prop_assert_eq!(body.value(), value.as_deref());
        let kept: Vec<_> = body.headers().filter(|(key, _)| !owned(key)).collect();
        let wanted: Vec<_> = given.iter().copied().filter(|(key, _)| !owned(key)).collect();
        prop_assert_eq!(kept, wanted);
        prop_assert!(h::has_coordinates(&read_back(body.clone(), 0, 0).as_ref()));
        if let Some(count) = count {
            let counts: Vec<_> = body.headers().filter(|(key, _)| *key == b"retry-count").collect();
            let text = count.to_string();
            prop_assert_eq!(counts, [(&b"retry-count"[..], Some(text.as_bytes()))]);
        }
    }
}
