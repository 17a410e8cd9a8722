//! The lines that a person sees.

use super::super::account::Account;
use super::super::event::Stage;
use super::super::evidence::At;
use super::super::script::{Fate, Script};
use super::super::settings::Pace;
use super::super::testing::played;
use super::*;
use crate::sink::FailureKind;

const AT: Duration = Duration::from_millis(412);

fn payment(fate: Option<Fate>) -> Payment {
    Payment {
        number: 7,
        at: Some(At {
            partition: 2,
            offset: 3,
        }),
        fate,
    }
}

fn attempt(fate: Fate, try_of: Try, verdict: Verdict) -> Event {
    Event::Attempt {
        payment: payment(Some(fate)),
        try_of,
        verdict,
    }
}

fn main(attempt: u32) -> Try {
    Try::Main {
        attempt,
        of: 4,
        backoff: Duration::from_millis(200),
    }
}

fn failure(text: &str) -> Failure {
    Failure::new(FailureKind::ServerError, text)
}

fn plain(event: &Event) -> String {
    let text = Text::new(false, 24);
    text.lines(AT, event).unwrap_or_default()
}

fn stage(payments: usize) -> Stage {
    Stage {
        kafka: "127.0.0.1:9092".to_owned(),
        telegram: "http://127.0.0.1:80".to_owned(),
        topics: ["s", "s.DLQ", "s.permanent"].map(str::to_owned),
        program: "target/release/payment-notifier".to_owned(),
        payments,
        seed: 7,
        pace: Pace::NORMAL,
    }
}

#[test]
fn each_step_is_a_line_of_its_payment() {
    let published = Event::Published {
        payment: payment(Some(Fate::FailsTwice)),
        summary: "a@example.com, 5 won".to_owned(),
    };
    let forwarded = |to, retry_count| Event::Forwarded {
        payment: payment(Some(Fate::Hopeless)),
        to,
        at: At {
            partition: 2,
            offset: 0,
        },
        retry_count,
        why: "Telegram answered 503".to_owned(),
    };
    let transient = || Verdict::Transient(failure("Telegram answered 503"));
    let drain = Try::Drain { attempt: 1, of: 3 };
    let of = |try_of, verdict| attempt(Fate::Hopeless, try_of, verdict);
    for (event, line) in [
        (
            published,
            "· published: a@example.com, 5 won   script: 503 twice, then taken",
        ),
        (of(main(1), Verdict::Delivered), "✓ delivered"),
        (
            of(main(3), Verdict::Delivered),
            "✓ delivered, attempt 3 of 4",
        ),
        (
            of(drain, Verdict::Delivered),
            "✓ delivered from the dead letters, drain attempt 1 of 3",
        ),
        (
            of(main(2), transient()),
            "✗ Telegram answered 503; attempt 2 of 4, next in 200 ms",
        ),
        (
            of(main(4), transient()),
            "✗ Telegram answered 503; attempt 4 of 4",
        ),
        (
            of(drain, transient()),
            "✗ Telegram answered 503; drain attempt 1 of 3",
        ),
        (
            of(
                main(1),
                Verdict::RetryAfter(Duration::from_secs(1), failure("Too many")),
            ),
            "‖ Too many; all sending waits 1 s, and no attempt is counted",
        ),
        (
            of(main(1), Verdict::Rejected(failure("No"))),
            "✗ No; no retry can mend it",
        ),
        (forwarded(Destination::DeadLetter, 0), "→ dead letter p2@0"),
        (
            forwarded(Destination::DeadLetter, 2),
            "→ dead letter p2@0, retry-count 2",
        ),
        (
            forwarded(Destination::Permanent, 3),
            "■ permanent p2@0: Telegram answered 503",
        ),
    ] {
        assert_eq!(plain(&event), format!("  0.412s  #07  p2@3   {line}"));
    }
}

#[test]
fn a_pass_is_a_line_across() {
    let started = plain(&Event::DrainStarted { pass: 3 });
    assert_eq!(started, "  0.412s  ── drain pass 3");
    let totals = Totals {
        sent: 5,
        delivered: 2,
        dead_lettered: 3,
        permanent: 1,
    };
    let over = plain(&Event::DrainFinished { pass: 3, totals });
    assert!(
        over.ends_with("── drain pass 3 is over: 5 sent, 2 delivered, 3 put back, 1 permanent"),
        "{over}"
    );
}

#[test]
fn of_many_payments_those_that_go_well_are_left_out() {
    let event = |fate| attempt(fate, main(1), Verdict::Delivered);
    let many = Text::new(false, 10_000);
    assert_eq!(many.lines(AT, &event(Fate::Fine)), None);
    assert!(many.lines(AT, &event(Fate::FailsTwice)).is_some());
    assert!(Text::new(false, 24).lines(AT, &event(Fate::Fine)).is_some());
    let guest = Event::Published {
        payment: payment(None),
        summary: String::new(),
    };
    assert!(many.lines(AT, &guest).is_some());
    let ready = many.lines(AT, &Event::Ready(stage(10_000))).unwrap();
    assert!(ready.contains("no lines of their own"), "{ready}");
}

#[test]
fn the_beginning_and_the_stay_tell_where_to_look() {
    let ready = plain(&Event::Ready(stage(24)));
    for part in [
        "24 payments, seed 7",
        "127.0.0.1:9092",
        "s → s.DLQ → s.permanent",
        "http://127.0.0.1:80",
        "4 deliveries 200 ms apart, 500 ms for an answer, a drain every 1.5 s",
    ] {
        assert!(ready.contains(part), "{part}: {ready}");
    }
    let staying = plain(&Event::Staying(stage(24)));
    for part in [
        "kcat -b 127.0.0.1:9092 -C -e -t s.permanent",
        "target/release/payment-notifier publish --sample 1 --bootstrap-servers 127.0.0.1:9092",
        "NOTIFIER_KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:9092 target/release/payment-notifier publish",
    ] {
        assert!(staying.contains(part), "{part}: {staying}");
    }
}

#[test]
fn colours_come_only_where_they_may_and_change_no_text() {
    let mut events = vec![
        Event::Ready(stage(24)),
        Event::Staying(stage(24)),
        Event::Account(Account::of(&played(&Script::new(24, 7)))),
        Event::DrainStarted { pass: 1 },
    ];
    let trouble = Verdict::Transient(failure("no"));
    events.push(attempt(Fate::FailsTwice, main(1), trouble));
    for event in events {
        let bare = plain(&event);
        assert!(!bare.contains('\u{1b}'), "{bare}");
        let coloured = Text::new(true, 24).lines(AT, &event).unwrap();
        assert!(coloured.contains('\u{1b}'), "{coloured}");
        assert_eq!(uncoloured(&coloured), bare);
    }
}

fn uncoloured(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = parts.map(|part| part.split_once('m').unwrap().1);
    rest.fold(first, |text, part| text + part)
}
