//! Members of the consumer protocol (KIP-848).

use std::time::Duration;

use kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
    DeleteGroupsRequest, DescribeGroupsRequest, ListGroupsRequest, OffsetCommitRequest,
    OffsetFetchRequest,
};
use payment_notifier::wire::ErrorCode;
use uuid::Uuid;

use super::groups::new_group;
use super::{Node, Table, new_topic, text};
use crate::support::cluster::Cluster;
use crate::support::connection::{group_id, topic_name};

pub(super) const HEARTBEAT: i16 = 1;
/// Lets the coordinator make a member's id.
const HEARTBEAT_WITHOUT_ID: i16 = 0;
pub(super) const COMMIT: i16 = 9;
/// Says no epoch.
const COMMIT_WITHOUT_EPOCH: i16 = 8;
const FETCH: i16 = 9;
pub(super) const DESCRIBE: i16 = 1;
const DESCRIBE_CLASSIC: i16 = 6;
const LIST: i16 = 5;
const DELETE: i16 = 2;

/// The epoch of the first member of a new group: the group itself begins with 1.
const FIRST: i32 = 2;
pub(super) const LEAVING: i32 = -1;
const LEAVING_FOR_A_WHILE: i32 = -2;

/// Assignments of a group follow each other by a second; an answer may say nothing new until then.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A member, and what it knows.
#[derive(Clone, Debug)]
pub(super) struct Member {
    group: String,
    id: String,
    instance: Option<String>,
    pub(super) epoch: i32,
    topic: Uuid,
    pub(super) owned: Vec<i32>,
}

impl Member {
    /// What it says when it has nothing to say.
    pub(super) fn quiet(&self) -> ConsumerGroupHeartbeatRequest {
        ConsumerGroupHeartbeatRequest::default()
            .with_group_id(group_id(&self.group))
            .with_member_id(text(&self.id))
            .with_member_epoch(self.epoch)
            .with_instance_id(self.instance.as_deref().map(text))
            .with_rebalance_timeout_ms(-1)
            .with_subscribed_topic_names(None)
            .with_topic_partitions(None)
    }

    /// With all that it has.
    pub(super) fn reporting(&self) -> ConsumerGroupHeartbeatRequest {
        let topic = TopicPartitions::default()
            .with_topic_id(self.topic)
            .with_partitions(self.owned.clone());
        let topics = (!self.owned.is_empty()).then_some(topic);
        self.quiet()
            .with_topic_partitions(Some(topics.into_iter().collect()))
    }

    pub(super) fn in_epoch(&self, epoch: i32) -> Self {
        Self {
            epoch,
            ..self.clone()
        }
    }

    /// Takes over what it is told.
    pub(super) fn hear(&mut self, answer: &ConsumerGroupHeartbeatResponse) {
        assert_eq!(answer.error_code, 0, "{answer:?}");
        self.epoch = answer.member_epoch;
        if let Some(told) = assigned(answer) {
            let topic = answer.assignment.as_ref();
            let topic = topic.and_then(|it| it.topic_partitions.first());
            self.topic = topic.map_or(self.topic, |it| it.topic_id);
            self.owned = told;
        }
    }

    /// Joins, and wants the topic.
    pub(super) async fn join(node: &mut Node, group: &str, id: &str, topic: &str) -> Self {
        let mut member = stranger(group, id);
        let answer = node.ask(HEARTBEAT, &joining(&member, topic)).await;
        member.hear(&answer);
        member
    }

    /// Reports until it is told something else than what it has.
    async fn until_told(&mut self, node: &mut Node) {
        loop {
            let answer = node.ask(HEARTBEAT, &self.reporting()).await;
            let before = (self.epoch, self.owned.clone());
            self.hear(&answer);
            if before != (self.epoch, self.owned.clone()) {
                return;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

/// A member before it joins.
pub(super) fn stranger(group: &str, id: &str) -> Member {
    Member {
        group: group.to_owned(),
        id: id.to_owned(),
        instance: None,
        epoch: 0,
        topic: Uuid::nil(),
        owned: Vec::new(),
    }
}

pub(super) fn joining(member: &Member, topic: &str) -> ConsumerGroupHeartbeatRequest {
    member
        .in_epoch(0)
        .quiet()
        .with_rebalance_timeout_ms(60_000)
        .with_subscribed_topic_names(Some(vec![topic_name(topic)]))
        .with_topic_partitions(Some(Vec::new()))
}

/// The partitions that an answer tells of; none where it tells nothing of them.
pub(super) fn assigned(answer: &ConsumerGroupHeartbeatResponse) -> Option<Vec<i32>> {
    let topics = &answer.assignment.as_ref()?.topic_partitions;
    let mut all: Vec<i32> = topics.iter().flat_map(|it| it.partitions.clone()).collect();
    all.sort_unstable();
    Some(all)
}

pub(super) async fn consumers_heartbeats_are_checked() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let mut node = Node::of(cluster).await;
    let group = new_group(cluster).await;
    let topic = &new_topic(cluster, 2, &[]).await;
    let me = stranger(&group, "me");
    let join = joining(&me, topic);
    let empty = || Some(text(""));
    let owned = TopicPartitions::default().with_partitions(vec![0]);
    let invalid = ErrorCode::INVALID_REQUEST;
    let wrong = [
        ("no id", joining(&stranger(&group, ""), topic), invalid),
        ("no group", joining(&stranger("", "me"), topic), invalid),
        (
            "an empty instance",
            join.clone().with_instance_id(empty()),
            invalid,
        ),
        ("an empty rack", join.clone().with_rack_id(empty()), invalid),
        (
            "no timeout",
            join.clone().with_rebalance_timeout_ms(-1),
            invalid,
        ),
        (
            "nothing said of partitions",
            join.clone().with_topic_partitions(None),
            invalid,
        ),
        (
            "partitions of a newcomer",
            join.clone().with_topic_partitions(Some(vec![owned])),
            invalid,
        ),
        (
            "no topics",
            join.clone().with_subscribed_topic_names(None),
            invalid,
        ),
        ("away, but not static", me.in_epoch(-2).quiet(), invalid),
        ("no such epoch", me.in_epoch(-3).quiet(), invalid),
        (
            "an unknown assignor",
            join.clone().with_server_assignor(Some(text("sticky"))),
            ErrorCode::UNSUPPORTED_ASSIGNOR,
        ),
        (
            "not a regular expression",
            join.clone().with_subscribed_topic_regex(Some(text("("))),
            ErrorCode::INVALID_REGULAR_EXPRESSION,
        ),
        (
            "no such group",
            me.in_epoch(1).quiet(),
            ErrorCode::GROUP_ID_NOT_FOUND,
        ),
        (
            "leaving no such group",
            me.in_epoch(LEAVING).quiet(),
            ErrorCode::GROUP_ID_NOT_FOUND,
        ),
    ];
    for (what, request, expected) in wrong {
        let answer = node.ask(HEARTBEAT, &request).await;
        table.code(what, answer.error_code, expected);
        table.case(what, answer.error_message.is_some(), true);
    }

    let joined = node.ask(HEARTBEAT, &join).await;
    table.code("joins", joined.error_code, ErrorCode::NONE);
    table.case("its epoch", joined.member_epoch, FIRST);
    table.case("its id", joined.member_id.clone(), Some(text("me")));
    table.case("its interval", joined.heartbeat_interval_ms, 1000);
    table.case("its partitions", assigned(&joined), Some(vec![0, 1]));
    let again = node.ask(HEARTBEAT, &join).await;
    table.case(
        "joins again",
        (again.member_epoch, assigned(&again)),
        (FIRST, Some(vec![0, 1])),
    );
    let mut me = me;
    me.hear(&again);
    let quiet = node.ask(HEARTBEAT, &me.quiet()).await;
    table.case(
        "nothing new",
        (quiet.member_epoch, assigned(&quiet)),
        (FIRST, None),
    );
    let full = me
        .reporting()
        .with_rebalance_timeout_ms(60_000)
        .with_subscribed_topic_names(Some(vec![topic_name(topic)]));
    let full = node.ask(HEARTBEAT, &full).await;
    table.case(
        "all said",
        (full.member_epoch, assigned(&full)),
        (FIRST, Some(vec![0, 1])),
    );
    let fenced = ErrorCode::FENCED_MEMBER_EPOCH;
    let unknown = ErrorCode::UNKNOWN_MEMBER_ID;
    let wrong = [
        ("a coming epoch", me.in_epoch(FIRST + 1).reporting(), fenced),
        (
            "a stranger",
            stranger(&group, "nobody").in_epoch(1).quiet(),
            unknown,
        ),
        (
            "a stranger leaves",
            stranger(&group, "nobody").in_epoch(LEAVING).quiet(),
            unknown,
        ),
    ];
    for (what, request, expected) in wrong {
        table.code(
            what,
            node.ask(HEARTBEAT, &request).await.error_code,
            expected,
        );
    }
    let left = node.ask(HEARTBEAT, &me.in_epoch(LEAVING).quiet()).await;
    table.case("leaves", (left.error_code, left.member_epoch), (0, LEAVING));
    table.case("its last interval", left.heartbeat_interval_ms, 0);
    let anew = stranger(&group, "");
    let anew = node.ask(HEARTBEAT_WITHOUT_ID, &joining(&anew, topic)).await;
    table.case(
        "after the last",
        (anew.member_epoch, assigned(&anew)),
        (FIRST + 2, Some(vec![0, 1])),
    );
    table.case(
        "an id is given",
        anew.member_id.is_some_and(|it| !it.is_empty()),
        true,
    );
    table.end();
}

pub(super) async fn topics_of_consumers_change_their_epoch() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let mut node = Node::of(cluster).await;
    let group = new_group(cluster).await;
    let none = joining(&stranger(&group, "me"), "").with_subscribed_topic_names(Some(Vec::new()));
    let joined = node.ask(HEARTBEAT, &none).await;
    table.case(
        "wants nothing",
        (joined.error_code, joined.member_epoch),
        (0, 1),
    );
    table.case("gets nothing", assigned(&joined), Some(Vec::new()));
    table.end();
}

/// Says which group it is, a commit of partition `index`.
pub(super) fn commit(member: &Member, topic: &str, index: i32) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(index)
        .with_committed_offset(5)
        .with_committed_metadata(Some(text("")));
    let topic = OffsetCommitRequestTopic::default()
        .with_name(topic_name(topic))
        .with_partitions(vec![partition]);
    OffsetCommitRequest::default()
        .with_group_id(group_id(&member.group))
        .with_member_id(text(&member.id))
        .with_generation_id_or_member_epoch(member.epoch)
        .with_topics(vec![topic])
}

pub(super) async fn commit_code(
    node: &mut Node,
    version: i16,
    request: &OffsetCommitRequest,
) -> i16 {
    let answer = node.ask(version, request).await;
    answer.topics[0].partitions[0].error_code
}

async fn fetch_code(node: &mut Node, group: &str, member: Option<&str>, epoch: i32) -> i16 {
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(group_id(group))
        .with_member_id(member.map(text))
        .with_member_epoch(epoch)
        .with_topics(None);
    let request = OffsetFetchRequest::default().with_groups(vec![group]);
    node.ask(FETCH, &request).await.groups[0].error_code
}

pub(super) async fn consumers_give_up_before_others_get() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let mut node = Node::of(cluster).await;
    let group = new_group(cluster).await;
    let topic = &new_topic(cluster, 2, &[]).await;
    let mut first = Member::join(&mut node, &group, "first", topic).await;
    let mut second = Member::join(&mut node, &group, "second", topic).await;
    table.case(
        "the first",
        (first.epoch, first.owned.clone()),
        (FIRST, vec![0, 1]),
    );
    table.case("the second", second.owned.clone(), Vec::new());
    if second.epoch == FIRST {
        second.until_told(&mut node).await;
    }
    table.case("the second's epoch", second.epoch, FIRST + 1);

    let old = first.clone();
    first.until_told(&mut node).await;
    table.case("to give up", (first.epoch, first.owned.len()), (FIRST, 1));
    let kept = first.owned[0];
    let given = 1 - kept;
    let stale = ErrorCode::STALE_MEMBER_EPOCH;
    let code = commit_code(&mut node, COMMIT, &commit(&old, topic, given)).await;
    table.code("what it is to give up", code, ErrorCode::NONE);
    let same = node.ask(HEARTBEAT, &old.reporting()).await;
    table.case(
        "still has it",
        (same.member_epoch, assigned(&same)),
        (FIRST, None),
    );
    let same = node.ask(HEARTBEAT, &second.reporting()).await;
    table.case(
        "still waits",
        (same.member_epoch, assigned(&same)),
        (FIRST + 1, None),
    );

    first.until_told(&mut node).await;
    table.case(
        "has given up",
        (first.epoch, first.owned.clone()),
        (FIRST + 1, vec![kept]),
    );
    let lost = node
        .ask(HEARTBEAT, &first.in_epoch(FIRST).reporting())
        .await;
    table.case(
        "has lost the answer",
        (lost.error_code, lost.member_epoch),
        (0, FIRST + 1),
    );
    for (what, request) in [
        ("has more than its own", old.reporting()),
        ("says nothing of it", first.in_epoch(FIRST).quiet()),
    ] {
        let answer = node.ask(HEARTBEAT, &request).await;
        table.code(what, answer.error_code, ErrorCode::FENCED_MEMBER_EPOCH);
    }
    for (what, member, index, expected) in [
        ("in its epoch", first.clone(), kept, ErrorCode::NONE),
        (
            "in its epoch, what is not its own",
            first.clone(),
            given,
            ErrorCode::NONE,
        ),
        ("in the last one", old.clone(), kept, ErrorCode::NONE),
        ("in the last one, what it has given up", old, given, stale),
        ("in a coming one", first.in_epoch(FIRST + 2), kept, stale),
        (
            "nobody",
            stranger(&group, "").in_epoch(-1),
            kept,
            ErrorCode::UNKNOWN_MEMBER_ID,
        ),
    ] {
        let code = commit_code(&mut node, COMMIT, &commit(&member, topic, index)).await;
        table.code(what, code, expected);
    }
    let code = commit_code(
        &mut node,
        COMMIT_WITHOUT_EPOCH,
        &commit(&first, topic, kept),
    )
    .await;
    table.code("an old client", code, ErrorCode::UNSUPPORTED_VERSION);

    second.until_told(&mut node).await;
    table.case(
        "has got it",
        (second.epoch, second.owned.clone()),
        (FIRST + 1, vec![given]),
    );
    for (what, member, epoch, expected) in [
        (
            "asks in its epoch",
            Some("second"),
            FIRST + 1,
            ErrorCode::NONE,
        ),
        ("asks in an old one", Some("second"), FIRST, stale),
        ("asks in a coming one", Some("second"), FIRST + 2, stale),
        (
            "a stranger asks",
            Some("nobody"),
            2,
            ErrorCode::UNKNOWN_MEMBER_ID,
        ),
        ("nobody asks", None, -1, ErrorCode::NONE),
    ] {
        let code = fetch_code(&mut node, &group, member, epoch).await;
        table.code(what, code, expected);
    }
    table.end();
}

pub(super) async fn consumers_instances_are_one_members() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let mut node = Node::of(cluster).await;
    let group = new_group(cluster).await;
    let topic = &new_topic(cluster, 2, &[]).await;
    let of_instance = |id: &str| Member {
        instance: Some("one".to_owned()),
        ..stranger(&group, id)
    };
    let mut old = of_instance("old");
    old.hear(&node.ask(HEARTBEAT, &joining(&old, topic)).await);
    let new = of_instance("new");
    for (what, member) in [("another", &new), ("the same", &old)] {
        let answer = node.ask(HEARTBEAT, &joining(member, topic)).await;
        table.code(what, answer.error_code, ErrorCode::UNRELEASED_INSTANCE_ID);
    }
    let elsewhere = Member {
        instance: Some("two".to_owned()),
        ..old.clone()
    };
    let code = node.ask(HEARTBEAT, &elsewhere.quiet()).await.error_code;
    table.code("another instance", code, ErrorCode::UNKNOWN_MEMBER_ID);
    let other = new.in_epoch(FIRST);
    let code = node.ask(HEARTBEAT, &other.quiet()).await.error_code;
    table.code("not the instance's", code, ErrorCode::FENCED_INSTANCE_ID);
    let away = node
        .ask(HEARTBEAT, &old.in_epoch(LEAVING_FOR_A_WHILE).quiet())
        .await;
    table.case("away", (away.error_code, away.member_epoch), (0, -2));
    let code = commit_code(&mut node, COMMIT, &commit(&old, topic, 0)).await;
    table.code("away, and commits", code, ErrorCode::STALE_MEMBER_EPOCH);
    let back = node.ask(HEARTBEAT, &joining(&new, topic)).await;
    table.case(
        "back",
        (back.member_epoch, assigned(&back)),
        (FIRST, Some(vec![0, 1])),
    );
    for (what, epoch) in [("the old one", FIRST), ("the old one leaves", LEAVING)] {
        let answer = node.ask(HEARTBEAT, &old.in_epoch(epoch).quiet()).await;
        table.code(what, answer.error_code, ErrorCode::FENCED_INSTANCE_ID);
    }
    let code = commit_code(&mut node, COMMIT, &commit(&old, topic, 0)).await;
    table.code("the old one commits", code, ErrorCode::UNKNOWN_MEMBER_ID);
    table.end();
}

pub(super) async fn groups_of_consumers_are_told() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let mut node = Node::of(cluster).await;
    let group = new_group(cluster).await;
    let topic = &new_topic(cluster, 2, &[]).await;
    let member = Member::join(&mut node, &group, "me", topic).await;
    let classic = new_group(cluster).await;
    let by_nobody = stranger(&classic, "").in_epoch(-1);
    let code = commit_code(&mut node, COMMIT, &commit(&by_nobody, topic, 0)).await;
    table.code("by nobody", code, ErrorCode::NONE);

    let list = ListGroupsRequest::default().with_types_filter(vec![text("consumer")]);
    let listed = node.ask(LIST, &list).await.groups;
    let listed = listed.iter().find(|it| *it.group_id.0 == *group);
    let listed = listed.map(|it| (&*it.protocol_type, &*it.group_state, &*it.group_type));
    table.case("listed", listed, Some(("consumer", "Stable", "consumer")));

    let ids = [&*group, &*classic, "no such group"].map(group_id).to_vec();
    let request = ConsumerGroupDescribeRequest::default().with_group_ids(ids.clone());
    let described = node.ask(DESCRIBE, &request).await.groups;
    // They come in any order.
    let of = |id: &str| {
        described
            .iter()
            .find(|it| *it.group_id.0 == *id)
            .expect("told")
    };
    let told = of(&group);
    table.code("described", told.error_code, ErrorCode::NONE);
    table.case(
        "its state",
        (&*told.group_state, &*told.assignor_name),
        ("Stable", "uniform"),
    );
    table.case(
        "its epochs",
        (told.group_epoch, told.assignment_epoch),
        (FIRST, FIRST),
    );
    let own = &told.members[0];
    table.case(
        "a member",
        (&*own.member_id, own.member_epoch),
        ("me", FIRST),
    );
    table.case("of its kind", own.member_type, 1);
    table.case(
        "where",
        (&*own.client_id, &*own.client_host),
        ("tests", "/127.0.0.1"),
    );
    table.case(
        "its topics",
        own.subscribed_topic_names.clone(),
        vec![topic_name(topic)],
    );
    table.case(
        "no regular expression",
        own.subscribed_topic_regex.clone(),
        Some(text("")),
    );
    table.case("on its way", &own.assignment, &own.target_assignment);
    let assigned = &own.assignment.topic_partitions[0];
    let mut indexes = assigned.partitions.clone();
    indexes.sort_unstable();
    table.case(
        "its topic",
        (&*assigned.topic_name.0, indexes),
        (&**topic, vec![0, 1]),
    );
    for (what, told, text) in [
        (
            "not of consumers",
            of(&classic),
            format!("Group {classic} is not a consumer group."),
        ),
        (
            "not there",
            of("no such group"),
            "Group no such group not found.".to_owned(),
        ),
    ] {
        table.code(what, told.error_code, ErrorCode::GROUP_ID_NOT_FOUND);
        table.case(what, told.error_message.as_deref(), Some(&*text));
    }

    let request = DescribeGroupsRequest::default().with_groups(ids);
    let described = node.ask(DESCRIBE_CLASSIC, &request).await.groups;
    let described = described
        .iter()
        .find(|it| *it.group_id.0 == *group)
        .expect("told");
    table.code(
        "by the other API",
        described.error_code,
        ErrorCode::GROUP_ID_NOT_FOUND,
    );
    table.case("its state there", &*described.group_state, "Dead");
    let why = format!("Group {group} is not a classic group.");
    table.case("why", described.error_message.as_deref(), Some(&*why));

    let delete = DeleteGroupsRequest::default().with_groups_names(vec![group_id(&group)]);
    let code = node.ask(DELETE, &delete).await.results[0].error_code;
    table.code("deleted with a member", code, ErrorCode::NON_EMPTY_GROUP);
    node.ask(HEARTBEAT, &member.in_epoch(LEAVING).quiet()).await;
    let code = node.ask(DELETE, &delete).await.results[0].error_code;
    table.code("deleted", code, ErrorCode::NONE);
    let joined = node
        .ask(HEARTBEAT, &joining(&stranger(&classic, "me"), topic))
        .await;
    table.case(
        "an empty one is taken over",
        (joined.error_code, joined.member_epoch),
        (0, FIRST),
    );
    table.end();
}
