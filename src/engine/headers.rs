//! The record headers the engine reads and writes.
//!
//! Names and encodings of `kafka_dlt-*` are those of Spring Kafka's
//! `DeadLetterPublishingRecoverer` (integers big-endian), `retry-count` is that of the service
//! this one replaces, and `payment-notifier-*` are its own: text, numbers in decimal.

use crate::wire::batch::RecordRef;

/// How many drain sends a dead letter has had: decimal text, absent for none.
pub const RETRY_COUNT: &str = "retry-count";

/// The topic the record came from at its first failure: text.
pub const ORIGINAL_TOPIC: &str = "kafka_dlt-original-topic";
/// Its partition there: int32.
pub const ORIGINAL_PARTITION: &str = "kafka_dlt-original-partition";
/// Its offset there: int64.
pub const ORIGINAL_OFFSET: &str = "kafka_dlt-original-offset";
/// Its timestamp there, milliseconds: int64.
pub const ORIGINAL_TIMESTAMP: &str = "kafka_dlt-original-timestamp";
/// `CreateTime`, `LogAppendTime` or `NoTimestampType`.
pub const ORIGINAL_TIMESTAMP_TYPE: &str = "kafka_dlt-original-timestamp-type";
/// The group that failed to handle it: text.
pub const ORIGINAL_GROUP: &str = "kafka_dlt-original-consumer-group";

/// The newest failure's kind: text.
pub const EXCEPTION_FQCN: &str = "kafka_dlt-exception-fqcn";
/// The newest failure's kind: text.
pub const EXCEPTION_CAUSE_FQCN: &str = "kafka_dlt-exception-cause-fqcn";
/// What the newest failure said: text.
pub const EXCEPTION_MESSAGE: &str = "kafka_dlt-exception-message";
/// Where in the code it failed; never written here, as there is nothing to show.
pub const EXCEPTION_STACKTRACE: &str = "kafka_dlt-exception-stacktrace";

/// The first failure, as `kind: message`.
pub const FIRST_FAILURE: &str = "payment-notifier-first-failure";
/// When that was, milliseconds since 1970.
pub const FIRST_FAILURE_TIME: &str = "payment-notifier-first-failure-time";
/// The newest failure, as `kind: message`.
pub const LAST_FAILURE: &str = "payment-notifier-last-failure";
/// When that was, milliseconds since 1970.
pub const LAST_FAILURE_TIME: &str = "payment-notifier-last-failure-time";
/// Failed deliveries so far, those of the main path and the drain together.
pub const DELIVERY_ATTEMPTS: &str = "payment-notifier-delivery-attempts";

/// A record that has one of these names its original coordinates already: Spring's recoverer,
/// Spring's `@RetryableTopic`, Kafka Connect, Kafka Streams (KIP-1034), share groups (KIP-1191),
/// SmallRye.
const COORDINATES: [&str; 6] = [
    ORIGINAL_TOPIC,
    "kafka_original-topic",
    "__connect.errors.topic",
    "__streams.errors.topic",
    "__dlq.errors.topic",
    "dead-letter-topic",
];

/// The value of the last header of that name, as text.
pub(super) fn text<'a>(record: &RecordRef<'a>, name: &str) -> Option<&'a str> {
    std::str::from_utf8(record.headers().find_last(name.as_bytes())??).ok()
}

/// True where the record says already where it first came from.
pub(super) fn has_coordinates(record: &RecordRef<'_>) -> bool {
    record
        .headers()
        .any(|(key, _)| COORDINATES.iter().any(|name| key == name.as_bytes()))
}

/// The count of [`RETRY_COUNT`], 0 where there is none.
///
/// Read as Java's `Integer.parseInt` does, so that both services see the same count: leading
/// zeros and one leading `+` are allowed, 2147483647 is the largest. A negative one is no count.
///
/// # Errors
///
/// What the header holds, for a person, where it is no count.
pub fn retry_count(record: &RecordRef<'_>) -> Result<u32, String> {
    let Some(value) = record.headers().find_last(RETRY_COUNT.as_bytes()) else {
        return Ok(0);
    };
    let value = value.ok_or_else(|| "null".to_owned())?;
    parse_count(value).ok_or_else(|| shown(value))
}

/// A decimal count, as [`retry_count`] reads it.
pub(super) fn parse_count(value: &[u8]) -> Option<u32> {
    let count: u32 = std::str::from_utf8(value).ok()?.parse().ok()?;
    i32::try_from(count).is_ok().then_some(count)
}

/// A count that is none, short enough for a log line.
fn shown(value: &[u8]) -> String {
    const MOST: usize = 32;
    let cut = if value.len() > MOST { "…" } else { "" };
    let head = &value[..value.len().min(MOST)];
    format!("\"{}\"{cut}", head.escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::super::testing::record_with_headers;
    use super::*;
    use proptest::prelude::*;

    fn count_of(values: &[Option<&[u8]>]) -> Result<u32, String> {
        let headers: Vec<_> = values
            .iter()
            .map(|value| (RETRY_COUNT.as_bytes(), *value))
            .collect();
        retry_count(&record_with_headers(0, &headers).as_ref())
    }

    #[test]
    fn a_count_is_read_as_java_reads_it() {
        for (text, count) in [
            ("0", 0),
            ("3", 3),
            ("007", 7),
            ("+2", 2),
            ("2147483647", 2_147_483_647),
        ] {
            assert_eq!(count_of(&[Some(text.as_bytes())]), Ok(count), "{text}");
        }
        assert_eq!(count_of(&[]), Ok(0));
    }

    #[test]
    fn what_is_no_count_is_said() {
        let bad: [(&[u8], &str); 9] = [
            (b"abc", "\"abc\""),
            (b"", "\"\""),
            (b"-1", "\"-1\""),
            (b"-0", "\"-0\""),
            (b" 1", "\" 1\""),
            (b"2147483648", "\"2147483648\""),
            (b"99999999999999999999", "\"99999999999999999999\""),
            (&[0, 0, 0, 2], "\"\\x00\\x00\\x00\\x02\""),
            (&[0xff, 0xfe], "\"\\xff\\xfe\""),
        ];
        for (value, shown) in bad {
            assert_eq!(count_of(&[Some(value)]), Err(shown.to_owned()));
        }
        assert_eq!(count_of(&[None]), Err("null".to_owned()));
    }

    #[test]
    fn the_last_of_several_counts() {
        assert_eq!(count_of(&[Some(b"1"), Some(b"2")]), Ok(2));
        assert!(count_of(&[Some(b"1"), Some(b"x")]).is_err());
        assert_eq!(count_of(&[Some(b"x"), Some(b"2")]), Ok(2));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_count_or_a_short_text(value in proptest::collection::vec(any::<u8>(), 0..100)) {
            match count_of(&[Some(&value)]) {
                Ok(count) => {
                    let digits = count.to_string();
                    prop_assert!(value.ends_with(digits.as_bytes()));
                }
                Err(text) => prop_assert!(text.len() <= 4 * 32 + 5),
            }
        }
    }
}
