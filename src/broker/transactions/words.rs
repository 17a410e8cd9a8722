//! What the coordinator is asked about, and what it wants done.

use std::sync::Arc;

use crate::wire::TopicPartition;

/// What a cluster's transactions are like: its feature `transaction.version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionVersion {
    /// As up to Kafka 3: a client adds each partition and group by a request of its own, and keeps
    /// its epoch from one transaction to the next.
    V0,
    /// As of Kafka 4 (KIP-890): partitions and groups are added by the first write, and with the
    /// end of a transaction the producer gets its next epoch.
    V2,
}

impl TransactionVersion {
    /// As Kafka numbers it.
    pub fn level(self) -> i16 {
        match self {
            Self::V0 => 0,
            Self::V2 => 2,
        }
    }
}

/// One of the producers that follow one another under a transactional id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::broker) struct Producer {
    pub(in crate::broker) id: i64,
    pub(in crate::broker) epoch: i16,
}

/// What a transaction writes to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::broker) enum Place {
    Partition(TopicPartition),
    /// The offsets of a group.
    Group(Arc<str>),
}

/// What ends a transaction where it was written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::broker) struct Marker {
    pub(in crate::broker) transactional_id: Arc<str>,
    /// With the epoch that fences whatever comes late.
    pub(in crate::broker) producer: Producer,
    pub(in crate::broker) place: Place,
    pub(in crate::broker) commits: bool,
}
