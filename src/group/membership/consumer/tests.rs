use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Member as Machine, *};
use crate::group::membership::GroupProtocol;
use crate::group::membership::effect::*;

mod leaving;
mod member;
mod orders;
mod reconciling;
mod session;

use member::{ID, Member, assigned, code, names, tps};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_member_joins_under_its_own_id_and_tells_all_that_it_wants() {
    let mut member = Member::new();
    let join = member.start();
    assert_eq!((join.member_id.as_str(), join.epoch), ("own", 0));
    assert_eq!(
        join.owned,
        Some(vec![]),
        "nothing is owned by one who joins"
    );
    let wants = join.subscribing.expect("all is told");
    assert_eq!(wants.topics, ["t"]);
    assert_eq!(wants.rebalance_timeout, 60 * SECOND);
    assert_eq!(wants.assignor.as_deref(), Some("uniform"));
    assert_eq!(wants.rack.as_deref(), Some("north"));
    assert_eq!(member.machine.commit_stamp(), None);
}

#[test]
fn what_is_assigned_is_owned_and_then_told() {
    let mut member = Member::new();
    let join = member.start();
    member.answer(join.attempt, 3, Some(assigned(&[0, 1])));
    assert_eq!(member.effect(), Some(Effect::Assigned(tps(&[0, 1]))));
    assert_eq!(member.state(), State::Acknowledging);
    let told = member.take_beat();
    assert_eq!((told.epoch, told.owned), (3, Some(assigned(&[0, 1]))));
    assert_eq!(told.subscribing, None, "that is known");
    member.answer(told.attempt, 3, None);
    assert_eq!((member.effects(), member.state()), (vec![], State::Stable));
    let stamp = member.machine.commit_stamp().unwrap();
    assert_eq!((stamp.generation, stamp.member_id.as_str()), (3, "own"));
}

#[test]
fn a_member_that_gets_nothing_is_told_so() {
    let mut member = Member::new();
    let join = member.start();
    member.answer(join.attempt, 3, Some(vec![]));
    assert_eq!(member.effect(), Some(Effect::Assigned(vec![])));
}

#[test]
fn heartbeats_follow_at_the_pause_that_the_coordinator_tells_and_tell_nothing_new() {
    let mut member = Member::stable(&[0]);
    member.advance(4 * SECOND);
    assert_eq!(member.effects(), []);
    member.advance(SECOND);
    let beat = member.take_beat();
    assert_eq!((beat.subscribing, beat.owned), (None, None));
    member.answer_with(
        beat.attempt,
        ConsumerHeartbeatAnswer {
            interval: 2 * SECOND,
            ..member.good_answer(4, None)
        },
    );
    member.advance(2 * SECOND);
    assert_eq!(member.take_beat().epoch, 4);
}

#[test]
fn an_id_that_the_coordinator_chose_is_taken_over() {
    let mut member = Member::new();
    let join = member.start();
    let answer = ConsumerHeartbeatAnswer {
        member_id: Some("theirs".to_owned()),
        ..member.good_answer(1, None)
    };
    member.answer_with(join.attempt, answer);
    assert_eq!(member.machine.member_id(), "theirs");
}

#[test]
fn what_cannot_be_mended_fails_with_the_group_named() {
    for (error, words) in [
        (
            ErrorCode::GROUP_AUTHORIZATION_FAILED,
            "no right to this group",
        ),
        (ErrorCode::UNSUPPORTED_ASSIGNOR, "group.remote.assignor"),
        (ErrorCode::INVALID_REQUEST, "what the broker says"),
        (ErrorCode::GROUP_MAX_SIZE_REACHED, "as many members"),
        (ErrorCode::FENCED_INSTANCE_ID, "group.instance.id"),
        (ErrorCode::GROUP_ID_NOT_FOUND, "Take another group.id"),
    ] {
        let mut member = Member::new();
        let join = member.start();
        let told = RequestError::Told(error, "what the broker says".to_owned());
        member.fail(join.attempt, told);
        let effects = member.effects();
        let [Effect::Failed(failure)] = &effects[..] else {
            panic!("{effects:?}")
        };
        assert_eq!(failure.code, Some(error));
        assert!(
            failure.message.starts_with("joining group `g`: "),
            "{failure}"
        );
        assert!(failure.message.contains(words), "{failure}");
        assert_eq!(
            (member.state(), member.machine.poll_timeout()),
            (State::Fatal, None)
        );
    }
}

#[test]
fn a_failure_of_a_member_loses_all_first() {
    let mut member = Member::stable(&[0]);
    member.advance(5 * SECOND);
    let beat = member.take_beat();
    member.fail(beat.attempt, code(ErrorCode::FENCED_INSTANCE_ID));
    let effects = member.effects();
    assert!(
        matches!(&effects[..], [Effect::Lost(lost), Effect::Failed(_)] if *lost == tps(&[0])),
        "{effects:?}"
    );
}

#[test]
fn a_coordinator_without_the_protocol_ends_it() {
    let mut member = Member::new();
    let join = member.start();
    member.fail(join.attempt, code(ErrorCode::UNSUPPORTED_VERSION));
    assert_eq!(member.effects(), [Effect::Unsupported]);
    assert_eq!(member.machine.poll_timeout(), None);
}

#[test]
fn an_answer_without_an_epoch_is_none() {
    let mut member = Member::new();
    let join = member.start();
    member.answer(join.attempt, 0, None);
    assert!(matches!(member.effects()[..], [Effect::Failed(_)]));
}
