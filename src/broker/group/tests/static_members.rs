use super::*;

fn static_request(instance: &str) -> JoinRequest {
    JoinRequest {
        identity: static_member("", instance),
        learns_id_first: true,
        ..request()
    }
}

fn sync_as(joined: &Joined, instance: &str) -> SyncRequest {
    SyncRequest {
        identity: static_member(&joined.member_id, instance),
        ..sync_of(joined)
    }
}

/// A stable group of two static members: the leader `one`, and `two`.
fn stable() -> (Rig, Vec<Joined>) {
    let mut rig = Rig::with_delay(Duration::from_secs(3));
    let tickets = ["one", "two"].map(|instance| rig.join(static_request(instance)));
    let joined = rig.after_delay(&tickets);
    rig.synced(&sync_as(&joined[0], "one")).unwrap();
    rig.synced(&sync_as(&joined[1], "two")).unwrap();
    (rig, joined)
}

#[test]
fn a_static_member_is_named_by_its_instance_and_joins_in_one_step() {
    let (_, joined) = stable();
    assert!(joined[0].member_id.starts_with("one-"));
    let told = &joined[0].members[1].identity;
    assert_eq!(told.instance_id.as_deref(), Some("two"));
}

#[test]
fn a_follower_that_comes_back_takes_its_place_and_nobody_notices() {
    let (mut rig, joined) = stable();
    let back = rig.joined(static_request("two"));
    assert_ne!(back.member_id, joined[1].member_id);
    assert_eq!((back.generation, back.skip_assignment), (1, false));
    assert_eq!(rig.state(), GroupState::Stable);
    let part = rig.synced(&sync_as(&back, "two")).unwrap();
    assert_eq!(part.assignment, joined[1].member_id.as_bytes());
    // Whoever has the old id is fenced, in every request.
    let fenced = Err(ErrorCode::FENCED_INSTANCE_ID);
    let old = static_member(&joined[1].member_id, "two");
    assert_eq!(rig.synced(&sync_as(&joined[1], "two")).map(|_| ()), fenced);
    assert_eq!(rig.groups.heartbeat(GROUP, &old, 1, rig.now), fenced);
    assert_eq!(rig.may_commit(&old, 1), fenced);
    assert_eq!(rig.leave(std::slice::from_ref(&old)), [fenced]);
    let rejoin = JoinRequest {
        identity: old,
        ..static_request("two")
    };
    assert_eq!(rig.join_refused(rejoin), ErrorCode::FENCED_INSTANCE_ID);
}

#[test]
fn a_leader_that_comes_back_is_told_that_there_is_nothing_to_assign() {
    let (mut rig, joined) = stable();
    let back = rig.joined(static_request("one"));
    assert_eq!(back.leader, back.member_id);
    assert!(back.skip_assignment);
    assert_eq!(back.members.len(), 2);
    // An older client can't be told: it is not told that it leads either.
    let older = JoinRequest {
        can_skip_assignment: false,
        ..static_request("one")
    };
    let again = rig.joined(older);
    assert_eq!(again.leader, back.member_id);
    assert!(!again.skip_assignment && again.members.is_empty());
    assert_eq!(rig.classic().leader(), Some(&*again.member_id));
    let part = rig.synced(&sync_as(&again, "one")).unwrap();
    assert_eq!(part.assignment, joined[0].member_id.as_bytes());
}

#[test]
fn one_that_comes_back_in_the_middle_of_a_rebalance_has_it_begin_again() {
    let (mut rig, joined) = stable();
    let waiting = rig.join(JoinRequest {
        identity: static_member(&joined[0].member_id, "one"),
        ..static_request("one")
    });
    let back = rig.joined(static_request("two"));
    assert_eq!(back.generation, 2);
    assert_eq!(rig.joins[&waiting].clone().unwrap().members.len(), 2);
    // The leader has been told of an id that is no more.
    let sync = rig.sync(&SyncRequest {
        generation: 2,
        ..sync_as(&back, "two")
    });
    assert!(rig.is_waiting(sync));
    let again = rig.join(static_request("two"));
    assert_eq!(rig.syncs[&sync], Err(ErrorCode::FENCED_INSTANCE_ID));
    assert!(rig.is_waiting(again));
    assert_eq!(rig.state(), GroupState::PreparingRebalance);
    // And once more, while it waits to join.
    let third = rig.join(static_request("two"));
    let refusal = rig.joins[&again].clone().unwrap_err();
    assert_eq!(refusal.code, ErrorCode::FENCED_INSTANCE_ID);
    assert!(rig.is_waiting(third));
}

#[test]
fn one_that_comes_back_with_another_protocol_changes_the_generation() {
    let mut rig = Rig::with_delay(Duration::from_secs(3));
    let knowing = |instance: &str, names: [&str; 2]| JoinRequest {
        protocols: names.map(|name| protocol(name, "payments")).into(),
        ..static_request(instance)
    };
    let tickets = [
        rig.join(knowing("one", ["range", "sticky"])),
        rig.join(knowing("two", ["range", "sticky"])),
    ];
    let joined = rig.after_delay(&tickets);
    rig.synced(&sync_as(&joined[0], "one")).unwrap();
    let ticket = rig.join(JoinRequest {
        protocols: vec![protocol("sticky", "payments")],
        ..static_request("two")
    });
    assert!(rig.is_waiting(ticket));
    assert_eq!(rig.state(), GroupState::PreparingRebalance);
}

#[test]
fn a_static_member_that_is_late_stays_until_its_session_is_over() {
    let (mut rig, joined) = stable();
    let long = JoinRequest {
        identity: static_member(&joined[0].member_id, "one"),
        session_timeout: 100 * SESSION,
        ..with_topic("more", static_request("one"))
    };
    let ticket = rig.join(long.clone());
    let beat = |rig: &mut Rig| {
        let who = static_member(&joined[1].member_id, "two");
        rig.groups.heartbeat(GROUP, &who, 1, rig.now)
    };
    for _ in 0..12 {
        assert!(rig.is_waiting(ticket));
        assert_eq!(beat(&mut rig), Err(ErrorCode::REBALANCE_IN_PROGRESS));
        rig.pass(Duration::from_secs(5));
    }
    assert_eq!(rig.joins[&ticket].clone().unwrap().members.len(), 2);
    // Its session goes on from there, and ends.
    rig.pass(SESSION);
    assert_eq!(rig.state(), GroupState::PreparingRebalance);
    assert_eq!(rig.joined(long).members.len(), 1);
}

#[test]
fn an_operator_removes_a_static_member_by_its_instance() {
    let (mut rig, _) = stable();
    let who = [static_member("", "two"), static_member("", "three")];
    let left = rig.leave(&who);
    assert_eq!(left, [Ok(()), Err(ErrorCode::UNKNOWN_MEMBER_ID)]);
    assert_eq!(rig.classic().members().len(), 1);
    assert_eq!(rig.state(), GroupState::PreparingRebalance);
}
