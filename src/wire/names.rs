//! Names as the message crate wants them.

use kafka_protocol::messages::{GroupId, TopicName, TransactionalId};
use kafka_protocol::protocol::StrBytes;

/// A text.
pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// A topic's name.
pub(crate) fn topic_name(topic: &str) -> TopicName {
    TopicName(text(topic))
}

/// A group's name.
pub(crate) fn group_id(group: &str) -> GroupId {
    GroupId(text(group))
}

/// A transactional producer's name.
pub(crate) fn transactional_id(id: &str) -> TransactionalId {
    TransactionalId(text(id))
}
