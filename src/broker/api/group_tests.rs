//! The APIs of groups as a client meets them, in every version.

use bytes::Bytes;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    FindCoordinatorRequest, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse,
    LeaveGroupRequest, SyncGroupRequest,
};
use kafka_protocol::protocol::StrBytes;

use crate::broker::testing::{Peer, cluster};
use crate::wire::ErrorCode;
use crate::wire::names::{group_id, text};

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
