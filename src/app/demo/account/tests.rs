//! The account of what goes by the script, and of what doesn't.

use bytes::Bytes;
use proptest::prelude::*;

use super::super::evidence::{Call, Stored};
use super::super::script::Script;
use super::super::testing::played;
use super::*;
use crate::payment::{PaymentEvent, Template};

fn script() -> Script {
    Script::new(24, 7)
}

fn evidence() -> Evidence {
    played(&script())
}

fn place_of(fate: Fate) -> At {
    let script = script();
    let found = script.payments.iter().find(|it| it.fate == fate);
    found.unwrap().at
}

/// The one thing that is missing.
fn missing(change: impl FnOnce(&mut Evidence)) -> String {
    let mut evidence = evidence();
    change(&mut evidence);
    let account = Account::of(&evidence);
    assert!(!account.adds_up());
    account.missing.join("\n")
}

fn index(stored: &[Stored], origin: At) -> usize {
    let found = stored.iter().position(|it| it.origin() == Some(origin));
    found.unwrap()
}

#[test]
fn what_goes_by_the_script_adds_up() {
    let account = Account::of(&evidence());
    assert_eq!(account.missing, [""; 0]);
    assert_eq!(account.notes, [""; 0]);
    assert!(account.engine_agrees);
    let counts = [
        End::FirstTime,
        End::AfterRetry,
        End::FromDeadLetters,
        End::Permanent,
        End::Open,
    ];
    let counts = counts.map(|end| account.count(end));
    assert_eq!(counts, [17, 2, 2, 3, 0]);
    let numbers = account.rows.iter().map(|row| row.number);
    assert!(numbers.eq((1..=24).map(Some)));
}

#[test]
fn a_row_tells_the_way_of_a_payment() {
    let account = Account::of(&evidence());
    let row = |fate| {
        account
            .rows
            .iter()
            .find(|row| row.fate == Some(fate))
            .unwrap()
    };
    let hopeless = row(Fate::Hopeless);
    assert_eq!(hopeless.main, [Answer::Unavailable; 4]);
    assert_eq!(hopeless.drain, [Answer::Unavailable; 3]);
    assert_eq!(hopeless.dead_letters, 4);
    assert!(hopeless.permanent.is_some());
    assert_eq!(hopeless.why.as_deref(), Some("Telegram answered 503"));
    let outage = row(Fate::LongOutage);
    assert_eq!(outage.drain, [Answer::Unavailable, Answer::Taken]);
    assert_eq!((outage.dead_letters, outage.permanent), (2, None));
}

#[test]
fn a_payment_that_nobody_got_is_missing() {
    let at = place_of(Fate::FailsTwice);
    let text = missing(|evidence| {
        let mut calls = evidence.calls.iter();
        let taken = calls.position(|call| call.answer == Answer::Taken);
        evidence.calls.remove(taken.unwrap());
    });
    assert!(
        text.contains("was neither delivered nor forwarded"),
        "{text}"
    );
    let text = missing(|evidence| {
        evidence.source.retain(|stored| stored.at != at);
    });
    assert!(
        text.contains(&format!("({at}) was acknowledged, and is not in its topic")),
        "{text}"
    );
    assert!(
        text.contains("Telegram got 3 messages that are no payment's"),
        "{text}"
    );
}

#[test]
fn a_dead_letter_without_an_end_is_missing() {
    let at = place_of(Fate::Hopeless);
    let text = missing(|evidence| {
        evidence.permanent.remove(index(&evidence.permanent, at));
    });
    assert!(
        text.contains(&format!("({at}) is a dead letter still")),
        "{text}"
    );
}

#[test]
fn a_forward_must_be_of_a_payment_and_unchanged() {
    let at = place_of(Fate::NotJson);
    let text = missing(|evidence| {
        let changed = index(&evidence.permanent, at);
        evidence.permanent[changed].value = Some(Bytes::from_static(b"other"));
    });
    assert!(text.contains("was changed when it was forwarded"), "{text}");
    let text = missing(|evidence| {
        let moved = index(&evidence.permanent, at);
        evidence.permanent[moved].at.partition += 1;
    });
    assert!(text.contains("was changed when it was forwarded"), "{text}");
    let text = missing(|evidence| {
        let bare = index(&evidence.permanent, at);
        evidence.permanent[bare].headers.clear();
    });
    assert!(text.contains("that is no payment's"), "{text}");
}

#[test]
fn an_end_that_is_not_committed_is_missing() {
    let text = missing(|evidence| evidence.progress[4].committed -= 1);
    assert!(text.starts_with("drain stands at "), "{text}");
    assert!(text.ends_with("in source.DLQ-1"), "{text}");
}

#[test]
fn the_engine_must_say_the_same() {
    let text = missing(|evidence| evidence.engine.as_mut().unwrap().drain.delivered += 1);
    assert_eq!(
        text,
        "the engine counts 3 deliveries of the drain, and there are 2"
    );
    let text = missing(|evidence| evidence.engine.as_mut().unwrap().main.sent -= 1);
    assert!(text.contains(" sends, and there are "), "{text}");
    let mut evidence = evidence();
    evidence.engine.as_mut().unwrap().main.sent += 1;
    let account = Account::of(&evidence);
    assert!(account.adds_up());
    assert_eq!(account.notes, ["1 sends did not reach Telegram"]);
}

#[test]
fn what_arrives_twice_is_told_and_accounted_for() {
    let mut evidence = evidence();
    let again = evidence.calls[0].clone();
    evidence.calls.push(again);
    evidence.engine.as_mut().unwrap().main.sent += 1;
    let account = Account::of(&evidence);
    assert!(account.adds_up(), "{:?}", account.missing);
    assert!(
        account.notes[0].contains("arrived 2 times"),
        "{:?}",
        account.notes
    );
}

#[test]
fn what_others_publish_counts_even_twice() {
    let mut evidence = evidence();
    let value = Script::new(1, 99).payments.remove(0).value;
    let value = Some(Bytes::from(value));
    let event = PaymentEvent::from_record_value(value.as_deref()).unwrap();
    let text = Template::default().render(&event, None);
    for offset in [1000, 1001] {
        evidence.source.push(Stored {
            at: At {
                partition: 0,
                offset,
            },
            value: value.clone(),
            headers: Vec::new(),
        });
    }
    let answer = Answer::Taken;
    let call = Call { text, answer };
    evidence.calls.push(call.clone());
    evidence.engine = None;
    let once = Account::of(&evidence);
    assert_eq!(
        once.missing,
        ["p0@1001 was neither delivered nor forwarded"]
    );
    evidence.calls.push(call);
    let twice = Account::of(&evidence);
    assert!(twice.adds_up() && !twice.engine_agrees);
    assert_eq!((twice.rows.len(), twice.notes.len()), (26, 0));
}

#[test]
fn another_way_than_the_scripts_is_told() {
    let mut evidence = evidence();
    evidence.published[0].fate = Some(Fate::Hopeless);
    let account = Account::of(&evidence);
    assert!(account.adds_up());
    assert!(
        account.notes[0].contains("(503 for ever)"),
        "{:?}",
        account.notes
    );
}

/// Takes one piece of evidence away; true where a payment's end depends on it.
fn lose(evidence: &mut Evidence, which: prop::sample::Index) -> bool {
    let Evidence {
        source,
        dead_letters,
        permanent,
        calls,
        ..
    } = evidence;
    let all = source.len() + dead_letters.len() + permanent.len() + calls.len();
    let mut index = which.index(all);
    for stored in [source, dead_letters, permanent] {
        if index < stored.len() {
            stored.remove(index);
            return true;
        }
        index -= stored.len();
    }
    calls.remove(index).answer == Answer::Taken
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_sums_add_up_whatever_the_script(payments in 1usize..60, seed: u64) {
        let account = Account::of(&played(&Script::new(payments, seed)));
        prop_assert!(account.adds_up(), "{:?}", account.missing);
        prop_assert_eq!(account.rows.len(), payments);
        let ends = [End::FirstTime, End::AfterRetry, End::FromDeadLetters, End::Permanent];
        let sum: usize = ends.iter().map(|end| account.count(*end)).sum();
        prop_assert_eq!(sum, payments);
        for row in &account.rows {
            prop_assert_eq!(Some(row.end), row.fate.map(Fate::end));
        }
    }

    #[test]
    fn nothing_is_lost_unnoticed(payments in 1usize..60, seed: u64, which: prop::sample::Index) {
        let mut evidence = played(&Script::new(payments, seed));
        let is_vital = lose(&mut evidence, which);
        let account = Account::of(&evidence);
        prop_assert_eq!(account.adds_up(), !is_vital);
        prop_assert!(is_vital || !account.notes.is_empty());
    }
}
