use super::*;

fn left(ending: Ending) -> Effect {
    Effect::Left(ending)
}

#[test]
fn leaving_gives_up_commits_and_tells_the_coordinator() {
    let mut member = Member::stable(&[Assignor::CooperativeSticky], &[0]);
    member.machine.handle_leave(member.now);
    let Some(Effect::Revoke {
        attempt,
        partitions,
    }) = member.effect()
    else {
        panic!("nothing revoked")
    };
    assert_eq!(partitions, tps(&[0]));
    assert!(
        member.machine.commit_stamp().is_some(),
        "the last commit is still to come"
    );
    let Some(Effect::Heartbeat(beat)) = member.effect() else {
        panic!("no heartbeat")
    };
    member
        .machine
        .handle_heartbeat(beat.attempt, Ok(()), member.now);
    member.machine.handle_revoked(attempt, member.now);
    let effects = member.effects();
    let [Effect::Leave(leave)] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(leave.member_id, "m1");
    member.advance(3 * SECOND);
    assert_eq!(member.effects(), [], "nothing goes on beside it");
    member
        .machine
        .handle_leave_answer(leave.attempt, Ok(()), member.now);
    assert_eq!(member.effects(), [left(Ending::Left)]);
    assert_eq!(
        (member.state(), member.machine.poll_timeout()),
        (State::Left, None)
    );
}

#[test]
fn a_static_member_stops_without_leaving() {
    let mut member = Member::stable_static(&[]);
    member.machine.handle_leave(member.now);
    assert_eq!(member.effects(), [left(Ending::Stays)]);
}

#[test]
fn leaving_before_joining_ends_at_once() {
    let mut member = Member::new(&[Assignor::Range]);
    member.machine.handle_start(member.now);
    member.effects();
    member.machine.handle_leave(member.now);
    assert_eq!(member.effects(), [left(Ending::NoMember)]);
}

#[test]
fn leaving_during_a_rebalance_keeps_the_session_up_until_all_is_given_up() {
    let mut member = Member::stable(&[Assignor::CooperativeSticky], &[0]);
    member.beat(Err(RequestError::Code(ErrorCode::REBALANCE_IN_PROGRESS)));
    let join = member.take_join();
    member.machine.handle_leave(member.now);
    assert!(matches!(
        member.effects()[..],
        [Effect::Revoke { .. }, Effect::Heartbeat(_)]
    ));
    member
        .machine
        .handle_join(join.attempt, Ok(member.follower_answer(2)), member.now);
    assert_eq!(member.effects(), [], "the rebalance is given up");
}

#[test]
fn leaving_ends_with_the_session() {
    let mut member = Member::stable(&[Assignor::CooperativeSticky], &[0]);
    member.machine.base.config.revoke_timeout = 60 * SECOND;
    member.advance(3 * SECOND);
    member.machine.handle_rejoin_requested("test", member.now);
    member.machine.handle_leave(member.now);
    member.effects();
    member.advance(7 * SECOND);
    assert_eq!(
        member.effects(),
        [Effect::Lost(tps(&[0])), left(Ending::NoMember)]
    );
}

#[test]
fn leaving_seeks_a_lost_coordinator_for_the_last_commit() {
    let mut member = Member::stable(&[Assignor::CooperativeSticky], &[0]);
    member.beat(Err(RequestError::Disconnected));
    member.advance(SECOND);
    assert!(matches!(member.effects()[..], [Effect::FindCoordinator(_)]));
    member.machine.handle_leave(member.now);
    let effects = member.effects();
    assert!(
        matches!(
            effects[..],
            [Effect::Revoke { .. }, Effect::FindCoordinator(_)]
        ),
        "{effects:?}"
    );
}

#[test]
fn leaving_while_some_is_given_up_gives_up_the_rest_after_that() {
    let mut member = Member::stable(&[Assignor::CooperativeSticky], &[0, 1]);
    member.beat(Err(RequestError::Code(ErrorCode::REBALANCE_IN_PROGRESS)));
    let attempt = member.take_join().attempt;
    let sync = member.joined_as_follower(attempt, 2);
    member.synced(sync.attempt, &[1]);
    let Some(Effect::Revoke { attempt, .. }) = member.effect() else {
        panic!("nothing revoked")
    };
    member.machine.handle_leave(member.now);
    assert_eq!(member.effects(), [Effect::Assigned(Vec::new())]);
    member.machine.handle_revoked(attempt, member.now);
    let Some(Effect::Revoke { partitions, .. }) = member.effect() else {
        panic!("keeps the rest")
    };
    assert_eq!(partitions, tps(&[1]));
}

#[test]
fn a_failed_member_can_still_leave() {
    let mut member = Member::stable(&[Assignor::Range], &[0]);
    member.beat(Err(RequestError::Code(ErrorCode::FENCED_INSTANCE_ID)));
    member.effects();
    member.machine.handle_leave(member.now);
    assert_eq!(member.effects(), [left(Ending::NoMember)]);
}

#[test]
fn leaving_without_an_id_or_a_coordinator_tells_nobody() {
    let mut member = Member::new(&[Assignor::Range]);
    member.start();
    member.take_join();
    member.machine.handle_leave(member.now);
    assert_eq!(member.effects(), [left(Ending::NoMember)]);

    let mut member = Member::stable(&[Assignor::Range], &[]);
    member.beat(Err(RequestError::Disconnected));
    member.machine.handle_leave(member.now);
    assert_eq!(
        member.effects(),
        [left(Ending::NotLeft(RequestError::Disconnected))]
    );
}

#[test]
fn the_answer_decides_whether_the_group_was_left() {
    let ending = |answer| {
        let mut member = Member::stable(&[Assignor::Range], &[]);
        member.machine.handle_leave(member.now);
        let Some(Effect::Leave(leave)) = member.effect() else {
            panic!("the coordinator is not told")
        };
        member
            .machine
            .handle_leave_answer(leave.attempt, answer, member.now);
        member.effects()
    };
    assert_eq!(ending(Ok(())), [left(Ending::Left)]);
    let unknown = RequestError::Code(ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(ending(Err(unknown)), [left(Ending::NoMember)]);
    for error in [
        RequestError::Timeout,
        RequestError::Disconnected,
        RequestError::Code(ErrorCode::NOT_COORDINATOR),
    ] {
        let not_left = left(Ending::NotLeft(error.clone()));
        assert_eq!(ending(Err(error)), [not_left]);
    }
}

#[test]
fn a_leave_that_takes_too_long_ends_as_it_is() {
    let ending = |mut member: Member| {
        member.machine.handle_leave(member.now);
        member.effects();
        member.machine.handle_leave_timeout();
        assert_eq!(member.machine.poll_timeout(), None);
        member.effects()
    };
    let not_left = Ending::NotLeft(RequestError::Timeout);
    let lost = Effect::Lost(tps(&[0]));
    let owner = Member::stable(&[Assignor::Range], &[0]);
    assert_eq!(ending(owner), [lost.clone(), left(not_left)]);
    let owner = Member::stable_static(&[0]);
    assert_eq!(ending(owner), [lost, left(Ending::Stays)]);
}

#[test]
fn a_membership_that_has_ended_times_out_no_more() {
    let mut member = Member::stable_static(&[]);
    member.machine.handle_leave(member.now);
    member.effects();
    member.machine.handle_leave_timeout();
    assert_eq!(member.effects(), []);
}
