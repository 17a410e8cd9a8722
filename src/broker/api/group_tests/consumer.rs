//! The APIs of the consumer protocol.

use kafka_protocol::messages::api_versions_response::FinalizedFeatureKey;
use kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use kafka_protocol::messages::consumer_group_heartbeat_response::Assignment;
use kafka_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, ConsumerGroupDescribeRequest,
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
};

use super::*;
use crate::broker::{BrokerConfig, GroupKind};
use crate::wire::TopicPartition;

fn beat(member_id: &str, epoch: i32) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest::default()
        .with_group_id(group_id(GROUP))
        .with_member_id(text(member_id))
        .with_member_epoch(epoch)
        .with_topic_partitions(None)
        .with_subscribed_topic_names(None)
        .with_rebalance_timeout_ms(-1)
}

fn joining(member_id: &str) -> ConsumerGroupHeartbeatRequest {
    beat(member_id, 0)
        .with_rebalance_timeout_ms(60_000)
        .with_subscribed_topic_names(Some(vec![topic_name("payments")]))
        .with_topic_partitions(Some(Vec::new()))
}

fn partitions(answer: &ConsumerGroupHeartbeatResponse) -> Vec<i32> {
    let topics = answer.assignment.iter().flat_map(|it| &it.topic_partitions);
    topics.flat_map(|topic| topic.partitions.clone()).collect()
}

/// A broker of this `group.version`, with the topic.
async fn of_version(group_version: i16) -> (Broker, Peer) {
    let config = BrokerConfig {
        group_version,
        group_consumer_assignment_interval: std::time::Duration::ZERO,
        ..BrokerConfig::default()
    };
    let broker = Broker::start(config).await.unwrap();
    make_topic(&broker, "payments", 2, &[]);
    let peer = Peer::connect(&broker, 1).await;
    (broker, peer)
}

#[tokio::test]
async fn every_version_of_a_consumers_life_works() {
    let (broker, mut peer) = of_version(1).await;
    for version in 0..=1 {
        let id = if version == 0 { "" } else { "me" };
        let joined = peer.ask(version, &joining(id)).await;
        assert_eq!(joined.error_code, 0, "{joined:?}");
        assert_eq!(joined.heartbeat_interval_ms, 5000);
        assert_eq!(partitions(&joined), [0, 1]);
        let id = joined.member_id.unwrap();
        assert!(!id.is_empty());
        let view = broker.group(GROUP).unwrap();
        assert_eq!(view.kind, GroupKind::Consumer);
        assert_eq!(view.generation, joined.member_epoch);
        let place = |index| TopicPartition::new("payments", index);
        let member = &view.members[0];
        assert_eq!(member.assignment, Some(vec![place(0), place(1)]));
        let quiet = peer.ask(version, &beat(&id, joined.member_epoch)).await;
        assert_eq!((quiet.error_code, quiet.assignment), (0, None));
        let left = peer.ask(version, &beat(&id, -1)).await;
        assert_eq!((left.error_code, left.member_epoch), (0, -1));
    }
}

#[tokio::test]
async fn requests_that_make_no_sense_are_refused() {
    let (broker, mut peer) = of_version(1).await;
    let empty = || Some(StrBytes::default());
    let owned = TopicPartitions::default().with_partitions(vec![0]);
    let senseless = [
        joining(""),
        joining("me").with_group_id(group_id("")),
        joining("me").with_instance_id(empty()),
        joining("me").with_rack_id(empty()),
        joining("me").with_rebalance_timeout_ms(-1),
        joining("me").with_topic_partitions(None),
        joining("me").with_topic_partitions(Some(vec![owned])),
        joining("me").with_subscribed_topic_names(None),
        beat("me", -2),
        beat("me", -3),
        beat("", 1),
        beat("", -1),
    ];
    for request in senseless {
        let answer = peer.ask(1, &request).await;
        let code = ErrorCode(answer.error_code);
        assert_eq!(code, ErrorCode::INVALID_REQUEST, "{request:?}");
    }
    let regex = joining("me").with_subscribed_topic_regex(Some(text("p.*")));
    let refused = ErrorCode(peer.ask(1, &regex).await.error_code);
    assert_eq!(refused, ErrorCode::INVALID_REGULAR_EXPRESSION);
    let assignor = joining("me").with_server_assignor(Some(text("sticky")));
    let refused = ErrorCode(peer.ask(1, &assignor).await.error_code);
    assert_eq!(refused, ErrorCode::UNSUPPORTED_ASSIGNOR);
    let unknown = ErrorCode(peer.ask(1, &beat("me", 1)).await.error_code);
    assert_eq!(unknown, ErrorCode::GROUP_ID_NOT_FOUND);
    assert_eq!(broker.group(GROUP), None);
}

#[tokio::test]
async fn groups_of_both_protocols_are_listed_and_described() {
    let (_broker, mut peer) = of_version(1).await;
    peer.ask(1, &joining("me")).await;
    for (kind, count) in [("consumer", 1), ("Consumer", 1), ("classic", 0)] {
        let request = ListGroupsRequest::default().with_types_filter(vec![text(kind)]);
        let groups = peer.ask(5, &request).await.groups;
        assert_eq!(groups.len(), count, "{kind}");
        assert!(groups.iter().all(|it| &*it.group_state == "Stable"));
    }
    let ids = vec![group_id(GROUP), group_id("another")];
    let request = ConsumerGroupDescribeRequest::default().with_group_ids(ids.clone());
    let described = peer.ask(1, &request).await.groups;
    let group = &described[0];
    assert_eq!((group.group_epoch, group.assignment_epoch), (2, 2));
    assert_eq!(
        (&*group.group_state, &*group.assignor_name),
        ("Stable", "uniform")
    );
    let member = &group.members[0];
    assert_eq!(
        (&*member.member_id, member.member_epoch, member.member_type),
        ("me", 2, 1)
    );
    assert_eq!(&*member.subscribed_topic_names[0].0, "payments");
    assert_eq!(member.assignment, member.target_assignment);
    let topic = &member.assignment.topic_partitions[0];
    assert_eq!(
        (&*topic.topic_name.0, &*topic.partitions),
        ("payments", &[0, 1][..])
    );
    let missing = ErrorCode(described[1].error_code);
    assert_eq!(missing, ErrorCode::GROUP_ID_NOT_FOUND);
    // By the other API, it is not there.
    let request = DescribeGroupsRequest::default().with_groups(ids);
    let described = peer.ask(6, &request).await.groups;
    let code = ErrorCode(described[0].error_code);
    assert_eq!(
        (code, &*described[0].group_state),
        (ErrorCode::GROUP_ID_NOT_FOUND, "Dead")
    );
    assert_eq!(peer.ask(5, &request).await.groups[0].error_code, 0);
}

#[tokio::test]
async fn offsets_are_those_of_members_in_their_epoch() {
    let (_broker, mut peer) = of_version(1).await;
    peer.ask(1, &joining("me")).await;
    let id = text("me");
    assert_eq!(commit(&mut peer, 9, (&id, 2), 0, 5).await, ErrorCode::NONE);
    for (version, member, code) in [
        (9, (&id, 3), ErrorCode::STALE_MEMBER_EPOCH),
        (8, (&id, 2), ErrorCode::UNSUPPORTED_VERSION),
        (9, (&text("another"), 2), ErrorCode::UNKNOWN_MEMBER_ID),
        (9, (&StrBytes::default(), -1), ErrorCode::UNKNOWN_MEMBER_ID),
    ] {
        assert_eq!(commit(&mut peer, version, member, 0, 6).await, code);
    }
    for (member, epoch, code) in [
        (Some(text("me")), 2, ErrorCode::NONE),
        (None, -1, ErrorCode::NONE),
        (Some(text("me")), 1, ErrorCode::STALE_MEMBER_EPOCH),
        (Some(text("another")), 2, ErrorCode::UNKNOWN_MEMBER_ID),
    ] {
        let group = OffsetFetchRequestGroup::default()
            .with_group_id(group_id(GROUP))
            .with_member_id(member)
            .with_member_epoch(epoch)
            .with_topics(None);
        let request = OffsetFetchRequest::default().with_groups(vec![group]);
        let fetched = peer.ask(9, &request).await.groups.remove(0);
        assert_eq!(ErrorCode(fetched.error_code), code);
        assert_eq!(fetched.topics.len(), usize::from(code == ErrorCode::NONE));
    }
}

#[tokio::test]
async fn an_empty_group_changes_its_protocol_and_keeps_its_offsets() {
    let (broker, mut peer) = of_version(1).await;
    let nobody = (&StrBytes::default(), -1);
    assert_eq!(commit(&mut peer, 9, nobody, 0, 5).await, ErrorCode::NONE);
    assert_eq!(broker.group(GROUP).unwrap().kind, GroupKind::Classic);
    peer.ask(1, &joining("me")).await;
    assert_eq!(broker.group(GROUP).unwrap().kind, GroupKind::Consumer);
    assert_eq!(broker.committed(GROUP, "payments", 0).unwrap().offset, 5);
    peer.ask(1, &beat("me", -1)).await;
    let joined = become_member(&mut peer, 9).await;
    assert_eq!(joined.error_code, 0);
    assert_eq!(broker.group(GROUP).unwrap().kind, GroupKind::Classic);
    assert_eq!(broker.committed(GROUP, "payments", 0).unwrap().offset, 5);
}

#[tokio::test]
async fn silence_ends_on_the_brokers_clock() {
    let (broker, mut peer) = of_version(1).await;
    peer.ask(1, &joining("me")).await;
    broker.clock().advance(std::time::Duration::from_secs(45));
    let group = broker.wait_for_group(GROUP, |it| it.members.is_empty());
    assert_eq!(group.await.state, GroupState::Empty);
}

/// Of the features that are on, the one of the protocol.
fn finalized(answer: &ApiVersionsResponse) -> Vec<(&str, i16)> {
    let level = |it: &'_ FinalizedFeatureKey| it.max_version_level;
    let features = answer.finalized_features.iter();
    let features = features.filter(|it| *it.name == *"group.version");
    features.map(|it| (&*it.name, level(it))).collect()
}

#[tokio::test]
async fn a_cluster_may_be_without_the_protocol() {
    for (group_version, has_it) in [(1, true), (0, false)] {
        let (_broker, mut peer) = of_version(group_version).await;
        let request = ApiVersionsRequest::default()
            .with_client_software_name(text("tests"))
            .with_client_software_version(text("1.0"));
        for version in 0..=4 {
            let answer = peer.ask(version, &request).await;
            let is_heartbeat = |key| key == ApiKey::ConsumerGroupHeartbeat as i16;
            let mut keys = answer.api_keys.iter().map(|it| it.api_key);
            assert_eq!(keys.any(is_heartbeat), has_it);
            let told = has_it && version >= 3;
            let expected: &[_] = if told { &[("group.version", 1)] } else { &[] };
            assert_eq!(finalized(&answer), expected, "{version}");
        }
        peer.send(1, &joining("me")).await;
        let answer = peer.answer::<ConsumerGroupHeartbeatRequest>(1).await;
        assert_eq!(answer.is_some(), has_it);
        let assignment = answer.map(|it| it.assignment.unwrap_or_default());
        assert!(assignment.is_none_or(|it: Assignment| it.topic_partitions.len() == 1));
    }
}
