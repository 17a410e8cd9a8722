//! Members that join, sync, tell that they live, and leave.

use bytes::Bytes;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, SyncGroupRequest,
};
use kafka_protocol::protocol::StrBytes;
use payment_notifier::wire::ErrorCode;

use super::{Node, Table, text};
use crate::support::cluster::Cluster;
use crate::support::connection::group_id;

/// Asks a newcomer to join again with the id it is given (KIP-394).
pub(super) const JOIN: i16 = 5;
/// Lets a newcomer in at once.
const JOIN_AT_ONCE: i16 = 3;
const SYNC: i16 = 5;
const HEARTBEAT: i16 = 3;
const LEAVE: i16 = 3;
/// One member a request.
const LEAVE_ALONE: i16 = 2;

/// A name for a group, whose coordinator is at work.
pub(super) async fn new_group(cluster: &Cluster) -> String {
    let group = cluster.unique("conforming");
    cluster.wait_for_group(&group, |_| true).await;
    group
}

/// A request to join as a newcomer.
pub(super) fn joining(group: &str) -> JoinGroupRequest {
    JoinGroupRequest::default()
        .with_group_id(group_id(group))
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(10_000)
        .with_protocol_type(text("consumer"))
        .with_protocols(protocols(&["range"]))
}

fn protocols(names: &[&str]) -> Vec<JoinGroupRequestProtocol> {
    let one = |name: &&str| {
        JoinGroupRequestProtocol::default()
            .with_name(text(name))
            .with_metadata(Bytes::from_static(b"metadata"))
    };
    names.iter().map(one).collect()
}

fn heartbeat(group: &str, generation: i32, member: &StrBytes) -> HeartbeatRequest {
    HeartbeatRequest::default()
        .with_group_id(group_id(group))
        .with_generation_id(generation)
        .with_member_id(member.clone())
}

fn sync(group: &str, generation: i32, member: &StrBytes) -> SyncGroupRequest {
    SyncGroupRequest::default()
        .with_group_id(group_id(group))
        .with_generation_id(generation)
        .with_member_id(member.clone())
        .with_protocol_type(Some(text("consumer")))
        .with_protocol_name(Some(text("range")))
}

/// What a member is told first that is not that all is well.
async fn told(node: &mut Node, alive: &HeartbeatRequest) -> i16 {
    loop {
        let told = node.ask(HEARTBEAT, alive).await.error_code;
        if told != 0 {
            return told;
        }
    }
}

/// Joins a group that nobody is in, and shares nothing out.
pub(super) async fn found(node: &mut Node, group: &str) -> JoinGroupResponse {
    let joined = node.ask(JOIN_AT_ONCE, &joining(group)).await;
    assert_eq!(joined.error_code, 0, "{joined:?}");
    let synced = sync(group, joined.generation_id, &joined.member_id);
    let synced = node.ask(SYNC, &synced).await;
    assert_eq!(synced.error_code, 0, "{synced:?}");
    joined
}

pub(super) async fn joins_are_checked() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let mut node = Node::of(cluster).await;
    let group = new_group(cluster).await;
    let join = joining(&group);

    let first = node.ask(JOIN, &join).await;
    table.code("no id", first.error_code, ErrorCode::MEMBER_ID_REQUIRED);
    table.case("an id is given", first.member_id.is_empty(), false);
    let empty = joining("");
    let wrong = [
        ("no group", empty, ErrorCode::INVALID_GROUP_ID),
        (
            "too short a session",
            join.clone().with_session_timeout_ms(499),
            ErrorCode::INVALID_SESSION_TIMEOUT,
        ),
        (
            "too long a session",
            join.clone().with_session_timeout_ms(1_800_001),
            ErrorCode::INVALID_SESSION_TIMEOUT,
        ),
        (
            "an id that was never given",
            join.clone().with_member_id(text("nobody")),
            ErrorCode::UNKNOWN_MEMBER_ID,
        ),
        (
            "no protocol",
            join.clone().with_protocols(Vec::new()),
            ErrorCode::INCONSISTENT_GROUP_PROTOCOL,
        ),
        (
            "no type of protocol",
            join.clone().with_protocol_type(text("")),
            ErrorCode::INCONSISTENT_GROUP_PROTOCOL,
        ),
    ];
    for (what, join, expected) in wrong {
        table.code(what, node.ask(JOIN, &join).await.error_code, expected);
    }

    let with_id = join.clone().with_member_id(first.member_id.clone());
    let joined = node.ask(JOIN, &with_id).await;
    table.code("the id that was given", joined.error_code, ErrorCode::NONE);
    table.case("its generation", joined.generation_id, 1);
    table.case("its id", &joined.member_id, &first.member_id);
    table.case("its leader", &joined.leader, &first.member_id);
    table.case("its protocol", joined.protocol_name, Some(text("range")));
    let metadata = joined.members.iter().map(|member| &member.metadata[..]);
    table.case("its members", metadata.collect(), vec![&b"metadata"[..]]);

    let other_type = join.clone().with_protocol_type(text("connect"));
    let other_type = node.ask(JOIN_AT_ONCE, &other_type).await.error_code;
    let expected = ErrorCode::INCONSISTENT_GROUP_PROTOCOL;
    table.code("another type", other_type, expected);
    let nothing_common = join.clone().with_protocols(protocols(&["sticky"]));
    let nothing_common = node.ask(JOIN_AT_ONCE, &nothing_common).await.error_code;
    table.code("no protocol in common", nothing_common, expected);
    table.end();
}

pub(super) async fn generations_are_checked() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let mut node = Node::of(cluster).await;
    let group = new_group(cluster).await;
    let joined = node.ask(JOIN_AT_ONCE, &joining(&group)).await;
    let (member, nobody) = (&joined.member_id, &text("nobody"));

    let before = node.ask(HEARTBEAT, &heartbeat(&group, 1, member)).await;
    table.code("alive before its sync", before.error_code, ErrorCode::NONE);
    let assignment = SyncGroupRequestAssignment::default()
        .with_member_id(member.clone())
        .with_assignment(Bytes::from_static(b"\x01any bytes"));
    let synced = sync(&group, 1, member).with_assignments(vec![assignment]);
    let other = synced.clone().with_protocol_name(Some(text("sticky")));
    let wrong = [
        (
            "an old generation syncs",
            sync(&group, 0, member),
            ErrorCode::ILLEGAL_GENERATION,
        ),
        (
            "a stranger syncs",
            sync(&group, 1, nobody),
            ErrorCode::UNKNOWN_MEMBER_ID,
        ),
        (
            "nobody's group is synced",
            sync("no such group", 1, member),
            ErrorCode::UNKNOWN_MEMBER_ID,
        ),
        (
            "another protocol",
            other,
            ErrorCode::INCONSISTENT_GROUP_PROTOCOL,
        ),
    ];
    for (what, sync, expected) in wrong {
        table.code(what, node.ask(SYNC, &sync).await.error_code, expected);
    }
    for what in ["its sync", "its sync again"] {
        let answer = node.ask(SYNC, &synced).await;
        table.code(what, answer.error_code, ErrorCode::NONE);
        table.case(what, &answer.assignment[..], b"\x01any bytes");
    }

    let alive = [
        ("alive", heartbeat(&group, 1, member), ErrorCode::NONE),
        (
            "an old generation",
            heartbeat(&group, 0, member),
            ErrorCode::ILLEGAL_GENERATION,
        ),
        (
            "a coming generation",
            heartbeat(&group, 2, member),
            ErrorCode::ILLEGAL_GENERATION,
        ),
        (
            "a stranger",
            heartbeat(&group, 1, nobody),
            ErrorCode::UNKNOWN_MEMBER_ID,
        ),
        (
            "no such group",
            heartbeat("no such group", 1, member),
            ErrorCode::UNKNOWN_MEMBER_ID,
        ),
    ];
    for (what, heartbeat, expected) in alive {
        table.code(
            what,
            node.ask(HEARTBEAT, &heartbeat).await.error_code,
            expected,
        );
    }

    let leaving = LeaveGroupRequest::default().with_group_id(group_id(&group));
    let alone = leaving.clone().with_member_id(nobody.clone());
    let alone = node.ask(LEAVE_ALONE, &alone).await.error_code;
    table.code("a stranger leaves", alone, ErrorCode::UNKNOWN_MEMBER_ID);
    let both = [nobody, member].map(|id| MemberIdentity::default().with_member_id(id.clone()));
    let left = node.ask(LEAVE, &leaving.with_members(both.to_vec())).await;
    table.code("both leave", left.error_code, ErrorCode::NONE);
    table.code(
        "the stranger",
        left.members[0].error_code,
        ErrorCode::UNKNOWN_MEMBER_ID,
    );
    table.code("the member", left.members[1].error_code, ErrorCode::NONE);
    let after = node.ask(HEARTBEAT, &heartbeat(&group, 1, member)).await;
    table.code(
        "it has left",
        after.error_code,
        ErrorCode::UNKNOWN_MEMBER_ID,
    );
    table.end();
}

pub(super) async fn rebalances_are_told() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let [mut first, mut second] = [Node::of(cluster).await, Node::of(cluster).await];
    let group = new_group(cluster).await;
    let old = found(&mut first, &group).await;
    let again = joining(&group).with_member_id(old.member_id.clone());

    let newcomer = joining(&group);
    let newcomer = second.ask(JOIN_AT_ONCE, &newcomer);
    let rejoining = async {
        let told = told(&mut first, &heartbeat(&group, 1, &old.member_id)).await;
        table.code("while joining", told, ErrorCode::REBALANCE_IN_PROGRESS);
        let early = first.ask(SYNC, &sync(&group, 1, &old.member_id)).await;
        let expected = ErrorCode::REBALANCE_IN_PROGRESS;
        table.code("a sync while joining", early.error_code, expected);
        first.ask(JOIN_AT_ONCE, &again).await
    };
    let (new, old) = tokio::join!(newcomer, rejoining);
    table.case(
        "the generation",
        (new.generation_id, old.generation_id),
        (2, 2),
    );
    table.case("the leader goes on", &new.leader, &old.member_id);
    table.case("the leader is told of all", old.members.len(), 2);
    table.case("the other of none", new.members.len(), 0);

    // The leader's sync ends the follower's wait.
    let share = |id: &StrBytes, bytes| {
        SyncGroupRequestAssignment::default()
            .with_member_id(id.clone())
            .with_assignment(Bytes::from_static(bytes))
    };
    let shares = vec![share(&old.member_id, b"old"), share(&new.member_id, b"new")];
    let follower = sync(&group, 2, &new.member_id);
    let leader = sync(&group, 2, &old.member_id).with_assignments(shares);
    let (follower, leader) = tokio::join!(second.ask(SYNC, &follower), first.ask(SYNC, &leader));
    table.case("the follower's share", &follower.assignment[..], b"new");
    table.case("the leader's share", &leader.assignment[..], b"old");

    // A follower that joins again with nothing changed keeps the generation as it is.
    let again = joining(&group).with_member_id(new.member_id.clone());
    let same = second.ask(JOIN_AT_ONCE, &again).await;
    table.code("a follower joins again", same.error_code, ErrorCode::NONE);
    table.case("its generation", same.generation_id, 2);

    // With something changed it makes a new one, in which the old one counts no more.
    let mut changed = again;
    changed.protocols[0].metadata = Bytes::from_static(b"changed");
    let leader = joining(&group).with_member_id(old.member_id.clone());
    let rejoining = async {
        let told = told(&mut first, &heartbeat(&group, 2, &old.member_id)).await;
        let expected = ErrorCode::REBALANCE_IN_PROGRESS;
        table.code("while it joins", told, expected);
        first.ask(JOIN_AT_ONCE, &leader).await
    };
    let (changed, leader) = tokio::join!(second.ask(JOIN_AT_ONCE, &changed), rejoining);
    let both = (changed.generation_id, leader.generation_id);
    table.case("the new generation", both, (3, 3));
    let before = heartbeat(&group, 2, &new.member_id);
    let before = second.ask(HEARTBEAT, &before).await.error_code;
    table.code("that of before", before, ErrorCode::ILLEGAL_GENERATION);

    // Who leaves does not wait for its session to end.
    let leaving = LeaveGroupRequest::default()
        .with_group_id(group_id(&group))
        .with_member_id(new.member_id.clone());
    let left = second.ask(LEAVE_ALONE, &leaving).await.error_code;
    table.code("the follower leaves", left, ErrorCode::NONE);
    let told = first
        .ask(HEARTBEAT, &heartbeat(&group, 3, &old.member_id))
        .await;
    let expected = ErrorCode::REBALANCE_IN_PROGRESS;
    table.code("the leader is told", told.error_code, expected);
    table.end();
}

pub(super) async fn an_instance_takes_its_predecessors_place() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let mut node = Node::of(cluster).await;
    let group = new_group(cluster).await;
    let join = joining(&group).with_group_instance_id(Some(text("one")));
    let before = node.ask(JOIN, &join).await;
    table.code(
        "an instance needs no id",
        before.error_code,
        ErrorCode::NONE,
    );
    let synced = sync(&group, 1, &before.member_id);
    let synced = synced.with_group_instance_id(Some(text("one")));
    table.code(
        "its sync",
        node.ask(SYNC, &synced).await.error_code,
        ErrorCode::NONE,
    );

    let after = node.ask(JOIN, &join).await;
    table.code("it joins anew", after.error_code, ErrorCode::NONE);
    table.case("another id", after.member_id == before.member_id, false);
    table.case("the same generation", after.generation_id, 1);
    let as_instance = |member: &StrBytes, instance: &str| {
        heartbeat(&group, 1, member).with_group_instance_id(Some(text(instance)))
    };
    let alive = [
        (
            "the new one",
            as_instance(&after.member_id, "one"),
            ErrorCode::NONE,
        ),
        (
            "the old one",
            as_instance(&before.member_id, "one"),
            ErrorCode::FENCED_INSTANCE_ID,
        ),
        (
            "an unknown one",
            as_instance(&after.member_id, "two"),
            ErrorCode::UNKNOWN_MEMBER_ID,
        ),
    ];
    for (what, heartbeat, expected) in alive {
        table.code(
            what,
            node.ask(HEARTBEAT, &heartbeat).await.error_code,
            expected,
        );
    }
    let old = join.clone().with_member_id(before.member_id.clone());
    let old = node.ask(JOIN, &old).await.error_code;
    table.code("the old one joins", old, ErrorCode::FENCED_INSTANCE_ID);

    let again = node.ask(JOIN, &join).await.member_id;
    let nameless = text("");
    let leaves = |member: &StrBytes| {
        let instance = MemberIdentity::default().with_group_instance_id(Some(text("one")));
        LeaveGroupRequest::default()
            .with_group_id(group_id(&group))
            .with_members(vec![instance.with_member_id(member.clone())])
    };
    let leaving = [
        (
            "the old one leaves",
            &before.member_id,
            ErrorCode::FENCED_INSTANCE_ID,
        ),
        ("the new one leaves", &again, ErrorCode::NONE),
        ("it leaves again", &again, ErrorCode::UNKNOWN_MEMBER_ID),
    ];
    for (what, member, expected) in leaving {
        let left = node.ask(LEAVE, &leaves(member)).await;
        table.code(what, left.members[0].error_code, expected);
    }
    let joined = node.ask(JOIN, &join).await.error_code;
    table.code("another joins", joined, ErrorCode::NONE);
    let left = node.ask(LEAVE, &leaves(&nameless)).await;
    table.code(
        "it is removed by its name",
        left.members[0].error_code,
        ErrorCode::NONE,
    );
    table.end();
}
