use chrono::{NaiveDate, TimeDelta};
use proptest::prelude::*;

use super::*;

const VALID: [(&str, &str); 5] = [
    ("mail", r#""a@example.com""#),
    ("concertTitle", r#""콘서트""#),
    ("startDt", r#""2024-12-24T19:00:00""#),
    ("confirmDt", "[2024,11,21,10,15,30,123456789]"),
    ("amount", "50000"),
];

/// A valid event with one field's JSON replaced.
fn with(field: &str, json: &str) -> String {
    let fields = VALID.map(|(name, valid)| {
        let value = if name == field { json } else { valid };
        format!(r#""{name}":{value}"#)
    });
    format!("{{{}}}", fields.join(","))
}

fn read(json: impl AsRef<[u8]>) -> PaymentEvent {
    PaymentEvent::from_json(json.as_ref()).unwrap()
}

fn refusal(json: impl AsRef<[u8]>) -> String {
    let failure = PaymentEvent::from_json(json.as_ref()).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Undecodable);
    assert!(failure.message.chars().count() < 200, "{}", failure.message);
    failure.message
}

fn at(second: u32, nano: u32) -> NaiveDateTime {
    NaiveDate::from_ymd_opt(2024, 12, 24)
        .and_then(|date| date.and_hms_nano_opt(19, 0, second, nano))
        .unwrap()
}

#[test]
fn every_form_of_a_date_time_is_read() {
    for (json, expected) in [
        (r#""2024-12-24T19:00""#, at(0, 0)),
        (r#""2024-12-24T19:00:15""#, at(15, 0)),
        (r#""2024-12-24T19:00:15.""#, at(15, 0)),
        (r#""2024-12-24T19:00:15.1""#, at(15, 100_000_000)),
        (r#""2024-12-24T19:00:15.123456""#, at(15, 123_456_000)),
        (r#""2024-12-24T19:00:15.000000001""#, at(15, 1)),
        (r#""2024\u002d12-24T19:00:15""#, at(15, 0)),
        ("[2024,12,24,19,0]", at(0, 0)),
        ("[2024, 12, 24, 19, 0, 15]", at(15, 0)),
        ("[2024,12,24,19,0,15,999999999]", at(15, 999_999_999)),
    ] {
        assert_eq!(read(with("startDt", json)).start, expected, "{json}");
    }
}

#[test]
fn years_beyond_four_digits_have_a_sign_as_in_java() {
    for (json, year) in [
        (r#""+12024-12-24T19:00:00""#, 12_024),
        (r#""-0044-12-24T19:00:00""#, -44),
    ] {
        let start = read(with("startDt", json)).start;
        assert_eq!(chrono::Datelike::year(&start), year);
        assert_eq!(format!("\"{}\"", date_time::to_iso(start)), json);
    }
}

#[test]
fn what_is_no_local_date_time_is_refused_with_the_form_that_is() {
    for json in [
        r#""""#,
        r#""2024-12-24""#,
        r#""2024-12-24 19:00:00""#,
        r#""2024-12-24T19:00:00Z""#,
        r#""2024-12-24T19:00:00+09:00""#,
        r#""2024-12-24T19:00:00.1234567890""#,
        r#""2024-12-24T19:00.5""#,
        r#""2024-12-24T19:00:00:00""#,
        r#""2024-12-24T19""#,
        r#""+2024-12-24T19:00""#,
        r#""12024-12-24T19:00""#,
        r#""2024-+1-24T19:00""#,
        r#""２０２４-12-24T19:00""#,
        "1735066800",
        "true",
        "{}",
    ] {
        let message = refusal(with("startDt", json));
        let form = "startDt: a local date-time like 2024-12-24T19:00:00";
        assert!(message.starts_with(form), "{json}: {message}");
    }
    for json in [
        "[]",
        "[2024,12,24]",
        "[2024,12,24,19,0,0,0,0]",
        "[2024,12,24,19,0.5]",
    ] {
        let message = refusal(with("confirmDt", json));
        assert!(
            message.starts_with("confirmDt: a list of 5 to 7"),
            "{json}: {message}"
        );
    }
}

#[test]
fn a_date_that_does_not_exist_is_refused() {
    for json in [
        r#""2023-02-29T19:00:00""#,
        r#""2024-13-01T19:00:00""#,
        r#""2024-12-24T24:00:00""#,
        r#""2024-12-24T19:60:00""#,
        r#""2024-12-24T23:59:60""#,
        r#""+999999-12-24T19:00:00""#,
        "[2024,2,30,19,0]",
        "[2024,-2,1,19,0]",
        "[2024,12,24,19,0,59,1000000000]",
        "[9223372036854775807,12,24,19,0]",
    ] {
        let message = refusal(with("startDt", json));
        assert_eq!(message, format!("startDt: {json} does not exist"));
    }
}

#[test]
fn amounts_are_whole_won_of_64_bits() {
    for amount in [0, -1, i64::MAX, i64::MIN] {
        assert_eq!(read(with("amount", &amount.to_string())).amount, amount);
    }
    assert_eq!(read(with("amount", "-0")).amount, 0);
    for json in ["50000.0", "5e4", "0.1", r#""50000""#, "true", "[1]"] {
        let message = refusal(with("amount", json));
        assert!(
            message.starts_with("amount: a whole number of won is expected"),
            "{message}"
        );
    }
    for json in [
        "9223372036854775808",
        "-9223372036854775809",
        &"9".repeat(10_000),
    ] {
        let message = refusal(with("amount", json));
        assert!(message.ends_with("is beyond 64 bits"), "{message}");
    }
}

#[test]
fn a_field_that_is_missing_null_or_of_another_type_is_named() {
    for (field, _) in VALID {
        let renamed = with("", "").replace(&format!("\"{field}\""), "\"other\"");
        assert_eq!(refusal(renamed), format!("the field {field} is missing"));
        assert_eq!(refusal(with(field, "null")), format!("{field}: is null"));
        assert!(refusal(with(field, "{}")).starts_with(&format!("{field}: ")));
    }
    assert_eq!(refusal(with("mail", "5")), "mail: text is expected, not 5");
    assert!(refusal(with("mail", r#""\ud800""#)).starts_with("mail: "));
}

#[test]
fn a_field_given_twice_is_refused() {
    let twice = with("amount", r#"1,"amount":2"#);
    assert!(refusal(twice).starts_with("duplicate field `amount`"));
}

#[test]
fn other_fields_are_ignored_however_deep() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let event = read(with(
        "amount",
        &format!(r#"7,"x":{deep},"x":1e999,"":{{}}"#),
    ));
    assert_eq!(event.amount, 7);
    assert!(refusal(with("mail", &deep)).starts_with("mail: text is expected"));
    assert!(refusal(with("startDt", &deep)).starts_with("startDt: "));
    assert!(refusal("[".repeat(1_000_000)).starts_with("the value is not JSON"));
}

#[test]
fn what_is_no_object_is_refused() {
    let message = PaymentEvent::from_record_value(None).unwrap_err().message;
    assert_eq!(message, "the value is null (a tombstone), not a payment");
    assert_eq!(refusal(""), "the value is empty");
    assert_eq!(refusal("null"), "an object is expected, not null");
    assert_eq!(refusal(" 5 "), "an object is expected, not 5");
    let in_order = format!("[{}]", VALID.map(|(_, json)| json).join(","));
    assert!(refusal(in_order).starts_with("an object is expected"));
    assert!(refusal(format!("\u{feff}{}", with("", ""))).contains("BOM"));
    for not_json in ["hello", "{", "{}}", "\0\0\0\0\x01", "{'mail':1}", " "] {
        assert!(
            refusal(not_json).starts_with("the value is not JSON"),
            "{not_json}"
        );
    }
    assert!(refusal(with("", "") + " x").contains("trailing characters"));
    assert!(refusal(b"{\"mail\":\"\xff\"}").starts_with("the value is not JSON"));
}

#[test]
fn a_long_value_is_quoted_at_its_beginning() {
    let message = refusal(with("startDt", &format!(r#""{}""#, "가".repeat(100_000))));
    assert!(message.ends_with("가…"), "{message}");
}

fn any_event() -> impl Strategy<Value = PaymentEvent> {
    let date_time = || {
        (any::<i32>(), 0i64..1_000_000_000, 0u32..1000).prop_map(|(days, nanos, step)| {
            let days = TimeDelta::days(i64::from(days) % 90_000_000);
            at(step % 60, 0) + days + TimeDelta::nanoseconds(nanos)
        })
    };
    (".*", ".*", date_time(), date_time(), any::<i64>()).prop_map(
        |(mail, concert_title, start, confirmed, amount)| PaymentEvent {
            mail,
            concert_title,
            start,
            confirmed,
            amount,
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read(event in any_event()) {
        prop_assert_eq!(read(event.to_json()), event);
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(PaymentEvent::from_json(&bytes).is_err());
    }

    #[test]
    fn a_broken_event_never_panics(at in 0..200usize, byte in any::<u8>()) {
        let mut json = with("", "").into_bytes();
        let at = at % json.len();
        json[at] = byte;
        let _ = PaymentEvent::from_json(&json);
    }

    #[test]
    fn random_date_times_never_panic(text in r"([0-9+\-:.T]|.){0,30}") {
        if let Some(numbers) = date_time::numbers_of_iso(&text) {
            let _ = date_time::from_numbers(numbers);
        }
    }
}
