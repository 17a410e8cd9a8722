//! What is observed, and what is shown of it.

use super::super::script::{Fate, Scripted};
use super::super::testing::forwarded;
use super::*;
use crate::engine::{DrainSummary, Totals};
use crate::sink::{Failure, FailureKind};

const BACKOFF: Duration = Duration::from_millis(200);

fn script() -> Script {
    Script::new(24, 7)
}

fn scripted(script: &Script, fate: Fate) -> &Scripted {
    let found = script.payments.iter().find(|it| it.fate == fate);
    found.unwrap()
}

fn value(payment: &Scripted) -> Bytes {
    Bytes::copy_from_slice(&payment.value)
}

fn failure() -> Failure {
    Failure::new(FailureKind::ServerError, "Telegram answered 503")
}

fn try_of(events: &[Event]) -> Try {
    match events {
        [.., Event::Attempt { try_of, .. }] => *try_of,
        other => panic!("no attempt: {other:?}"),
    }
}

#[test]
fn a_payment_is_known_by_its_value() {
    let script = script();
    let mut book = Book::new(&script, BACKOFF);
    let payment = scripted(&script, Fate::Silence);
    let expected = Payment {
        number: payment.number,
        at: Some(payment.at),
        fate: Some(Fate::Silence),
    };
    let events = book.attempt(&value(payment), None, Verdict::Delivered);
    let try_of = Try::Main {
        attempt: 1,
        of: 4,
        backoff: BACKOFF,
    };
    let published = Event::Published {
        payment: expected,
        summary: payment.summary.clone(),
    };
    let attempt = Event::Attempt {
        payment: expected,
        try_of,
        verdict: Verdict::Delivered,
    };
    assert_eq!(events, [published, attempt]);
    assert_eq!(book.acked(payment.at, &value(payment)), None);
    let at = At {
        partition: payment.at.partition,
        offset: 5,
    };
    let forwarded = book.forwarded(Destination::DeadLetter, &forwarded(payment, at, 2));
    assert_eq!(
        forwarded,
        Event::Forwarded {
            payment: expected,
            to: Destination::DeadLetter,
            at,
            retry_count: 2,
            why: "Telegram answered 503".to_owned()
        }
    );
}

#[test]
fn what_counts_as_an_attempt_is_counted() {
    let script = script();
    let mut book = Book::new(&script, BACKOFF);
    let value = value(&script.payments[0]);
    let attempts = [
        (Verdict::RetryAfter(BACKOFF, failure()), 1),
        (Verdict::Transient(failure()), 1),
        (Verdict::Uncertain(failure()), 2),
        (Verdict::SinkDown(failure()), 3),
        (Verdict::Delivered, 3),
    ];
    for (verdict, number) in attempts {
        let Try::Main { attempt, .. } = try_of(&book.attempt(&value, None, verdict)) else {
            panic!("not the main path");
        };
        assert_eq!(attempt, number);
    }
    let drain = try_of(&book.attempt(&value, Some(2), Verdict::Delivered));
    assert_eq!(drain, Try::Drain { attempt: 2, of: 3 });
}

#[test]
fn a_pass_is_shown_once_it_finds_something() {
    let script = script();
    let mut book = Book::new(&script, BACKOFF);
    let value = value(&script.payments[0]);
    let summary = DrainSummary {
        totals: Totals::default(),
        interrupted: false,
        stuck: 0,
    };
    assert_eq!(book.report(&Report::DrainStarted), None);
    assert_eq!(book.report(&Report::DrainFinished(summary)), None);
    assert_eq!(book.report(&Report::DrainStarted), None);
    let first = book.attempt(&value, Some(1), Verdict::Delivered);
    assert_eq!(first[0], Event::DrainStarted { pass: 2 });
    assert_eq!(book.attempt(&value, Some(1), Verdict::Delivered).len(), 1);
    let totals = Totals::default();
    let over = book.report(&Report::DrainFinished(summary));
    assert_eq!(over, Some(Event::DrainFinished { pass: 2, totals }));
}

#[test]
fn trouble_is_told_but_for_what_an_answer_says_already() {
    let mut book = Book::new(&script(), BACKOFF);
    let failure = failure();
    let held = Report::LineHeld {
        wait: BACKOFF,
        failure: failure.clone(),
    };
    assert_eq!(book.report(&held), None);
    let stopped = Report::LineStopped { failure };
    let told = book.report(&stopped);
    assert_eq!(told, Some(Event::Told(stopped)));
}

#[test]
fn a_guest_gets_the_next_number_and_each_of_his_payments_is_told() {
    let script = script();
    let mut book = Book::new(&script, BACKOFF);
    let first = &script.payments[0];
    assert_eq!(book.found(first.at, &value(first)), None);
    let guest = Bytes::from_static(b"{");
    // It may be sent before it is found.
    let sent = book.attempt(&guest, None, Verdict::Delivered);
    assert!(matches!(sent[0], Event::Published { .. }), "{sent:?}");
    let at = |offset| At {
        partition: 1,
        offset,
    };
    assert_eq!(book.found(at(30), &guest), None);
    let Some(Event::Published { payment, summary }) = book.found(at(31), &guest) else {
        panic!("not published");
    };
    let expected = Payment {
        number: 25,
        at: Some(at(31)),
        fate: None,
    };
    assert_eq!(payment, expected);
    assert!(summary.starts_with("the value is not JSON"), "{summary}");
    assert!(book.acked(first.at, &value(first)).is_some());
    let published: Vec<_> = book.all_published().iter().map(|it| it.number).collect();
    assert_eq!(published, [1, 25]);
}
