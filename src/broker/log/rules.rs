//! What a topic's settings and the broker's come to for its logs.

use crate::broker::config::BrokerConfig;
use crate::broker::topics::TopicSettings;

/// `message.timestamp.after.max.ms`: how far ahead of the broker's clock a record may be.
const TIMESTAMP_AFTER_MAX_MS: i64 = 3_600_000;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(in crate::broker) struct Rules {
    pub(in crate::broker) max_message_bytes: usize,
    pub(in crate::broker) stamps_on_append: bool,
    pub(in crate::broker) timestamp_after_max_ms: i64,
    pub(in crate::broker) retention_bytes: u64,
    /// None keeps records however old they are.
    pub(in crate::broker) retention_ms: Option<i64>,
    /// `min.insync.replicas`.
    pub(in crate::broker) min_insync_replicas: usize,
    /// False where `cleanup.policy` is `compact` alone: old records stay, and can't be deleted.
    pub(in crate::broker) deletes: bool,
    /// True where `cleanup.policy` has `compact`: records need keys.
    pub(in crate::broker) compacts: bool,
}

impl Rules {
    pub(in crate::broker) fn new(topic: &TopicSettings, broker: &BrokerConfig) -> Self {
        let own = |wanted: &str| topic.iter().find(|(name, _)| *name == wanted);
        let number = |wanted: &str| own(wanted).and_then(|(_, value)| value.parse::<i64>().ok());
        let min_insync = number("min.insync.replicas").and_then(|n| usize::try_from(n).ok());
        let after_max_ms = number("message.timestamp.after.max.ms");
        let deletes = own("cleanup.policy").is_none_or(|(_, policy)| policy.contains("delete"));
        let compacts = own("cleanup.policy").is_some_and(|(_, policy)| policy.contains("compact"));
        Self {
            max_message_bytes: topic.max_message_bytes(broker),
            stamps_on_append: topic.stamps_on_append(),
            timestamp_after_max_ms: after_max_ms.unwrap_or(TIMESTAMP_AFTER_MAX_MS),
            retention_bytes: topic.retention_bytes(broker),
            retention_ms: topic.retention_ms(broker).filter(|_| deletes),
            min_insync_replicas: min_insync.unwrap_or(1),
            deletes,
            compacts,
        }
    }
}
