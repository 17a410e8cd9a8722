//! Records out of an answer, and which of them the application is given.
//!
//! # Invariants
//!
//! - Control records are never handed out, nor, to a reader of committed records, those of aborted
//!   transactions; the position moves past them all the same.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::FetchResponse;
use kafka_protocol::messages::fetch_response::PartitionData;

use super::{FetchAnswer, PartitionAnswer, Unreadable, Wanted};
use crate::consumer::aborted::Aborted;
use crate::consumer::records::FetchedRecords;
use crate::wire::batch::{BatchError, Batches, Marker, RecordBatch, Records};
use crate::wire::compression::Compression;
use crate::wire::{ErrorCode, IsolationLevel, TopicPartition};

/// What is read of an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// The most that one batch may become, and about the most that all of them may.
    pub(super) max_bytes: usize,
    pub(super) isolation: IsolationLevel,
}

/// How many bytes of batches are compressed, by the look of their first batch.
pub(super) fn compressed_bytes(answer: &FetchResponse) -> usize {
    let data = answer.responses.iter().flat_map(|topic| &topic.partitions);
    let records = data.filter_map(|partition| partition.records.as_ref());
    records
        .filter(|records| is_compressed(records))
        .map(Bytes::len)
        .sum()
}

/// Looks at the codec bits alone: the batch is checked where it is read.
fn is_compressed(records: &Bytes) -> bool {
    const LOW_BYTE_OF_ATTRIBUTES: usize = 22;
    const CODEC: u8 = 0x07;
    records
        .get(LOW_BYTE_OF_ATTRIBUTES)
        .is_some_and(|low| low & CODEC != 0)
}

/// Reads an answer, up to the batch in which the records held take more than `max_bytes`: what
/// is left is fetched again later, so that compressed bytes can't become any number of bytes.
pub(super) fn read(answer: FetchResponse, wanted: &Wanted, rules: Rules) -> FetchAnswer {
    let by_id: HashMap<_, _> = wanted
        .iter()
        .map(|(tp, position)| (position.topic_id, &tp.topic))
        .collect();
    let mut partitions = Vec::new();
    let mut held = 0;
    let is_shared = has_many(&answer);
    for topic in answer.responses {
        let name: Arc<str> = match by_id.get(topic.topic_id.as_bytes()) {
            Some(name) if topic.topic.is_empty() => Arc::clone(name),
            _ => Arc::from(topic.topic.as_str()),
        };
        for data in topic.partitions {
            let tp = TopicPartition::new(name.clone(), data.partition_index);
            if let Some(position) = wanted.get(&tp) {
                let answer = read_partition(tp, data, position.offset, is_shared, held, rules);
                held += answer.records.len_bytes();
                partitions.push(answer);
            }
        }
    }
    FetchAnswer {
        session_id: answer.session_id,
        code: ErrorCode(answer.error_code),
        partitions,
    }
}

/// True where more than one partition has records.
fn has_many(answer: &FetchResponse) -> bool {
    let data = answer.responses.iter().flat_map(|topic| &topic.partitions);
    let records = data.filter_map(|partition| partition.records.as_ref());
    records.filter(|records| !records.is_empty()).count() > 1
}

fn read_partition(
    partition: TopicPartition,
    mut data: PartitionData,
    asked_offset: i64,
    is_shared: bool,
    mut held: usize,
    rules: Rules,
) -> PartitionAnswer {
    let diverging = &data.diverging_epoch;
    let diverging = (diverging.epoch >= 0).then_some((diverging.epoch, diverging.end_offset));
    let mut filter = Filter {
        asked_offset,
        is_shared,
        max_bytes: rules.max_bytes,
        aborted: aborted(&mut data, rules.isolation),
    };
    let end = end(&data, rules.isolation);
    let mut batches = Vec::new();
    let mut epochs: Vec<(i32, i64)> = Vec::new();
    let mut next_offset = asked_offset;
    let mut unreadable = None;
    for batch in Batches::new(data.records.unwrap_or_default()) {
        if held > rules.max_bytes {
            break;
        }
        if let Ok(batch) = &batch
            && epochs
                .last()
                .is_none_or(|last| last.0 != batch.header.leader_epoch)
        {
            epochs.push((batch.header.leader_epoch, batch.header.base_offset));
        }
        match filter.take(batch) {
            Ok((end, records)) => {
                next_offset = next_offset.max(end);
                held += records.as_ref().map_or(0, Records::size_bytes);
                batches.extend(records);
            }
            Err(error) => {
                unreadable = Some(error);
                break;
            }
        }
    }
    let records = FetchedRecords::new(partition.clone(), asked_offset, next_offset, batches);
    PartitionAnswer {
        partition,
        code: ErrorCode(data.error_code),
        end,
        asked_offset,
        records,
        epochs,
        diverging,
        preferred_replica: Some(data.preferred_read_replica.0).filter(|node| *node >= 0),
        unreadable,
    }
}

/// Where the partition ends for a reader of this isolation level.
fn end(data: &PartitionData, isolation: IsolationLevel) -> i64 {
    match isolation {
        IsolationLevel::ReadCommitted if data.last_stable_offset >= 0 => data.last_stable_offset,
        _ => data.high_watermark,
    }
}

/// The transactions whose records this reader must not see.
fn aborted(data: &mut PartitionData, isolation: IsolationLevel) -> Aborted {
    let listed = data.aborted_transactions.take();
    let listed = listed.filter(|_| isolation == IsolationLevel::ReadCommitted);
    let listed = listed.into_iter().flatten();
    Aborted::new(listed.map(|aborted| (aborted.first_offset, aborted.producer_id.0)))
}

/// Tells which batches are for the application.
struct Filter {
    asked_offset: i64,
    /// Other partitions have records in the same frame.
    is_shared: bool,
    max_bytes: usize,
    aborted: Aborted,
}

impl Filter {
    /// The offset after a batch, and its records unless they are none of ours: before the offset
    /// asked for, of an aborted transaction, or a control record.
    fn take(
        &mut self,
        batch: Result<RecordBatch, BatchError>,
    ) -> Result<(i64, Option<Records>), Unreadable> {
        let unreadable = |next_offset| move |error| Unreadable { error, next_offset };
        let mut batch = batch.map_err(unreadable(None))?;
        let end = batch.header.next_offset();
        let is_aborted = self.aborted.covers(&batch.header);
        let is_control = batch.header.attributes.is_control();
        if is_control && is_aborted {
            let marker = batch.marker(self.max_bytes);
            if marker.map_err(unreadable(Some(end)))? == Some(Marker::Abort) {
                self.aborted.end(&batch.header);
            }
        }
        if is_control || is_aborted || end <= self.asked_offset {
            return Ok((end, None));
        }
        if self.is_shared && batch.header.attributes.codec() == Ok(Compression::None) {
            // The records of a partition that is stuck would keep all others' in memory. Batch by
            // batch: an allocation of a whole partition's costs more in page faults than the copy.
            batch.records = Bytes::copy_from_slice(&batch.records);
        }
        let records = batch.decode(self.max_bytes);
        Ok((end, Some(records.map_err(unreadable(Some(end)))?)))
    }
}
