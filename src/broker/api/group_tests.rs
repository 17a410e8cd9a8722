//! The APIs of groups as a client meets them, in every version.

use bytes::Bytes;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    ApiKey, ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest, DeleteGroupsRequest,
    DescribeGroupsRequest, FindCoordinatorRequest, HeartbeatRequest, JoinGroupRequest,
    JoinGroupResponse, LeaveGroupRequest, ListGroupsRequest, OffsetCommitRequest,
    OffsetDeleteRequest, OffsetFetchRequest, SyncGroupRequest,
};
use kafka_protocol::protocol::StrBytes;

use crate::broker::testing::{Peer, cluster, make_topic};
use crate::broker::{Broker, GroupState};
use crate::wire::ErrorCode;
use crate::wire::names::{group_id, text, topic_name};

mod consumer;
mod offsets;

const GROUP: &str = "notifier";

fn join(member_id: &StrBytes) -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(text("range"))
        .with_metadata(Bytes::from_static(b"what I want"));
    JoinGroupRequest::default()
        .with_group_id(group_id(GROUP))
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(20_000)
        .with_member_id(member_id.clone())
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol])
}

fn join_of(version: i16, member_id: &StrBytes) -> JoinGroupRequest {
    // Version 0 has no rebalance timeout.
    let timeout = if version == 0 { -1 } else { 20_000 };
    join(member_id).with_rebalance_timeout_ms(timeout)
}

/// Joins as someone new; from version 4 that takes two steps.
async fn become_member(peer: &mut Peer, version: i16) -> JoinGroupResponse {
    let first = peer
        .ask(version, &join_of(version, &StrBytes::default()))
        .await;
    if version < 4 {
        return first;
    }
    assert_eq!(ErrorCode(first.error_code), ErrorCode::MEMBER_ID_REQUIRED);
    peer.ask(version, &join_of(version, &first.member_id)).await
}

#[tokio::test]
async fn every_version_of_a_members_life_works() {
    let broker = cluster(1).await;
    for version in 0..=9 {
        let mut peer = Peer::connect(&broker, 1).await;
        let joined = become_member(&mut peer, version).await;
        assert_eq!(joined.error_code, 0, "version {version}");
        assert_eq!(joined.leader, joined.member_id);
        assert_eq!(joined.members[0].metadata, &b"what I want"[..]);
        let part = SyncGroupRequestAssignment::default()
            .with_member_id(joined.member_id.clone())
            .with_assignment(Bytes::from_static(b"what I get"));
        let sync_version = version.min(5);
        let sync = SyncGroupRequest::default()
            .with_group_id(group_id(GROUP))
            .with_generation_id(joined.generation_id)
            .with_member_id(joined.member_id.clone())
            .with_assignments(vec![part]);
        let sync = if sync_version < 5 {
            sync
        } else {
            sync.with_protocol_type(Some(text("consumer")))
                .with_protocol_name(Some(text("range")))
        };
        let synced = peer.ask(sync_version, &sync).await;
        assert_eq!(synced.assignment, &b"what I get"[..]);
        let beat = HeartbeatRequest::default()
            .with_group_id(group_id(GROUP))
            .with_generation_id(joined.generation_id)
            .with_member_id(joined.member_id.clone());
        assert_eq!(peer.ask(version.min(4), &beat).await.error_code, 0);
        let leave = LeaveGroupRequest::default()
            .with_group_id(group_id(GROUP))
            .with_member_id(joined.member_id.clone());
        let left = peer.ask(version.min(2), &leave).await;
        assert_eq!(left.error_code, 0);
        let beaten = peer.ask(version.min(4), &beat).await;
        assert_eq!(ErrorCode(beaten.error_code), ErrorCode::UNKNOWN_MEMBER_ID);
    }
}

#[tokio::test]
async fn every_version_finds_the_coordinator() {
    let broker = cluster(3).await;
    let expected = broker.shared.state().nodes.coordinator(GROUP);
    let mut peer = Peer::connect(&broker, 2).await;
    for version in 0..=6 {
        let request = FindCoordinatorRequest::default();
        let found = if version < 4 {
            let answer = peer.ask(version, &request.with_key(text(GROUP))).await;
            (answer.error_code, answer.node_id.0)
        } else {
            let request = request.with_coordinator_keys(vec![text(GROUP), text("another")]);
            let answer = peer.ask(version, &request).await;
            assert_eq!(answer.coordinators[1].key, text("another"));
            let first = &answer.coordinators[0];
            (first.error_code, first.node_id.0)
        };
        assert_eq!(Some(found.1), expected, "version {version}");
        assert_eq!(found.0, 0);
    }
}

/// A member of a stable group of its own, by the newest versions.
async fn stable(peer: &mut Peer) -> JoinGroupResponse {
    let joined = become_member(peer, 9).await;
    let sync = SyncGroupRequest::default()
        .with_group_id(group_id(GROUP))
        .with_generation_id(joined.generation_id)
        .with_member_id(joined.member_id.clone())
        .with_protocol_type(Some(text("consumer")))
        .with_protocol_name(Some(text("range")));
    assert_eq!(peer.ask(5, &sync).await.error_code, 0);
    joined
}

/// A commit to a partition of `payments`, and the code it is answered with.
async fn commit(
    peer: &mut Peer,
    version: i16,
    member: (&StrBytes, i32),
    partition: i32,
    offset: i64,
) -> ErrorCode {
    let epoch = if version < 6 { -1 } else { 4 };
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(partition)
        .with_committed_offset(offset)
        .with_committed_leader_epoch(epoch)
        .with_committed_metadata(Some(text("by hand")));
    let topic = OffsetCommitRequestTopic::default()
        .with_name(topic_name("payments"))
        .with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default()
        .with_group_id(group_id(GROUP))
        .with_member_id(member.0.clone())
        .with_generation_id_or_member_epoch(member.1)
        .with_topics(vec![topic]);
    let answer = peer.ask(version, &request).await;
    ErrorCode(answer.topics[0].partitions[0].error_code)
}

/// A cluster of one node with two partitions of `payments`.
async fn with_payments() -> (Broker, Peer) {
    let broker = cluster(1).await;
    make_topic(&broker, "payments", 2, &[]);
    let peer = Peer::connect(&broker, 1).await;
    (broker, peer)
}

#[tokio::test]
async fn groups_are_listed_and_described() {
    let (broker, mut peer) = with_payments().await;
    commit(&mut peer, 9, (&StrBytes::default(), -1), 0, 1).await;
    let described = |id: &str| DescribeGroupsRequest::default().with_groups(vec![group_id(id)]);
    let empty = peer.ask(6, &described(GROUP)).await;
    assert_eq!(empty.groups[0].group_state, text("Empty"));
    let member = stable(&mut peer).await;
    for version in 0..=6 {
        let answer = peer.ask(version, &described(GROUP)).await;
        let group = &answer.groups[0];
        assert_eq!(group.group_state, text("Stable"), "version {version}");
        assert_eq!(group.protocol_data, text("range"));
        assert_eq!(group.members[0].member_id, member.member_id);
        assert_eq!(group.members[0].client_id, text("test"));
        assert_eq!(group.members[0].member_metadata, &b"what I want"[..]);
        let missing = peer.ask(version, &described("another")).await;
        let code = if version < 6 {
            0
        } else {
            ErrorCode::GROUP_ID_NOT_FOUND.0
        };
        assert_eq!(missing.groups[0].error_code, code);
        assert_eq!(missing.groups[0].group_state, text("Dead"));
    }
    for version in 0..=5 {
        let listed = peer.ask(version, &ListGroupsRequest::default()).await;
        assert_eq!(listed.groups[0].group_id, group_id(GROUP));
        assert_eq!(listed.groups[0].protocol_type, text("consumer"));
    }
    let filters = [
        ("stable", "Classic", 1),
        ("Empty", "classic", 0),
        ("Stable", "consumer", 0),
    ];
    for (state, kind, count) in filters {
        let filter = ListGroupsRequest::default()
            .with_states_filter(vec![text(state)])
            .with_types_filter(vec![text(kind)]);
        assert_eq!(peer.ask(5, &filter).await.groups.len(), count, "{state}");
    }
    let view = broker.group(GROUP).unwrap();
    assert_eq!((view.state, view.generation), (GroupState::Stable, 1));
    assert_eq!(view.leader.as_deref(), Some(&*member.member_id));
    assert_eq!(broker.group("another"), None);
}

#[tokio::test]
async fn groups_and_offsets_are_deleted() {
    let (broker, mut peer) = with_payments().await;
    let nobody = StrBytes::default();
    commit(&mut peer, 9, (&nobody, -1), 0, 1).await;
    commit(&mut peer, 9, (&nobody, -1), 1, 1).await;
    let partition = |index| OffsetDeleteRequestPartition::default().with_partition_index(index);
    let topic = OffsetDeleteRequestTopic::default()
        .with_name(topic_name("payments"))
        .with_partitions(vec![partition(0), partition(2)]);
    let request = OffsetDeleteRequest::default().with_topics(vec![topic]);
    let missing = peer
        .ask(0, &request.clone().with_group_id(group_id("another")))
        .await;
    assert_eq!(ErrorCode(missing.error_code), ErrorCode::GROUP_ID_NOT_FOUND);
    let deleted = peer.ask(0, &request.with_group_id(group_id(GROUP))).await;
    let codes = deleted.topics[0]
        .partitions
        .iter()
        .map(|one| ErrorCode(one.error_code));
    let codes: Vec<_> = codes.collect();
    assert_eq!(
        codes,
        [ErrorCode::NONE, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION]
    );
    assert_eq!(broker.committed(GROUP, "payments", 0), None);

    let member = stable(&mut peer).await;
    let leave = MemberIdentity::default().with_member_id(member.member_id);
    let stranger = MemberIdentity::default().with_member_id(text("stranger"));
    let leave = LeaveGroupRequest::default()
        .with_group_id(group_id(GROUP))
        .with_members(vec![leave, stranger]);
    let groups = vec![group_id(GROUP), group_id("another")];
    for (version, code) in [(0, ErrorCode::NON_EMPTY_GROUP), (2, ErrorCode::NONE)] {
        let request = DeleteGroupsRequest::default().with_groups_names(groups.clone());
        let deleted = peer.ask(version, &request).await;
        assert_eq!(ErrorCode(deleted.results[0].error_code), code);
        let missing = ErrorCode(deleted.results[1].error_code);
        assert_eq!(missing, ErrorCode::GROUP_ID_NOT_FOUND);
        if version == 0 {
            let left = peer.ask(5, &leave).await;
            let codes = left.members.iter().map(|one| ErrorCode(one.error_code));
            let codes: Vec<_> = codes.collect();
            assert_eq!(codes, [ErrorCode::NONE, ErrorCode::UNKNOWN_MEMBER_ID]);
        }
    }
    assert_eq!(broker.group(GROUP), None);
}

#[tokio::test]
async fn only_the_coordinator_answers() {
    let broker = cluster(2).await;
    make_topic(&broker, "payments", 1, &[]);
    broker.move_coordinator(GROUP, 1).unwrap();
    let mut coordinator = Peer::connect(&broker, 1).await;
    let mut other = Peer::connect(&broker, 2).await;
    let member = stable(&mut coordinator).await;
    let (id, generation) = (&member.member_id, member.generation_id);
    let not = ErrorCode::NOT_COORDINATOR;
    let joined = other.ask(9, &join(id)).await;
    assert_eq!(ErrorCode(joined.error_code), not);
    assert_eq!(commit(&mut other, 9, (id, generation), 0, 1).await, not);
    let beat = HeartbeatRequest::default()
        .with_group_id(group_id(GROUP))
        .with_generation_id(generation)
        .with_member_id(id.clone());
    assert_eq!(ErrorCode(other.ask(4, &beat).await.error_code), not);
    let groups = vec![OffsetFetchRequestGroup::default().with_group_id(group_id(GROUP))];
    let fetch = OffsetFetchRequest::default().with_groups(groups);
    let fetched = other.ask(9, &fetch).await;
    assert_eq!(ErrorCode(fetched.groups[0].error_code), not);
    let listed = other.ask(5, &ListGroupsRequest::default()).await;
    assert!(listed.groups.is_empty());
    // A join that waits is told at once when the coordinator moves, and the member goes on there.
    let newcomer = become_waiting(&mut other, &mut coordinator, &broker).await;
    assert_eq!(ErrorCode(newcomer.error_code), not);
    assert_eq!(other.ask(4, &beat).await.error_code, 0);
    assert_eq!(
        commit(&mut other, 9, (id, generation), 0, 7).await,
        ErrorCode::NONE
    );
}

/// Has someone new wait for the group, and moves the coordinator meanwhile.
async fn become_waiting(
    other: &mut Peer,
    coordinator: &mut Peer,
    broker: &Broker,
) -> JoinGroupResponse {
    let request = join_of(3, &StrBytes::default());
    coordinator.send(3, &request).await;
    broker
        .wait_for_group(GROUP, |group| group.state == GroupState::PreparingRebalance)
        .await;
    broker.move_coordinator(GROUP, 2).unwrap();
    let refused = coordinator.answer::<JoinGroupRequest>(3).await.unwrap();
    let listed = other.ask(5, &ListGroupsRequest::default()).await;
    assert_eq!(listed.groups.len(), 1);
    refused
}

#[tokio::test]
async fn what_is_due_happens_when_the_clock_is_set_forward() {
    let (broker, mut peer) = with_payments().await;
    stable(&mut peer).await;
    broker.clock().advance(std::time::Duration::from_secs(10));
    let empty = |group: &crate::broker::GroupView| group.members.is_empty();
    let group = broker.wait_for_group(GROUP, empty).await;
    assert_eq!((group.state, group.generation), (GroupState::Empty, 2));
}

#[tokio::test]
async fn every_api_can_be_refused_in_every_version() {
    let broker = cluster(1).await;
    let mut peer = Peer::connect(&broker, 1).await;
    let code = ErrorCode::COORDINATOR_LOAD_IN_PROGRESS;
    macro_rules! refused {
        ($($request:ident $api:ident $versions:expr;)*) => {$(
            for version in $versions {
                broker.control(ApiKey::$api).times(1).error(code);
                peer.ask(version, &$request::default()).await;
            }
        )*};
    }
    refused! {
        FindCoordinatorRequest FindCoordinator 0..=6;
        HeartbeatRequest Heartbeat 0..=4;
        LeaveGroupRequest LeaveGroup 0..=5;
        SyncGroupRequest SyncGroup 0..=5;
        OffsetCommitRequest OffsetCommit 2..=9;
        OffsetDeleteRequest OffsetDelete 0..=0;
        ConsumerGroupDescribeRequest ConsumerGroupDescribe 0..=1;
        ConsumerGroupHeartbeatRequest ConsumerGroupHeartbeat 0..=1;
        DescribeGroupsRequest DescribeGroups 0..=6;
        ListGroupsRequest ListGroups 0..=5;
        DeleteGroupsRequest DeleteGroups 0..=2;
    }
    for version in 1..=9 {
        broker.control(ApiKey::OffsetFetch).times(1).error(code);
        let request = OffsetFetchRequest::default();
        if version < 8 {
            let request = request.with_group_id(group_id(GROUP));
            let refused = peer.ask(version, &request).await;
            let expected = if version < 2 { 0 } else { code.0 };
            assert_eq!(refused.error_code, expected);
        } else {
            let group = OffsetFetchRequestGroup::default().with_group_id(group_id(GROUP));
            let refused = peer.ask(version, &request.with_groups(vec![group])).await;
            assert_eq!(refused.groups[0].error_code, code.0);
        }
    }
    for version in 0..=9 {
        broker.control(ApiKey::JoinGroup).times(1).error(code);
        let refused = peer.ask(version, &join_of(version, &text("me"))).await;
        assert_eq!(ErrorCode(refused.error_code), code);
    }
}
