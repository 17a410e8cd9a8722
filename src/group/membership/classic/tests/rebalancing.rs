use super::*;

#[test]
fn an_eager_member_gives_all_up_before_it_joins_again() {
    let mut member = Member::stable(&[Assignor::Range, Assignor::CooperativeSticky], &[0, 1]);
    member.beat(Err(RequestError::Code(ErrorCode::REBALANCE_IN_PROGRESS)));
    let Some(Effect::Revoke {
        attempt,
        partitions,
    }) = member.effect()
    else {
        panic!("nothing revoked")
    };
    assert_eq!(
        (partitions, member.state()),
        (tps(&[0, 1]), State::Reconciling)
    );
    member.beat(Ok(()));
    assert_eq!(
        member.effects(),
        [],
        "waits for the application, heartbeats go on"
    );
    member.machine.handle_revoked(attempt, member.now);
    let join = member.take_join();
    let subscription = Subscription::decode(&join.protocols[0].1).unwrap();
    assert_eq!(
        (subscription.owned, join.member_id.as_str()),
        (Vec::new(), "m1")
    );
}

#[test]
fn a_cooperative_member_keeps_all_and_gives_up_what_goes_afterwards() {
    let mut member = Member::stable(&[Assignor::CooperativeSticky], &[0, 1]);
    member.beat(Err(RequestError::Code(ErrorCode::REBALANCE_IN_PROGRESS)));
    let join = member.take_join();
    let subscription = Subscription::decode(&join.protocols[0].1).unwrap();
    assert_eq!(
        (subscription.owned, subscription.generation),
        (tps(&[0, 1]), 1)
    );
    let sync = member.joined_as_follower(join.attempt, 2);
    member.synced(sync.attempt, &[1, 2]);
    let Some(Effect::Revoke {
        attempt,
        partitions,
    }) = member.effect()
    else {
        panic!("nothing revoked")
    };
    assert_eq!(partitions, tps(&[0]));
    assert_eq!(member.effects(), [Effect::Assigned(tps(&[2]))]);
    member.machine.handle_revoked(attempt, member.now);
    let join = member.take_join();
    assert!(join.reason.is_some());
    let subscription = Subscription::decode(&join.protocols[0].1).unwrap();
    assert_eq!(
        (subscription.owned, subscription.generation),
        (tps(&[1, 2]), 2)
    );
}

#[test]
fn an_application_that_does_not_give_up_in_time_loses() {
    let mut member = Member::stable(&[Assignor::Range], &[0]);
    member.beat(Err(RequestError::Code(ErrorCode::REBALANCE_IN_PROGRESS)));
    let Some(Effect::Revoke { attempt, .. }) = member.effect() else {
        panic!("nothing revoked")
    };
    member.advance(5 * SECOND);
    member.machine.handle_revoked(attempt, member.now);
    let effects = member.effects();
    assert_eq!(effects[0], Effect::Lost(tps(&[0])));
    assert!(
        matches!(effects[1..], [Effect::Join(_)]),
        "once: {effects:?}"
    );
}

#[test]
fn a_leader_rebalances_when_a_topic_grows_and_only_then() {
    let mut member = Member::stable_leader(&[Assignor::CooperativeSticky], Some(3));
    let counts = |count| PartitionCounts::from([("t".to_owned(), count), ("x".to_owned(), 9)]);
    member.machine.handle_topics_changed(&counts(3), member.now);
    member
        .machine
        .handle_topics_changed(&PartitionCounts::new(), member.now);
    assert_eq!(member.effects(), []);
    member.machine.handle_topics_changed(&counts(4), member.now);
    assert!(member.take_join().reason.is_some());
}

#[test]
fn a_leader_rebalances_when_a_topic_that_was_missing_appears() {
    let mut member = Member::stable_leader(&[Assignor::CooperativeSticky], None);
    let counts = PartitionCounts::from([("t".to_owned(), 3)]);
    member.machine.handle_topics_changed(&counts, member.now);
    member.take_join();
}

#[test]
fn a_leader_that_was_spared_the_assignment_learns_first_and_compares_later() {
    let mut member = Member::new(&[Assignor::CooperativeSticky]);
    member.start();
    let attempt = member.take_join().attempt;
    member
        .machine
        .handle_join(attempt, Ok(member.leader_answer(1, true)), member.now);
    let sync = member.take_sync();
    member.synced(sync.attempt, &[0]);
    member.effects();
    let counts = |count| PartitionCounts::from([("t".to_owned(), count)]);
    member.machine.handle_topics_changed(&counts(3), member.now);
    assert_eq!(member.effects(), []);
    member.machine.handle_topics_changed(&counts(4), member.now);
    member.take_join();
}

#[test]
fn a_follower_does_not_mind_the_topics() {
    let mut member = Member::stable(&[Assignor::CooperativeSticky], &[0]);
    let counts = PartitionCounts::from([("t".to_owned(), 9)]);
    member.machine.handle_topics_changed(&counts, member.now);
    assert_eq!(member.effects(), []);
}

#[test]
fn a_wish_during_a_rebalance_is_granted_after_it() {
    let mut member = Member::new(&[Assignor::CooperativeSticky]);
    member.start();
    let sync = member.join_as_follower(1);
    member.machine.handle_rejoin_requested("test", member.now);
    assert_eq!(member.effects(), []);
    member.synced(sync.attempt, &[0]);
    assert_eq!(member.effect(), Some(Effect::Assigned(tps(&[0]))));
    assert_eq!(member.take_join().reason, Some("test"));
}

#[test]
fn no_commit_is_stamped_while_the_generation_may_end() {
    let mut member = Member::stable(&[Assignor::CooperativeSticky], &[0]);
    member.machine.handle_rejoin_requested("test", member.now);
    assert_eq!(
        (member.machine.commit_stamp(), member.machine.generation()),
        (None, Some(1))
    );
}
