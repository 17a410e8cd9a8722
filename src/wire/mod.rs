//! The bytes of the Kafka protocol: frames, record batches, compression, the error table and
//! API versions. Pure, and uses nothing else of this crate.

pub mod batch;
pub mod compression;
pub mod error_code;
pub mod frame;
mod isolation;
pub(crate) mod names;
pub(crate) mod shape;
pub mod versions;

use std::fmt;
use std::sync::Arc;

pub use error_code::ErrorCode;
pub use isolation::IsolationLevel;

/// A partition of a topic. Cheap to clone: the name is shared.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's index, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// Names a partition.
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self {
            topic: topic.into(),
            partition,
        }
    }
}

/// True of equal names; soon found out where they are one name that is shared.
pub(crate) fn same_name(one: &Arc<str>, other: &Arc<str>) -> bool {
    Arc::ptr_eq(one, other) || one == other
}

/// Written as Kafka's tools do: `topic-partition`.
impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

impl fmt::Debug for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
