use super::*;
use crate::wire::batch::ProducerStamp;

const OUT_OF_ORDER: Result<i64, ErrorCode> = Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);

/// Two records of a producer in an epoch, with this sequence number and the next.
fn append_two(log: &mut Log, id: i64, epoch: i16, base_sequence: i32) -> Result<i64, ErrorCode> {
    let producer = ProducerStamp {
        id,
        epoch,
        base_sequence,
    };
    let batch = batch_by(&["a", "b"], NOW_MS, Compression::None, producer);
    append(log, &batch).map(|appended| appended.base_offset)
}

#[test]
fn a_batch_that_comes_again_is_answered_as_the_first_time() {
    let mut log = Log::default();
    for base in (0..12).step_by(2) {
        assert_eq!(append_two(&mut log, 1, 0, base), Ok(i64::from(base)));
        assert_eq!(append_two(&mut log, 1, 0, base), Ok(i64::from(base)));
    }
    assert_eq!(log.end(), 12);
    // Five are remembered.
    assert_eq!(append_two(&mut log, 1, 0, 2), Ok(2));
    assert_eq!(append_two(&mut log, 1, 0, 0), OUT_OF_ORDER);
    let producer = ProducerStamp {
        id: 1,
        epoch: 0,
        base_sequence: 10,
    };
    // Not the same batch, though it begins where one did.
    let shorter = batch_by(&["a"], NOW_MS, Compression::None, producer);
    assert_eq!(
        append(&mut log, &shorter),
        Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER)
    );
    assert_eq!(log.end(), 12);
}

#[test]
fn a_gap_is_refused_and_an_unknown_producer_may_begin_anywhere() {
    let mut log = Log::default();
    assert_eq!(append_two(&mut log, 1, 3, 40), Ok(0));
    assert_eq!(append_two(&mut log, 1, 3, 44), OUT_OF_ORDER);
    assert_eq!(append_two(&mut log, 1, 3, 42), Ok(2));
    // Others have their own numbers.
    assert_eq!(append_two(&mut log, 2, 0, 0), Ok(4));
    assert_eq!(append_two(&mut log, 1, 3, 44), Ok(6));
}

#[test]
fn a_new_epoch_begins_at_0_and_fences_the_one_before() {
    let mut log = Log::default();
    assert_eq!(append_two(&mut log, 1, 0, 0), Ok(0));
    assert_eq!(append_two(&mut log, 1, 1, 2), OUT_OF_ORDER);
    assert_eq!(append_two(&mut log, 1, 1, 0), Ok(2));
    let fenced = Err(ErrorCode::INVALID_PRODUCER_EPOCH);
    assert_eq!(append_two(&mut log, 1, 0, 0), fenced);
    assert_eq!(append_two(&mut log, 1, 0, 2), fenced);
    assert_eq!(append_two(&mut log, 1, 1, 2), Ok(4));
}

#[test]
fn sequence_numbers_go_around() {
    let mut log = Log::default();
    assert_eq!(append_two(&mut log, 1, 0, i32::MAX - 2), Ok(0));
    // The last of them and 0.
    assert_eq!(append_two(&mut log, 1, 0, i32::MAX), Ok(2));
    assert_eq!(append_two(&mut log, 1, 0, i32::MAX), Ok(2));
    assert_eq!(append_two(&mut log, 1, 0, 0), OUT_OF_ORDER);
    assert_eq!(append_two(&mut log, 1, 0, 1), Ok(4));
}

#[test]
fn a_producer_outlives_its_records_and_is_forgotten_after_a_day() {
    let mut log = Log::default();
    assert_eq!(append_two(&mut log, 1, 1, 0), Ok(0));
    log.delete_before(2).unwrap();
    assert_eq!(append_two(&mut log, 1, 1, 4), OUT_OF_ORDER);
    let tomorrow = NOW_MS + 86_400_000;
    for id in 2..1002 {
        let producer = ProducerStamp {
            id,
            epoch: 0,
            base_sequence: 0,
        };
        let batch = batch_by(&["a"], NOW_MS, Compression::None, producer);
        log.append(Incoming::read(&batch).unwrap(), 0, tomorrow, &rules(&[]))
            .unwrap();
    }
    assert!(append_two(&mut log, 1, 0, 40).is_ok());
    // Those of today are not.
    assert_eq!(append_two(&mut log, 2, 0, 40), OUT_OF_ORDER);
}
