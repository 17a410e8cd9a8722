//! Offsets by time (KIP-79, KIP-734).

use super::{Log, Stored};

/// Which offset is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::broker) enum Time {
    /// Of the first record that can be read.
    Earliest,
    /// Of the record with the largest timestamp.
    Largest,
    /// Of the first record whose timestamp is this one or a later one.
    From(i64),
}

/// A record's offset and timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::broker) struct OffsetAndTime {
    pub(in crate::broker) offset: i64,
    /// -1 where it was not asked for by time.
    pub(in crate::broker) timestamp: i64,
    pub(in crate::broker) leader_epoch: i32,
}

impl Log {
    /// The offset that is wanted; none where there is no such record. `current` is the leader's
    /// epoch.
    pub(in crate::broker) fn offset_at(&self, time: Time, current: i32) -> Option<OffsetAndTime> {
        match time {
            Time::Earliest => Some(OffsetAndTime {
                offset: self.start,
                timestamp: -1,
                leader_epoch: self.epochs.first(current),
            }),
            Time::Largest => {
                let timestamps = self.batches.iter().map(|batch| batch.max_timestamp);
                let largest = timestamps.max().filter(|largest| *largest >= 0)?;
                self.first_from(largest)
            }
            Time::From(timestamp) => self.first_from(timestamp),
        }
    }

    fn first_from(&self, timestamp: i64) -> Option<OffsetAndTime> {
        let batches = self.batches.iter();
        let mut candidates = batches.filter(|batch| batch.max_timestamp >= timestamp);
        candidates.find_map(|batch| batch.first_from(timestamp, self.start))
    }
}

impl Stored {
    fn first_from(&self, timestamp: i64, start: i64) -> Option<OffsetAndTime> {
        let mut records = self.records().into_iter();
        let found =
            records.find(|record| record.offset >= start && record.timestamp >= timestamp)?;
        Some(OffsetAndTime {
            offset: found.offset,
            timestamp: found.timestamp,
            leader_epoch: self.leader_epoch,
        })
    }
}
