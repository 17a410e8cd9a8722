//! DeleteRecords, versions 0 to 2 (KIP-107): moves a partition's start forward; -1 deletes all.
//!
//! A batch goes when all its records have: one that holds the new start is still sent whole, as
//! Kafka does, and clients skip what is before the offset they asked for.

use kafka_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use kafka_protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse};

use super::led::led;
use super::{Call, Refuse};
use crate::broker::state::State;
use crate::wire::ErrorCode;

/// Stands for the high watermark.
const ALL: i64 = -1;

pub(super) async fn handle(
    call: &Call<'_>,
    request: DeleteRecordsRequest,
) -> DeleteRecordsResponse {
    let answer = respond(&request, |topic, partition, offset| {
        delete(call, &mut call.shared.state(), topic, partition, offset)
    });
    // An offset that was waited at may be out of range now.
    call.shared.tell_of_change();
    answer
}

/// Returns the partition's new start.
fn delete(
    call: &Call<'_>,
    state: &mut State,
    name: &str,
    partition: i32,
    offset: i64,
) -> Result<i64, ErrorCode> {
    let (led, rules) = led(call, state, name, partition, -1)?;
    if !rules.deletes {
        return Err(ErrorCode::POLICY_VIOLATION);
    }
    let log = &mut led.log;
    log.delete_before(if offset == ALL { log.end() } else { offset })?;
    Ok(log.start())
}

fn respond(
    request: &DeleteRecordsRequest,
    mut delete: impl FnMut(&str, i32, i64) -> Result<i64, ErrorCode>,
) -> DeleteRecordsResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            let deleted = delete(&topic.name, asked.partition_index, asked.offset);
            DeleteRecordsPartitionResult::default()
                .with_partition_index(asked.partition_index)
                .with_low_watermark(deleted.unwrap_or(-1))
                .with_error_code(deleted.err().unwrap_or(ErrorCode::NONE).0)
        });
        DeleteRecordsTopicResult::default()
            .with_partitions(partitions.collect())
            .with_name(topic.name.clone())
    });
    DeleteRecordsResponse::default().with_topics(topics.collect())
}

impl Refuse for DeleteRecordsRequest {
    fn refuse(&self, code: ErrorCode) -> DeleteRecordsResponse {
        respond(self, |_, _, _| Err(code))
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::delete_records_request::{
        DeleteRecordsPartition, DeleteRecordsTopic,
    };

    use super::*;
    use crate::broker::testing::{Peer, batch, cluster, make_topic};
    use crate::wire::names::topic_name;

    async fn delete(peer: &mut Peer, topic: &str, offset: i64) -> (i16, i64) {
        let partition = DeleteRecordsPartition::default().with_offset(offset);
        let topic = DeleteRecordsTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(vec![partition]);
        let request = DeleteRecordsRequest::default().with_topics(vec![topic]);
        let answer = peer.ask(2, &request).await;
        let partition = &answer.topics[0].partitions[0];
        (partition.error_code, partition.low_watermark)
    }

    #[tokio::test]
    async fn a_partition_begins_where_it_is_told_to() {
        let broker = cluster(1).await;
        make_topic(&broker, "t", 1, &[]);
        make_topic(&broker, "kept", 1, &[("cleanup.policy", "compact")]);
        let mut peer = Peer::connect(&broker, 1).await;
        peer.produce("t", 0, batch(&["a", "b", "c"], 1)).await;
        assert_eq!(delete(&mut peer, "t", 1).await, (0, 1));
        assert_eq!(broker.log_range("t", 0), Some((1, 3)));
        let out_of_range = (ErrorCode::OFFSET_OUT_OF_RANGE.0, -1);
        assert_eq!(peer.fetch("t", 0, 0).await.error_code, out_of_range.0);
        for offset in [-2, 4] {
            assert_eq!(delete(&mut peer, "t", offset).await, out_of_range);
        }
        assert_eq!(delete(&mut peer, "t", -1).await, (0, 3));
        let unknown = (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0, -1);
        assert_eq!(delete(&mut peer, "missing", 0).await, unknown);
        let policy = (ErrorCode::POLICY_VIOLATION.0, -1);
        assert_eq!(delete(&mut peer, "kept", 0).await, policy);
    }
}
