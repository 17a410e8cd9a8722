//! Committed offsets, and groups as they are told to others.

use kafka_protocol::messages::describe_groups_response::DescribedGroup;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::offset_fetch_response::OffsetFetchResponsePartition;
use kafka_protocol::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, DescribeGroupsResponse, ListGroupsRequest,
    OffsetCommitRequest, OffsetFetchRequest,
};
use payment_notifier::wire::ErrorCode;

use super::groups::{JOIN, found, joining, new_group};
use super::{Node, Table, new_topic, text};
use crate::support::cluster::Cluster;
use crate::support::connection::{group_id, topic_name};

const COMMIT: i16 = 7;
const FETCH: i16 = 5;
const DESCRIBE: i16 = 5;
/// Tells of a group that does not exist by an error, as newer ones do.
const DESCRIBE_STRICTLY: i16 = 6;
const DELETE: i16 = 2;
const LIST: i16 = 4;

/// What a commit says of itself besides its offset.
const METADATA: &str = "any text, 메모";
/// `offset.metadata.max.bytes`
const METADATA_LIMIT: usize = 4096;

/// A commit of offset 5 of partition 0 by nobody in particular.
fn commit(group: &str, topic: &str) -> OffsetCommitRequest {
    OffsetCommitRequest::default()
        .with_group_id(group_id(group))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![committed_at(topic, 0, METADATA)])
}

fn committed_at(topic: &str, partition: i32, metadata: &str) -> OffsetCommitRequestTopic {
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(partition)
        .with_committed_offset(5)
        .with_committed_leader_epoch(0)
        .with_committed_metadata(Some(text(metadata)));
    OffsetCommitRequestTopic::default()
        .with_name(topic_name(topic))
        .with_partitions(vec![partition])
}

async fn commit_code(node: &mut Node, request: &OffsetCommitRequest) -> i16 {
    let answer = node.ask(COMMIT, request).await;
    answer.topics[0].partitions[0].error_code
}

pub(super) async fn commits_are_checked() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let mut node = Node::of(cluster).await;
    let group = new_group(cluster).await;
    let topic = &new_topic(cluster, 2, &[]).await;
    let long = "m".repeat(METADATA_LIMIT + 1);
    let without_members = [
        ("by nobody", commit(&group, topic), ErrorCode::NONE),
        (
            "for a group of nobody's",
            commit("no such group", topic)
                .with_generation_id_or_member_epoch(1)
                .with_member_id(text("nobody")),
            ErrorCode::ILLEGAL_GENERATION,
        ),
        (
            "by a stranger",
            commit(&group, topic)
                .with_generation_id_or_member_epoch(1)
                .with_member_id(text("nobody")),
            ErrorCode::UNKNOWN_MEMBER_ID,
        ),
        (
            "an unknown topic",
            commit(&group, "no-such-topic"),
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ),
        (
            "an unknown partition",
            commit(&group, topic).with_topics(vec![committed_at(topic, 2, "")]),
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ),
        (
            "metadata without end",
            commit(&group, topic).with_topics(vec![committed_at(topic, 0, &long)]),
            ErrorCode::OFFSET_METADATA_TOO_LARGE,
        ),
        (
            "metadata of the largest size",
            commit(&group, topic).with_topics(vec![committed_at(topic, 1, &long[1..])]),
            ErrorCode::NONE,
        ),
        ("a group without a name", commit("", topic), ErrorCode::NONE),
    ];
    for (what, request, expected) in without_members {
        table.code(what, commit_code(&mut node, &request).await, expected);
    }

    let member = found(&mut node, &group).await.member_id;
    let by_member = commit(&group, topic).with_member_id(member);
    let with_a_member = [
        (
            "by nobody, beside a member",
            commit(&group, topic),
            ErrorCode::UNKNOWN_MEMBER_ID,
        ),
        (
            "of the generation",
            by_member.clone().with_generation_id_or_member_epoch(1),
            ErrorCode::NONE,
        ),
        (
            "of an old generation",
            by_member.clone().with_generation_id_or_member_epoch(0),
            ErrorCode::ILLEGAL_GENERATION,
        ),
        (
            "by a stranger, beside a member",
            by_member
                .clone()
                .with_member_id(text("nobody"))
                .with_generation_id_or_member_epoch(1),
            ErrorCode::UNKNOWN_MEMBER_ID,
        ),
    ];
    for (what, request, expected) in with_a_member {
        table.code(what, commit_code(&mut node, &request).await, expected);
    }
    table.end();
}

pub(super) async fn committed_offsets_are_told() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let mut node = Node::of(cluster).await;
    let group = new_group(cluster).await;
    let topic = new_topic(cluster, 2, &[]).await;
    assert_eq!(commit_code(&mut node, &commit(&group, &topic)).await, 0);

    let both = OffsetFetchRequestTopic::default()
        .with_name(topic_name(&topic))
        .with_partition_indexes(vec![0, 1]);
    let of_topic = OffsetFetchRequest::default()
        .with_group_id(group_id(&group))
        .with_topics(Some(vec![both]));
    let told = |partition: &OffsetFetchResponsePartition| {
        let metadata = partition.metadata.as_ref().map(ToString::to_string);
        let epoch = partition.committed_leader_epoch;
        (
            partition.committed_offset,
            epoch,
            metadata,
            partition.error_code,
        )
    };
    let committed = (5, 0, Some(METADATA.to_owned()), 0);
    let none = (-1, -1, Some(String::new()), 0);
    let answer = node.ask(FETCH, &of_topic).await;
    table.code("a group's offsets", answer.error_code, ErrorCode::NONE);
    let partitions: Vec<_> = answer.topics[0].partitions.iter().map(told).collect();
    table.case(
        "one with, one without",
        partitions,
        vec![committed.clone(), none.clone()],
    );

    let everything = of_topic.clone().with_topics(None);
    let answer = node.ask(FETCH, &everything).await;
    let partitions = answer.topics.iter().flat_map(|it| &it.partitions).map(told);
    table.case(
        "all that were committed",
        partitions.collect(),
        vec![committed],
    );

    let of_nobody = of_topic.with_group_id(group_id("no such group"));
    let answer = node.ask(FETCH, &of_nobody).await;
    table.code("nobody's group", answer.error_code, ErrorCode::NONE);
    let partitions: Vec<_> = answer.topics[0].partitions.iter().map(told).collect();
    table.case("has none", partitions, vec![none.clone(), none]);
    table.end();
}

/// What is told of a group, as groups come in any order.
fn told_of<'a>(answer: &'a DescribeGroupsResponse, group: &str) -> &'a DescribedGroup {
    let found = answer.groups.iter().find(|it| *it.group_id.0 == *group);
    found.expect("each group is told of")
}

pub(super) async fn groups_are_told_and_deleted() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let mut node = Node::of(cluster).await;
    let group = new_group(cluster).await;
    let member = found(&mut node, &group).await.member_id;
    let topic = new_topic(cluster, 2, &[]).await;

    let ids = vec![group_id(&group), group_id("no such group")];
    let describe = DescribeGroupsRequest::default().with_groups(ids.clone());
    let answer = node.ask(DESCRIBE, &describe).await;
    let described = told_of(&answer, &group);
    table.case("its state", &*described.group_state, "Stable");
    table.case("its type", &*described.protocol_type, "consumer");
    table.case("its protocol", &*described.protocol_data, "range");
    let members = described.members.iter();
    let members: Vec<_> = members
        .map(|it| (it.member_id.to_string(), &*it.client_host, &*it.client_id))
        .collect();
    table.case(
        "its member",
        members,
        vec![(member.to_string(), "/127.0.0.1", "tests")],
    );
    let unknown = told_of(&answer, "no such group");
    table.case(
        "nobody's state",
        (unknown.error_code, &*unknown.group_state),
        (0, "Dead"),
    );
    let answer = node.ask(DESCRIBE_STRICTLY, &describe).await;
    let unknown = told_of(&answer, "no such group").error_code;
    table.code("nobody's group", unknown, ErrorCode::GROUP_ID_NOT_FOUND);

    let answer = node.ask(LIST, &ListGroupsRequest::default()).await;
    let listed = answer.groups.iter().find(|it| *it.group_id.0 == *group);
    let listed = listed.map(|it| (it.protocol_type.to_string(), it.group_state.to_string()));
    table.case(
        "listed",
        listed,
        Some(("consumer".to_owned(), "Stable".to_owned())),
    );

    let delete = DeleteGroupsRequest::default().with_groups_names(ids);
    let answer = node.ask(DELETE, &delete).await;
    let code = |group: &str| {
        let result = answer.results.iter().find(|it| *it.group_id.0 == *group);
        result.expect("each group has a result").error_code
    };
    table.code(
        "a group with a member is deleted",
        code(&group),
        ErrorCode::NON_EMPTY_GROUP,
    );
    table.code(
        "nobody's group is deleted",
        code("no such group"),
        ErrorCode::GROUP_ID_NOT_FOUND,
    );

    let without_members = new_group(cluster).await;
    let committed = commit_code(&mut node, &commit(&without_members, &topic)).await;
    table.code("a commit by nobody", committed, ErrorCode::NONE);
    let ids = vec![group_id(&without_members)];
    let delete = DeleteGroupsRequest::default().with_groups_names(ids);
    let answer = node.ask(DELETE, &delete).await;
    let deleted = answer.results[0].error_code;
    table.code(
        "a group without members is deleted",
        deleted,
        ErrorCode::NONE,
    );
    let answer = node.ask(DELETE, &delete).await;
    let deleted = answer.results[0].error_code;
    table.code("and again", deleted, ErrorCode::GROUP_ID_NOT_FOUND);
    let join = node.ask(JOIN, &joining(&without_members)).await;
    table.code(
        "its name is free",
        join.error_code,
        ErrorCode::MEMBER_ID_REQUIRED,
    );
    table.end();
}
