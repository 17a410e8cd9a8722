//! OffsetDelete, version 0: forgets what a group has committed to topics that it does not read
//! (KIP-496).

use kafka_protocol::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use kafka_protocol::messages::{OffsetDeleteRequest, OffsetDeleteResponse};

use super::coordinated::{check_coordinator, code_of};
use super::{Call, Refuse};
use crate::wire::ErrorCode;

pub(super) async fn handle(call: &Call<'_>, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
    let mut state = call.shared.state();
    let group = &request.group_id;
    let may = check_coordinator(call, &state, group)
        .and_then(|()| state.groups.check_offset_delete(group));
    if let Err(code) = may {
        return request.refuse(code);
    }
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            let index = partition.partition_index;
            let found = state.topics.get(&topic.name);
            let found = found.and_then(|topic| topic.partition(index));
            let deleted = match found {
                Some(_) => state.groups.delete_offset(group, &topic.name, index),
                None => Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
            };
            OffsetDeleteResponsePartition::default()
                .with_partition_index(index)
                .with_error_code(code_of(deleted))
        });
        OffsetDeleteResponseTopic::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    let answer = OffsetDeleteResponse::default().with_topics(topics.collect());
    call.shared.settle_groups(&mut state);
    answer
}

impl Refuse for OffsetDeleteRequest {
    fn refuse(&self, code: ErrorCode) -> OffsetDeleteResponse {
        OffsetDeleteResponse::default().with_error_code(code.0)
    }
}
