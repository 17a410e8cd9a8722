//! The script: which payments there are, and what befalls each. Pure: the same seed makes the same.

use std::collections::HashSet;
use std::time::Duration;

use fastrand::Rng;

use super::account::End;
use super::evidence::At;
use crate::payment::{PaymentEvent, Template, samples};
use crate::producer::partition_for_key;

/// Partitions of each topic.
pub(super) const PARTITIONS: i32 = 3;
/// Deliveries of a payment before it becomes a dead letter: the first one and the retries.
pub(super) const DELIVERIES: u32 = 4;
/// Sends of a dead letter before it is given up.
pub(super) const DRAIN_SENDS: u32 = 3;

/// What befalls a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Fate {
    /// Telegram takes it at once.
    Fine,
    /// Telegram answers 503 twice, then takes it.
    FailsTwice,
    /// Telegram answers 503 for ever.
    Hopeless,
    /// The value isn't JSON.
    NotJson,
    /// Telegram does not answer while the retries last.
    Silence,
    /// Telegram answers 400.
    Rejected,
    /// Telegram answers 429 once.
    SlowDown,
    /// Telegram answers 503 while the retries last, and once more.
    LongOutage,
}

/// Who has trouble, those who show most first: a short demo has the first ones alone.
const TROUBLED: [Fate; 7] = [
    Fate::FailsTwice,
    Fate::Hopeless,
    Fate::NotJson,
    Fate::Silence,
    Fate::Rejected,
    Fate::SlowDown,
    Fate::LongOutage,
];

/// What Telegram does with one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// 200: the message is sent.
    Taken,
    /// 503.
    Unavailable,
    /// 400.
    BadRequest,
    /// 429 with `retry_after`.
    RetryAfter(Duration),
    /// None at all.
    Nothing,
}

impl Answer {
    /// The HTTP status; none where there is no answer.
    pub(super) fn status(self) -> Option<u16> {
        match self {
            Self::Taken => Some(200),
            Self::Unavailable => Some(503),
            Self::BadRequest => Some(400),
            Self::RetryAfter(_) => Some(429),
            Self::Nothing => None,
        }
    }
}

impl Fate {
    /// What Telegram does with the payment's call of this number, from 0.
    pub(super) fn answer(self, call: u32) -> Answer {
        match self {
            Self::FailsTwice if call < 2 => Answer::Unavailable,
            Self::Hopeless => Answer::Unavailable,
            Self::Silence if call < DELIVERIES => Answer::Nothing,
            Self::Rejected => Answer::BadRequest,
            Self::SlowDown if call == 0 => Answer::RetryAfter(Duration::from_secs(1)),
            Self::LongOutage if call <= DELIVERIES => Answer::Unavailable,
            _ => Answer::Taken,
        }
    }

    /// Where it must end.
    pub(super) fn end(self) -> End {
        match self {
            Self::Fine => End::FirstTime,
            Self::FailsTwice | Self::SlowDown => End::AfterRetry,
            Self::Silence | Self::LongOutage => End::FromDeadLetters,
            Self::Hopeless | Self::NotJson | Self::Rejected => End::Permanent,
        }
    }

    /// The same for a person.
    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::Fine => "Telegram takes it",
            Self::FailsTwice => "503 twice, then taken",
            Self::Hopeless => "503 for ever",
            Self::NotJson => "not JSON",
            Self::Silence => "no answer 4 times, then taken",
            Self::Rejected => "400 for ever",
            Self::SlowDown => "429 once, then taken",
            Self::LongOutage => "503 five times, then taken",
        }
    }
}

/// All payments of a demo.
#[derive(Debug, PartialEq)]
pub(super) struct Script {
    pub(super) payments: Vec<Scripted>,
}

/// One payment.
#[derive(Debug, PartialEq)]
pub(super) struct Scripted {
    /// From 1.
    pub(super) number: usize,
    pub(super) fate: Fate,
    /// Whose it is and how much, for a person.
    pub(super) summary: String,
    pub(super) key: String,
    pub(super) value: Vec<u8>,
    /// What Telegram gets at first; nothing where the value isn't JSON.
    pub(super) text: Option<String>,
    /// Where it will be in a topic that nobody else writes to.
    pub(super) at: At,
}

impl Script {
    /// Writes the script: at most a third of the payments, and no more than one of each kind,
    /// have trouble.
    pub(super) fn new(payments: usize, seed: u64) -> Self {
        let template = Template::default();
        let mut texts = HashSet::new();
        // Two payments that read the same could not be told apart.
        let different = samples(usize::MAX, seed).filter_map(|(key, event)| {
            let text = template.render(&event, None);
            texts.insert(text.clone()).then_some((key, event, text))
        });
        let fates = fates(payments, seed).into_iter();
        let mut ends = [0; PARTITIONS as usize];
        let numbered = (1..).zip(fates.zip(different));
        let payments = numbered.map(|(number, (fate, (key, event, text)))| {
            let partition = partition_for_key(key.as_bytes(), PARTITIONS);
            let end: &mut i64 = &mut ends[partition.unsigned_abs() as usize];
            let offset = *end;
            *end += 1;
            let at = At { partition, offset };
            Scripted::new(number, fate, key, &event, text, at)
        });
        Self {
            payments: payments.collect(),
        }
    }
}

impl Scripted {
    fn new(
        number: usize,
        fate: Fate,
        key: String,
        event: &PaymentEvent,
        text: String,
        at: At,
    ) -> Self {
        let mut value = event.to_json().into_bytes();
        let is_json = fate != Fate::NotJson;
        if !is_json {
            // As if whoever published it had died in the middle.
            value.pop();
        }
        Self {
            number,
            fate,
            summary: format!("{}, {} won", event.mail, event.amount),
            key,
            value,
            text: is_json.then_some(text),
            at,
        }
    }
}

fn fates(payments: usize, seed: u64) -> Vec<Fate> {
    let mut rng = Rng::with_seed(seed);
    let troubled = payments.div_ceil(3).min(TROUBLED.len());
    let mut places = rng.choose_multiple(0..payments, troubled);
    rng.shuffle(&mut places);
    let mut fates = vec![Fate::Fine; payments];
    for (place, fate) in places.into_iter().zip(TROUBLED) {
        fates[place] = fate;
    }
    fates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_writes_the_same_script() {
        assert_eq!(Script::new(100, 7), Script::new(100, 7));
        assert_ne!(Script::new(100, 7), Script::new(100, 8));
    }

    #[test]
    fn most_are_fine_and_every_kind_of_trouble_is_there_once() {
        for payments in [24, 10_000] {
            let script = Script::new(payments, 7);
            assert_eq!(script.payments.len(), payments);
            let with = |fate| script.payments.iter().filter(|it| it.fate == fate).count();
            assert!(TROUBLED.iter().all(|fate| with(*fate) == 1));
            assert_eq!(with(Fate::Fine), payments - TROUBLED.len());
        }
    }

    #[test]
    fn a_short_demo_shows_the_retry_first() {
        let fate = |payments| -> Vec<_> {
            let script = Script::new(payments, 3);
            let fates = script.payments.iter().map(|payment| payment.fate);
            fates.filter(|fate| *fate != Fate::Fine).collect()
        };
        assert_eq!(fate(1), [Fate::FailsTwice]);
        assert_eq!(fate(3), [Fate::FailsTwice]);
        assert_eq!(fate(4).len(), 2);
        assert!(fate(4).contains(&Fate::Hopeless));
    }

    #[test]
    fn what_is_not_json_is_refused_and_the_rest_is_read() {
        let script = Script::new(24, 7);
        for payment in &script.payments {
            let read = PaymentEvent::from_json(&payment.value);
            assert_eq!(read.is_ok(), payment.fate != Fate::NotJson);
            let text = read
                .ok()
                .map(|event| Template::default().render(&event, None));
            assert_eq!(text, payment.text);
        }
    }

    #[test]
    fn no_two_payments_read_the_same_and_places_follow_each_other() {
        let script = Script::new(10_000, 1);
        let texts: HashSet<_> = script.payments.iter().map(|it| &it.text).collect();
        assert_eq!(texts.len(), 10_000);
        let places: HashSet<_> = script.payments.iter().map(|it| it.at).collect();
        assert_eq!(places.len(), 10_000);
        for partition in 0..PARTITIONS {
            let places = script.payments.iter().map(|payment| payment.at);
            let places = places.filter(|at| at.partition == partition);
            assert!(places.zip(0..).all(|(at, offset)| at.offset == offset));
        }
    }

    #[test]
    fn answers_lead_to_the_end_that_is_told() {
        for fate in TROUBLED {
            let calls = (0..DELIVERIES + DRAIN_SENDS).map(|call| fate.answer(call));
            let taken_at = calls.clone().position(|answer| answer == Answer::Taken);
            let rejected = calls.clone().any(|answer| answer == Answer::BadRequest);
            let end = match taken_at {
                _ if rejected || fate == Fate::NotJson => End::Permanent,
                Some(0) => End::FirstTime,
                Some(at) if at < DELIVERIES as usize => End::AfterRetry,
                Some(_) => End::FromDeadLetters,
                None => End::Permanent,
            };
            assert_eq!(end, fate.end(), "{fate:?}");
        }
    }
}
