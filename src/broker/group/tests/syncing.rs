use super::*;

#[test]
fn all_learn_what_the_leader_assigned() {
    let mut rig = Rig::with_delay(Duration::from_secs(3));
    let tickets = [
        rig.join(request()),
        rig.join(request()),
        rig.join(request()),
    ];
    let joined = rig.after_delay(&tickets);
    let early = rig.sync(&sync_of(&joined[1]));
    assert!(rig.is_waiting(early));
    let mut assigning = sync_of(&joined[0]);
    assigning.assignments.truncate(2);
    let leader = rig.synced(&assigning).unwrap();
    assert_eq!(leader.assignment, joined[0].member_id.as_bytes());
    assert_eq!(leader.protocol.as_deref(), Some("range"));
    assert_eq!(leader.protocol_type.as_deref(), Some("consumer"));
    let early = rig.syncs[&early].clone().unwrap();
    assert_eq!(early.assignment, joined[1].member_id.as_bytes());
    // Whom the leader does not mention gets nothing.
    let late = rig.synced(&sync_of(&joined[2])).unwrap();
    assert!(late.assignment.is_empty());
    assert_eq!(rig.state(), GroupState::Stable);
}

#[test]
fn who_does_not_belong_is_refused() {
    let (mut rig, joined) = Rig::stable(2);
    let refusals = [
        (
            SyncRequest {
                identity: member("nobody"),
                ..sync_of(&joined[1])
            },
            ErrorCode::UNKNOWN_MEMBER_ID,
        ),
        (
            SyncRequest {
                generation: 0,
                ..sync_of(&joined[1])
            },
            ErrorCode::ILLEGAL_GENERATION,
        ),
        (
            SyncRequest {
                protocol: Some("sticky".into()),
                ..sync_of(&joined[1])
            },
            ErrorCode::INCONSISTENT_GROUP_PROTOCOL,
        ),
        (
            SyncRequest {
                protocol_type: Some("connect".into()),
                ..sync_of(&joined[1])
            },
            ErrorCode::INCONSISTENT_GROUP_PROTOCOL,
        ),
    ];
    for (request, code) in refusals {
        assert_eq!(rig.synced(&request), Err(code));
    }
    let old = Joined {
        generation: 0,
        ..joined[1].clone()
    };
    assert_eq!(rig.heartbeat(&old), Err(ErrorCode::ILLEGAL_GENERATION));
    let unknown = Joined {
        member_id: "nobody".into(),
        ..joined[1].clone()
    };
    assert_eq!(rig.heartbeat(&unknown), Err(ErrorCode::UNKNOWN_MEMBER_ID));
    let mut rig = Rig::new();
    let nowhere = rig.synced(&sync_of(&joined[1]));
    assert_eq!(nowhere, Err(ErrorCode::UNKNOWN_MEMBER_ID));
}

#[test]
fn who_joined_and_does_not_sync_is_removed() {
    let mut rig = Rig::with_delay(Duration::from_secs(3));
    let tickets = [rig.join(request()), rig.join(request())];
    let joined = rig.after_delay(&tickets);
    rig.synced(&sync_of(&joined[0])).unwrap();
    assert_eq!(rig.state(), GroupState::Stable);
    // Both say all the time that they are alive.
    for _ in 0..11 {
        rig.pass(Duration::from_secs(5));
        assert_eq!(rig.heartbeat(&joined[0]), Ok(()));
        assert_eq!(rig.heartbeat(&joined[1]), Ok(()));
    }
    rig.pass(Duration::from_secs(5));
    assert_eq!(rig.heartbeat(&joined[1]), Err(ErrorCode::UNKNOWN_MEMBER_ID));
    assert_eq!(
        rig.heartbeat(&joined[0]),
        Err(ErrorCode::REBALANCE_IN_PROGRESS)
    );
    let again = rig.joined(rejoin(&joined[0]));
    assert_eq!(again.members.len(), 1);
}

#[test]
fn a_leader_that_never_assigns_is_removed() {
    let mut rig = Rig::with_delay(Duration::from_secs(3));
    let tickets = [rig.join(request()), rig.join(request())];
    let joined = rig.after_delay(&tickets);
    let follower = rig.sync(&sync_of(&joined[1]));
    for _ in 0..12 {
        // Whoever waits for the leader need not say anything.
        assert!(rig.is_waiting(follower));
        assert_eq!(rig.heartbeat(&joined[0]), Ok(()));
        rig.pass(Duration::from_secs(5));
    }
    assert_eq!(rig.syncs[&follower], Err(ErrorCode::REBALANCE_IN_PROGRESS));
    let again = rig.joined(rejoin(&joined[1]));
    assert_eq!(again.leader, again.member_id);
}

#[test]
fn a_move_takes_the_group_back_to_what_it_was_last() {
    let (mut rig, joined) = Rig::stable(2);
    let newcomer = rig.join(request());
    let waiting = rig.join(rejoin(&joined[1]));
    assert_eq!(rig.state(), GroupState::PreparingRebalance);
    rig.pass(SESSION - Duration::from_secs(1));
    rig.groups
        .coordinator_moved(|id| id == GROUP, true, rig.now);
    rig.settle();
    for ticket in [newcomer, waiting] {
        let refusal = rig.joins[&ticket].clone().unwrap_err();
        assert_eq!(refusal.code, ErrorCode::NOT_COORDINATOR);
    }
    // Sessions have begun anew.
    rig.pass(SESSION - Duration::from_secs(1));
    for one in &joined {
        assert_eq!(rig.heartbeat(one), Ok(()));
    }
    let assigned = rig.synced(&sync_of(&joined[1])).unwrap().assignment;
    assert_eq!(assigned, joined[1].member_id.as_bytes());
    rig.pass(SESSION);
    assert_eq!(rig.state(), GroupState::Empty);
}

#[test]
fn a_move_leaves_other_groups_alone_and_answers_who_waits_for_the_leader() {
    let mut rig = Rig::with_delay(Duration::from_secs(3));
    let tickets = [rig.join(request()), rig.join(request())];
    let joined = rig.after_delay(&tickets);
    let follower = rig.sync(&sync_of(&joined[1]));
    rig.groups
        .coordinator_moved(|id| id != GROUP, true, rig.now);
    rig.settle();
    assert!(rig.is_waiting(follower));
    rig.groups.coordinator_moved(|_| true, true, rig.now);
    rig.settle();
    assert_eq!(rig.syncs[&follower], Err(ErrorCode::NOT_COORDINATOR));
    assert_eq!(rig.heartbeat(&joined[0]), Err(ErrorCode::UNKNOWN_MEMBER_ID));
}

#[test]
fn no_session_ends_while_no_node_coordinates() {
    let (mut rig, joined) = Rig::stable(1);
    rig.groups.coordinator_moved(|_| true, false, rig.now);
    rig.pass(100 * SESSION);
    rig.groups.coordinator_moved(|_| true, true, rig.now);
    rig.pass(SESSION - Duration::from_secs(1));
    assert_eq!(rig.heartbeat(&joined[0]), Ok(()));
    rig.pass(SESSION);
    assert_eq!(rig.state(), GroupState::Empty);
}
