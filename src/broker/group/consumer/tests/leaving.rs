//! Members that leave or say nothing, and a coordinator that moves.

use super::*;

#[test]
fn a_member_that_leaves_is_gone_at_once() {
    let mut rig = Rig::new(2);
    rig.join("a");
    let left = rig.beat(&quiet("a", LEAVING)).unwrap();
    let expected = Beaten {
        member_id: "a".into(),
        epoch: LEAVING,
        interval: Duration::ZERO,
        assignment: None,
    };
    assert_eq!(left, expected);
    assert_eq!(
        (rig.group.state(), rig.group.epoch()),
        (GroupState::Empty, 3)
    );
    assert_eq!(rig.join("b").epoch, 4);
}

#[test]
fn the_first_after_the_last_need_not_wait() {
    let mut rig = Rig::with(1, |config| {
        config.group_consumer_assignment_interval = Duration::from_secs(1);
    });
    rig.join("a");
    rig.beat(&quiet("a", LEAVING)).unwrap();
    assert_eq!(rig.join("b").assignment, Some(rig.payments(&[0])));
}

#[test]
fn silence_is_death() {
    let mut rig = Rig::new(2);
    rig.join("a");
    rig.join("b");
    rig.pass(SESSION / 2);
    rig.report("b", 3, &[]).unwrap();
    assert_eq!(rig.group.poll_timeout(), Some(rig.now + SESSION / 2));
    rig.pass(SESSION / 2);
    let unknown = Err(ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(rig.report("a", 2, &[0, 1]), unknown);
    let rest = rig.report("b", 3, &[]).unwrap();
    assert_eq!(rest.assignment, Some(rig.payments(&[0, 1])));
    rig.pass(SESSION);
    assert_eq!(rig.group.state(), GroupState::Empty);
    assert_eq!(rig.group.empty_since(), Some(rig.now));
    assert_eq!(rig.group.poll_timeout(), None);
}

#[test]
fn another_coordinator_knows_all_and_begins_sessions_anew() {
    let mut rig = Rig::new(2);
    rig.join("a");
    rig.join("b");
    rig.report("a", 2, &[0, 1]).unwrap();
    rig.pass(SESSION - Duration::from_secs(1));
    rig.group.handle_move(false, rig.now);
    assert_eq!(rig.group.poll_timeout(), None);
    rig.pass(SESSION);
    rig.group.handle_move(true, rig.now);
    assert_eq!(rig.group.poll_timeout(), Some(rig.now + SESSION));
    assert_eq!(rig.report("a", 2, &[0, 1]).unwrap().epoch, 2);
    rig.pass(SESSION / 2);
    rig.report("a", 2, &[0, 1]).unwrap();
    rig.report("b", 3, &[]).unwrap();
    // What has to be given up has its time from the beginning too.
    rig.pass(REBALANCE - SESSION / 2);
    let unknown = Err(ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(rig.report("a", 2, &[0, 1]), unknown);
}
