//! What a topic says itself, where the broker's settings are not to hold.

use std::collections::BTreeMap;

use crate::broker::config::BrokerConfig;
use crate::wire::ErrorCode;

/// The settings that a topic may have, by Kafka's names. Those with a method are heeded; the
/// others are kept and told, and change nothing.
const KNOWN: &[&str] = &[
    "cleanup.policy",
    "compression.type",
    "delete.retention.ms",
    "file.delete.delay.ms",
    "flush.messages",
    "flush.ms",
    "index.interval.bytes",
    "max.compaction.lag.ms",
    "max.message.bytes",
    "message.timestamp.after.max.ms",
    "message.timestamp.before.max.ms",
    "message.timestamp.type",
    "min.cleanable.dirty.ratio",
    "min.compaction.lag.ms",
    "min.insync.replicas",
    "preallocate",
    "retention.bytes",
    "retention.ms",
    "segment.bytes",
    "segment.index.bytes",
    "segment.jitter.ms",
    "segment.ms",
    "unclean.leader.election.enable",
];

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::broker) struct TopicSettings(BTreeMap<String, String>);

impl TopicSettings {
    /// Takes one setting.
    ///
    /// # Errors
    ///
    /// `INVALID_CONFIG` for a name that Kafka does not have, or a value that can't be.
    pub(in crate::broker) fn set(&mut self, name: &str, value: &str) -> Result<(), ErrorCode> {
        let is_valid = match name {
            "max.message.bytes" => value.parse::<u32>().is_ok(),
            "retention.bytes" | "retention.ms" => value.parse::<i64>().is_ok_and(|n| n >= -1),
            "message.timestamp.type" => ["CreateTime", "LogAppendTime"].contains(&value),
            _ => KNOWN.contains(&name),
        };
        if !is_valid {
            return Err(ErrorCode::INVALID_CONFIG);
        }
        self.0.insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    /// Takes a setting back: the broker's holds again.
    pub(in crate::broker) fn unset(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// What was set, by name.
    pub(in crate::broker) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// `max.message.bytes`: the largest record batch.
    pub(in crate::broker) fn max_message_bytes(&self, broker: &BrokerConfig) -> usize {
        let own = self
            .get("max.message.bytes")
            .and_then(|text| text.parse().ok());
        own.unwrap_or(broker.message_max_bytes)
    }

    /// `retention.bytes`: what a partition keeps. No topic keeps more than the broker says, so
    /// that the memory is bounded.
    pub(in crate::broker) fn retention_bytes(&self, broker: &BrokerConfig) -> u64 {
        let own = self
            .get("retention.bytes")
            .and_then(|text| text.parse().ok());
        own.map_or(broker.log_retention_bytes, |own: u64| {
            own.min(broker.log_retention_bytes)
        })
    }

    /// `retention.ms`; none keeps records however old they are.
    pub(in crate::broker) fn retention_ms(&self, broker: &BrokerConfig) -> Option<i64> {
        let own = self.get("retention.ms").and_then(|text| text.parse().ok());
        let broker = i64::try_from(broker.log_retention.as_millis()).ok();
        let milliseconds = own.or(broker);
        milliseconds.filter(|milliseconds| *milliseconds >= 0)
    }

    /// `message.timestamp.type = LogAppendTime`: the broker stamps the records.
    pub(in crate::broker) fn stamps_on_append(&self) -> bool {
        self.get("message.timestamp.type") == Some("LogAppendTime")
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kafka_does_not_have_is_refused() {
        let mut settings = TopicSettings::default();
        let wrong = [
            ("retention.hours", "1"),
            ("retention.ms", "a day"),
            ("retention.bytes", "-2"),
            ("message.timestamp.type", "Now"),
        ];
        for (name, value) in wrong {
            assert_eq!(
                settings.set(name, value),
                Err(ErrorCode::INVALID_CONFIG),
                "{name}"
            );
        }
        assert_eq!(settings.iter().count(), 0);
    }

    #[test]
    fn what_is_not_set_is_the_brokers() {
        let broker = BrokerConfig::default();
        let mut settings = TopicSettings::default();
        assert_eq!(settings.max_message_bytes(&broker), 1_048_588);
        assert_eq!(settings.retention_ms(&broker), Some(604_800_000));
        assert!(!settings.stamps_on_append());
        let set = [
            ("retention.ms", "-1"),
            ("retention.bytes", "-1"),
            ("message.timestamp.type", "LogAppendTime"),
        ];
        for (name, value) in set {
            settings.set(name, value).unwrap();
        }
        assert_eq!(settings.retention_ms(&broker), None);
        assert_eq!(
            settings.retention_bytes(&broker),
            broker.log_retention_bytes
        );
        assert!(settings.stamps_on_append());
        settings.set("retention.bytes", "1000").unwrap();
        assert_eq!(settings.retention_bytes(&broker), 1000);
    }
}
