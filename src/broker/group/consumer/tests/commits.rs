//! Who may commit, and ask for what was committed.

use super::*;

const STALE: Result<(), ErrorCode> = Err(ErrorCode::STALE_MEMBER_EPOCH);
const UNKNOWN: Result<(), ErrorCode> = Err(ErrorCode::UNKNOWN_MEMBER_ID);

#[test]
fn members_commit_in_their_epoch() {
    let mut rig = Rig::new(2);
    // Nobody is there whom that could trouble.
    assert_eq!(rig.may_commit("", -1, 0), Ok(()));
    assert_eq!(rig.may_commit("", 0, 0), UNKNOWN);
    rig.join("a");
    assert_eq!(rig.may_commit("", -1, 0), UNKNOWN);
    assert_eq!(rig.may_commit("a", 2, 0), Ok(()));
    assert_eq!(rig.may_commit("a", 3, 0), STALE);
    assert_eq!(rig.may_commit("a", 0, 0), STALE);
}

#[test]
fn a_member_that_missed_an_epoch_commits_what_it_has_kept() {
    let mut rig = Rig::new(2);
    rig.join("a");
    rig.join("b");
    rig.report("a", 2, &[0, 1]).unwrap();
    // What it is to give up is still its own.
    assert_eq!(rig.may_commit("a", 2, 1), Ok(()));
    rig.report("a", 2, &[0]).unwrap();
    assert_eq!(rig.member("a").epoch(), 3);
    assert_eq!(rig.may_commit("a", 2, 0), Ok(()));
    assert_eq!(rig.may_commit("a", 2, 1), STALE);
    rig.report("b", 3, &[]).unwrap();
    assert_eq!(rig.may_commit("b", 2, 1), STALE);
    assert_eq!(rig.may_commit("b", 3, 1), Ok(()));
}

#[test]
fn older_commits_say_no_epoch() {
    let mut rig = Rig::new(1);
    rig.join("a");
    let old = Committer {
        version: 8,
        ..committer("a", 2)
    };
    let unsupported = Err(ErrorCode::UNSUPPORTED_VERSION);
    assert_eq!(rig.group.check_commit(&old), unsupported);
    let in_transaction = Committer {
        is_transactional: true,
        ..old
    };
    assert_eq!(rig.group.check_commit(&in_transaction), Ok(Rights::All));
    let of_nobody = Committer {
        is_transactional: true,
        ..committer("", -1)
    };
    assert_eq!(rig.group.check_commit(&of_nobody), Ok(Rights::All));
}

#[test]
fn members_ask_in_their_epoch() {
    let mut rig = Rig::new(1);
    rig.join("a");
    assert_eq!(rig.group.check_fetch(None, -1), Ok(()));
    assert_eq!(rig.group.check_fetch(Some("a"), 2), Ok(()));
    assert_eq!(rig.group.check_fetch(Some("a"), 0), STALE);
    assert_eq!(rig.group.check_fetch(Some("a"), 3), STALE);
    assert_eq!(rig.group.check_fetch(Some("b"), 2), UNKNOWN);
}
