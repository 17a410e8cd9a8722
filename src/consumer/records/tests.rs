use proptest::prelude::*;

use super::*;
use crate::consumer::testing::{records, tp};

/// Batches as compaction leaves them: for each the gap before it, what it holds, what it lost at
/// its end.
fn log() -> impl Strategy<Value = Vec<(i64, Vec<u8>, i32)>> {
    let deltas = prop::collection::btree_set(0..20_u8, 0..8);
    let deltas = deltas.prop_map(|deltas| deltas.into_iter().collect::<Vec<_>>());
    prop::collection::vec((0..5_i64, deltas, 0..3_i32), 0..5)
}

/// The batches, the offsets of their records, and the offset after them.
fn laid_out(log: &[(i64, Vec<u8>, i32)]) -> (Vec<Records>, Vec<i64>, i64) {
    let (mut batches, mut offsets, mut end) = (Vec::new(), Vec::new(), 0);
    for (gap, deltas, lost) in log {
        let base = end + gap;
        let last = i32::from(deltas.last().copied().unwrap_or(0)) + lost;
        batches.push(records(base, last, deltas));
        offsets.extend(deltas.iter().map(|delta| base + i64::from(*delta)));
        end = base + i64::from(last) + 1;
    }
    (batches, offsets, end)
}

fn drained(mut records: FetchedRecords) -> Vec<i64> {
    let mut offsets = Vec::new();
    while let Some(record) = records.next() {
        offsets.push(record.unwrap().offset);
    }
    offsets
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn pieces_are_the_whole_and_each_ends_where_the_next_begins(
        log in log(), from in 0..40_i64, counts in prop::collection::vec(1..6_usize, 40),
    ) {
        let (batches, offsets, end) = laid_out(&log);
        let wanted: Vec<_> = offsets.into_iter().filter(|offset| *offset >= from).collect();
        let mut left = FetchedRecords::new(tp(0), from, end, batches);
        let mut rest = &wanted[..];
        for count in counts {
            if left.is_empty() {
                break;
            }
            let front = left.split_front(count);
            let (expected, after) = rest.split_at(count.min(rest.len()));
            rest = after;
            prop_assert_eq!(front.next_offset(), rest.first().copied().unwrap_or(end));
            prop_assert_eq!(front.len(), expected.len());
            prop_assert_eq!(drained(front), expected);
        }
        prop_assert!(rest.is_empty());
        prop_assert_eq!(drained(left), Vec::<i64>::new());
    }

    /// What can't be read is in one piece, and no piece before it leads past it.
    #[test]
    fn no_piece_before_an_unreadable_record_leads_past_it(
        good in 1..6_u8, behind in 0..3_i64, count in 1..4_usize,
    ) {
        let deltas: Vec<u8> = (0..good).chain([99]).collect();
        let damaged = records(0, i32::from(good), &deltas);
        let others = (1..=behind).map(|n| records(n * 10, 0, &[0]));
        let mut left = FetchedRecords::new(tp(0), 0, 100, [damaged].into_iter().chain(others));
        let mut next = 0;
        loop {
            let mut front = left.split_front(count);
            let told = front.next_offset();
            let mut unreadable = false;
            while let Some(record) = front.next() {
                match record {
                    Ok(record) => {
                        prop_assert_eq!(record.offset, next);
                        next += 1;
                    }
                    Err(_) => {
                        unreadable = true;
                        break;
                    }
                }
            }
            if unreadable {
                break;
            }
            prop_assert_eq!(told, next, "committed, it would skip what was not read");
        }
        prop_assert_eq!(next, i64::from(good));
    }
}

#[test]
fn bytes_are_held_until_the_last_part_is_dropped() {
    let ledger = Ledger::default();
    let mut rest = FetchedRecords::new(tp(0), 0, 4, [records(0, 3, &[0, 1, 2, 3])]);
    rest.enter(&ledger);
    let bytes = rest.len_bytes();
    let (first, second) = (rest.split_front(1), rest.split_front(2));
    drop(rest);
    drop(first);
    assert_eq!((ledger.of(&tp(0)), ledger.of(&tp(1))), (bytes, 0));
    drop(second);
    assert_eq!(ledger.total(), 0);
}

#[test]
fn a_batch_without_records_moves_the_position_on() {
    let empty = FetchedRecords::new(tp(0), 3, 10, [records(0, 9, &[])]);
    assert!(empty.is_empty());
    assert_eq!(empty.next_offset(), 10);
}
