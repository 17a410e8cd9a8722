use super::TransactionVersion::{V0, V2};
use super::*;

const INVALID: Result<Producer, ErrorCode> = Err(ErrorCode::INVALID_TXN_STATE);
const CONCURRENT: Result<Producer, ErrorCode> = Err(ErrorCode::CONCURRENT_TRANSACTIONS);
const FENCED: Result<Producer, ErrorCode> = Err(ErrorCode::PRODUCER_FENCED);

#[test]
fn a_transaction_is_over_when_every_marker_is_written() {
    for (version, epoch) in [(V0, 0), (V2, 1)] {
        for commits in [true, false] {
            let mut rig = Rig::of(version);
            let first = rig.begin();
            rig.add(first, 0).unwrap();
            rig.add(first, 1).unwrap();
            rig.add(first, 1).unwrap();
            let after = at(first, epoch);
            assert_eq!(rig.end(first, commits, version), Ok(after));
            assert_eq!(rig.end(first, commits, version), CONCURRENT);
            let added = rig.add(after, 0);
            assert_eq!(added, Err(ErrorCode::CONCURRENT_TRANSACTIONS));
            assert_eq!(rig.init(None), CONCURRENT);
            let markers = rig.transactions.markers();
            let places: Vec<_> = markers.iter().map(|marker| marker.place.clone()).collect();
            assert_eq!(places, [place(0), place(1)]);
            let all_are = |marker: &Marker| (marker.producer, marker.commits) == (after, commits);
            assert!(markers.iter().all(all_are));
            rig.transactions.marked(&markers[0], rig.now);
            rig.transactions.marked(&markers[0], rig.now);
            assert_eq!(rig.transactions.markers(), markers[1..]);
            rig.transactions.marked(&markers[1], rig.now);
            let state = if commits {
                TransactionState::CompleteCommit
            } else {
                TransactionState::CompleteAbort
            };
            assert_eq!(rig.state(), state);
            assert_eq!(rig.add(after, 0), Ok(()));
        }
    }
}

#[test]
fn whoever_has_not_heard_of_the_end_is_told_again() {
    for version in [V0, V2] {
        let mut rig = Rig::of(version);
        let first = rig.begin();
        rig.add(first, 0).unwrap();
        let after = rig.end(first, true, version).unwrap();
        rig.mark_all();
        assert_eq!(rig.end(first, true, version), Ok(after));
        assert_eq!(rig.end(first, false, version), INVALID);
    }
}

#[test]
fn where_there_is_nothing_only_an_abort_with_an_epoch_to_come_is_something() {
    let mut old = Rig::of(V0);
    let first = old.begin();
    assert_eq!(old.end(first, true, V0), INVALID);
    assert_eq!(old.end(first, false, V0), INVALID);

    let mut new = Rig::of(V2);
    let first = new.begin();
    assert_eq!(new.end(first, true, V2), INVALID);
    for epoch in 1..4 {
        assert_eq!(
            new.end(at(first, epoch - 1), false, V2),
            Ok(at(first, epoch))
        );
        assert_eq!(new.mark_all(), []);
        assert_eq!(new.state(), TransactionState::CompleteAbort);
    }
    assert_eq!(new.end(at(first, 3), true, V2), INVALID);
    assert_eq!(new.end(at(first, 1), false, V2), FENCED);
}

#[test]
fn time_ends_what_nobody_does() {
    for version in [V0, V2] {
        let mut rig = Rig::of(version);
        let first = rig.begin();
        rig.add(first, 0).unwrap();
        rig.pass(TIMEOUT / 2);
        // Going on makes it no younger.
        rig.add(first, 1).unwrap();
        let due = rig.now + TIMEOUT / 2;
        assert_eq!(rig.transactions.poll_timeout(), Some(due));
        rig.pass(TIMEOUT / 2 - SECOND);
        assert_eq!(rig.state(), TransactionState::Ongoing);
        rig.pass(SECOND);
        let fence = at(first, 1);
        let markers = rig.mark_all();
        assert_eq!(markers.len(), 2);
        assert!(markers.iter().all(|it| it.producer == fence && !it.commits));
        assert_eq!(rig.add(first, 0), Err(ErrorCode::PRODUCER_FENCED));
    }
}

#[test]
fn a_client_whose_transaction_took_too_long_is_told_so() {
    let mut old = Rig::of(V0);
    let first = old.begin();
    old.add(first, 0).unwrap();
    old.pass(TIMEOUT);
    old.mark_all();
    assert_eq!(old.end(first, true, V0), FENCED);

    // With version 2 it looks as if the answer to an abort had been lost.
    let mut new = Rig::of(V2);
    let first = new.begin();
    new.add(first, 0).unwrap();
    new.pass(TIMEOUT);
    new.mark_all();
    assert_eq!(new.end(first, true, V2), INVALID);
    assert_eq!(new.end(first, false, V2), Ok(at(first, 1)));
}

#[test]
fn the_last_epoch_brings_another_id() {
    let mut rig = Rig::of(V2);
    let mut last = rig.begin();
    while last.epoch < i16::MAX - 1 {
        last = rig.end(last, false, V2).unwrap();
    }
    rig.add(last, 0).unwrap();
    let next = rig.end(last, true, V2).unwrap();
    assert_eq!(next.epoch, 0);
    assert_ne!(next.id, last.id);
    let markers = rig.mark_all();
    assert_eq!(markers[0].producer, at(last, i16::MAX));
    // It is told again.
    assert_eq!(rig.end(last, true, V2), Ok(next));
    assert_eq!(rig.add(next, 0), Ok(()));
}

#[test]
fn only_what_was_added_is_verified() {
    let mut rig = Rig::of(V0);
    let first = rig.begin();
    rig.add(first, 0).unwrap();
    let verify =
        |rig: &Rig, producer, partition| rig.transactions.verify(ID, producer, &place(partition));
    assert_eq!(verify(&rig, first, 0), Ok(()));
    let abortable = Err(ErrorCode::TRANSACTION_ABORTABLE);
    assert_eq!(verify(&rig, first, 1), abortable);
    let fenced = Err(ErrorCode::PRODUCER_FENCED);
    assert_eq!(verify(&rig, at(first, 1), 0), fenced);
    rig.end(first, true, V0).unwrap();
    let concurrent = Err(ErrorCode::CONCURRENT_TRANSACTIONS);
    assert_eq!(verify(&rig, first, 0), concurrent);
    rig.mark_all();
    assert_eq!(verify(&rig, first, 0), abortable);
}
