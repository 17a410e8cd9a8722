//! The service's settings in a demo: those of `run`, but for the addresses and for waits that a
//! person can sit through.

use std::time::Duration;

use super::script::{DELIVERIES, DRAIN_SENDS, PARTITIONS};
use crate::app::config::{Config, Flag, Problems, Sources};

/// How long everything takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    /// From the first payment to the last, at most.
    pub(super) publishing: Duration,
    /// From one payment to the next, at most.
    pub(super) spacing: Duration,
    /// Before each retry.
    pub(super) backoff: Duration,
    /// For Telegram's answer.
    pub(super) timeout: Duration,
    /// From one pass of the drain to the next.
    pub(super) drain_interval: Duration,
}

impl Pace {
    pub(super) const NORMAL: Self = Self {
        publishing: Duration::from_secs(5),
        spacing: Duration::from_millis(200),
        backoff: Duration::from_millis(200),
        timeout: Duration::from_millis(500),
        drain_interval: Duration::from_millis(1_500),
    };
    pub(super) const FAST: Self = Self {
        publishing: Duration::from_millis(300),
        spacing: Duration::from_millis(10),
        backoff: Duration::from_millis(50),
        timeout: Duration::from_millis(300),
        drain_interval: Duration::from_millis(300),
    };

    /// From one of so many payments to the next.
    pub(super) fn between(&self, payments: usize) -> Duration {
        let payments = u32::try_from(payments.max(1)).unwrap_or(u32::MAX);
        self.spacing.min(self.publishing / payments)
    }
}

/// Makes the configuration as `run` does from its flags, without a file and an environment.
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn config(
    pace: Pace,
    kafka: &str,
    telegram: &str,
    (token, chat_id): (&str, &str),
) -> Result<Config, Problems> {
    let millis = |wait: Duration| format!("{}ms", wait.as_millis());
    let keys = [
        ("kafka.bootstrap.servers", kafka.to_owned()),
        ("kafka.client.id", "payment-notifier-demo".to_owned()),
        ("topics.partitions", PARTITIONS.to_string()),
        ("consumer.concurrency", PARTITIONS.to_string()),
        ("retry.backoff", millis(pace.backoff)),
        ("retry.max_retries", (DELIVERIES - 1).to_string()),
        ("drain.interval", millis(pace.drain_interval)),
        ("drain.max_retries", DRAIN_SENDS.to_string()),
        ("telegram.base_url", telegram.to_owned()),
        ("telegram.token", token.to_owned()),
        ("telegram.chat_id", chat_id.to_owned()),
        ("telegram.timeout", millis(pace.timeout)),
        ("telegram.probe_interval", "1s".to_owned()),
    ];
    let flag = |(key, value): (&str, String)| Flag {
        flag: "--set",
        key: Some(key.to_owned()),
        value,
    };
    let flags = keys.into_iter().map(flag).collect();
    Config::load(&Sources::gather(None, [], flags)).map(|loaded| loaded.config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_are_valid_and_what_is_not_named_is_the_default() {
        for pace in [Pace::NORMAL, Pace::FAST] {
            let bot = ("1:token", "@chat");
            let config = config(pace, "127.0.0.1:9092", "http://127.0.0.1:80", bot);
            let config = config.unwrap_or_else(|problems| panic!("{problems}"));
            assert_eq!(config.retry.backoff, pace.backoff);
            assert_eq!(config.telegram.timeout, pace.timeout);
            assert_eq!(config.topics.source, "payment-notification");
            assert_eq!(config.consumer.group_id, "telegram-notification");
        }
    }

    #[test]
    fn any_number_of_payments_is_published_in_time() {
        let pace = Pace::NORMAL;
        assert_eq!(pace.between(1), pace.spacing);
        assert_eq!(pace.between(0), pace.spacing);
        assert_eq!(pace.between(24), pace.spacing);
        assert!(pace.between(10_000) * 10_000 <= pace.publishing);
    }
}
