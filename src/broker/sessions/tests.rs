use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const NODE: i32 = 1;

fn key(partition: i32) -> Key {
    Key {
        topic: Topic::Name("t".into()),
        partition,
    }
}

fn wanted(partition: i32) -> Wanted {
    Wanted {
        key: key(partition),
        name: Some("t".into()),
        offset: 0,
        max_bytes: 1,
        current_leader_epoch: -1,
        last_fetched_epoch: -1,
    }
}

fn opening(id: i32, epoch: i32, partitions: &[i32]) -> Opening {
    Opening {
        node: NODE,
        id,
        epoch,
        uses_ids: false,
        wanted: partitions.iter().copied().map(wanted).collect(),
        forgotten: Vec::new(),
    }
}

fn empty_at(high_watermark: i64) -> Seen {
    Seen {
        high_watermark,
        log_start: 0,
        has_records: false,
        is_urgent: false,
    }
}

const FAILED: Seen = Seen {
    high_watermark: -1,
    log_start: -1,
    has_records: false,
    is_urgent: true,
};

fn served(opened: &Opened) -> Vec<i32> {
    let wanted = opened.wanted.iter();
    wanted.map(|wanted| wanted.key.partition).collect()
}

/// Sessions with one of these partitions, all empty, and its id.
fn begun(partitions: &[i32], now: Instant) -> (Sessions, i32) {
    let mut sessions = Sessions::default();
    let id = begin(&mut sessions, partitions.len(), now);
    (sessions, id)
}

fn begin(sessions: &mut Sessions, partitions: usize, now: Instant) -> i32 {
    let partitions: Vec<i32> = (0..).take(partitions).collect();
    let opened = sessions.open(opening(0, 0, &partitions), now).unwrap();
    let seen = vec![empty_at(0); partitions.len()];
    sessions.close(opened, &seen, now).id
}

#[test]
fn a_session_goes_by_its_epochs() {
    let now = Instant::now();
    let (mut sessions, id) = begun(&[0], now);
    assert!(id > 0);
    let mut open = |node, id, epoch| {
        let opening = Opening {
            node,
            ..opening(id, epoch, &[])
        };
        sessions.open(opening, now).map(|opened| served(&opened))
    };
    let not_found = Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
    let wrong_epoch = Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
    assert_eq!(open(NODE, id + 1, 1), not_found);
    assert_eq!(open(NODE + 1, id, 1), not_found);
    assert_eq!(open(NODE, id, 2), wrong_epoch);
    assert_eq!(open(NODE, id, 1), Ok(vec![0]));
    assert_eq!(open(NODE, id, 1), wrong_epoch);
    assert_eq!(open(NODE, id, 2), Ok(vec![0]));
    // The last one ends it.
    assert_eq!(open(NODE, id, -1), Ok(vec![]));
    assert_eq!(open(NODE, id, 3), not_found);
}

#[test]
fn names_and_ids_do_not_mix() {
    let now = Instant::now();
    let (mut sessions, id) = begun(&[0], now);
    let mixed = Opening {
        uses_ids: true,
        ..opening(id, 1, &[])
    };
    let refused = sessions.open(mixed, now).map(drop);
    assert_eq!(refused, Err(ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR));
}

#[test]
fn only_what_is_new_is_told() {
    let now = Instant::now();
    let (mut sessions, id) = begun(&[0, 1], now);
    let mut epochs = 1..;
    let mut told = |seen: [Seen; 2]| {
        let opening = opening(id, epochs.next().unwrap(), &[]);
        let opened = sessions.open(opening, now).unwrap();
        // Partitions may have changed places.
        let seen = served(&opened)
            .into_iter()
            .map(|partition| seen[partition as usize]);
        let (order, seen): (_, Vec<_>) = (served(&opened), seen.collect());
        let closed = sessions.close(opened, &seen, now);
        assert_eq!((closed.code, closed.id), (ErrorCode::NONE, id));
        let told = order.iter().zip(closed.answered);
        let told: Vec<_> = told
            .filter_map(|(partition, told)| told.then_some(*partition))
            .collect();
        (order, told)
    };
    let records = Seen {
        has_records: true,
        ..empty_at(5)
    };
    let trimmed = Seen {
        log_start: 2,
        ..empty_at(5)
    };
    let diverging = Seen {
        is_urgent: true,
        ..trimmed
    };
    assert_eq!(told([empty_at(0), empty_at(0)]), (vec![0, 1], vec![]));
    assert_eq!(told([records, empty_at(0)]), (vec![0, 1], vec![0]));
    // It was served, so the other one's turn is first.
    assert_eq!(told([empty_at(5), empty_at(0)]), (vec![1, 0], vec![]));
    assert_eq!(told([trimmed, FAILED]).1, [1, 0]);
    assert_eq!(told([trimmed, FAILED]).1, [1]);
    // When the error is over the client is told the same as before it.
    assert_eq!(told([diverging, empty_at(0)]).1, [1, 0]);
    assert_eq!(told([trimmed, empty_at(0)]).1, [0_i32; 0]);
}

#[test]
fn partitions_come_and_go() {
    let now = Instant::now();
    let (mut sessions, id) = begun(&[0], now);
    let opened = sessions.open(opening(id, 1, &[7]), now).unwrap();
    assert_eq!(served(&opened), [0, 7]);
    // One that is new to the session is told in any case.
    let closed = sessions.close(opened, &[empty_at(0), empty_at(0)], now);
    assert_eq!(closed.answered, [false, true]);
    let forgets = |epoch, partitions: &[i32]| Opening {
        forgotten: partitions.iter().copied().map(key).collect(),
        ..opening(id, epoch, &[])
    };
    let opened = sessions.open(forgets(2, &[0, 9]), now).unwrap();
    assert_eq!(served(&opened), [7]);
    // A session of nothing is none.
    let opened = sessions.open(forgets(3, &[7]), now).unwrap();
    let none = Closed {
        code: ErrorCode::NONE,
        id: 0,
        answered: vec![],
    };
    assert_eq!(sessions.close(opened, &[], now), none);
    let gone = sessions.open(opening(id, 4, &[]), now).map(drop);
    assert_eq!(gone, Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND));
}

#[test]
fn a_request_that_was_overtaken_is_told() {
    let now = Instant::now();
    let (mut sessions, id) = begun(&[0], now);
    let first = sessions.open(opening(id, 1, &[]), now).unwrap();
    let second = sessions.open(opening(id, 2, &[]), now).unwrap();
    let closed = sessions.close(first, &[empty_at(9)], now);
    assert_eq!(closed.code, ErrorCode::INVALID_FETCH_SESSION_EPOCH);
    assert_eq!(closed.answered, [false]);
    let closed = sessions.close(second, &[empty_at(9)], now);
    assert_eq!(
        (closed.code, closed.answered),
        (ErrorCode::NONE, vec![true])
    );
}

#[test]
fn there_is_room_for_so_many_and_then_somebody_goes_or_nobody_comes() {
    let start = Instant::now();
    let later = start + EVICTABLE_AFTER + Duration::from_secs(1);
    let mut sessions = Sessions::default();
    let ids: Vec<i32> = (0..MAX_SESSIONS)
        .map(|_| begin(&mut sessions, 2, start))
        .collect();
    assert_eq!(begin(&mut sessions, 3, start), 0);
    // Other nodes have their own room.
    let elsewhere = Opening {
        node: NODE + 1,
        ..opening(0, 0, &[0])
    };
    let opened = sessions.open(elsewhere, start).unwrap();
    assert!(sessions.close(opened, &[empty_at(0)], start).id > 0);
    // All but the first are in use.
    for id in &ids[1..] {
        sessions.open(opening(*id, 1, &[]), later).unwrap();
    }
    assert!(begin(&mut sessions, 1, later) > 0);
    let mut goes_on = |id| sessions.open(opening(id, 2, &[]), later).is_ok();
    assert!(!goes_on(ids[0]));
    assert!(goes_on(ids[1]));
    // In use and old: they go only for one with more partitions.
    assert_eq!(begin(&mut sessions, 2, later), 0);
    assert!(begin(&mut sessions, 3, later) > 0);
}

/// What changes in a log between two fetches.
#[derive(Clone, Debug)]
enum Change {
    Append(usize),
    Trim(usize),
    Fail(usize),
    Recover(usize),
    Add(usize),
    Forget(usize),
}

fn change() -> impl Strategy<Value = Change> {
    let one = 0..4_usize;
    prop_oneof![
        one.clone().prop_map(Change::Append),
        one.clone().prop_map(Change::Trim),
        one.clone().prop_map(Change::Fail),
        one.clone().prop_map(Change::Recover),
        one.clone().prop_map(Change::Add),
        one.prop_map(Change::Forget),
    ]
}

proptest! {
    /// A client with a session knows as much as one that asks for everything each time.
    #[test]
    fn a_session_tells_as_much_as_full_answers(
        rounds in vec(vec(change(), 0..4), 1..12),
    ) {
        let now = Instant::now();
        let mut sessions = Sessions::default();
        let mut world = [empty_at(0); 4];
        let mut failed = [false; 4];
        // What the client wants, and what it was told last.
        let mut wants = vec![0, 1];
        let mut told = BTreeMap::new();
        let (mut id, mut epoch) = (0, 0);
        for round in rounds {
            let mut opening = opening(id, epoch, if epoch == 0 { &wants } else { &[] });
            for change in round {
                match change {
                    Change::Append(p) => world[p].high_watermark += 1,
                    Change::Trim(p) => world[p].log_start += 1,
                    Change::Fail(p) => failed[p] = true,
                    Change::Recover(p) => failed[p] = false,
                    Change::Add(p) if epoch > 0 && !wants.contains(&(p as i32)) => {
                        wants.push(p as i32);
                        opening.forgotten.retain(|forgotten| *forgotten != key(p as i32));
                        opening.wanted.push(wanted(p as i32));
                    }
                    Change::Forget(p) if epoch > 0 && wants.len() > 1 => {
                        wants.retain(|wanted| *wanted != p as i32);
                        opening.wanted.retain(|wanted| wanted.key != key(p as i32));
                        opening.forgotten.push(key(p as i32));
                    }
                    Change::Add(_) | Change::Forget(_) => {}
                }
            }
            told.retain(|partition, _| wants.contains(partition));
            let opened = sessions.open(opening, now).unwrap();
            let order = served(&opened);
            let see = |partition: &i32| match failed[*partition as usize] {
                true => FAILED,
                false => world[*partition as usize],
            };
            let seen: Vec<_> = order.iter().map(see).collect();
            let closed = sessions.close(opened, &seen, now);
            prop_assert_eq!(closed.code, ErrorCode::NONE);
            for ((partition, seen), _) in order.iter().zip(&seen).zip(closed.answered).filter(|told| told.1) {
                told.insert(*partition, *seen);
            }
            let full: BTreeMap<_, _> = wants.iter().map(|partition| (*partition, see(partition))).collect();
            prop_assert_eq!(&told, &full);
            (id, epoch) = (closed.id, epoch + 1);
        }
    }
}
