//! Members that join, and what changes the group's epoch.

use super::*;

#[test]
fn the_first_member_has_everything_at_once() {
    let mut rig = Rig::new(3);
    assert_eq!(rig.group.state(), GroupState::Empty);
    let joined = rig.join("a");
    let expected = Beaten {
        member_id: "a".into(),
        epoch: 2,
        interval: Duration::from_secs(5),
        assignment: Some(rig.payments(&[0, 1, 2])),
    };
    assert_eq!(joined, expected);
    assert_eq!(rig.group.state(), GroupState::Stable);
    // Nothing new is told to a member that says nothing new, …
    let again = rig.report("a", 2, &[0, 1, 2]).unwrap();
    assert_eq!((again.epoch, again.assignment), (2, None));
    // … and everything to one that says everything.
    let all = Beat {
        epoch: 2,
        ..joining("a")
    };
    let told = rig.beat(&all).unwrap().assignment;
    assert_eq!(told, Some(rig.payments(&[0, 1, 2])));
}

#[test]
fn a_member_may_join_again_under_its_id() {
    let mut rig = Rig::new(2);
    rig.join("a");
    let again = rig.join("a");
    assert_eq!(again.epoch, 2);
    assert_eq!(again.assignment, Some(rig.payments(&[0, 1])));
    assert_eq!(rig.group.members().len(), 1);
}

#[test]
fn strangers_and_wrong_epochs_are_refused() {
    let mut rig = Rig::new(2);
    rig.join("a");
    rig.join("b");
    let unknown = Err(ErrorCode::UNKNOWN_MEMBER_ID);
    let fenced = Err(ErrorCode::FENCED_MEMBER_EPOCH);
    assert_eq!(rig.report("stranger", 2, &[]), unknown);
    assert_eq!(rig.report("b", 4, &[]), fenced);
    assert_eq!(rig.report("b", 2, &[]), fenced);
    assert_eq!(rig.beat(&quiet("stranger", LEAVING)), unknown);
    // Nothing of that has changed anything.
    assert_eq!(rig.group.epoch(), 3);
}

#[test]
fn a_member_that_missed_an_answer_is_told_again() {
    let mut rig = Rig::new(2);
    rig.join("a");
    rig.join("b");
    // The answer to this one, with epoch 2, is lost.
    rig.report("a", 2, &[0, 1]).unwrap();
    let given_up = rig.report("a", 2, &[0]).unwrap();
    assert_eq!((given_up.epoch, given_up.assignment), (3, None));
    let again = rig.report("a", 2, &[0]).unwrap();
    assert_eq!(again.epoch, 3);
    // One that has what it should not have is fenced, and so is one that does not say.
    let fenced = Err(ErrorCode::FENCED_MEMBER_EPOCH);
    assert_eq!(rig.report("a", 2, &[0, 1]), fenced);
    assert_eq!(rig.beat(&quiet("a", 2)), fenced);
}

#[test]
fn a_group_has_a_limit() {
    let mut rig = Rig::with(2, |config| config.group_consumer_max_size = 1);
    rig.join("a");
    let full = Err(ErrorCode::GROUP_MAX_SIZE_REACHED);
    assert_eq!(rig.beat(&joining("b")), full);
    assert_eq!(rig.join("a").epoch, 2);
}

#[test]
fn what_members_want_changes_the_epoch() {
    let mut rig = Rig::new(1);
    rig.make_topic("refunds", 1);
    rig.join("a");
    let more = Beat {
        topics: Some(topics(&["payments", "refunds"])),
        ..quiet("a", 2)
    };
    let told = rig.beat(&more).unwrap();
    assert_eq!(told.epoch, 3);
    assert_eq!(told.assignment.unwrap().len(), 2);
    // The same once more changes nothing.
    let same = Beat { epoch: 3, ..more };
    assert_eq!(rig.beat(&same).unwrap().epoch, 3);
}

#[test]
fn what_there_is_changes_the_epoch() {
    let mut rig = Rig::new(1);
    rig.join("a");
    let replicas = vec![vec![1]; 2];
    rig.topics.grow("payments", replicas).unwrap();
    let grown = rig.report("a", 2, &[0]).unwrap();
    assert_eq!(grown.epoch, 3);
    assert_eq!(grown.assignment, Some(rig.payments(&[0, 1, 2])));
    // A topic that is made again is another one.
    let old = rig.payments(&[0, 1, 2]);
    rig.topics.delete("payments").unwrap();
    let owned = Beat {
        owned: Some(old.clone()),
        ..quiet("a", 3)
    };
    let gone = rig.beat(&owned).unwrap();
    assert_eq!((gone.epoch, gone.assignment), (3, Some(Partitions::new())));
    rig.make_topic("payments", 1);
    let anew = rig.report("a", 3, &[]).unwrap();
    assert_eq!(anew.epoch, 5);
    assert_eq!(anew.assignment, Some(rig.payments(&[0])));
    assert_ne!(anew.assignment, Some(old));
}

#[test]
fn the_assignor_that_most_ask_for_is_taken() {
    let mut rig = Rig::new(4);
    rig.join("a");
    assert_eq!(rig.group.assignor(), ServerAssignor::Uniform);
    let ranges = Beat {
        assignor: Some(ServerAssignor::Range),
        ..quiet("a", 2)
    };
    assert_eq!(rig.beat(&ranges).unwrap().epoch, 3);
    assert_eq!(rig.group.assignor(), ServerAssignor::Range);
    let uniform = Beat {
        assignor: Some(ServerAssignor::Uniform),
        ..joining("b")
    };
    rig.beat(&uniform).unwrap();
    assert_eq!(rig.group.assignor(), ServerAssignor::Uniform);
}

#[test]
fn assignments_keep_a_distance() {
    let mut rig = Rig::with(2, |config| {
        config.group_consumer_assignment_interval = Duration::from_secs(1);
    });
    assert_eq!(rig.join("a").epoch, 2);
    let early = rig.join("b");
    assert_eq!(
        (early.epoch, early.assignment),
        (2, Some(Partitions::new()))
    );
    assert_eq!(rig.group.state(), GroupState::Assigning);
    rig.pass(Duration::from_secs(1));
    let told = rig.report("b", 2, &[]).unwrap();
    assert_eq!((told.epoch, told.assignment), (3, None));
    assert_eq!(rig.group.state(), GroupState::Reconciling);
    assert_eq!(rig.report("a", 2, &[0, 1]).unwrap().epoch, 2);
}
