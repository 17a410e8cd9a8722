use std::time::{Duration, Instant};

use bytes::Bytes;

use super::*;
use crate::group::assignor::PartitionCounts;
use crate::group::subscription::{Subscription, encode_assignment};

mod member;
mod orders;

use member::{Member, tp, tps};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_first_join_takes_the_id_that_the_coordinator_asks_for() {
    let mut member = Member::new(&[Assignor::Range]);
    member.start();
    let Some(Effect::Join(first)) = member.effect() else {
        panic!("no join")
    };
    assert_eq!(
        (first.member_id.as_str(), member.state()),
        ("", State::PreparingRebalance)
    );
    member.machine.handle_join(
        first.attempt,
        Err(RequestError::MemberIdRequired("m1".into())),
        member.now,
    );
    let Some(Effect::Join(second)) = member.effect() else {
        panic!("no second join")
    };
    assert_eq!(second.member_id, "m1");
    assert!(second.attempt != first.attempt);
}

#[test]
fn a_follower_syncs_with_nothing_and_owns_what_it_is_given() {
    let mut member = Member::new(&[Assignor::Range]);
    member.start();
    let sync = member.join_as_follower(1);
    assert_eq!((sync.generation, sync.assignments), (1, Vec::new()));
    assert_eq!(
        member.machine.commit_stamp(),
        None,
        "not before the assignment"
    );
    member.synced(sync.attempt, &[0, 1]);
    assert_eq!(member.effects(), [Effect::Assigned(tps(&[0, 1]))]);
    assert_eq!(member.state(), State::Stable);
    let stamp = member.machine.commit_stamp().unwrap();
    assert_eq!((stamp.generation, stamp.member_id.as_str()), (1, "m1"));
}

#[test]
fn a_leader_asks_for_partitions_and_assigns_them() {
    let mut member = Member::new(&[Assignor::Range]);
    member.start();
    let attempt = member.take_join().attempt;
    member
        .machine
        .handle_join(attempt, Ok(member.leader_answer(1, false)), member.now);
    let Some(Effect::NeedPartitions { attempt, topics }) = member.effect() else {
        panic!("does not ask")
    };
    assert_eq!(topics, ["t"]);
    assert!(
        matches!(member.effect(), Some(Effect::Heartbeat(_))),
        "the session is kept up"
    );
    let counts = PartitionCounts::from([("t".to_owned(), 3)]);
    member
        .machine
        .handle_partitions(attempt, Ok(counts), member.now);
    let sync = member.take_sync();
    let expected = [
        ("m1".to_owned(), encode_assignment(&tps(&[0, 1]))),
        ("m2".to_owned(), encode_assignment(&tps(&[2]))),
    ];
    assert_eq!(sync.assignments, expected);
}

#[test]
fn a_leader_that_is_spared_the_assignment_syncs_with_nothing() {
    let mut member = Member::new(&[Assignor::Range]);
    member.start();
    let attempt = member.take_join().attempt;
    member
        .machine
        .handle_join(attempt, Ok(member.leader_answer(1, true)), member.now);
    assert_eq!(member.take_sync().assignments, Vec::new());
}

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
    let subscription = Subscription::decode(&member.take_join().protocols[0].1).unwrap();
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
fn a_refused_sync_joins_again() {
    let mut member = Member::new(&[Assignor::Range]);
    member.start();
    let sync = member.join_as_follower(1);
    let error = RequestError::Code(ErrorCode::REBALANCE_IN_PROGRESS);
    member
        .machine
        .handle_sync(sync.attempt, Err(error), member.now);
    assert_eq!(member.take_join().member_id, "m1");
}

#[test]
fn what_cannot_be_mended_fails_with_the_group_named() {
    for code in [
        ErrorCode::GROUP_AUTHORIZATION_FAILED,
        ErrorCode::INCONSISTENT_GROUP_PROTOCOL,
        ErrorCode::FENCED_INSTANCE_ID,
    ] {
        let mut member = Member::stable(&[Assignor::CooperativeSticky], &[0]);
        member.beat(Err(RequestError::Code(code)));
        let effects = member.effects();
        let [Effect::Lost(_), Effect::Failed(failure)] = &effects[..] else {
            panic!("{effects:?}")
        };
        assert_eq!(failure.code, Some(code));
        assert!(failure.message.contains("`g`"), "{failure}");
        assert_eq!(
            (member.state(), member.machine.poll_timeout()),
            (State::Fatal, None)
        );
    }
}

#[test]
fn an_assignment_that_cannot_be_read_fails() {
    let mut member = Member::new(&[Assignor::Range]);
    member.start();
    let sync = member.join_as_follower(1);
    let assignment = Bytes::from_static(&[0, 0, 255, 255, 255, 255]);
    member
        .machine
        .handle_sync(sync.attempt, Ok(SyncAnswer { assignment }), member.now);
    assert!(matches!(member.effects()[..], [Effect::Failed(_)]));
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
fn a_leader_rebalances_when_a_topic_grows_and_only_then() {
    let mut member = Member::stable_leader(&[Assignor::CooperativeSticky], 3);
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
    member.effects();
    member.machine.handle_revoked(attempt, member.now);
    let effects = member.effects();
    let [Effect::Leave(leave)] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(leave.member_id, "m1");
    member.machine.handle_leave_answer(leave.attempt, Ok(()));
    assert_eq!(member.effects(), [Effect::Left]);
    assert_eq!(
        (member.state(), member.machine.poll_timeout()),
        (State::Left, None)
    );
}

#[test]
fn a_static_member_stops_without_leaving() {
    let mut member = Member::stable_static(&[]);
    member.machine.handle_leave(member.now);
    assert_eq!(member.effects(), [Effect::Left]);
}

#[test]
fn leaving_before_joining_ends_at_once() {
    let mut member = Member::new(&[Assignor::Range]);
    member.machine.handle_start(member.now);
    member.effects();
    member.machine.handle_leave(member.now);
    assert_eq!(member.effects(), [Effect::Left]);
}
