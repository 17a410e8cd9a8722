use super::*;
use crate::broker::group::join::NEW_MEMBER_JOIN_TIMEOUT;

const DELAY: Duration = Duration::from_secs(3);

fn knowing(protocols: &[&str]) -> JoinRequest {
    let protocols = protocols.iter().map(|name| protocol(name, "payments"));
    JoinRequest {
        protocols: protocols.collect(),
        ..request()
    }
}

#[test]
fn the_first_to_join_leads_and_learns_of_the_others() {
    let (rig, joined) = Rig::stable(3);
    assert_eq!(rig.group().generation(), 1);
    let ids: Vec<_> = joined.iter().map(|one| one.member_id.clone()).collect();
    for one in &joined {
        assert_eq!(one.leader, ids[0]);
        assert_eq!(one.generation, 1);
        assert_eq!(one.protocol.as_deref(), Some("range"));
        assert!(one.member_id.starts_with("client-"));
    }
    let told = joined[0].members.iter();
    let told: Vec<_> = told.map(|other| other.identity.member_id.clone()).collect();
    assert_eq!(told, ids);
    assert!(joined[1].members.is_empty());
}

#[test]
fn a_new_member_learns_its_id_first_and_may_not_take_its_time() {
    let mut rig = Rig::new();
    let anew = || JoinRequest {
        learns_id_first: true,
        ..request()
    };
    let ticket = rig.join(anew());
    let refusal = rig.joins[&ticket].clone().unwrap_err();
    assert_eq!(refusal.code, ErrorCode::MEMBER_ID_REQUIRED);
    assert_eq!(rig.state(), GroupState::Empty);
    let with_id = JoinRequest {
        identity: member(&refusal.member_id),
        ..anew()
    };
    assert_eq!(rig.joined(with_id).member_id, refusal.member_id);

    // Another one's id holds as long as a session.
    let ticket = rig.join(anew());
    let refusal = rig.joins[&ticket].clone().unwrap_err();
    rig.pass(SESSION);
    let with_id = JoinRequest {
        identity: member(&refusal.member_id),
        ..anew()
    };
    assert_eq!(rig.join_refused(with_id), ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn a_rebalance_waits_for_those_that_were_given_an_id() {
    let (mut rig, joined) = Rig::stable(1);
    let anew = JoinRequest {
        learns_id_first: true,
        ..request()
    };
    let required = rig.join(anew);
    assert!(!rig.is_waiting(required));
    let ticket = rig.join(rejoin(&joined[0]));
    assert!(rig.is_waiting(ticket));
    rig.pass(SESSION);
    assert_eq!(rig.joins[&ticket].clone().unwrap().generation, 2);
}

#[test]
fn what_a_group_can_not_have_is_refused() {
    let (mut rig, _) = Rig::stable(1);
    let refusals = [
        (
            JoinRequest {
                session_timeout: Duration::from_millis(5999),
                ..request()
            },
            ErrorCode::INVALID_SESSION_TIMEOUT,
        ),
        (
            JoinRequest {
                session_timeout: Duration::from_secs(1801),
                ..request()
            },
            ErrorCode::INVALID_SESSION_TIMEOUT,
        ),
        (
            JoinRequest {
                protocol_type: "connect".into(),
                ..request()
            },
            ErrorCode::INCONSISTENT_GROUP_PROTOCOL,
        ),
        (
            knowing(&["roundrobin"]),
            ErrorCode::INCONSISTENT_GROUP_PROTOCOL,
        ),
        (
            JoinRequest {
                identity: member("nobody"),
                ..request()
            },
            ErrorCode::UNKNOWN_MEMBER_ID,
        ),
    ];
    for (request, code) in refusals {
        assert_eq!(rig.join_refused(request), code);
    }
    assert_eq!(rig.state(), GroupState::Stable);
    let mut rig = Rig::new();
    let unknown = JoinRequest {
        identity: member("nobody"),
        ..request()
    };
    assert_eq!(rig.join_refused(unknown), ErrorCode::UNKNOWN_MEMBER_ID);
    assert!(rig.groups.get(GROUP).is_none());
    let code = rig.join_refused(knowing(&[]));
    assert_eq!(code, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
}

#[test]
fn a_group_without_a_name_is_none() {
    let mut rig = Rig::new();
    let ticket = rig.groups.ticket();
    rig.groups.join("", ticket, request(), &rig.topics, rig.now);
    rig.settle();
    let refusal = rig.joins[&ticket].clone().unwrap_err();
    assert_eq!(refusal.code, ErrorCode::INVALID_GROUP_ID);
    let beat = rig.groups.heartbeat("", &member("a"), 1, rig.now);
    assert_eq!(beat, Err(ErrorCode::INVALID_GROUP_ID));
    let left = rig.groups.leave("", &[member("a")], rig.now);
    assert_eq!(left, Err(ErrorCode::INVALID_GROUP_ID));
}

#[test]
fn a_group_has_a_limit_of_members() {
    let mut rig = Rig::with_delay(DELAY);
    let last = (0..join::MAX_MEMBERS).map(|_| rig.join(request())).last();
    assert!(rig.is_waiting(last.unwrap()));
    let code = rig.join_refused(request());
    assert_eq!(code, ErrorCode::GROUP_MAX_SIZE_REACHED);
}

#[test]
fn members_vote_for_one_of_the_protocols_that_all_know() {
    let mut rig = Rig::with_delay(DELAY);
    let votes = [
        knowing(&["range", "sticky", "roundrobin"]),
        knowing(&["roundrobin", "sticky"]),
        knowing(&["sticky", "roundrobin"]),
        knowing(&["roundrobin", "sticky", "range"]),
    ];
    let tickets: Vec<_> = votes.into_iter().map(|vote| rig.join(vote)).collect();
    rig.pass(DELAY);
    rig.pass(DELAY);
    // Two for sticky, two for roundrobin; range has one that does not know it.
    let joined = rig.joins[&tickets[3]].clone().unwrap();
    assert_eq!(joined.protocol.as_deref(), Some("sticky"));
    let mut rig = Rig::with_delay(DELAY);
    let first = rig.join(knowing(&["range", "sticky"]));
    rig.join(knowing(&["sticky", "range"]));
    rig.join(knowing(&["sticky", "range"]));
    rig.pass(2 * DELAY);
    rig.pass(2 * DELAY);
    let joined = rig.joins[&first].clone().unwrap();
    assert_eq!(joined.protocol.as_deref(), Some("sticky"));
    let metadata = protocol("sticky", "payments").metadata;
    assert_eq!(joined.members[0].metadata, metadata);
}

#[test]
fn the_initial_delay_is_extended_by_newcomers_up_to_the_rebalance_timeout() {
    let mut rig = Rig::with_delay(DELAY);
    let quick = || JoinRequest {
        rebalance_timeout: Duration::from_secs(8),
        ..request()
    };
    let first = rig.join(quick());
    for second in 1..=7 {
        rig.pass(Duration::from_secs(1));
        assert!(rig.is_waiting(first));
        // One in each piece of the delay: until 3 s, until 6 s, until 8 s.
        if [2, 5, 7].contains(&second) {
            rig.join(quick());
        }
    }
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.joins[&first].clone().unwrap().members.len(), 4);
    assert_eq!(rig.state(), GroupState::CompletingRebalance);
}

#[test]
fn an_initial_delay_that_nobody_extends_ends() {
    let mut rig = Rig::with_delay(DELAY);
    let first = rig.join(request());
    rig.pass(DELAY - Duration::from_millis(1));
    assert!(rig.is_waiting(first));
    rig.pass(Duration::from_millis(1));
    assert!(!rig.is_waiting(first));
}

#[test]
fn a_newcomer_has_the_others_join_again() {
    let (mut rig, joined) = Rig::stable(2);
    let newcomer = rig.join(request());
    assert_eq!(rig.state(), GroupState::PreparingRebalance);
    let in_progress = Err(ErrorCode::REBALANCE_IN_PROGRESS);
    assert_eq!(rig.heartbeat(&joined[0]), in_progress);
    assert_eq!(rig.synced(&sync_of(&joined[1])).map(|_| ()), in_progress);
    // What was read before may still be committed.
    assert_eq!(rig.may_commit(&member(&joined[1].member_id), 1), Ok(()));
    rig.join(rejoin(&joined[0]));
    assert!(rig.is_waiting(newcomer));
    let last = rig.joined(rejoin(&joined[1]));
    assert_eq!(last.generation, 2);
    assert_eq!(rig.joins[&newcomer].clone().unwrap().generation, 2);
}

#[test]
fn a_rebalance_goes_on_without_those_that_are_late() {
    let (mut rig, joined) = Rig::stable(3);
    let slow = JoinRequest {
        rebalance_timeout: 2 * REBALANCE,
        ..with_topic("more", rejoin(&joined[1]))
    };
    let first = rig.join(slow);
    // The longest of the members' timeouts is waited for; the others still say they are alive.
    for _ in 0..23 {
        rig.pass(Duration::from_secs(5));
        assert!(rig.is_waiting(first));
        for late in [&joined[0], &joined[2]] {
            assert_eq!(rig.heartbeat(late), Err(ErrorCode::REBALANCE_IN_PROGRESS));
        }
    }
    rig.pass(Duration::from_secs(5));
    // The leader is not among them: another one leads.
    let answer = rig.joins[&first].clone().unwrap();
    assert_eq!(answer.leader, joined[1].member_id);
    assert_eq!(answer.members.len(), 1);
    assert_eq!(rig.heartbeat(&joined[0]), Err(ErrorCode::UNKNOWN_MEMBER_ID));
}

#[test]
fn who_joins_again_with_nothing_new_is_told_the_present_generation() {
    let (mut rig, joined) = Rig::stable(2);
    let again = rig.joined(rejoin(&joined[1]));
    assert_eq!(again, joined[1]);
    assert_eq!(rig.state(), GroupState::Stable);
    // The leader may know of something that its metadata does not show.
    let leader = rig.join(rejoin(&joined[0]));
    assert!(rig.is_waiting(leader));
    assert_eq!(rig.state(), GroupState::PreparingRebalance);
    let follower = rig.joined(rejoin(&joined[1]));
    assert_eq!(follower.generation, 2);
    // Before anyone has synced, the leader too is told again.
    let leader = rig.joins[&leader].clone().unwrap();
    assert_eq!(rig.joined(rejoin(&joined[0])), leader);
    assert_eq!(leader.members.len(), 2);
    assert_eq!(rig.state(), GroupState::CompletingRebalance);
}

#[test]
fn who_joins_again_with_something_new_has_all_join_again() {
    let (mut rig, joined) = Rig::stable(2);
    let changed = || with_topic("refunds", rejoin(&joined[1]));
    rig.join(changed());
    assert_eq!(rig.state(), GroupState::PreparingRebalance);
    let leader = rig.joined(rejoin(&joined[0]));
    let told = leader.members.iter();
    let told: Vec<_> = told.map(|member| member.metadata.clone()).collect();
    assert_eq!(told[1], protocol("range", "refunds").metadata);
    // While the leader assigns, too: whoever waits is sent back.
    let waiting = rig.sync(&SyncRequest {
        generation: 2,
        ..sync_of(&joined[1])
    });
    assert!(rig.is_waiting(waiting));
    rig.join(with_topic("more", rejoin(&joined[0])));
    assert_eq!(rig.syncs[&waiting], Err(ErrorCode::REBALANCE_IN_PROGRESS));
    assert_eq!(rig.joined(changed()).generation, 3);
}

#[test]
fn a_join_that_is_repeated_takes_the_first_ones_place() {
    let (mut rig, joined) = Rig::stable(2);
    let first = rig.join(rejoin(&joined[0]));
    let second = rig.join(rejoin(&joined[0]));
    let refusal = rig.joins[&first].clone().unwrap_err();
    assert_eq!(refusal.code, ErrorCode::REBALANCE_IN_PROGRESS);
    assert!(rig.is_waiting(second));
    rig.joined(rejoin(&joined[1]));
    assert_eq!(rig.joins[&second].clone().unwrap().generation, 2);
}

#[test]
fn who_waits_for_the_others_is_not_taken_for_lost() {
    let (mut rig, joined) = Rig::stable(2);
    let waiting = rig.join(with_topic("more", rejoin(&joined[1])));
    for _ in 0..5 {
        rig.pass(SESSION - Duration::from_secs(1));
        let beat = rig.heartbeat(&joined[0]);
        assert_eq!(beat, Err(ErrorCode::REBALANCE_IN_PROGRESS));
    }
    assert!(rig.is_waiting(waiting));
    rig.joined(rejoin(&joined[0]));
    assert!(!rig.is_waiting(waiting));
    // Its session has begun anew with that.
    rig.pass(SESSION - Duration::from_secs(1));
    assert_eq!(rig.classic().members().len(), 2);
}

#[test]
fn a_newcomers_first_join_is_not_held_for_ever() {
    let (mut rig, joined) = Rig::stable(1);
    let patient = JoinRequest {
        rebalance_timeout: 2 * NEW_MEMBER_JOIN_TIMEOUT,
        ..request()
    };
    let newcomer = rig.join(patient);
    let steps = NEW_MEMBER_JOIN_TIMEOUT.as_secs() / 5;
    for _ in 0..steps {
        assert!(rig.is_waiting(newcomer));
        let beat = rig.heartbeat(&joined[0]);
        assert_eq!(beat, Err(ErrorCode::REBALANCE_IN_PROGRESS));
        rig.pass(Duration::from_secs(5));
    }
    let refusal = rig.joins[&newcomer].clone().unwrap_err();
    assert_eq!(refusal.code, ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(rig.classic().members().len(), 1);
}
