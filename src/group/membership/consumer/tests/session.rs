//! Errors, silence, and what they cost.

use super::*;

#[test]
fn a_removed_member_loses_all_and_joins_at_once() {
    let mut member = Member::stable(&[0]);
    let beat = member.beat();
    member.fail(beat.attempt, code(ErrorCode::UNKNOWN_MEMBER_ID));
    assert_eq!(member.effect(), Some(Effect::Lost(tps(&[0]))));
    let join = member.take_beat();
    assert_eq!((join.epoch, join.owned), (0, Some(vec![])));
    assert!(join.subscribing.is_some());
    assert_eq!(member.machine.commit_stamp(), None);
}

#[test]
fn a_fenced_member_loses_all_and_ends_what_the_coordinator_keeps_before_it_joins() {
    for mut member in [Member::stable(&[0]), Member::stable_static(&[0])] {
        let beat = member.beat();
        member.fail(beat.attempt, code(ErrorCode::FENCED_MEMBER_EPOCH));
        assert_eq!(member.effect(), Some(Effect::Lost(tps(&[0]))));
        let departure = member.take_beat();
        assert_eq!(departure.epoch, -1, "for good, static or not");
        member.answer(departure.attempt, -1, None);
        assert_eq!(member.take_beat().epoch, 0);
    }
}

#[test]
fn an_earlier_membership_that_keeps_this_one_out_is_ended_first() {
    for answer in [
        None,
        Some(ErrorCode::UNKNOWN_MEMBER_ID),
        Some(ErrorCode::FENCED_INSTANCE_ID),
        Some(ErrorCode::GROUP_ID_NOT_FOUND),
        Some(ErrorCode::UNSUPPORTED_VERSION),
    ] {
        let mut member = Member::new();
        let join = member.start();
        member.fail(join.attempt, code(ErrorCode::FENCED_MEMBER_EPOCH));
        let departure = member.take_beat();
        assert_eq!((departure.epoch, departure.member_id.as_str()), (-1, "own"));
        match answer {
            None => member.answer(departure.attempt, -1, None),
            Some(error) => member.fail(departure.attempt, code(error)),
        }
        member.advance(SECOND);
        assert_eq!(member.take_beat().epoch, 0, "{answer:?}");
    }
}

#[test]
fn who_goes_on_being_fenced_waits_between_attempts() {
    let mut member = Member::stable(&[]);
    let beat = member.beat();
    member.fail(beat.attempt, code(ErrorCode::FENCED_MEMBER_EPOCH));
    let departure = member.take_beat();
    member.answer(departure.attempt, -1, None);
    let join = member.take_beat();
    member.answer(join.attempt, 5, Some(vec![]));
    member.effect();
    let told = member.take_beat();
    member.fail(told.attempt, code(ErrorCode::FENCED_MEMBER_EPOCH));
    assert_eq!(member.effects(), []);
    member.advance(SECOND);
    assert_eq!(member.take_beat().epoch, -1);
}

#[test]
fn after_a_lost_answer_everything_is_told_again_to_a_coordinator_sought_anew() {
    let mut member = Member::stable(&[0]);
    let beat = member.beat();
    member.fail(beat.attempt, RequestError::Timeout);
    assert_eq!(member.effects(), []);
    member.advance(SECOND);
    member.find();
    let beat = member.take_beat();
    assert_eq!((beat.epoch, beat.owned), (3, Some(assigned(&[0]))));
    assert!(beat.subscribing.is_some());
}

#[test]
fn a_coordinator_that_moved_is_sought_and_nothing_is_lost() {
    let mut member = Member::stable(&[0]);
    let beat = member.beat();
    member.fail(beat.attempt, code(ErrorCode::NOT_COORDINATOR));
    member.advance(SECOND);
    member.find();
    let beat = member.take_beat();
    member.answer(beat.attempt, 3, None);
    assert_eq!((member.effects(), member.state()), (vec![], State::Stable));
}

#[test]
fn a_session_of_silence_loses_all() {
    let mut member = Member::stable(&[0]);
    let beat = member.beat();
    member.fail(beat.attempt, RequestError::Disconnected);
    member.advance(39 * SECOND);
    assert!(
        member
            .effects()
            .iter()
            .all(|it| !matches!(it, Effect::Lost(_)))
    );
    member.advance(2 * SECOND);
    assert!(member.effects().contains(&Effect::Lost(tps(&[0]))));
    assert_eq!(
        (member.state(), member.machine.commit_stamp()),
        (State::Unjoined, None)
    );
}

/// The coordinator may have heard every heartbeat; only its answers did not come.
#[test]
fn a_session_that_ended_here_alone_is_ended_at_the_coordinator_before_another() {
    for mut member in [Member::stable(&[0]), Member::stable_static(&[0])] {
        let beat = member.beat();
        member.fail(beat.attempt, RequestError::Disconnected);
        member.advance(SECOND);
        member.find();
        member.take_beat();
        member.advance(45 * SECOND);
        assert_eq!(member.effects(), [Effect::Lost(tps(&[0]))]);
        member.advance(2 * SECOND);
        member.find();
        let departure = member.take_beat();
        assert_eq!(departure.epoch, -1, "for good, static or not");
        member.answer(departure.attempt, -1, None);
        assert_eq!(member.take_beat().epoch, 0);
    }
}

#[test]
fn an_instance_id_that_another_still_has_is_waited_for() {
    let mut member = Member::new();
    let mut beat = member.start();
    for _ in 0..5 {
        member.fail(beat.attempt, code(ErrorCode::UNRELEASED_INSTANCE_ID));
        assert_eq!((member.effects(), member.state()), (vec![], State::Joining));
        member.advance(SECOND);
        beat = member.take_beat();
        assert_eq!(beat.epoch, 0);
    }
    member.answer(beat.attempt, 1, Some(assigned(&[0])));
    assert_eq!(member.effect(), Some(Effect::Assigned(tps(&[0]))));
}

#[test]
fn a_group_that_is_no_more_is_joined_anew() {
    let mut member = Member::stable(&[0]);
    let beat = member.beat();
    member.fail(beat.attempt, code(ErrorCode::GROUP_ID_NOT_FOUND));
    assert_eq!(member.effect(), Some(Effect::Lost(tps(&[0]))));
    assert_eq!(member.take_beat().epoch, 0);
}

#[test]
fn a_commit_with_an_old_epoch_asks_for_the_new_one() {
    let mut member = Member::stable(&[0]);
    let stamp = member.machine.commit_stamp().unwrap();
    let stale = code(ErrorCode::STALE_MEMBER_EPOCH);
    member
        .machine
        .handle_commit_error(&stamp, &stale, member.now);
    let beat = member.take_beat();
    member.answer(beat.attempt, 4, None);
    member
        .machine
        .handle_commit_error(&stamp, &stale, member.now);
    assert_eq!(member.effects(), [], "of an epoch that is over already");
    assert_eq!(member.machine.commit_stamp().unwrap().generation, 4);
}

#[test]
fn a_commit_learns_of_a_removal_too() {
    for (error, epoch) in [
        (ErrorCode::UNKNOWN_MEMBER_ID, 0),
        (ErrorCode::FENCED_MEMBER_EPOCH, -1),
    ] {
        let mut member = Member::stable(&[0]);
        let stamp = member.machine.commit_stamp().unwrap();
        member
            .machine
            .handle_commit_error(&stamp, &code(error), member.now);
        assert_eq!(member.effect(), Some(Effect::Lost(tps(&[0]))));
        assert_eq!(member.take_beat().epoch, epoch);
    }
}
