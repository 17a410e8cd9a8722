use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Member as Machine, *};
use crate::group::assignor::PartitionCounts;
use crate::group::membership::config::GroupProtocol;
use crate::group::membership::effect::*;
use crate::group::subscription::{Subscription, encode_assignment};

mod leaving;
mod member;
mod orders;
mod rebalancing;
mod session;

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
fn an_assignor_that_was_not_offered_fails() {
    let mut member = Member::new(&[Assignor::Range]);
    member.start();
    let attempt = member.take_join().attempt;
    let protocol_name = "cooperative-sticky".to_owned();
    let answer = JoinAnswer {
        protocol_name,
        ..member.follower_answer(1)
    };
    member.machine.handle_join(attempt, Ok(answer), member.now);
    assert!(matches!(member.effects()[..], [Effect::Failed(_)]));
}

#[test]
fn a_topic_that_was_not_subscribed_to_is_not_taken_on() {
    let mut member = Member::new(&[Assignor::Range]);
    member.start();
    let sync = member.join_as_follower(1);
    let assignment = encode_assignment(&[TopicPartition::new("other", 0), tp(0)]);
    member
        .machine
        .handle_sync(sync.attempt, Ok(SyncAnswer { assignment }), member.now);
    assert_eq!(member.effects(), [Effect::Assigned(tps(&[0]))]);
}

#[test]
fn a_leader_whose_coordinator_is_lost_meanwhile_joins_again() {
    let mut member = Member::new(&[Assignor::Range]);
    member.start();
    let (question, beat) = member.asked_as_leader();
    member
        .machine
        .handle_heartbeat(beat, Err(RequestError::Disconnected), member.now);
    member
        .machine
        .handle_partitions(question, Ok(PartitionCounts::new()), member.now);
    assert_eq!(member.state(), State::PreparingRebalance);
    member.find();
    member.take_join();
}

#[test]
fn a_leader_asks_again_for_what_it_could_not_learn() {
    let mut member = Member::new(&[Assignor::Range]);
    member.start();
    let (question, _) = member.asked_as_leader();
    member
        .machine
        .handle_partitions(question, Err(RequestError::Timeout), member.now);
    assert_eq!(member.effects(), []);
    member.advance(SECOND);
    assert!(matches!(
        member.effect(),
        Some(Effect::NeedPartitions { .. })
    ));
}
