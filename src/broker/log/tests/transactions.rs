use super::*;
use crate::wire::batch::{BatchBuilder, Batches, ProducerStamp, RecordBody};

const MAX: usize = 1 << 20;
const FENCED: Result<(), ErrorCode> = Err(ErrorCode::INVALID_PRODUCER_EPOCH);

fn stamp(id: i64, epoch: i16, base_sequence: i32) -> ProducerStamp {
    ProducerStamp {
        id,
        epoch,
        base_sequence,
    }
}

/// One record that is part of a transaction.
fn write(log: &mut Log, stamp: ProducerStamp) -> Result<i64, ErrorCode> {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.push(NOW_MS, &RecordBody::new(None, Some(b"v"), &[]));
    let batch = builder.build(stamp, true).unwrap();
    append(log, &batch).map(|appended| appended.base_offset)
}

fn end(log: &mut Log, id: i64, epoch: i16, commits: bool) -> Result<(), ErrorCode> {
    let producer = stamp(id, epoch, -1);
    log.end_transaction(producer, commits, 3, NOW_MS, &rules(&[]))
}

/// The offsets after the batches that a reader of committed records gets, and the transactions
/// that it leaves out.
fn committed(log: &Log, offset: i64) -> (i64, Vec<(i64, i64)>) {
    let slice = log.read(offset, MAX, true, Isolation::Committed).unwrap();
    let batches = Batches::new(log.bytes(&slice));
    let end = batches
        .last()
        .map(|batch| batch.unwrap().header.next_offset());
    let aborted = log.aborted(&slice, offset).into_iter();
    let aborted = aborted.map(|it| (it.producer_id, it.first_offset));
    (end.unwrap_or(offset), aborted.collect())
}

#[test]
fn nothing_is_stable_past_an_open_transaction() {
    let mut log = log_of(&[2]);
    assert_eq!(log.last_stable(), 2);
    write(&mut log, stamp(1, 0, 0)).unwrap();
    write(&mut log, stamp(2, 0, 0)).unwrap();
    append(&mut log, &batch(&["a"], 0)).unwrap();
    assert_eq!((log.last_stable(), log.end()), (2, 5));
    assert_eq!(committed(&log, 0), (2, vec![]));
    assert_eq!(committed(&log, 2), (2, vec![]));
    let available = |isolation| log.read(0, MAX, true, isolation).unwrap().available_bytes();
    assert!(available(Isolation::Committed) < available(Isolation::Uncommitted));

    end(&mut log, 2, 0, false).unwrap();
    assert_eq!(log.last_stable(), 2);
    end(&mut log, 1, 0, true).unwrap();
    assert_eq!((log.last_stable(), log.end()), (7, 7));
    assert_eq!(committed(&log, 0), (7, vec![(2, 3)]));
    assert_eq!(committed(&log, 5), (7, vec![(2, 3)]));
    assert_eq!(committed(&log, 6), (7, vec![]));
    // Markers are not among the records.
    let offsets: Vec<_> = log.records().map(|record| record.offset).collect();
    assert_eq!(offsets, [0, 1, 2, 3, 4]);
}

#[test]
fn a_marker_is_a_batch_of_kafkas_own() {
    for (commits, kind) in [(false, 0), (true, 1)] {
        let mut log = Log::default();
        write(&mut log, stamp(7, 2, 0)).unwrap();
        end(&mut log, 7, 3, commits).unwrap();
        let slice = read(&log, 1, MAX, true).unwrap();
        let batch = Batches::new(log.bytes(&slice)).next().unwrap().unwrap();
        let header = &batch.header;
        assert!(header.attributes.is_control() && header.attributes.is_transactional());
        assert_eq!(header.producer, stamp(7, 3, -1));
        let place = (
            header.base_offset,
            header.leader_epoch,
            header.max_timestamp,
        );
        assert_eq!(place, (1, 3, NOW_MS));
        let records = batch.decode(MAX).unwrap();
        let marker = records.iter().next().unwrap().unwrap();
        assert_eq!(marker.key(), Some(&[0, 0, 0, kind][..]));
        assert_eq!(marker.value(), Some(&[0; 6][..]));
    }
}

#[test]
fn an_end_fences_what_comes_late() {
    let mut log = Log::default();
    write(&mut log, stamp(1, 0, 0)).unwrap();
    end(&mut log, 1, 1, false).unwrap();
    assert_eq!(write(&mut log, stamp(1, 0, 1)).map(drop), FENCED);
    assert_eq!(log.begins_transaction(stamp(1, 0, 1)).map(drop), FENCED);
    assert_eq!(end(&mut log, 1, 0, true), FENCED);
    // The new epoch begins with the first sequence number.
    let gap = Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_eq!(write(&mut log, stamp(1, 1, 1)), gap);
    assert_eq!(write(&mut log, stamp(1, 1, 0)), Ok(2));
    end(&mut log, 1, 1, true).unwrap();
    // Where the epoch stays, so do the sequence numbers.
    assert_eq!(write(&mut log, stamp(1, 1, 0)), Ok(2));
    assert_eq!(write(&mut log, stamp(1, 1, 1)), Ok(4));
}

#[test]
fn the_log_knows_whose_transaction_is_open() {
    let mut log = Log::default();
    let begins = |log: &Log, epoch| log.begins_transaction(stamp(1, epoch, 0));
    assert_eq!(begins(&log, 0), Ok(true));
    assert!(!log.remembers(stamp(1, 0, 0)));
    write(&mut log, stamp(1, 0, 0)).unwrap();
    assert_eq!(begins(&log, 0), Ok(false));
    assert_eq!(begins(&log, 1), Ok(true));
    assert!(log.remembers(stamp(1, 0, 0)));
    let outside = batch_by(&["a"], 0, Compression::None, stamp(1, 0, 1));
    let invalid = Err(ErrorCode::INVALID_TXN_STATE);
    assert_eq!(append(&mut log, &outside), invalid);
    end(&mut log, 1, 0, true).unwrap();
    assert_eq!(begins(&log, 0), Ok(true));
    assert!(append(&mut log, &outside).is_ok());
}

#[test]
fn what_is_deleted_takes_its_transactions_along() {
    let mut log = Log::default();
    write(&mut log, stamp(1, 0, 0)).unwrap();
    end(&mut log, 1, 0, false).unwrap();
    write(&mut log, stamp(2, 0, 0)).unwrap();
    write(&mut log, stamp(2, 0, 1)).unwrap();
    log.delete_before(1).unwrap();
    assert_eq!(committed(&log, 1), (2, vec![(1, 0)]));
    log.delete_before(3).unwrap();
    let all = log.read(3, MAX, true, Isolation::Uncommitted).unwrap();
    assert_eq!(log.aborted(&all, 0), []);
    assert_eq!(log.last_stable(), 3);
    end(&mut log, 2, 0, false).unwrap();
    assert_eq!(committed(&log, 3), (5, vec![(2, 2)]));
}
