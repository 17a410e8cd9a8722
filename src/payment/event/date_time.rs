//! Java's `LocalDateTime` in JSON: ISO text (`DateTimeFormatter.ISO_LOCAL_DATE_TIME`) and Jackson's
//! list of numbers.

use std::ops::RangeInclusive;

use chrono::{NaiveDate, NaiveDateTime};

const NANOS_PER_SECOND: u32 = 1_000_000_000;

/// Year, month, day, hour, minute, second, nanosecond; as written, so it may be no date at all.
pub(super) type Numbers = [i64; 7];

/// The date-time that the numbers say, if there is one. Java has no leap seconds.
pub(super) fn from_numbers(numbers: Numbers) -> Option<NaiveDateTime> {
    let [year, rest @ ..] = numbers;
    let [month, day, hour, minute, second, nano] = narrow(rest)?;
    if nano >= NANOS_PER_SECOND {
        return None;
    }
    NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?
        .and_hms_nano_opt(hour, minute, second, nano)
}

fn narrow(numbers: [i64; 6]) -> Option<[u32; 6]> {
    let mut narrow = [0; 6];
    for (to, from) in narrow.iter_mut().zip(numbers) {
        *to = u32::try_from(from).ok()?;
    }
    Some(narrow)
}

/// Reads a JSON list of 5 to 7 numbers: Java leaves out seconds and nanoseconds that are zero.
pub(super) fn numbers_of_list(json: &str) -> Option<Numbers> {
    let list: Vec<i64> = serde_json::from_str(json).ok()?;
    if !(5..=7).contains(&list.len()) {
        return None;
    }
    let mut numbers = [0; 7];
    numbers[..list.len()].copy_from_slice(&list);
    Some(numbers)
}

/// Reads `2024-12-24T19:00`, with or without seconds and a fraction of up to 9 digits.
pub(super) fn numbers_of_iso(text: &str) -> Option<Numbers> {
    let (date, time) = text.split_once('T')?;
    let [year, month, day] = numbers_of_date(date)?;
    let (clock, fraction) = match time.split_once('.') {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (time, None),
    };
    let mut parts = clock.split(':');
    let hour = digits(parts.next()?, 2..=2)?;
    let minute = digits(parts.next()?, 2..=2)?;
    let second = match (parts.next(), fraction) {
        (Some(second), _) => digits(second, 2..=2)?,
        (None, None) => 0,
        (None, Some(_)) => return None,
    };
    let nano = digits(&format!("{:0<9}", fraction.unwrap_or_default()), 9..=9)?;
    match parts.next() {
        Some(_) => None,
        None => Some([year, month, day, hour, minute, second, nano]),
    }
}

/// Reads a date; a year beyond 4 digits has a sign.
fn numbers_of_date(text: &str) -> Option<[i64; 3]> {
    let (sign, unsigned, year_digits) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..], 4..=6),
        b'+' => (1, &text[1..], 5..=6),
        _ => (1, text, 4..=4),
    };
    let mut parts = unsigned.splitn(3, '-');
    Some([
        sign * digits(parts.next()?, year_digits)?,
        digits(parts.next()?, 2..=2)?,
        digits(parts.next()?, 2..=2)?,
    ])
}

/// Reads a number of so many digits and nothing else, as `parse` alone would not: it takes signs.
fn digits(text: &str, count: RangeInclusive<usize>) -> Option<i64> {
    let all_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    (count.contains(&text.len()) && all_digits).then(|| text.parse().ok())?
}

/// Writes ISO text with seconds, and as much of a fraction as there is.
pub(super) fn to_iso(at: NaiveDateTime) -> String {
    at.format("%Y-%m-%dT%H:%M:%S%.f").to_string()
}
