//! From what members have to what they are to have.

use super::*;

#[test]
fn a_partition_goes_over_when_it_was_given_up() {
    let mut rig = Rig::new(2);
    rig.join("a");
    let joined = rig.join("b");
    // All is with the other still.
    assert_eq!(
        (joined.epoch, joined.assignment),
        (3, Some(Partitions::new()))
    );
    assert_eq!(rig.group.state(), GroupState::Reconciling);
    let told = rig.report("a", 2, &[0, 1]).unwrap();
    assert_eq!((told.epoch, told.assignment), (2, Some(rig.payments(&[0]))));
    // It says nothing, or still has it.
    assert_eq!(rig.beat(&quiet("a", 2)).unwrap().epoch, 2);
    assert_eq!(rig.report("a", 2, &[0, 1]).unwrap().epoch, 2);
    assert_eq!(rig.report("b", 3, &[]).unwrap().assignment, None);
    assert_eq!(rig.has("b"), Partitions::new());
    let given_up = rig.report("a", 2, &[0]).unwrap();
    assert_eq!((given_up.epoch, given_up.assignment), (3, None));
    let got = rig.report("b", 3, &[]).unwrap();
    assert_eq!((got.epoch, got.assignment), (3, Some(rig.payments(&[1]))));
    assert_eq!(rig.group.state(), GroupState::Stable);
}

#[test]
fn what_nobody_has_is_given_before_the_rest() {
    let mut rig = Rig::new(4);
    rig.join("a");
    rig.join("b");
    rig.report("a", 2, &[0, 1, 2, 3]).unwrap();
    rig.beat(&quiet("a", LEAVING)).unwrap();
    let rest = rig.report("b", 3, &[]).unwrap();
    assert_eq!(
        (rest.epoch, rest.assignment),
        (4, Some(rig.payments(&[0, 1, 2, 3])))
    );
}

#[test]
fn a_member_goes_over_epochs_that_it_has_missed() {
    let mut rig = Rig::new(3);
    rig.join("a");
    rig.join("b");
    rig.join("c");
    let told = rig.report("a", 2, &[0, 1, 2]).unwrap();
    assert_eq!((told.epoch, told.assignment), (2, Some(rig.payments(&[0]))));
    assert_eq!(rig.report("a", 2, &[0]).unwrap().epoch, 4);
}

#[test]
fn a_target_that_changes_back_needs_nothing_given_up() {
    let mut rig = Rig::new(2);
    rig.join("a");
    rig.join("b");
    rig.report("a", 2, &[0, 1]).unwrap();
    rig.beat(&quiet("b", LEAVING)).unwrap();
    // It has given up one that it is to have again: it gets it back in the new epoch.
    let back = rig.report("a", 2, &[0]).unwrap();
    assert_eq!(
        (back.epoch, back.assignment),
        (4, Some(rig.payments(&[0, 1])))
    );
}

#[test]
fn what_a_member_does_not_want_any_more_is_taken_at_once() {
    let mut rig = Rig::with(1, |config| {
        config.group_consumer_assignment_interval = Duration::from_secs(1);
    });
    rig.make_topic("refunds", 1);
    rig.join("a");
    let others = Beat {
        topics: Some(topics(&["refunds"])),
        owned: Some(rig.payments(&[0])),
        ..quiet("a", 2)
    };
    let told = rig.beat(&others).unwrap();
    assert_eq!((told.epoch, told.assignment), (2, Some(Partitions::new())));
    let waiting = rig.report("a", 2, &[]).unwrap();
    assert_eq!((waiting.epoch, waiting.assignment), (2, None));
    rig.pass(Duration::from_secs(1));
    let told = rig.report("a", 2, &[]).unwrap();
    let refunds = Partitions::from([(rig.topic("refunds"), BTreeSet::from([0]))]);
    assert_eq!((told.epoch, told.assignment), (3, Some(refunds)));
}

#[test]
fn a_member_that_gives_nothing_up_is_fenced() {
    let mut rig = Rig::new(2);
    rig.join("a");
    rig.join("b");
    rig.report("a", 2, &[0, 1]).unwrap();
    for _ in 0..4 {
        rig.pass(REBALANCE / 4 - Duration::from_millis(1));
        rig.report("a", 2, &[0, 1]).unwrap();
        rig.report("b", 3, &[]).unwrap();
    }
    rig.pass(Duration::from_millis(4));
    let unknown = Err(ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(rig.report("a", 2, &[0, 1]), unknown);
    let rest = rig.report("b", 3, &[]).unwrap();
    assert_eq!(
        (rest.epoch, rest.assignment),
        (4, Some(rig.payments(&[0, 1])))
    );
}

#[test]
fn a_member_that_gives_up_in_time_stays() {
    let mut rig = Rig::new(2);
    rig.join("a");
    rig.join("b");
    rig.report("a", 2, &[0, 1]).unwrap();
    rig.pass(REBALANCE / 2);
    rig.report("a", 2, &[0]).unwrap();
    rig.pass(REBALANCE / 2);
    assert_eq!(rig.report("a", 3, &[0]).unwrap().epoch, 4);
}
