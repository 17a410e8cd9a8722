//! The records and texts of a Spring service, see `tests/fixtures/spring/README.md`.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::{PaymentEvent, Template};

fn fixture(name: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/spring")
        .join(name);
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn payments(name: &str) -> Vec<PaymentEvent> {
    let payment = |record: Value| {
        let value = BASE64_STANDARD
            .decode(record["value"].as_str().unwrap())
            .unwrap();
        PaymentEvent::from_record_value(Some(&value)).unwrap()
    };
    fixture(name).into_iter().map(payment).collect()
}

#[test]
fn every_payment_that_java_wrote_is_read() {
    let failed = payments("all-sends-fail.jsonl");
    let sent = payments("all-sends-succeed.jsonl");
    assert_eq!((failed.len(), sent.len()), (36, 6));
    for event in failed.iter().chain(&sent) {
        let number = event.amount - 50_000;
        assert_eq!(event.mail, format!("user{number}@example.com"));
        assert_eq!(event.concert_title, format!("아이유 콘서트 {number}"));
        assert_eq!(event.confirmed.to_string(), "2024-11-21 10:15:30.123456789");
        assert_eq!(event.start.date().to_string(), "2024-12-24");
    }
}

#[test]
fn texts_are_those_that_java_sent() {
    let template = Template::default();
    let by_mail: BTreeMap<_, _> = payments("all-sends-succeed.jsonl")
        .into_iter()
        .map(|event| (event.mail.clone(), event))
        .collect();
    let texts = fixture("texts.jsonl");
    assert_eq!(texts.len(), 9);
    for (at, text) in texts.iter().map(|text| text.as_str().unwrap()).enumerate() {
        let mail = text
            .lines()
            .nth(1)
            .and_then(|line| line.strip_prefix("예약자 ID: "))
            .unwrap();
        let retry = (at >= 6).then_some(1);
        assert_eq!(template.render(&by_mail[mail], retry), text);
    }
}
