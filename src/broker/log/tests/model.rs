//! The log against a list of records.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::Time;
use super::*;
use crate::wire::batch::{Batches, ProducerStamp};

#[derive(Clone, Debug)]
enum Step {
    Append {
        records: usize,
        timestamp: i64,
        codec: usize,
    },
    Delete {
        offset: i64,
    },
    RetainBytes {
        batches: usize,
    },
    NewEpoch,
}

/// What is known of one record.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Known {
    offset: i64,
    timestamp: i64,
    epoch: i32,
}

#[derive(Default)]
struct Model {
    /// All that were ever appended.
    records: Vec<Known>,
    /// The offsets after each batch.
    batch_ends: Vec<i64>,
    start: i64,
    epoch: i32,
}

impl Model {
    fn end(&self) -> i64 {
        self.records.len() as i64
    }

    fn readable(&self) -> impl Iterator<Item = &Known> {
        self.records
            .iter()
            .filter(|record| record.offset >= self.start)
    }
}

fn step() -> impl Strategy<Value = Step> {
    let append = (1..5_usize, 0..50_i64, 0..5_usize);
    let append = append.prop_map(|(records, timestamp, codec)| Step::Append {
        records,
        timestamp,
        codec,
    });
    prop_oneof![
        6 => append,
        1 => (-2..40_i64).prop_map(|offset| Step::Delete { offset }),
        1 => (1..6_usize).prop_map(|batches| Step::RetainBytes { batches }),
        1 => Just(Step::NewEpoch),
    ]
}

fn run(log: &mut Log, model: &mut Model, step: &Step) {
    match *step {
        Step::Append {
            records,
            timestamp,
            codec,
        } => {
            let batch = batch_by(
                &vec!["v"; records],
                timestamp,
                Compression::ALL[codec],
                ProducerStamp::NONE,
            );
            let appended = append_by(log, &batch, model.epoch, &rules(&[])).unwrap();
            assert_eq!(appended.base_offset, model.end());
            for timestamp in (timestamp..).take(records) {
                let (offset, epoch) = (model.end(), model.epoch);
                model.records.push(Known {
                    offset,
                    timestamp,
                    epoch,
                });
            }
            model.batch_ends.push(model.end());
        }
        Step::Delete { offset } => {
            let is_possible = (0..=model.end()).contains(&offset);
            assert_eq!(log.delete_before(offset).is_ok(), is_possible);
            if is_possible {
                model.start = model.start.max(offset);
            }
        }
        Step::RetainBytes { batches } => {
            // The limit is the size of so many batches at the end: exactly those stay.
            let sizes: Vec<u64> = log
                .batches
                .iter()
                .map(|batch| batch.bytes.len() as u64)
                .collect();
            let kept = sizes.len().min(batches);
            let limit = sizes.iter().rev().take(kept).sum::<u64>();
            let gone = model.batch_ends.iter().rev().nth(kept);
            model.start = model.start.max(gone.copied().unwrap_or(0));
            log.retain_bytes(&Rules {
                retention_bytes: limit.max(1),
                ..rules(&[])
            });
        }
        Step::NewEpoch => model.epoch += 1,
    }
}

fn check(log: &Log, model: &Model) {
    assert_eq!((log.start(), log.end()), (model.start, model.end()));
    let held: Vec<_> = log
        .records()
        .map(|record| (record.offset, record.timestamp))
        .collect();
    let known: Vec<_> = model
        .readable()
        .map(|known| (known.offset, known.timestamp))
        .collect();
    assert_eq!(held, known);
    for offset in -1..=model.end() + 1 {
        check_read(log, model, offset);
    }
    for timestamp in 0..55 {
        let found = log.offset_at(Time::From(timestamp), model.epoch);
        let known = model.readable().find(|known| known.timestamp >= timestamp);
        let known = known.map(|known| (known.offset, known.timestamp, known.epoch));
        assert_eq!(
            found.map(|found| (found.offset, found.timestamp, found.leader_epoch)),
            known
        );
    }
    for epoch in 0..model.epoch {
        let end = log.end_of_epoch(epoch, model.epoch).unwrap().1;
        let later = model.readable().find(|known| known.epoch > epoch);
        assert_eq!(
            end,
            later.map_or(model.end(), |known| known.offset),
            "of epoch {epoch}"
        );
    }
}

/// What is read begins with the batch of the offset, and goes on without a gap up to the limit.
fn check_read(log: &Log, model: &Model, offset: i64) {
    let max_bytes = (offset * 37).unsigned_abs() as usize % 400;
    let read = read(log, offset, max_bytes, true);
    let Ok(slice) = read else {
        assert!(!(model.start..=model.end()).contains(&offset));
        return;
    };
    let bytes = log.bytes(&slice);
    assert_eq!(bytes.len(), slice.size_bytes());
    let batches: Vec<_> = Batches::new(bytes.clone()).map(Result::unwrap).collect();
    let Some(first) = batches.first() else {
        assert_eq!(offset, model.end());
        return;
    };
    assert!((first.header.base_offset..first.header.next_offset()).contains(&offset));
    assert!(batches.len() == 1 || bytes.len() <= max_bytes);
    assert!(
        batches
            .windows(2)
            .all(|two| two[0].header.next_offset() == two[1].header.base_offset)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn the_log_is_a_list_of_records(steps in vec(step(), 1..25)) {
        let (mut log, mut model) = (Log::default(), Model::default());
        for step in &steps {
            run(&mut log, &mut model, step);
            check(&log, &model);
        }
    }
}
