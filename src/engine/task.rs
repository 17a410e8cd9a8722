//! A record that is out of its lane's chunks.

use super::dead_letter::Attempts;
use super::timing::OnceAMinute;
use super::words::{Destination, Path};
use crate::wire::TopicPartition;
use crate::wire::batch::{Record, RecordBody};

/// A record on its way to the sink.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) record: Record,
    pub(super) attempts: Attempts,
    /// The drain's count of sends before this one, once the record was examined.
    pub(super) count: Option<u32>,
    /// Goes before the records of all other partitions: the sink had it wait.
    pub(super) first: bool,
}

/// A record on its way to another topic.
#[derive(Clone, Debug)]
pub(super) struct Forward {
    pub(super) offset: i64,
    pub(super) to: Destination,
    pub(super) partition: i32,
    pub(super) body: RecordBody,
    pub(super) failures: u32,
    pub(super) reported: OnceAMinute,
}

/// Records on their way to other topics together.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    pub(super) path: Path,
    /// Of records that could not be written before.
    pub(super) again: bool,
    /// Where each was read.
    pub(super) partitions: Vec<TopicPartition>,
    /// The group commits them with it.
    pub(super) commits: bool,
}

impl Task {
    /// A record that nothing was done with.
    pub(super) fn new(record: Record) -> Self {
        Self {
            record,
            attempts: Attempts::default(),
            count: None,
            first: false,
        }
    }
}
