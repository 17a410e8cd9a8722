//! Leaving in order, and where that is not to be had.

use super::*;

fn left(member: &mut Member) -> Ending {
    match &member.effects()[..] {
        [Effect::Left(ending)] => ending.clone(),
        other => panic!("not left but {other:?}"),
    }
}

#[test]
fn a_member_gives_up_what_it_owns_and_then_leaves() {
    let mut member = Member::stable(&[0]);
    member.machine.handle_leave(member.now);
    let effects = member.effects();
    let [
        Effect::Revoke { attempt, .. },
        Effect::ConsumerHeartbeat(beat),
    ] = &effects[..]
    else {
        panic!("{effects:?}")
    };
    member.answer(beat.attempt, 4, Some(assigned(&[0, 1])));
    assert_eq!(member.effects(), [], "nothing is taken on any more");
    assert_eq!(member.machine.commit_stamp().unwrap().generation, 4);
    member.machine.handle_revoked(*attempt, member.now);
    let departure = member.take_beat();
    assert_eq!(departure.epoch, -1);
    member.answer(departure.attempt, -1, None);
    assert_eq!(left(&mut member), Ending::Left);
    assert_eq!(member.machine.poll_timeout(), None);
}

#[test]
fn a_static_member_tells_that_it_comes_back() {
    let mut member = Member::stable_static(&[]);
    member.machine.handle_leave(member.now);
    let departure = member.take_beat();
    assert_eq!(
        (departure.epoch, departure.instance_id.as_deref()),
        (-2, Some("i"))
    );
    member.answer(departure.attempt, -2, None);
    assert_eq!(left(&mut member), Ending::Stays);
}

/// The coordinator may have taken it in.
#[test]
fn a_join_that_is_not_answered_yet_is_left_too() {
    let mut member = Member::new();
    let join = member.start();
    member.machine.handle_leave(member.now);
    let departure = member.take_beat();
    assert_eq!(departure.epoch, -1);
    member.answer(join.attempt, 1, Some(assigned(&[0])));
    assert_eq!(member.effects(), [], "too late");
    member.fail(departure.attempt, code(ErrorCode::UNKNOWN_MEMBER_ID));
    assert_eq!(left(&mut member), Ending::NoMember);
}

#[test]
fn one_who_never_joined_has_nothing_to_leave() {
    let mut member = Member::new();
    member.machine.handle_start(member.now);
    member.effects();
    member.machine.handle_leave(member.now);
    assert_eq!(left(&mut member), Ending::NoMember);
}

#[test]
fn a_member_without_a_coordinator_is_not_left() {
    let mut member = Member::stable(&[]);
    let beat = member.beat();
    member.fail(beat.attempt, RequestError::Disconnected);
    member.machine.handle_leave(member.now);
    let ending = Ending::NotLeft(RequestError::Disconnected);
    assert_eq!(left(&mut member), ending);
}

#[test]
fn a_departure_that_fails_is_told() {
    let mut member = Member::stable(&[]);
    member.machine.handle_leave(member.now);
    let departure = member.take_beat();
    let error = code(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
    member.fail(departure.attempt, error.clone());
    assert_eq!(left(&mut member), Ending::NotLeft(error));
}

#[test]
fn one_who_is_removed_while_leaving_is_done() {
    let mut member = Member::stable(&[0]);
    member.machine.handle_leave(member.now);
    let effects = member.effects();
    let [_, Effect::ConsumerHeartbeat(beat)] = &effects[..] else {
        panic!("{effects:?}")
    };
    member.fail(beat.attempt, code(ErrorCode::UNKNOWN_MEMBER_ID));
    let lost = Effect::Lost(tps(&[0]));
    assert_eq!(member.effects(), [lost, Effect::Left(Ending::NoMember)]);
}

#[test]
fn leaving_that_takes_too_long_ends_as_it_is() {
    let mut member = Member::stable(&[0]);
    member.machine.handle_leave(member.now);
    member.effects();
    member.machine.handle_leave_timeout();
    let lost = Effect::Lost(tps(&[0]));
    let ending = Effect::Left(Ending::NotLeft(RequestError::Timeout));
    assert_eq!(member.effects(), [lost, ending]);
}
