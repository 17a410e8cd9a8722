use super::TransactionVersion::{V0, V2};
use super::*;

const FENCED: Result<Producer, ErrorCode> = Err(ErrorCode::PRODUCER_FENCED);

#[test]
fn each_producer_fences_the_one_before() {
    for version in [V0, V2] {
        let mut rig = Rig::of(version);
        let first = rig.begin();
        assert_eq!(first.epoch, 0);
        let second = rig.begin();
        assert_eq!(second, at(first, 1));
        assert_eq!(rig.add(first, 0), Err(ErrorCode::PRODUCER_FENCED));
        assert_eq!(rig.end(first, true, version), FENCED);
        assert_eq!(rig.add(second, 0), Ok(()));
        let other = Producer { id: 77, epoch: 1 };
        let unknown = ErrorCode::INVALID_PRODUCER_ID_MAPPING;
        assert_eq!(rig.add(other, 0), Err(unknown));
        assert_eq!(rig.end(other, true, version), Err(unknown));
    }
}

#[test]
fn a_timeout_must_be_possible() {
    let mut rig = Rig::of(V2);
    for timeout in [None, Some(Duration::ZERO), Some(901 * SECOND)] {
        let made = rig.transactions.init(ID, timeout, None, rig.now);
        assert_eq!(made, Err(ErrorCode::INVALID_TRANSACTION_TIMEOUT));
    }
    assert!(rig.transactions.look(ID).is_none());
}

#[test]
fn an_ongoing_transaction_is_aborted_before_the_next_producer_begins() {
    // From version 2 on the end brings an epoch of its own.
    for version in [V0, V2] {
        let mut rig = Rig::of(version);
        let first = rig.begin();
        rig.add(first, 0).unwrap();
        let concurrent = Err(ErrorCode::CONCURRENT_TRANSACTIONS);
        assert_eq!(rig.init(None), concurrent);
        assert_eq!(rig.init(None), concurrent);
        assert_eq!(rig.state(), TransactionState::PrepareAbort);
        let markers = rig.mark_all();
        assert_eq!(markers.len(), 1);
        assert_eq!(
            (markers[0].producer, markers[0].commits),
            (at(first, 1), false)
        );
        assert_eq!(rig.state(), TransactionState::CompleteAbort);
        assert_eq!(rig.init(None), Ok(at(first, 2)));
    }
}

#[test]
fn who_says_who_it_was_goes_on_or_is_fenced() {
    let mut rig = Rig::of(V0);
    let first = rig.begin();
    assert_eq!(rig.init(Some(first)), Ok(at(first, 1)));
    // The answer was lost: it is told again.
    assert_eq!(rig.init(Some(first)), Ok(at(first, 1)));
    assert_eq!(rig.init(Some(at(first, 1))), Ok(at(first, 2)));
    assert_eq!(rig.init(Some(first)), FENCED);
    let other = Producer { id: 77, epoch: 2 };
    assert_eq!(rig.init(Some(other)), FENCED);
    let another = rig.begin();
    assert_eq!(another, at(first, 3));
    // That was somebody else: there is nothing to be told again.
    assert_eq!(rig.init(Some(at(first, 2))), FENCED);
}

#[test]
fn who_was_timed_out_can_go_on_with_version_2_alone() {
    for (version, is_told) in [(V0, false), (V2, true)] {
        let mut rig = Rig::of(version);
        let first = rig.begin();
        rig.add(first, 0).unwrap();
        rig.pass(TIMEOUT);
        assert_eq!(rig.mark_all().len(), 1);
        let expected = if is_told { Ok(at(first, 1)) } else { FENCED };
        assert_eq!(rig.init(Some(first)), expected);
    }
}

#[test]
fn who_has_used_up_its_epochs_gets_another_id() {
    let mut rig = Rig::of(V0);
    let first = rig.begin();
    let mut last = first;
    while last.epoch < i16::MAX - 1 {
        last = rig.init(Some(last)).unwrap();
    }
    let next = rig.init(Some(last)).unwrap();
    assert_eq!(next.epoch, 0);
    assert_ne!(next.id, first.id);
    // It is told again.
    assert_eq!(rig.init(Some(last)), Ok(next));
}

#[test]
fn an_id_that_nobody_uses_is_forgotten() {
    let week = Duration::from_secs(7 * 24 * 3600);
    let mut rig = Rig::of(V2);
    let first = rig.begin();
    rig.pass(week - SECOND);
    assert_eq!(rig.init(Some(first)), Ok(at(first, 1)));
    rig.pass(week - SECOND);
    assert!(rig.transactions.look(ID).is_some());
    rig.pass(SECOND);
    assert!(rig.transactions.look(ID).is_none());
    assert_eq!(rig.transactions.poll_timeout(), None);
    let unknown = ErrorCode::INVALID_PRODUCER_ID_MAPPING;
    assert_eq!(rig.add(at(first, 1), 0), Err(unknown));
    assert_ne!(rig.begin().id, first.id);
}
