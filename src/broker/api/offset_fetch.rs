//! OffsetFetch, versions 1 to 9: what groups have committed; -1 where there is nothing. All of a
//! group's topics where none are named (from version 2), several groups at once from version 8
//! (KIP-709).
//!
//! Members of the consumer protocol say their epoch, which must be the present one (version 9,
//! KIP-848). Who requires stable offsets (from version 7) is told `UNSTABLE_OFFSET_COMMIT` of those
//! that an open transaction may still change (KIP-447).
//!
//! Left out: version 10 with its topic ids, which the message crate does not have.

use std::collections::BTreeMap;

use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{OffsetFetchRequest, OffsetFetchResponse};
use kafka_protocol::protocol::StrBytes;

use super::coordinated::check_coordinator;
use super::{Call, Refuse};
use crate::broker::group::{Committed, Group};
use crate::broker::state::State;
use crate::wire::ErrorCode;
use crate::wire::names::{text, topic_name};

/// Where there is no offset.
const NONE: i64 = -1;

pub(super) async fn handle(call: &Call<'_>, request: OffsetFetchRequest) -> OffsetFetchResponse {
    let state = call.shared.state();
    let groups = groups(call.version, &request);
    let stable = request.require_stable;
    let found = groups.iter().map(|group| find(call, &state, group, stable));
    answer(call.version, found.collect())
}

/// The request in the form that it has from version 8 on; before that there is one group, in
/// fields of its own.
fn groups(version: i16, request: &OffsetFetchRequest) -> Vec<OffsetFetchRequestGroup> {
    if version >= 8 {
        return request.groups.clone();
    }
    let topics = request.topics.as_ref().map(|topics| {
        let topics = topics.iter().map(|topic| {
            OffsetFetchRequestTopics::default()
                .with_name(topic.name.clone())
                .with_partition_indexes(topic.partition_indexes.clone())
        });
        topics.collect()
    });
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(request.group_id.clone())
        .with_topics(topics);
    vec![group]
}

fn find(
    call: &Call<'_>,
    state: &State,
    asked: &OffsetFetchRequestGroup,
    stable: bool,
) -> OffsetFetchResponseGroup {
    let answer = OffsetFetchResponseGroup::default().with_group_id(asked.group_id.clone());
    let member_id = asked.member_id.as_deref();
    let groups = &state.groups;
    let may = check_coordinator(call, state, &asked.group_id)
        .and_then(|()| groups.check_fetch(&asked.group_id, member_id, asked.member_epoch));
    if let Err(code) = may {
        return refused(asked, code);
    }
    let group = state.groups.get(&asked.group_id);
    answer.with_topics(match &asked.topics {
        None => group
            .map(|group| all_topics(group, stable))
            .unwrap_or_default(),
        Some(topics) => {
            let topics = topics.iter().map(|topic| {
                let partitions = topic.partition_indexes.iter().map(|index| {
                    let found = group.map(|group| look(group, stable, &topic.name, *index));
                    found.unwrap_or_else(|| partition(*index, None))
                });
                OffsetFetchResponseTopics::default()
                    .with_name(topic.name.clone())
                    .with_partitions(partitions.collect())
            });
            topics.collect()
        }
    })
}

/// A partition's offset, if it is one to go by.
fn look(group: &Group, stable: bool, topic: &str, index: i32) -> OffsetFetchResponsePartitions {
    if stable && group.is_pending(topic, index) {
        let code = ErrorCode::UNSTABLE_OFFSET_COMMIT.0;
        return partition(index, None).with_error_code(code);
    }
    partition(index, group.committed(topic, index))
}

fn all_topics(group: &Group, stable: bool) -> Vec<OffsetFetchResponseTopics> {
    let mut topics: BTreeMap<&str, Vec<OffsetFetchResponsePartitions>> = BTreeMap::new();
    for (place, _) in group.all_committed() {
        let partitions = topics.entry(&place.topic).or_default();
        partitions.push(look(group, stable, &place.topic, place.partition));
    }
    let topics = topics.into_iter().map(|(topic, partitions)| {
        OffsetFetchResponseTopics::default()
            .with_name(topic_name(topic))
            .with_partitions(partitions)
    });
    topics.collect()
}

fn partition(index: i32, committed: Option<&Committed>) -> OffsetFetchResponsePartitions {
    let metadata = committed.map(|committed| text(&committed.metadata));
    OffsetFetchResponsePartitions::default()
        .with_partition_index(index)
        .with_committed_offset(committed.map_or(NONE, |committed| committed.offset))
        .with_committed_leader_epoch(committed.map_or(-1, |committed| committed.leader_epoch))
        .with_metadata(Some(metadata.unwrap_or_default()))
}

/// A group's part where it can't be answered. Version 1 has room for a code in the partitions
/// alone.
fn refused(asked: &OffsetFetchRequestGroup, code: ErrorCode) -> OffsetFetchResponseGroup {
    let topics = asked.topics.iter().flatten().map(|topic| {
        let partitions = topic.partition_indexes.iter().map(|index| {
            partition(*index, None)
                .with_error_code(code.0)
                .with_metadata(Some(StrBytes::default()))
        });
        OffsetFetchResponseTopics::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    OffsetFetchResponseGroup::default()
        .with_group_id(asked.group_id.clone())
        .with_error_code(code.0)
        .with_topics(topics.collect())
}

fn answer(version: i16, mut found: Vec<OffsetFetchResponseGroup>) -> OffsetFetchResponse {
    if version >= 8 {
        return OffsetFetchResponse::default().with_groups(found);
    }
    let one = found.pop().unwrap_or_default();
    let topics = one.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.into_iter().map(|partition| {
            OffsetFetchResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_committed_offset(partition.committed_offset)
                .with_committed_leader_epoch(partition.committed_leader_epoch)
                .with_metadata(partition.metadata)
                .with_error_code(partition.error_code)
        });
        OffsetFetchResponseTopic::default()
            .with_name(topic.name)
            .with_partitions(partitions.collect())
    });
    OffsetFetchResponse::default()
        .with_error_code(one.error_code)
        .with_topics(topics.collect())
}

impl Refuse for OffsetFetchRequest {
    fn refuse(&self, code: ErrorCode) -> OffsetFetchResponse {
        // Each form has a field that the other does not.
        let version = if self.group_id.is_empty() { 8 } else { 7 };
        let groups = groups(version, self);
        let refused = groups.iter().map(|group| refused(group, code));
        answer(version, refused.collect())
    }
}
