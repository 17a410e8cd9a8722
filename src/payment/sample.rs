//! Plausible payments, for trying things out.

use chrono::{NaiveDate, NaiveDateTime, TimeDelta};
use fastrand::Rng;

use super::PaymentEvent;

const CONCERTS: [&str; 8] = [
    "봄밤 어쿠스틱 콘서트",
    "한강 여름 음악 축제",
    "가을 재즈 나들이",
    "겨울 캐럴 합창의 밤",
    "국악과 현대의 만남",
    "인디 밴드 합동 공연",
    "시립 교향악단 정기 연주회",
    "새해맞이 드림 콘서트",
];

const NAMES: [&str; 8] = [
    "minjun", "seoyeon", "jiho", "haeun", "doyun", "sua", "yejun", "jiwoo",
];

/// Prices of seats, in won.
const PRICES: [i64; 5] = [55_000, 77_000, 99_000, 132_000, 165_000];

const YEAR_MILLIS: i64 = 365 * 24 * 60 * 60 * 1000;

/// Makes `n` payments with their keys; the same seed makes the same ones.
///
/// The key is the customer's mail address, so that one customer's payments keep their order.
/// Addresses are at `example.com`, which is nobody's (RFC 2606).
pub fn samples(n: usize, seed: u64) -> impl Iterator<Item = (String, PaymentEvent)> {
    let mut rng = Rng::with_seed(seed);
    (0..n).map(move |_| {
        let event = payment(&mut rng);
        (event.mail.clone(), event)
    })
}

fn payment(rng: &mut Rng) -> PaymentEvent {
    let confirmed = first_moment() + TimeDelta::milliseconds(rng.i64(0..YEAR_MILLIS));
    let evening = rng.u32(17..=20);
    let start = (confirmed.date() + TimeDelta::days(rng.i64(3..90)))
        .and_hms_opt(evening, if rng.bool() { 30 } else { 0 }, 0)
        .expect("an hour below 24");
    PaymentEvent {
        mail: format!("{}{}@example.com", pick(rng, &NAMES), rng.u32(1..1000)),
        concert_title: pick(rng, &CONCERTS).to_owned(),
        start,
        confirmed,
        amount: pick(rng, &PRICES) * rng.i64(1..=4),
    }
}

/// A year is fixed, as samples don't depend on the clock.
fn first_moment() -> NaiveDateTime {
    NaiveDate::from_ymd_opt(2026, 1, 1)
        .expect("a date of the calendar")
        .into()
}

fn pick<T: Copy>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.usize(..from.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_payments() {
        let of = |seed| samples(50, seed).collect::<Vec<_>>();
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
        assert_eq!(of(7).len(), 50);
    }

    #[test]
    fn samples_are_plausible_and_readable() {
        for (key, event) in samples(500, 1) {
            assert_eq!(key, event.mail);
            assert!(event.mail.ends_with("@example.com"));
            assert!(event.confirmed < event.start);
            assert!((10_000..1_000_000).contains(&event.amount));
            assert_eq!(
                PaymentEvent::from_json(event.to_json().as_bytes()),
                Ok(event)
            );
        }
    }
}
