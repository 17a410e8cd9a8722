//! OffsetCommit, versions 2 to 9: keeps what a group has read, with the text and the leader epoch
//! that come with it. Only members of the present generation or epoch may, or anyone where there
//! are none. See [`crate::broker::group`].
//!
//! Left out: retention times (versions 2 to 4) are read and go nowhere; version 10 with its topic
//! ids, which the message crate does not have.

use kafka_protocol::messages::offset_commit_request::OffsetCommitRequestPartition;
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::{OffsetCommitRequest, OffsetCommitResponse};

use super::coordinated::{check_coordinator, code_of, identity};
use super::{Call, Refuse};
use crate::broker::group::{Committed, Committer, Rights};
use crate::broker::state::State;
use crate::wire::{ErrorCode, TopicPartition};

pub(super) async fn handle(call: &Call<'_>, request: OffsetCommitRequest) -> OffsetCommitResponse {
    let mut state = call.shared.state();
    // Whether the partitions are there is looked at first, and by any node.
    let may = if names_any(&state, &request) {
        check(call, &mut state, &request)
    } else {
        Ok(Rights::All)
    };
    let answer = each(&request, |topic, partition| {
        let index = partition.partition_index;
        let found = state.topics.get(topic);
        let found = found.filter(|topic| topic.partition(index).is_some());
        let topic_id = found.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?.id;
        may.as_ref().map_err(|code| *code)?.check(topic_id, index)?;
        let place = TopicPartition::new(topic, index);
        let now_ms = call.shared.clock.now_ms();
        state
            .groups
            .commit(&request.group_id, place, committed(partition, now_ms))
    });
    call.shared.settle_groups(&mut state);
    answer
}

/// Whether any of the partitions is there.
fn names_any(state: &State, request: &OffsetCommitRequest) -> bool {
    request.topics.iter().any(|topic| {
        let found = state.topics.get(&topic.name);
        let partitions = &topic.partitions;
        found.is_some_and(|topic| {
            let mut indexes = partitions.iter().map(|partition| partition.partition_index);
            indexes.any(|index| topic.partition(index).is_some())
        })
    })
}

fn check(
    call: &Call<'_>,
    state: &mut State,
    request: &OffsetCommitRequest,
) -> Result<Rights, ErrorCode> {
    let group = &request.group_id;
    check_coordinator(call, state, group)?;
    let by = Committer {
        identity: identity(&request.member_id, request.group_instance_id.as_ref()),
        generation: request.generation_id_or_member_epoch,
        is_transactional: false,
        version: call.version,
    };
    let checked = state
        .groups
        .check_commit(group, &by, call.shared.clock.now());
    checked.map_err(|code| match code {
        // Older clients don't know that a group can be missing.
        ErrorCode::GROUP_ID_NOT_FOUND if call.version < 9 => ErrorCode::ILLEGAL_GENERATION,
        code => code,
    })
}

fn committed(partition: &OffsetCommitRequestPartition, now_ms: i64) -> Committed {
    let metadata = partition.committed_metadata.as_deref();
    Committed {
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: metadata.unwrap_or_default().to_owned(),
        committed_at_ms: now_ms,
    }
}

/// The answer that has for each partition what is found for it.
fn each(
    request: &OffsetCommitRequest,
    mut find: impl FnMut(&str, &OffsetCommitRequestPartition) -> Result<(), ErrorCode>,
) -> OffsetCommitResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            OffsetCommitResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(code_of(find(&topic.name, partition)))
        });
        OffsetCommitResponseTopic::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    OffsetCommitResponse::default().with_topics(topics.collect())
}

impl Refuse for OffsetCommitRequest {
    fn refuse(&self, code: ErrorCode) -> OffsetCommitResponse {
        each(self, |_, _| Err(code))
    }
}
