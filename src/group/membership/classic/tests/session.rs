use super::*;

#[test]
fn a_session_without_an_answer_ends_when_the_coordinator_ends_it() {
    let mut member = Member::stable(&[Assignor::CooperativeSticky], &[0]);
    let joined = member.now;
    member.advance(3 * SECOND);
    assert!(matches!(member.effects()[..], [Effect::Heartbeat(_)]));
    assert_eq!(member.machine.poll_timeout(), Some(joined + 10 * SECOND));
    member.advance(7 * SECOND);
    assert_eq!(member.effects(), [Effect::Lost(tps(&[0]))]);
    assert_eq!(
        (member.state(), member.machine.is_member()),
        (State::Unjoined, false)
    );
    member.advance(SECOND);
    assert!(matches!(member.effects()[..], [Effect::FindCoordinator(_)]));
}

/// The coordinator may have heard every heartbeat; only its answers did not come.
#[test]
fn a_session_that_ended_here_is_ended_at_the_coordinator_before_another() {
    for instance_id in [None, Some("i".to_owned())] {
        let mut member = match instance_id {
            None => Member::stable(&[Assignor::CooperativeSticky], &[0]),
            Some(_) => Member::stable_static(&[0]),
        };
        let departure = member.ended_session();
        assert_eq!(
            (departure.member_id.as_str(), departure.instance_id),
            ("m1", instance_id)
        );
        member
            .machine
            .handle_leave_answer(departure.attempt, Ok(()), member.now);
        assert_eq!(member.take_join().member_id, "", "as a new one");
    }
}

#[test]
fn who_cannot_end_an_earlier_session_tries_until_it_is_over() {
    let mut member = Member::stable(&[Assignor::Range], &[0]);
    let mut departure = member.ended_session();
    for error in [
        RequestError::Code(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS),
        RequestError::Disconnected,
    ] {
        let is_lost = error == RequestError::Disconnected;
        member
            .machine
            .handle_leave_answer(departure.attempt, Err(error), member.now);
        assert_eq!(member.effects(), []);
        member.advance(2 * SECOND);
        if is_lost {
            member.find();
        }
        departure = member.take_departure();
        assert_eq!(departure.member_id, "m1");
    }
    let gone = RequestError::Code(ErrorCode::UNKNOWN_MEMBER_ID);
    member
        .machine
        .handle_leave_answer(departure.attempt, Err(gone), member.now);
    member.advance(2 * SECOND);
    assert_eq!(member.take_join().member_id, "");
}

/// One that joined without an id would take the place of the other.
#[test]
fn an_instance_that_another_has_meanwhile_is_not_taken_from_it() {
    let mut member = Member::stable_static(&[0]);
    let departure = member.ended_session();
    let fenced = RequestError::Code(ErrorCode::FENCED_INSTANCE_ID);
    member
        .machine
        .handle_leave_answer(departure.attempt, Err(fenced), member.now);
    assert!(matches!(member.effects()[..], [Effect::Failed(_)]));
}

#[test]
fn a_moved_coordinator_is_found_without_losing_anything() {
    for error in [
        RequestError::Disconnected,
        RequestError::Timeout,
        RequestError::Code(ErrorCode::NOT_COORDINATOR),
        RequestError::Code(ErrorCode::COORDINATOR_NOT_AVAILABLE),
    ] {
        let mut member = Member::stable(&[Assignor::Range], &[0]);
        member.beat(Err(error));
        assert_eq!(member.effects(), [], "not without a wait");
        member.advance(SECOND);
        let Some(Effect::FindCoordinator(attempt)) = member.effect() else {
            panic!("not sought")
        };
        member
            .machine
            .handle_coordinator(attempt, Ok(()), member.now);
        assert!(matches!(member.effects()[..], [Effect::Heartbeat(_)]));
        assert_eq!(*member.machine.assignment(), [tp(0)].into());
    }
}

#[test]
fn a_removed_member_loses_all_and_joins_as_a_new_one() {
    for (code, member_id) in [
        (ErrorCode::UNKNOWN_MEMBER_ID, ""),
        (ErrorCode::ILLEGAL_GENERATION, "m1"),
    ] {
        let mut member = Member::stable(&[Assignor::CooperativeSticky], &[0]);
        member.beat(Err(RequestError::Code(code)));
        assert_eq!(member.effect(), Some(Effect::Lost(tps(&[0]))));
        let join = member.take_join();
        assert_eq!(join.member_id, member_id, "{code}");
        let subscription = Subscription::decode(&join.protocols[0].1).unwrap();
        assert_eq!(
            (subscription.owned, subscription.generation),
            (Vec::new(), -1)
        );
    }
}

#[test]
fn a_late_answer_is_ignored() {
    let mut member = Member::new(&[Assignor::Range]);
    member.start();
    let old = member.take_join().attempt;
    member
        .machine
        .handle_join(old, Err(RequestError::Timeout), member.now);
    member.advance(SECOND);
    member.find();
    let new = member.take_join();
    member
        .machine
        .handle_join(old, Ok(member.follower_answer(7)), member.now);
    assert_eq!(
        (member.effects(), member.machine.generation()),
        (Vec::new(), None)
    );
    member.joined_as_follower(new.attempt, 8);
    assert_eq!(member.machine.generation(), Some(8));
}

#[test]
fn a_commit_error_counts_only_for_the_current_generation() {
    let mut member = Member::stable(&[Assignor::CooperativeSticky], &[0]);
    let stamp = member.machine.commit_stamp().unwrap();
    let old = CommitStamp {
        generation: 0,
        ..stamp.clone()
    };
    let error = RequestError::Code(ErrorCode::ILLEGAL_GENERATION);
    member.machine.handle_commit_error(&old, &error, member.now);
    assert_eq!(member.effects(), []);
    member
        .machine
        .handle_commit_error(&stamp, &error, member.now);
    assert_eq!(member.effect(), Some(Effect::Lost(tps(&[0]))));
}

#[test]
fn a_commit_that_is_not_allowed_is_not_the_memberships_matter() {
    let mut member = Member::stable(&[Assignor::CooperativeSticky], &[0]);
    let stamp = member.machine.commit_stamp().unwrap();
    let error = RequestError::Code(ErrorCode::GROUP_AUTHORIZATION_FAILED);
    member
        .machine
        .handle_commit_error(&stamp, &error, member.now);
    assert_eq!(
        (member.effects(), member.state()),
        (Vec::new(), State::Stable)
    );
}

#[test]
fn the_session_counts_from_when_the_heartbeat_was_sent() {
    let mut member = Member::stable(&[Assignor::CooperativeSticky], &[0]);
    member.advance(3 * SECOND);
    let sent = member.now;
    let Some(Effect::Heartbeat(beat)) = member.effect() else {
        panic!("no heartbeat")
    };
    member.advance(4 * SECOND);
    member
        .machine
        .handle_heartbeat(beat.attempt, Ok(()), member.now);
    member.advance(SECOND);
    member.effects();
    assert_eq!(member.machine.poll_timeout(), Some(sent + 10 * SECOND));
}

#[test]
fn a_long_rebalance_does_not_end_the_session() {
    let mut member = Member::stable(&[Assignor::CooperativeSticky], &[0]);
    member.machine.handle_rejoin_requested("test", member.now);
    let join = member.take_join();
    member.advance(60 * SECOND);
    let sync = member.joined_as_follower(join.attempt, 2);
    let error = RequestError::Code(ErrorCode::REBALANCE_IN_PROGRESS);
    member
        .machine
        .handle_sync(sync.attempt, Err(error), member.now);
    let join = member.take_join();
    member.advance(60 * SECOND);
    let sync = member.joined_as_follower(join.attempt, 3);
    member.advance(60 * SECOND);
    member.synced(sync.attempt, &[0]);
    assert_eq!(member.effects(), [Effect::Assigned(Vec::new())]);
}

#[test]
fn a_long_rebalance_that_fails_does() {
    let mut member = Member::stable(&[Assignor::CooperativeSticky], &[0]);
    member.machine.handle_rejoin_requested("test", member.now);
    let join = member.take_join();
    member.advance(60 * SECOND);
    member
        .machine
        .handle_join(join.attempt, Err(RequestError::Disconnected), member.now);
    member.advance(Duration::ZERO);
    assert_eq!(member.effects(), [Effect::Lost(tps(&[0]))]);
}

#[test]
fn a_good_answer_to_a_sync_counts_like_a_heartbeat() {
    let mut member = Member::new(&[Assignor::Range]);
    member.start();
    let (question, _) = member.asked_as_leader();
    assert_eq!(
        member.machine.poll_timeout(),
        Some(member.now + 10 * SECOND),
        "since the join"
    );
    member.advance(5 * SECOND);
    let counts = PartitionCounts::from([("t".to_owned(), 1)]);
    member
        .machine
        .handle_partitions(question, Ok(counts), member.now);
    let (sync, sent) = (member.take_sync(), member.now);
    member.advance(2 * SECOND);
    member.synced(sync.attempt, &[0]);
    member.advance(3 * SECOND);
    member.effects();
    assert_eq!(member.machine.poll_timeout(), Some(sent + 10 * SECOND));
}

#[test]
fn waits_are_short_again_after_a_success() {
    let mut member = Member::stable(&[Assignor::Range], &[0]);
    for _ in 0..5 {
        member.beat(Err(RequestError::Disconnected));
        assert!(member.machine.poll_timeout() <= Some(member.now + SECOND / 10));
        member.advance(SECOND / 10);
        member.find();
        let Some(Effect::Heartbeat(beat)) = member.effect() else {
            panic!("no heartbeat")
        };
        member
            .machine
            .handle_heartbeat(beat.attempt, Ok(()), member.now);
    }
}

#[test]
fn the_first_retry_after_a_completed_rebalance_is_at_once() {
    let mut member = Member::stable(&[Assignor::CooperativeSticky], &[0]);
    for generation in 2..5 {
        member.machine.handle_rejoin_requested("test", member.now);
        let attempt = member.take_join().attempt;
        let sync = member.joined_as_follower(attempt, generation);
        let error = RequestError::Code(ErrorCode::REBALANCE_IN_PROGRESS);
        member
            .machine
            .handle_sync(sync.attempt, Err(error), member.now);
        let attempt = member.take_join().attempt;
        let sync = member.joined_as_follower(attempt, generation);
        member.synced(sync.attempt, &[0]);
        member.effects();
    }
}

#[test]
fn many_errors_do_not_postpone_the_search_for_the_coordinator() {
    let mut member = Member::stable(&[Assignor::Range], &[0]);
    let stamp = member.machine.commit_stamp().unwrap();
    let error = RequestError::Code(ErrorCode::NOT_COORDINATOR);
    member
        .machine
        .handle_commit_error(&stamp, &error, member.now);
    let due = member.machine.poll_timeout();
    assert!(due <= Some(member.now + SECOND / 10));
    member
        .machine
        .handle_commit_error(&stamp, &error, member.now + SECOND / 20);
    assert_eq!(member.machine.poll_timeout(), due);
}

#[test]
fn a_commit_that_meets_a_rebalance_joins_it() {
    let mut member = Member::stable(&[Assignor::CooperativeSticky], &[0]);
    let stamp = member.machine.commit_stamp().unwrap();
    let error = RequestError::Code(ErrorCode::REBALANCE_IN_PROGRESS);
    member
        .machine
        .handle_commit_error(&stamp, &error, member.now);
    assert!(member.take_join().reason.is_some());
}

#[test]
fn a_commit_of_an_unknown_member_tells_that_it_was_removed() {
    let mut member = Member::stable(&[Assignor::CooperativeSticky], &[0]);
    let stamp = member.machine.commit_stamp().unwrap();
    let error = RequestError::Code(ErrorCode::UNKNOWN_MEMBER_ID);
    member
        .machine
        .handle_commit_error(&stamp, &error, member.now);
    assert_eq!(member.effect(), Some(Effect::Lost(tps(&[0]))));
    assert_eq!(member.take_join().member_id, "");
}

#[test]
fn a_leader_removed_while_it_asks_does_not_wait_for_the_answer() {
    let mut member = Member::new(&[Assignor::Range]);
    member.start();
    let (_, beat) = member.asked_as_leader();
    let error = RequestError::Code(ErrorCode::UNKNOWN_MEMBER_ID);
    member
        .machine
        .handle_heartbeat(beat, Err(error), member.now);
    member.take_join();
}

#[test]
fn every_request_has_a_deadline() {
    let mut member = Member::new(&[Assignor::Range]);
    member.start();
    let join = member.take_join();
    assert_eq!(join.timeout, 65 * SECOND, "a rebalance, and a bit");
    let sync = member.joined_as_follower(join.attempt, 1);
    assert_eq!(sync.timeout, 10 * SECOND);
    member.synced(sync.attempt, &[]);
    member.effects();
    member.advance(3 * SECOND);
    let Some(Effect::Heartbeat(beat)) = member.effect() else {
        panic!("no heartbeat")
    };
    assert_eq!(beat.timeout, 5 * SECOND, "leaves time for another one");
}

#[test]
fn a_coordinator_that_still_loads_is_asked_again() {
    let loading = || RequestError::Code(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
    let mut member = Member::new(&[Assignor::Range]);
    member.start();
    let attempt = member.take_join().attempt;
    member
        .machine
        .handle_join(attempt, Err(loading()), member.now);
    assert_eq!(member.effects(), []);
    member.advance(SECOND / 10);
    let sync = member.join_as_follower(1);
    member.synced(sync.attempt, &[0]);
    member.effects();
    member.beat(Err(loading()));
    member.advance(SECOND / 10);
    assert!(matches!(member.effects()[..], [Effect::Heartbeat(_)]));
}

#[test]
fn a_coordinator_that_may_not_be_sought_fails() {
    let mut member = Member::new(&[Assignor::Range]);
    member.machine.handle_start(member.now);
    let Some(Effect::FindCoordinator(attempt)) = member.effect() else {
        panic!("does not seek the coordinator")
    };
    let error = RequestError::Code(ErrorCode::GROUP_AUTHORIZATION_FAILED);
    member
        .machine
        .handle_coordinator(attempt, Err(error), member.now);
    assert!(matches!(member.effects()[..], [Effect::Failed(_)]));
}
