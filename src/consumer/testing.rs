//! Records for tests.

use bytes::Bytes;

use crate::wire::TopicPartition;
use crate::wire::batch::{Attributes, BatchHeader, ProducerStamp, RecordBatch, Records};

/// A batch from `base` on that holds records at these distances from it alone, as compaction
/// leaves it; `last` is the distance of the last record that it ever held. A distance of 99
/// stands for bytes that are no record.
pub(super) fn batch(base: i64, last: i32, deltas: &[u8]) -> RecordBatch {
    RecordBatch {
        header: BatchHeader {
            base_offset: base,
            leader_epoch: 0,
            attributes: Attributes::default(),
            last_offset_delta: last,
            base_timestamp: 0,
            max_timestamp: 0,
            producer: ProducerStamp::NONE,
            record_count: deltas.len() as i32,
        },
        records: deltas.iter().flat_map(|delta| record(*delta)).collect(),
    }
}

/// Length, attributes, timestamp, offset, no key, a value of one byte, no headers.
fn record(delta: u8) -> Vec<u8> {
    match delta {
        99 => vec![2, 0],
        delta => vec![7 << 1, 0, 0, delta << 1, 1, 1 << 1, b'v', 0],
    }
}

pub(super) fn records(base: i64, last: i32, deltas: &[u8]) -> Records {
    batch(base, last, deltas).decode(1 << 20).unwrap()
}

/// As a broker sends them.
pub(super) fn wire(batches: &[RecordBatch]) -> Bytes {
    let batches = batches.iter().map(|batch| batch.encode().unwrap());
    batches.flatten().collect()
}

pub(super) fn tp(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}
