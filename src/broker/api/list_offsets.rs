//! ListOffsets, versions 1 to 10: the first offset, the next one, that of the largest timestamp
//! (KIP-734), the first one from a timestamp on (KIP-79).
//!
//! With the isolation level `READ_COMMITTED`, what is past the last stable offset is not there, and
//! that is the next offset (KIP-98). There is no tiered storage: the earliest local offset is the earliest (KIP-405), the last one that was tiered is
//! none (KIP-1005).

use std::collections::HashMap;

use kafka_protocol::messages::list_offsets_request::ListOffsetsPartition;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};

use super::led::led;
use super::{Call, Refuse};
use crate::broker::log::{Isolation, OffsetAndTime, Time};
use crate::broker::state::State;
use crate::wire::ErrorCode;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const LARGEST: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;

pub(super) async fn handle(call: &Call<'_>, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let isolation = Isolation::numbered(request.isolation_level);
    let mut state = call.shared.state();
    let mut times = HashMap::new();
    for topic in &request.topics {
        for asked in &topic.partitions {
            let partition = (&topic.name, asked.partition_index);
            *times.entry(partition).or_insert(0) += 1;
        }
    }
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().filter_map(|asked| {
            // One that is named twice is answered once.
            let times = times.remove(&(&topic.name, asked.partition_index))?;
            let found = match times {
                1 => find(call, &mut state, &topic.name, asked, isolation),
                _ => Err(ErrorCode::INVALID_REQUEST),
            };
            Some(answer(call.version, asked.partition_index, found))
        });
        ListOffsetsTopicResponse::default()
            .with_partitions(partitions.collect())
            .with_name(topic.name.clone())
    });
    ListOffsetsResponse::default().with_topics(topics.collect())
}

fn find(
    call: &Call<'_>,
    state: &mut State,
    name: &str,
    asked: &ListOffsetsPartition,
    isolation: Isolation,
) -> Result<Option<OffsetAndTime>, ErrorCode> {
    let since = match asked.timestamp {
        LARGEST => 7,
        EARLIEST_LOCAL => 8,
        LATEST_TIERED => 9,
        timestamp if timestamp < LATEST_TIERED => i16::MAX,
        _ => 0,
    };
    if call.version < since {
        return Err(ErrorCode::UNSUPPORTED_VERSION);
    }
    let epoch = asked.current_leader_epoch;
    let (partition, _) = led(call, state, name, asked.partition_index, epoch)?;
    let epoch = partition.leader_epoch;
    let bound = partition.log.bound(isolation);
    let time = match asked.timestamp {
        LATEST => {
            return Ok(Some(OffsetAndTime {
                offset: bound,
                timestamp: -1,
                leader_epoch: epoch,
            }));
        }
        LATEST_TIERED => return Ok(None),
        EARLIEST | EARLIEST_LOCAL => return Ok(partition.log.offset_at(Time::Earliest, epoch)),
        LARGEST => Time::Largest,
        timestamp => Time::From(timestamp),
    };
    let found = partition.log.offset_at(time, epoch);
    Ok(found.filter(|found| found.offset < bound))
}

fn answer(
    version: i16,
    partition: i32,
    found: Result<Option<OffsetAndTime>, ErrorCode>,
) -> ListOffsetsPartitionResponse {
    let answer = ListOffsetsPartitionResponse::default()
        .with_partition_index(partition)
        .with_offset(-1)
        .with_timestamp(-1);
    match found {
        Ok(Some(found)) => answer
            .with_offset(found.offset)
            .with_timestamp(found.timestamp)
            .with_leader_epoch(if version < 4 { -1 } else { found.leader_epoch }),
        Ok(None) => answer,
        Err(code) => answer.with_error_code(code.0),
    }
}

impl Refuse for ListOffsetsRequest {
    fn refuse(&self, code: ErrorCode) -> ListOffsetsResponse {
        let topics = self.topics.iter().map(|topic| {
            let partitions = topic.partitions.iter();
            let partitions = partitions.map(|asked| answer(0, asked.partition_index, Err(code)));
            ListOffsetsTopicResponse::default()
                .with_partitions(partitions.collect())
                .with_name(topic.name.clone())
        });
        ListOffsetsResponse::default().with_topics(topics.collect())
    }
}

#[cfg(test)]
mod tests;
