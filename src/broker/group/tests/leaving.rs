use super::*;

#[test]
fn who_leaves_makes_room_at_once() {
    let (mut rig, joined) = Rig::stable(3);
    assert_eq!(rig.leave(&[member(&joined[0].member_id)]), [Ok(())]);
    assert_eq!(rig.state(), GroupState::PreparingRebalance);
    let joined = rig.rejoin_all(&joined[1..]);
    assert_eq!(joined[0].leader, joined[0].member_id);
    assert_eq!(joined[0].members.len(), 2);
}

#[test]
fn several_leave_at_once_and_strangers_are_told_apart() {
    let (mut rig, joined) = Rig::stable(2);
    let who = [
        member(&joined[0].member_id),
        member("nobody"),
        member(""),
        member(&joined[1].member_id),
    ];
    let unknown = Err(ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(rig.leave(&who), [Ok(()), unknown, unknown, Ok(())]);
    assert_eq!(rig.state(), GroupState::Empty);
    assert_eq!(rig.group().generation(), 2);
    assert_eq!(rig.classic().leader(), None);
    let nowhere = rig.groups.leave("another", &who[..1], rig.now);
    assert_eq!(nowhere, Ok(vec![unknown]));
}

#[test]
fn leaving_answers_what_the_member_waits_for() {
    let (mut rig, joined) = Rig::stable(2);
    let waiting = rig.join(rejoin(&joined[0]));
    rig.leave(&[member(&joined[0].member_id)]);
    let refusal = rig.joins[&waiting].clone().unwrap_err();
    assert_eq!(refusal.code, ErrorCode::UNKNOWN_MEMBER_ID);
    let last = rig.joined(rejoin(&joined[1]));
    assert_eq!(last.members.len(), 1);
}

#[test]
fn an_id_that_was_given_out_can_be_given_back() {
    let (mut rig, joined) = Rig::stable(1);
    let ticket = rig.join(JoinRequest {
        learns_id_first: true,
        ..request()
    });
    let id = rig.joins[&ticket].clone().unwrap_err().member_id;
    let waiting = rig.join(rejoin(&joined[0]));
    assert!(rig.is_waiting(waiting));
    assert_eq!(rig.leave(&[member(&id)]), [Ok(())]);
    assert!(!rig.is_waiting(waiting));
}

#[test]
fn who_says_nothing_is_removed_when_its_session_is_over() {
    let (mut rig, joined) = Rig::stable(2);
    rig.pass(SESSION - Duration::from_secs(1));
    assert_eq!(rig.heartbeat(&joined[0]), Ok(()));
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.state(), GroupState::PreparingRebalance);
    assert_eq!(rig.heartbeat(&joined[1]), Err(ErrorCode::UNKNOWN_MEMBER_ID));
    let again = rig.joined(rejoin(&joined[0]));
    assert_eq!((again.generation, again.members.len()), (2, 1));
}

#[test]
fn a_commit_says_as_much_as_a_heartbeat() {
    let (mut rig, joined) = Rig::stable(1);
    for _ in 0..3 {
        rig.pass(SESSION - Duration::from_secs(1));
        let may = rig.may_commit(&member(&joined[0].member_id), 1);
        assert_eq!(may, Ok(()));
    }
    rig.pass(SESSION);
    assert_eq!(rig.state(), GroupState::Empty);
}

#[test]
fn a_group_that_nobody_uses_disappears() {
    let (mut rig, joined) = Rig::stable(1);
    rig.leave(&[member(&joined[0].member_id)]);
    assert_eq!(rig.state(), GroupState::Empty);
    rig.pass(Duration::from_secs(599));
    assert_eq!(rig.state(), GroupState::Empty);
    assert_eq!(
        rig.groups.poll_timeout(),
        Some(rig.now + Duration::from_secs(1))
    );
    rig.pass(Duration::from_secs(1));
    assert!(rig.groups.get(GROUP).is_none());
    assert_eq!(rig.groups.poll_timeout(), None);
}

#[test]
fn only_groups_without_members_are_deleted() {
    let (mut rig, joined) = Rig::stable(1);
    assert_eq!(rig.groups.delete(GROUP), Err(ErrorCode::NON_EMPTY_GROUP));
    rig.leave(&[member(&joined[0].member_id)]);
    assert_eq!(rig.groups.delete(GROUP), Ok(()));
    assert_eq!(rig.groups.delete(GROUP), Err(ErrorCode::GROUP_ID_NOT_FOUND));
}
