//! Members of both protocols in one group.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::consumer_protocol_assignment::TopicPartition as Assigned;
use kafka_protocol::messages::consumer_protocol_subscription::TopicPartition as Owned;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerProtocolAssignment, ConsumerProtocolSubscription,
    HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, SyncGroupRequest,
};
use kafka_protocol::protocol::{Decodable, Encodable};
use payment_notifier::wire::ErrorCode;

use super::consumers::{
    COMMIT, DESCRIBE, HEARTBEAT, LEAVING, Member, assigned, commit, commit_code, joining, stranger,
};
use super::groups::{self, new_group};
use super::{Node, Table, new_topic, text};
use crate::support::cluster::Cluster;
use crate::support::connection::{group_id, topic_name};

/// Lets a newcomer in at once.
const JOIN: i16 = 3;
/// Says which protocol the member goes by.
const JOIN_WITH_TYPE: i16 = 7;
const SYNC: i16 = 5;
const CLASSIC_HEARTBEAT: i16 = 3;
const LEAVE: i16 = 3;

const SUBSCRIPTION: i16 = 1;

/// A JoinGroup of a consumer that wants a topic and has some of its partitions.
fn joins(group: &str, id: &str, topic: &str, owned: &[i32]) -> JoinGroupRequest {
    let owned = Owned::default()
        .with_topic(topic_name(topic))
        .with_partitions(owned.to_vec());
    let subscription = ConsumerProtocolSubscription::default()
        .with_topics(vec![text(topic)])
        .with_owned_partitions(vec![owned]);
    let mut metadata = BytesMut::new();
    metadata.put_i16(SUBSCRIPTION);
    let encoded = subscription.encode(&mut metadata, SUBSCRIPTION);
    encoded.expect("a subscription");
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(text("range"))
        .with_metadata(metadata.freeze());
    groups::joining(group)
        .with_member_id(text(id))
        .with_protocols(vec![protocol])
}

fn syncs(group: &str, id: &str, generation: i32) -> SyncGroupRequest {
    SyncGroupRequest::default()
        .with_group_id(group_id(group))
        .with_member_id(text(id))
        .with_generation_id(generation)
        .with_protocol_type(Some(text("consumer")))
        .with_protocol_name(Some(text("range")))
}

/// An assignment of partitions 0 and 1.
fn all_of(topic: &str) -> Bytes {
    let partitions = Assigned::default()
        .with_topic(topic_name(topic))
        .with_partitions(vec![0, 1]);
    let assignment =
        ConsumerProtocolAssignment::default().with_assigned_partitions(vec![partitions]);
    let mut bytes = BytesMut::new();
    bytes.put_i16(SUBSCRIPTION);
    let encoded = assignment.encode(&mut bytes, SUBSCRIPTION);
    encoded.expect("an assignment");
    bytes.freeze()
}

/// What a SyncGroup gives, with its code.
async fn given(node: &mut Node, group: &str, id: &str, generation: i32) -> (i16, Vec<i32>) {
    let answer = node.ask(SYNC, &syncs(group, id, generation)).await;
    let mut bytes = answer.assignment;
    if bytes.is_empty() {
        return (answer.error_code, Vec::new());
    }
    let version = bytes.get_i16();
    let assignment = ConsumerProtocolAssignment::decode(&mut bytes, version);
    let topics = assignment.expect("an assignment").assigned_partitions;
    let partitions = topics.into_iter().flat_map(|it| it.partitions);
    (answer.error_code, partitions.collect())
}

async fn beat(node: &mut Node, group: &str, id: &str, generation: i32) -> i16 {
    let request = HeartbeatRequest::default()
        .with_group_id(group_id(group))
        .with_member_id(text(id))
        .with_generation_id(generation);
    node.ask(CLASSIC_HEARTBEAT, &request).await.error_code
}

/// A member of the classic protocol that has both partitions.
async fn classic_member(node: &mut Node, group: &str, topic: &str) -> JoinGroupResponse {
    let joined = node.ask(JOIN, &joins(group, "", topic, &[])).await;
    assert_eq!(joined.error_code, 0, "{joined:?}");
    let all = SyncGroupRequestAssignment::default()
        .with_member_id(joined.member_id.clone())
        .with_assignment(all_of(topic));
    let sync = syncs(group, &joined.member_id, joined.generation_id);
    let synced = node.ask(SYNC, &sync.with_assignments(vec![all])).await;
    assert_eq!(synced.error_code, 0, "{synced:?}");
    joined
}

pub(super) async fn groups_go_over_with_their_members() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let mut node = Node::of(cluster).await;
    let group = new_group(cluster).await;
    let topic = &new_topic(cluster, 2, &[]).await;
    let old = classic_member(&mut node, &group, topic).await.member_id;
    let mut new = Member::join(&mut node, &group, "new", topic).await;
    table.case("the newcomer", (new.epoch, new.owned.len()), (2, 0));
    let in_progress = ErrorCode::REBALANCE_IN_PROGRESS;
    table.code("told", beat(&mut node, &group, &old, 1).await, in_progress);
    let code = given(&mut node, &group, &old, 1).await.0;
    table.code("told by its sync", code, in_progress);

    let has_both = joins(&group, &old, topic, &[0, 1]);
    let told = node.ask(JOIN_WITH_TYPE, &has_both).await;
    let told = (
        told.error_code,
        told.generation_id,
        told.leader,
        told.protocol_name,
    );
    table.case("joins again", told, (0, 1, text(""), Some(text("range"))));
    let (code, kept) = given(&mut node, &group, &old, 1).await;
    table.case("is to keep", (code, kept.len()), (0, 1));
    table.code(
        "told again",
        beat(&mut node, &group, &old, 1).await,
        in_progress,
    );
    let told = node
        .ask(JOIN_WITH_TYPE, &joins(&group, &old, topic, &kept))
        .await;
    table.case(
        "has given up",
        (told.error_code, told.generation_id),
        (0, 2),
    );
    let has = given(&mut node, &group, &old, 2).await;
    table.case("has kept", has, (0, kept.clone()));
    table.code(
        "alive",
        beat(&mut node, &group, &old, 2).await,
        ErrorCode::NONE,
    );
    let answer = node.ask(HEARTBEAT, &new.reporting()).await;
    let got = assigned(&answer).unwrap_or_default();
    table.case("the other", got, vec![1 - kept[0]]);
    new.hear(&answer);

    let illegal = ErrorCode::ILLEGAL_GENERATION;
    let unknown = ErrorCode::UNKNOWN_MEMBER_ID;
    for (what, id, generation, expected) in [
        ("an old generation", &*old, 1, illegal),
        ("a coming generation", &*old, 3, illegal),
        ("a stranger", "nobody", 2, unknown),
        ("one of the other protocol", "new", 2, unknown),
    ] {
        table.code(
            what,
            beat(&mut node, &group, id, generation).await,
            expected,
        );
        let code = given(&mut node, &group, id, generation).await.0;
        table.code(what, code, expected);
    }
    let old_one = stranger(&group, &old);
    for (what, generation, index, expected) in [
        ("commits", 2, kept[0], ErrorCode::NONE),
        ("commits late", 1, kept[0], ErrorCode::NONE),
        ("commits late what it has not", 1, 1 - kept[0], illegal),
        ("commits early", 3, kept[0], illegal),
    ] {
        let request = commit(&old_one.in_epoch(generation), topic, index);
        table.code(
            what,
            commit_code(&mut node, COMMIT, &request).await,
            expected,
        );
    }
    table.end();

    let mut table = Table::default();
    let describe = ConsumerGroupDescribeRequest::default().with_group_ids(vec![group_id(&group)]);
    let described = node.ask(DESCRIBE, &describe).await.groups.remove(0);
    let types = described.members.iter();
    let mut types: Vec<_> = types.map(|it| (it.member_type, it.member_epoch)).collect();
    types.sort_unstable();
    table.case("both", types, vec![(0, 2), (1, 2)]);
    let left = node.ask(HEARTBEAT, &new.in_epoch(LEAVING).quiet()).await;
    table.code("the last leaves", left.error_code, ErrorCode::NONE);
    let described = node.ask(DESCRIBE, &describe).await.groups.remove(0);
    let not_there = ErrorCode::GROUP_ID_NOT_FOUND;
    table.code("goes back", described.error_code, not_there);
    table.code("told", beat(&mut node, &group, &old, 2).await, in_progress);
    let joined = node.ask(JOIN, &joins(&group, &old, topic, &kept)).await;
    let joined = (joined.error_code, joined.generation_id, joined.leader);
    table.case("leads again", joined, (0, 3, old.clone()));
    table.end();
}

pub(super) async fn strangers_to_the_other_protocol_are_refused() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let mut node = Node::of(cluster).await;
    let topic = &new_topic(cluster, 2, &[]).await;

    // Its members say nothing that a coordinator could read.
    let group = new_group(cluster).await;
    groups::found(&mut node, &group).await;
    let answer = node
        .ask(HEARTBEAT, &joining(&stranger(&group, "new"), topic))
        .await;
    table.code(
        "not readable",
        answer.error_code,
        ErrorCode::GROUP_ID_NOT_FOUND,
    );

    let group = new_group(cluster).await;
    Member::join(&mut node, &group, "new", topic).await;
    let join = joins(&group, "", topic, &[]);
    let named = join.protocols[0].clone();
    let inconsistent = ErrorCode::INCONSISTENT_GROUP_PROTOCOL;
    for (what, version, request, expected) in [
        ("no id", 5, join.clone(), ErrorCode::MEMBER_ID_REQUIRED),
        (
            "another type",
            JOIN,
            join.clone().with_protocol_type(text("connect")),
            inconsistent,
        ),
        (
            "no protocol",
            JOIN,
            join.clone().with_protocols(Vec::new()),
            inconsistent,
        ),
        (
            "not readable",
            JOIN,
            join.clone()
                .with_protocols(vec![named.clone().with_metadata(Bytes::new())]),
            inconsistent,
        ),
        (
            "a short session",
            JOIN,
            join.clone().with_session_timeout_ms(1),
            ErrorCode::INVALID_SESSION_TIMEOUT,
        ),
        ("whoever wants", JOIN, join.clone(), ErrorCode::NONE),
        (
            "another protocol than theirs",
            JOIN,
            join.clone()
                .with_protocols(vec![named.with_name(text("sticky"))]),
            inconsistent,
        ),
    ] {
        table.code(what, node.ask(version, &request).await.error_code, expected);
    }
    let leaving = |id: &str| MemberIdentity::default().with_member_id(text(id));
    let leave = LeaveGroupRequest::default()
        .with_group_id(group_id(&group))
        .with_members(vec![leaving("nobody"), leaving("new")]);
    let left = node.ask(LEAVE, &leave).await;
    let codes = left.members.iter().map(|it| ErrorCode(it.error_code));
    let expected = vec![ErrorCode::UNKNOWN_MEMBER_ID, ErrorCode::NONE];
    table.case("leaves by either protocol", codes.collect(), expected);
    table.end();
}
