//! ConsumerGroupDescribe, versions 0 and 1 (KIP-848): groups of the consumer protocol, with what
//! each member has and is to have; from version 1 on also whether it is one of the classic
//! protocol.
//!
//! Left out: authorized operations.

use kafka_protocol::messages::consumer_group_describe_response::{
    Assignment, DescribedGroup, Member, TopicPartitions,
};
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, GroupId,
};
use kafka_protocol::protocol::StrBytes;

use super::coordinated::{CLIENT_HOST, check_coordinator};
use super::{Call, Refuse, Reply};
use crate::broker::group::{ConsumerGroup, ConsumerMember, Group, Partitions, partitions_of};
use crate::broker::state::State;
use crate::broker::topics::Topics;
use crate::wire::ErrorCode;
use crate::wire::names::{text, topic_name};

/// The types of members, as their protocols are called.
const CLASSIC: i8 = 0;
const CONSUMER: i8 = 1;

pub(super) async fn handle(
    call: &Call<'_>,
    request: ConsumerGroupDescribeRequest,
) -> Reply<ConsumerGroupDescribeResponse> {
    if call.shared.config.group_version == 0 {
        return Reply::Close;
    }
    let state = call.shared.state();
    let ids = request.group_ids.iter();
    let groups = ids.map(|id| match check_coordinator(call, &state, id) {
        Ok(()) => describe(&state, id),
        Err(code) => refused(id, code),
    });
    Reply::Answer(ConsumerGroupDescribeResponse::default().with_groups(groups.collect()))
}

fn describe(state: &State, id: &GroupId) -> DescribedGroup {
    let group = state.groups.get(id);
    let Some(consumer) = group.and_then(Group::consumer) else {
        let what = match group {
            Some(_) => "is not a consumer group",
            None => "not found",
        };
        let why = format!("Group {} {what}.", id.as_str());
        return refused(id, ErrorCode::GROUP_ID_NOT_FOUND).with_error_message(Some(text(&why)));
    };
    described(id, consumer, &state.topics)
}

fn described(id: &GroupId, group: &ConsumerGroup, topics: &Topics) -> DescribedGroup {
    let members = group.members().iter();
    DescribedGroup::default()
        .with_group_id(id.clone())
        .with_group_state(text(group.state().name()))
        .with_group_epoch(group.epoch())
        .with_assignment_epoch(group.target_epoch())
        .with_assignor_name(text(group.assignor().name()))
        .with_members(members.map(|it| member(it, topics)).collect())
}

fn member(member: &ConsumerMember, topics: &Topics) -> Member {
    // What it is to give up is still with it.
    let mut held = partitions_of(member.assigned());
    for (topic, revoking) in partitions_of(member.revoking()) {
        held.entry(topic).or_default().extend(revoking);
    }
    let names = member.topics().map(|name| topic_name(name));
    Member::default()
        .with_member_id(text(member.id()))
        .with_instance_id(member.instance_id().map(text))
        .with_rack_id(member.rack_id().map(text))
        .with_member_epoch(member.epoch())
        .with_client_id(text(member.client_id()))
        .with_client_host(text(CLIENT_HOST))
        .with_subscribed_topic_names(names.collect())
        .with_subscribed_topic_regex(Some(StrBytes::default()))
        .with_assignment(assignment(&held, topics))
        .with_target_assignment(assignment(member.target(), topics))
        .with_member_type(if member.is_classic() {
            CLASSIC
        } else {
            CONSUMER
        })
}

/// Those of the topics that there still are.
fn assignment(partitions: &Partitions, topics: &Topics) -> Assignment {
    let found = partitions.iter().filter_map(|(id, indexes)| {
        let name = topics.name(*id)?;
        let topic = TopicPartitions::default()
            .with_topic_id(*id)
            .with_topic_name(topic_name(&name))
            .with_partitions(indexes.iter().copied().collect());
        Some(topic)
    });
    Assignment::default().with_topic_partitions(found.collect())
}

fn refused(id: &GroupId, code: ErrorCode) -> DescribedGroup {
    DescribedGroup::default()
        .with_group_id(id.clone())
        .with_error_code(code.0)
}

impl Refuse for ConsumerGroupDescribeRequest {
    fn refuse(&self, code: ErrorCode) -> ConsumerGroupDescribeResponse {
        let groups = self.group_ids.iter().map(|id| refused(id, code));
        ConsumerGroupDescribeResponse::default().with_groups(groups.collect())
    }
}
