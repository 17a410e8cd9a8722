use super::*;
use crate::wire::TopicPartition;

const NOBODY: &str = "";

fn committed(offset: i64, metadata: &str) -> Committed {
    Committed {
        offset,
        leader_epoch: 3,
        metadata: metadata.to_owned(),
        committed_at_ms: 1_000,
    }
}

fn commit(rig: &mut Rig, topic: &str, offset: i64) {
    let place = TopicPartition::new(topic, 0);
    rig.groups
        .commit(GROUP, place, committed(offset, ""))
        .unwrap();
}

#[test]
fn a_commit_is_a_members_of_this_generation() {
    let (mut rig, joined) = Rig::stable(2);
    let own = member(&joined[1].member_id);
    assert_eq!(rig.may_commit(&own, 1), Ok(()));
    assert_eq!(rig.may_commit(&own, 0), Err(ErrorCode::ILLEGAL_GENERATION));
    assert_eq!(rig.may_commit(&own, 2), Err(ErrorCode::ILLEGAL_GENERATION));
    assert_eq!(rig.may_commit(&own, -1), Err(ErrorCode::ILLEGAL_GENERATION));
    let unknown = Err(ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(rig.may_commit(&member("nobody"), 1), unknown);
    assert_eq!(rig.may_commit(&member(NOBODY), -1), unknown);
    assert_eq!(rig.may_commit(&static_member(NOBODY, "one"), -1), unknown);
}

#[test]
fn nobody_commits_while_the_leader_assigns() {
    let (mut rig, joined) = Rig::stable(1);
    rig.joined(rejoin(&joined[0]));
    assert_eq!(rig.state(), GroupState::CompletingRebalance);
    let own = member(&joined[0].member_id);
    assert_eq!(
        rig.may_commit(&own, 2),
        Err(ErrorCode::REBALANCE_IN_PROGRESS)
    );
    assert_eq!(rig.may_commit(&own, 1), Err(ErrorCode::ILLEGAL_GENERATION));
}

#[test]
fn a_group_without_members_is_committed_to_by_anyone() {
    let mut rig = Rig::new();
    let missing = rig.may_commit(&member("somebody"), 1);
    assert_eq!(missing, Err(ErrorCode::GROUP_ID_NOT_FOUND));
    assert_eq!(rig.may_commit(&member(NOBODY), -1), Ok(()));
    commit(&mut rig, "payments", 5);
    assert_eq!(rig.state(), GroupState::Empty);
    let unknown = Err(ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(rig.may_commit(&member("somebody"), 1), unknown);
    // What has offsets stays.
    rig.pass(Duration::from_secs(86_400));
    assert_eq!(rig.group().committed("payments", 0).unwrap().offset, 5);
}

#[test]
fn all_that_comes_with_an_offset_is_kept_up_to_a_limit() {
    let (mut rig, _) = Rig::stable(1);
    let place = || TopicPartition::new("payments", 0);
    // As Java counts: in UTF-16.
    let longest = "é".repeat(4096);
    let kept = committed(7, &longest);
    assert_eq!(rig.groups.commit(GROUP, place(), kept.clone()), Ok(()));
    assert_eq!(rig.group().committed("payments", 0), Some(&kept));
    let too_long = committed(8, &"x".repeat(4097));
    let refused = rig.groups.commit(GROUP, place(), too_long);
    assert_eq!(refused, Err(ErrorCode::OFFSET_METADATA_TOO_LARGE));
    assert_eq!(rig.group().committed("payments", 0), Some(&kept));
}

#[test]
fn offsets_of_topics_that_are_read_are_not_deleted() {
    let (mut rig, joined) = Rig::stable(1);
    commit(&mut rig, "payments", 1);
    commit(&mut rig, "refunds", 2);
    assert_eq!(rig.groups.check_offset_delete(GROUP), Ok(()));
    let subscribed = Err(ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC);
    assert_eq!(rig.groups.delete_offset(GROUP, "payments", 0), subscribed);
    assert_eq!(rig.groups.delete_offset(GROUP, "refunds", 0), Ok(()));
    assert_eq!(rig.group().committed("refunds", 0), None);
    rig.leave(&[member(&joined[0].member_id)]);
    assert_eq!(rig.groups.delete_offset(GROUP, "payments", 0), Ok(()));
    assert_eq!(rig.group().committed("payments", 0), None);
    let missing = rig.groups.check_offset_delete("another");
    assert_eq!(missing, Err(ErrorCode::GROUP_ID_NOT_FOUND));
}

#[test]
fn members_that_are_no_consumers_keep_all_offsets() {
    let mut rig = Rig::new();
    rig.joined(JoinRequest {
        protocol_type: "connect".into(),
        ..request()
    });
    let refused = rig.groups.check_offset_delete(GROUP);
    assert_eq!(refused, Err(ErrorCode::NON_EMPTY_GROUP));
}

#[test]
fn consumers_whose_topics_can_not_be_read_keep_all_offsets() {
    let mut rig = Rig::new();
    let unreadable = Protocol {
        name: "range".into(),
        metadata: Bytes::from_static(b"?"),
    };
    rig.joined(JoinRequest {
        protocols: vec![unreadable],
        ..request()
    });
    let refused = rig.groups.delete_offset(GROUP, "anything", 0);
    assert_eq!(refused, Err(ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC));
}

#[test]
fn offsets_go_with_their_topic() {
    let (mut rig, _) = Rig::stable(1);
    commit(&mut rig, "payments", 1);
    commit(&mut rig, "refunds", 2);
    rig.groups.topic_deleted("payments");
    assert_eq!(rig.group().all_committed().count(), 1);
    assert_eq!(rig.group().committed("payments", 0), None);
}
