use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::consumer::testing::{records, tp};

fn chunk(partition: i32, from: i64, count: u8) -> FetchedRecords {
    let deltas: Vec<u8> = (0..count).collect();
    let batch = (count > 0).then(|| records(from, i32::from(count) - 1, &deltas));
    FetchedRecords::new(tp(partition), from, from + i64::from(count), batch)
}

/// One partition, assigned, from offset 0 on.
fn fetching() -> Positions {
    let mut positions = Positions::default();
    positions.assign(&[tp(0)]);
    let asked = positions.take_questions(Stage::Finding, Instant::now());
    positions.found(&asked[0], Some(0));
    positions
}

fn ends(positions: &mut Positions) -> Vec<i64> {
    let mut ends = Vec::new();
    while let Some((_, fetched)) = positions.next_ready(usize::MAX) {
        if let Fetched::End(offset) = fetched {
            ends.push(offset);
        }
    }
    ends
}

#[test]
fn an_end_is_told_once_an_arrival() {
    let mut positions = fetching();
    positions.fetched(positions.stamp(), 0, chunk(0, 0, 2), 2);
    assert_eq!(ends(&mut positions), [2]);
    positions.fetched(positions.stamp(), 2, chunk(0, 2, 0), 2);
    assert!(ends(&mut positions).is_empty());
    positions.fetched(positions.stamp(), 2, chunk(0, 2, 1), 4);
    assert!(ends(&mut positions).is_empty());
    positions.fetched(positions.stamp(), 3, chunk(0, 3, 1), 4);
    assert_eq!(ends(&mut positions), [4]);
}

/// The end of the last pass is not the end now: records may have come since.
#[test]
fn after_a_resumption_an_end_is_told_by_a_fetch_that_began_after_it() {
    let mut positions = fetching();
    positions.fetched(positions.stamp(), 0, chunk(0, 0, 1), 1);
    assert_eq!(ends(&mut positions), [1]);
    let before = positions.stamp();
    positions.pause(&[tp(0)]);
    positions.resume(&[tp(0)]);
    assert!(ends(&mut positions).is_empty());
    positions.fetched(before, 1, chunk(0, 1, 0), 1);
    assert!(ends(&mut positions).is_empty());
    assert!(positions.must_hear(&tp(0)));
    positions.fetched(positions.stamp(), 1, chunk(0, 1, 0), 1);
    assert_eq!(ends(&mut positions), [1]);
    assert!(!positions.must_hear(&tp(0)));
}

#[test]
fn an_answer_to_a_question_before_a_reset_is_stale() {
    let mut positions = Positions::default();
    let now = Instant::now();
    positions.assign(&[tp(0)]);
    let committed = positions.take_questions(Stage::Finding, now);
    positions.made_again(&tp(0));
    let reset = positions.take_questions(Stage::Resetting, now);
    positions.found(&committed[0], Some(500));
    assert_eq!(positions.fetchable(now).count(), 0);
    assert_eq!(positions.found(&reset[0], Some(3)), Some(3));
    assert_eq!(positions.fetchable(now).collect::<Vec<_>>(), [(&tp(0), 3)]);
}

/// One partition that has fetched offsets 0 to 4, of which nothing was taken, and is paused; its
/// position was found out of range, and the policy leads to `offset`.
fn reset_to(offset: i64) -> (Positions, Option<i64>) {
    let mut positions = fetching();
    positions.fetched(positions.stamp(), 0, chunk(0, 0, 5), 9);
    positions.pause(&[tp(0)]);
    positions.out_of_range(&tp(0));
    let asked = positions.take_questions(Stage::Resetting, Instant::now());
    let anew = positions.found(&asked[0], Some(offset));
    (positions, anew)
}

#[test]
fn a_log_that_begins_later_is_no_new_beginning_and_costs_nothing_that_was_fetched() {
    for offset in [5, 100] {
        let (mut positions, anew) = reset_to(offset);
        assert_eq!(anew, None);
        assert!(!positions.has_ready(), "still paused");
        positions.resume(&[tp(0)]);
        assert!(matches!(positions.next_ready(9), Some((_, Fetched::Records(r))) if r.len() == 5));
        assert_eq!(
            positions.fetchable(Instant::now()).collect::<Vec<_>>(),
            [(&tp(0), offset)]
        );
    }
}

#[test]
fn a_position_that_goes_back_begins_anew() {
    let (positions, anew) = reset_to(4);
    assert_eq!(anew, Some(4));
    assert!(!positions.has_ready(), "what was fetched is no more");
    assert_eq!(
        positions.fetchable(Instant::now()).collect::<Vec<_>>(),
        [(&tp(0), 4)],
        "nobody has paused it since"
    );
}

#[test]
fn a_topic_made_again_begins_anew_wherever_that_is() {
    let mut positions = fetching();
    positions.fetched(positions.stamp(), 0, chunk(0, 0, 5), 9);
    positions.pause(&[tp(0)]);
    positions.made_again(&tp(0));
    let asked = positions.take_questions(Stage::Resetting, Instant::now());
    assert_eq!(positions.found(&asked[0], Some(50)), Some(50));
    assert!(!positions.has_ready(), "what was fetched is no more");
    let fetchable: Vec<_> = positions.fetchable(Instant::now()).collect();
    assert_eq!(fetchable, [(&tp(0), 50)], "nobody has paused it since");
}

#[test]
fn an_answer_to_a_fetch_before_a_seek_is_stale_even_from_the_same_offset() {
    let mut positions = fetching();
    let before = positions.stamp();
    positions.seek(&tp(0), 0);
    assert!(!positions.awaits(&tp(0), before, 0));
    positions.fetched(before, 0, chunk(0, 0, 2), 2);
    assert!(!positions.has_ready());
    assert!(positions.awaits(&tp(0), positions.stamp(), 0));
    assert!(!positions.awaits(&tp(0), positions.stamp(), 1));
}

#[test]
fn failures_in_a_row_are_counted_until_an_answer_comes() {
    let mut positions = fetching();
    let now = Instant::now();
    let mut seen = Vec::new();
    for _ in 0..3 {
        positions.hold(&tp(0), |failures| {
            seen.push(failures);
            now + Duration::from_secs(1)
        });
    }
    assert_eq!(positions.fetchable(now).count(), 0);
    assert_eq!(
        positions.poll_timeout(now),
        Some(now + Duration::from_secs(1))
    );
    positions.fetched(positions.stamp(), 0, chunk(0, 0, 0), 0);
    positions.hold(&tp(0), |failures| {
        seen.push(failures);
        now
    });
    assert_eq!(seen, [1, 2, 3, 1]);
}

#[test]
fn paused_partitions_keep_what_they_have() {
    let mut positions = fetching();
    positions.fetched(positions.stamp(), 0, chunk(0, 0, 5), 9);
    positions.pause(&[tp(0)]);
    assert!(!positions.has_ready());
    assert_eq!(positions.fetchable(Instant::now()).count(), 0);
    positions.resume(&[tp(0)]);
    assert!(matches!(positions.next_ready(9), Some((_, Fetched::Records(r))) if r.len() == 5));
}

#[test]
fn partitions_take_turns() {
    let mut positions = Positions::default();
    positions.assign(&[tp(0), tp(1)]);
    for asked in positions.take_questions(Stage::Finding, Instant::now()) {
        positions.found(&asked, Some(0));
    }
    for partition in 0..2 {
        positions.fetched(positions.stamp(), 0, chunk(partition, 0, 4), 9);
    }
    let next = |positions: &mut Positions| positions.next_ready(2).unwrap().0.partition;
    let turns: Vec<_> = (0..4).map(|_| next(&mut positions)).collect();
    assert_eq!(turns, [0, 1, 0, 1]);
}

#[derive(Clone, Debug)]
enum Op {
    Assign(i32),
    Remove(i32),
    Pause(i32),
    Resume(i32),
    Seek(i32, i64),
    OutOfRange(i32),
    MadeAgain(i32),
    /// Questions are asked; the oldest ones under way are answered.
    Ask,
    Answer(bool),
    Fetch,
    Arrive(u8),
    Append(i32, u8),
    Take(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let p = 0..2_i32;
    prop_oneof![
        1 => p.clone().prop_map(Op::Assign),
        1 => p.clone().prop_map(Op::Remove),
        1 => p.clone().prop_map(Op::Pause),
        2 => p.clone().prop_map(Op::Resume),
        1 => (p.clone(), 0..20_i64).prop_map(|(p, offset)| Op::Seek(p, offset)),
        1 => p.clone().prop_map(Op::OutOfRange),
        1 => p.clone().prop_map(Op::MadeAgain),
        4 => Just(Op::Ask),
        4 => any::<bool>().prop_map(Op::Answer),
        4 => Just(Op::Fetch),
        6 => (0..6_u8).prop_map(Op::Arrive),
        3 => (p, 1..5_u8).prop_map(|(p, count)| Op::Append(p, count)),
        6 => (1..4_usize).prop_map(Op::Take),
    ]
}

/// What the application may expect, by partition.
#[derive(Default)]
struct Model {
    log_end: BTreeMap<i32, i64>,
    /// The next offset to be handed out, where it is known.
    next: BTreeMap<i32, Option<i64>>,
    paused: BTreeSet<i32>,
    told: BTreeMap<i32, i64>,
}

impl Model {
    /// A partition begins anew at an offset, or at one that is to be found.
    fn begin(&mut self, p: i32, next: Option<i64>) {
        if let Some(at) = self.next.get_mut(&p) {
            *at = next;
        }
        self.told.remove(&p);
    }

    fn take(&mut self, tp: &TopicPartition, fetched: Fetched) {
        let p = tp.partition;
        assert!(!self.paused.contains(&p), "handed out while paused");
        let next = self
            .next
            .get_mut(&p)
            .expect("of a partition that is assigned");
        let at = next.as_mut().expect("of a partition whose offset is known");
        match fetched {
            Fetched::Records(mut records) => {
                while let Some(record) = records.next() {
                    assert_eq!(record.unwrap().offset, *at, "a gap, or out of order");
                    *at += 1;
                }
                assert_eq!(records.next_offset(), *at);
                self.told.remove(&p);
            }
            Fetched::End(offset) => {
                assert_eq!(offset, *at, "an end before all was handed out");
                assert_ne!(self.told.insert(p, offset), Some(offset), "told twice");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn records_come_in_order_without_gaps_whatever_happens(
        ops in prop::collection::vec(op(), 1..120)
    ) {
        let now = Instant::now();
        let (mut positions, mut model) = (Positions::default(), Model::default());
        let mut questions: VecDeque<(Incarnation, i64)> = VecDeque::new();
        let mut fetches: VecDeque<(u64, TopicPartition, i64)> = VecDeque::new();
        for op in ops {
            match op {
                Op::Assign(p) => {
                    positions.assign(&[tp(p)]);
                    model.next.insert(p, None);
                    model.paused.remove(&p);
                    model.begin(p, None);
                }
                Op::Remove(p) => {
                    positions.remove(&[tp(p)]);
                    model.next.remove(&p);
                    model.paused.remove(&p);
                }
                Op::Pause(p) => {
                    positions.pause(&[tp(p)]);
                    if model.next.contains_key(&p) {
                        model.paused.insert(p);
                    }
                }
                Op::Resume(p) => {
                    positions.resume(&[tp(p)]);
                    model.paused.remove(&p);
                    model.told.remove(&p);
                }
                Op::Seek(p, offset) => {
                    let offset = offset.min(model.log_end.get(&p).copied().unwrap_or(0));
                    positions.seek(&tp(p), offset);
                    model.begin(p, Some(offset));
                }
                Op::OutOfRange(p) => {
                    positions.out_of_range(&tp(p));
                    model.told.remove(&p);
                }
                Op::MadeAgain(p) => {
                    positions.made_again(&tp(p));
                    model.paused.remove(&p);
                    model.begin(p, None);
                }
                Op::Ask => {
                    for stage in [Stage::Finding, Stage::Resetting] {
                        for asked in positions.take_questions(stage, now) {
                            questions.push_back((asked, 0));
                        }
                    }
                }
                Op::Answer(committed) => {
                    let Some((asked, offset)) = questions.pop_front() else { continue };
                    let p = asked.partition.partition;
                    let present = positions.present(&asked).is_some();
                    let anew = positions.found(&asked, committed.then_some(offset));
                    let unknown = model.next.get(&p).is_some_and(Option::is_none);
                    if anew.is_some() {
                        model.paused.remove(&p);
                    }
                    if anew.is_some() || (present && committed && unknown) {
                        model.begin(p, Some(offset));
                    }
                }
                Op::Fetch => {
                    let stamp = positions.stamp();
                    let begun = positions.fetchable(now);
                    fetches.extend(begun.map(|(tp, offset)| (stamp, tp.clone(), offset)));
                }
                Op::Arrive(count) => {
                    let Some((stamp, tp, offset)) = fetches.pop_front() else { continue };
                    let end = model.log_end.get(&tp.partition).copied().unwrap_or(0);
                    let count = u8::try_from((end - offset).clamp(0, i64::from(count))).unwrap();
                    positions.fetched(stamp, offset, chunk(tp.partition, offset, count), end);
                }
                Op::Append(p, count) => {
                    *model.log_end.entry(p).or_default() += i64::from(count);
                }
                Op::Take(max) => {
                    if let Some((tp, fetched)) = positions.next_ready(max) {
                        model.take(&tp, fetched);
                    }
                }
            }
        }
    }
}

/// Two fetches, of leader epochs 3 and 4; the application has `handed_out` of the six records.
fn read_in_two_epochs(handed_out: usize) -> Positions {
    let mut positions = fetching();
    for (epoch, from) in [(3, 0), (4, 3)] {
        positions.note_epoch(&tp(0), epoch, from);
        positions.fetched(positions.stamp(), from, chunk(0, from, 3), 6);
    }
    for _ in 0..handed_out {
        positions.next_ready(1);
    }
    positions
}

fn stands_at(positions: &Positions) -> Vec<i64> {
    let fetchable = positions.fetchable(Instant::now());
    fetchable.map(|(_, offset)| offset).collect()
}

#[test]
fn a_truncation_of_what_the_application_has_is_told() {
    let mut positions = read_in_two_epochs(5);
    positions.pause(&[tp(0)]);
    let before = positions.stamp();
    let truncation = positions.truncated(&tp(0), 3, 10).unwrap();
    assert_eq!((truncation.from, truncation.diverged_at), (6, 3));
    assert!(truncation.is_told);
    assert_eq!(stands_at(&positions), [3], "and not paused");
    assert_eq!(positions.epoch_before(&tp(0), 3), Some(3));
    assert!(positions.next_ready(1).is_none(), "what waited is no more");
    assert!(!positions.awaits(&tp(0), before, 3));
}

#[test]
fn a_truncation_of_what_waits_is_fetched_again_without_a_gap() {
    let mut positions = read_in_two_epochs(2);
    let truncation = positions.truncated(&tp(0), 3, 10).unwrap();
    assert!(!truncation.is_told);
    assert_eq!(stands_at(&positions), [2]);
}

#[test]
fn a_divergence_beyond_the_position_is_none() {
    let mut positions = read_in_two_epochs(5);
    assert_eq!(positions.truncated(&tp(0), 4, 6), None);
    assert_eq!(positions.truncated(&tp(1), 3, 1), None);
    assert_eq!(stands_at(&positions), [6]);
}
