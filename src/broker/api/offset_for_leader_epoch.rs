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

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::BrokerId;
    use kafka_protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderTopic;

    use super::*;
    use crate::broker::testing::{Peer, batch, begin_epoch, cluster, make_topic};
    use crate::wire::names::topic_name;

    #[tokio::test]
    async fn an_epoch_ends_where_the_next_leader_began() {
        let broker = cluster(1).await;
        make_topic(&broker, "t", 1, &[]);
        let mut peer = Peer::connect(&broker, 1).await;
        peer.produce("t", 0, batch(&["a", "b"], 1)).await;
        begin_epoch(&broker, "t");
        peer.produce("t", 0, batch(&["c"], 1)).await;
        let fenced = (ErrorCode::FENCED_LEADER_EPOCH.0, -1, -1);
        let cases = [
            (0, -1, (0, 0, 2)),
            (1, 1, (0, 1, 3)),
            (2, 1, (0, -1, -1)),
            (0, 0, fenced),
        ];
        for (epoch, current, expected) in cases {
            let asked = OffsetForLeaderPartition::default()
                .with_leader_epoch(epoch)
                .with_current_leader_epoch(current);
            let topic = OffsetForLeaderTopic::default()
                .with_topic(topic_name("t"))
                .with_partitions(vec![asked]);
            let request = OffsetForLeaderEpochRequest::default()
                .with_replica_id(BrokerId(-1))
                .with_topics(vec![topic]);
            let answer = peer.ask(4, &request).await;
            let found = &answer.topics[0].partitions[0];
            let found = (found.error_code, found.leader_epoch, found.end_offset);
            assert_eq!(found, expected, "epoch {epoch}");
        }
    }
}
