//! TxnOffsetCommit, versions 0 to 5: commits offsets of a group as part of a transaction (KIP-98).
//! They count when that is committed. From version 3 on the member says who it is, and one that has
//! lost its partitions is refused (KIP-447); from version 5 on it need not be said before that the
//! transaction does this (KIP-890). See [`crate::broker::transactions`].

use kafka_protocol::messages::txn_offset_commit_request::TxnOffsetCommitRequestPartition;
use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use kafka_protocol::messages::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};

use super::coordinated::{check_coordinator, code_of, identity};
use super::transactional::{Means, take_part};
use super::{Call, Refuse};
use crate::broker::group::{Committed, Committer, Rights, known_to_producers};
use crate::broker::state::State;
use crate::broker::transactions::{Place, Producer};
use crate::wire::{ErrorCode, TopicPartition};

pub(super) async fn handle(
    call: &Call<'_>,
    request: TxnOffsetCommitRequest,
) -> TxnOffsetCommitResponse {
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
        let rights = may.as_ref().map_err(|code| *code)?;
        rights.check(topic_id, index).map_err(known_to_producers)?;
        let place = TopicPartition::new(topic, index);
        let committed = committed(partition, call.shared.clock.now_ms());
        let producer_id = request.producer_id.0;
        let groups = &mut state.groups;
        groups.commit_pending(&request.group_id, producer_id, place, committed)
    });
    call.shared.settle_transactions(&mut state);
    call.shared.settle_groups(&mut state);
    answer
}

/// Whether any of the partitions is there.
fn names_any(state: &State, request: &TxnOffsetCommitRequest) -> bool {
    request.topics.iter().any(|topic| {
        let found = state.topics.get(&topic.name);
        let mut partitions = topic.partitions.iter();
        partitions.any(|partition| {
            let index = partition.partition_index;
            found.is_some_and(|topic| topic.partition(index).is_some())
        })
    })
}

fn check(
    call: &Call<'_>,
    state: &mut State,
    request: &TxnOffsetCommitRequest,
) -> Result<Rights, ErrorCode> {
    let (group, id) = (&request.group_id, &request.transactional_id);
    if group.is_empty() {
        return Err(ErrorCode::INVALID_GROUP_ID);
    }
    check_coordinator(call, state, group)?;
    let producer = Producer {
        id: request.producer_id.0,
        epoch: request.producer_epoch,
    };
    let place = Place::Group((&***group).into());
    let means = Means::of_commit(call.version);
    take_part(call, state, id, producer, place, means)?;
    let by = Committer {
        identity: identity(&request.member_id, request.group_instance_id.as_ref()),
        generation: request.generation_id,
        is_transactional: true,
        version: call.version,
    };
    let now = call.shared.clock.now();
    state.groups.check_transactional_commit(group, &by, now)
}

fn committed(partition: &TxnOffsetCommitRequestPartition, now_ms: i64) -> Committed {
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
    request: &TxnOffsetCommitRequest,
    mut find: impl FnMut(&str, &TxnOffsetCommitRequestPartition) -> Result<(), ErrorCode>,
) -> TxnOffsetCommitResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            TxnOffsetCommitResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(code_of(find(&topic.name, partition)))
        });
        TxnOffsetCommitResponseTopic::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    TxnOffsetCommitResponse::default().with_topics(topics.collect())
}

impl Refuse for TxnOffsetCommitRequest {
    fn refuse(&self, code: ErrorCode) -> TxnOffsetCommitResponse {
        each(self, |_, _| Err(code))
    }
}
