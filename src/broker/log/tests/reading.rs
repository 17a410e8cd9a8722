use super::super::{OffsetAndTime, Time};
use super::*;
use crate::wire::batch::ProducerStamp;

const MAX: usize = 1 << 20;

fn offsets(log: &Log) -> Vec<i64> {
    log.records().map(|record| record.offset).collect()
}

#[test]
fn a_limit_cuts_between_batches() {
    let log = log_of(&[1, 2, 3]);
    let size = |count| batch(&vec!["v"; count], 0).len();
    let (one, two, three) = (size(1), size(2), size(3));
    let read_some = |offset, max, at_least_one| {
        let slice = read(&log, offset, max, at_least_one).unwrap();
        assert_eq!(log.bytes(&slice).len(), slice.size_bytes());
        slice.size_bytes()
    };
    assert_eq!(read_some(0, MAX, false), one + two + three);
    assert_eq!(read_some(0, one + two + three - 1, false), one + two);
    assert_eq!(read_some(0, one + two, false), one + two);
    assert_eq!(read_some(0, one - 1, false), 0);
    assert_eq!(read_some(0, 0, true), one);
    // An offset within a batch is answered with all of it.
    assert_eq!(read_some(2, two, false), two);
    assert_eq!(read_some(4, 1, true), three);
    assert_eq!(read_some(6, MAX, true), 0);
    for outside in [-1, 7] {
        let out_of_range = Err(ErrorCode::OFFSET_OUT_OF_RANGE);
        assert_eq!(read(&log, outside, MAX, true), out_of_range);
    }
}

#[test]
fn what_the_limit_cuts_off_counts_as_available() {
    let log = log_of(&[1, 1]);
    let all = read(&log, 0, MAX, true).unwrap().size_bytes();
    let available = |max| read(&log, 0, max, true).unwrap().available_bytes();
    assert_eq!(
        [available(MAX), available(all - 1), available(1)],
        [all, all - 1, 1]
    );
    assert_eq!(read(&log, 2, MAX, true).unwrap().available_bytes(), 0);
}

#[test]
fn what_is_before_the_start_is_gone() {
    let mut log = log_of(&[1, 3, 2]);
    for outside in [-2, 7] {
        assert_eq!(
            log.delete_before(outside),
            Err(ErrorCode::OFFSET_OUT_OF_RANGE)
        );
    }
    log.delete_before(2).unwrap();
    assert_eq!(offsets(&log), [2, 3, 4, 5]);
    assert_eq!(
        read(&log, 1, MAX, true),
        Err(ErrorCode::OFFSET_OUT_OF_RANGE)
    );
    // The batch that holds the start is still read whole.
    assert_eq!(log.batches.len(), 2);
    // The start never goes back.
    log.delete_before(0).unwrap();
    assert_eq!(log.start(), 2);
    log.delete_before(6).unwrap();
    assert_eq!((log.start(), log.end(), log.batches.len()), (6, 6, 0));
    append(&mut log, &batch(&["v"], 6)).unwrap();
    assert_eq!(offsets(&log), [6]);
}

#[test]
fn offsets_are_found_by_time() {
    let mut log = Log::default();
    let none = |time| assert_eq!(Log::default().offset_at(time, 4), None);
    none(Time::Largest);
    none(Time::From(0));
    for (epoch, timestamp, codec) in [
        (1, 100, Compression::None),
        (1, 300, Compression::Gzip),
        (2, 200, Compression::Zstd),
    ] {
        let batch = batch_by(&["a", "b"], timestamp, codec, ProducerStamp::NONE);
        append_by(&mut log, &batch, epoch, &rules(&[])).unwrap();
    }
    let find = |log: &Log, time| {
        let found = log.offset_at(time, 4)?;
        Some((found.offset, found.timestamp, found.leader_epoch))
    };
    assert_eq!(find(&log, Time::Earliest), Some((0, -1, 1)));
    assert_eq!(find(&log, Time::Largest), Some((3, 301, 1)));
    assert_eq!(find(&log, Time::From(0)), Some((0, 100, 1)));
    assert_eq!(find(&log, Time::From(101)), Some((1, 101, 1)));
    assert_eq!(find(&log, Time::From(102)), Some((2, 300, 1)));
    assert_eq!(find(&log, Time::From(302)), None);
    log.delete_before(4).unwrap();
    assert_eq!(find(&log, Time::Earliest), Some((4, -1, 2)));
    assert_eq!(find(&log, Time::From(0)), Some((4, 200, 2)));
    log.delete_before(5).unwrap();
    assert_eq!(find(&log, Time::From(0)), Some((5, 201, 2)));
    let empty = OffsetAndTime {
        offset: 0,
        timestamp: -1,
        leader_epoch: 4,
    };
    assert_eq!(Log::default().offset_at(Time::Earliest, 4), Some(empty));
}

#[test]
fn a_log_keeps_as_many_bytes_as_it_may_and_a_batch_more_at_most() {
    let size = batch(&["v"], 0).len();
    let keeps = rules(&[("retention.bytes", &(2 * size).to_string())]);
    let mut log = Log::default();
    for timestamp in 0..5 {
        append_by(&mut log, &batch(&["v"], timestamp), 0, &keeps).unwrap();
    }
    assert_eq!(offsets(&log), [3, 4]);
    let keeps = rules(&[("retention.bytes", &(2 * size - 1).to_string())]);
    append_by(&mut log, &batch(&["v"], 5), 0, &keeps).unwrap();
    assert_eq!((log.start(), offsets(&log)), (4, vec![4, 5]));
}

#[test]
fn old_records_go_when_it_is_looked_for_them() {
    const SECOND: i64 = 1000;
    let minute = rules(&[("retention.ms", "60000")]);
    let mut log = Log::default();
    for timestamp in [NOW_MS - 60 * SECOND, NOW_MS + 300 * SECOND, NOW_MS, -1] {
        append_by(&mut log, &batch(&["v"], timestamp), 0, &minute).unwrap();
    }
    let mut kept_at = |seconds: i64, rules: &Rules| {
        log.retain_time(NOW_MS + seconds * SECOND, rules);
        offsets(&log)
    };
    let compacted = rules(&[("retention.ms", "60000"), ("cleanup.policy", "compact")]);
    assert_eq!(kept_at(299, &minute), [0, 1, 2, 3]);
    assert_eq!(kept_at(300, &minute), [1, 2, 3]);
    // What is behind something young stays, however old.
    assert_eq!(kept_at(599, &minute), [1, 2, 3]);
    assert_eq!(kept_at(600, &rules(&[("retention.ms", "-1")])), [1, 2, 3]);
    assert_eq!(kept_at(900, &compacted), [1, 2, 3]);
    // One without a timestamp is as old as its append.
    assert_eq!(kept_at(1200, &minute), [0_i64; 0]);
    assert_eq!((log.start(), log.end()), (4, 4));
}
