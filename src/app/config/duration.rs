//! Durations as people write them: `500ms`, `1s`, `5m`, `1h`, `1m30s`.

use std::time::Duration;

/// The longest duration that is accepted: a year. Added to any clock's time it can't overflow.
pub(super) const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// Largest first, as they are written; `ms` before `m` where a unit is looked for.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads a duration. The error says what to write instead.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!(
            "`{text}` has no unit: write `{text}s` for seconds, or use ms, m or h"
        ));
    }
    let millis = millis(text).ok_or_else(|| {
        format!("`{text}` is not a duration: write whole numbers with units, such as `500ms`, `1s`, `5m`, `1h` or `1m30s`")
    })?;
    let duration = Duration::from_millis(millis);
    if duration > LONGEST {
        return Err(format!("`{text}` is longer than a year"));
    }
    Ok(duration)
}

/// Writes a duration as [`parse`] reads it, to the millisecond.
pub(super) fn format(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, size) in UNITS {
        if rest >= size {
            text += &format!("{}{unit}", rest / size);
            rest %= size;
        }
    }
    text
}

fn millis(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut total = 0_u64;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.len()
            - tail
                .trim_start_matches(|c: char| c.is_ascii_alphabetic())
                .len();
        let (unit, tail) = tail.split_at(letters);
        let (_, size) = UNITS.iter().find(|(name, _)| *name == unit)?;
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(*size)?)?;
        rest = tail;
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_people_write() {
        for (text, millis) in [
            ("500ms", 500),
            ("1s", 1_000),
            ("0s", 0),
            ("5m", 300_000),
            ("1h", 3_600_000),
            ("1m30s", 90_000),
            ("1h1ms", 3_600_001),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn a_bare_number_is_told_the_units() {
        let error = parse("30").unwrap_err();
        assert!(error.contains("`30s`") && error.contains("ms"), "{error}");
    }

    #[test]
    fn refuses_the_rest() {
        for text in [
            "",
            "s",
            "1x",
            "1.5s",
            "-1s",
            "1 s",
            "1s5",
            "5min",
            "١s",
            "9999999999999999999h",
            "8761h",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn round_trips(millis in 0..=365 * 24 * 3_600_000_u64) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse(&format(duration)), Ok(duration));
        }

        #[test]
        fn any_text_is_answered(text in ".{0,12}|[0-9]{0,21}[hms]{0,3}[0-9]{0,3}s?") {
            if let Ok(duration) = parse(&text) {
                prop_assert!(duration <= LONGEST);
            }
        }
    }
}
