//! OffsetForLeaderEpoch, versions 2 to 4 (KIP-320): where a leader epoch ended, by which a
//! consumer finds out that what it has read is not in the log any more.
//!
//! Left out: being asked by followers (KIP-101), as there is no replication.

use kafka_protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use kafka_protocol::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};

use super::{Call, Refuse};
use crate::wire::ErrorCode;

/// An epoch and the offset after its last record, where they are known.
type Found = Result<Option<(i32, i64)>, ErrorCode>;

pub(super) async fn handle(
    call: &Call<'_>,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let mut state = call.shared.state();
    respond(&request, |topic, asked| {
        let epoch = asked.current_leader_epoch;
        let led = state
            .topics
            .led_by(call.node, topic, asked.partition, epoch)?;
        Ok(led.log.end_of_epoch(asked.leader_epoch, led.leader_epoch))
    })
}

fn respond(
    request: &OffsetForLeaderEpochRequest,
    mut find: impl FnMut(&str, &OffsetForLeaderPartition) -> Found,
) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            let found = find(&topic.topic, asked);
            let (epoch, end_offset) = found.ok().flatten().unwrap_or((-1, -1));
            EpochEndOffset::default()
                .with_partition(asked.partition)
                .with_error_code(found.err().unwrap_or(ErrorCode::NONE).0)
                .with_leader_epoch(epoch)
                .with_end_offset(end_offset)
        });
        OffsetForLeaderTopicResult::default()
            .with_partitions(partitions.collect())
            .with_topic(topic.topic.clone())
    });
    OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
}

impl Refuse for OffsetForLeaderEpochRequest {
    fn refuse(&self, code: ErrorCode) -> OffsetForLeaderEpochResponse {
        respond(self, |_, _| Err(code))
    }
}
