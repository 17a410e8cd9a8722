//! Transactions, against a naive model: a log of which it is known how each one ended.

use std::collections::BTreeMap;

use kafka_protocol::messages::fetch_response::AbortedTransaction;
use proptest::prelude::*;

use super::*;
use crate::wire::batch::{ProducerStamp, RecordBatch};

const COMMITTED: bool = true;

#[derive(Clone, Debug)]
enum Step {
    /// Records of no transaction, by a producer that has no id.
    Plain(u8),
    /// Records of a producer's transaction, which begins with the first ones.
    Write(i64, u8),
    /// The end of a producer's transaction, if it has one.
    End(i64, bool),
    /// Something else of Kafka's own.
    Control,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1..4_u8).prop_map(Step::Plain),
        (0..3_i64, 1..4_u8).prop_map(|(producer, count)| Step::Write(producer, count)),
        (0..3_i64, any::<bool>()).prop_map(|(producer, commit)| Step::End(producer, commit)),
        Just(Step::Control),
    ]
}

/// A transaction: its producer, its first offset, its marker's offset and what that says.
#[derive(Clone, Copy, Debug)]
struct Transaction {
    producer: i64,
    first: i64,
    end: Option<(i64, bool)>,
}

#[derive(Debug, Default)]
struct Log {
    /// Each with the number of its transaction.
    batches: Vec<(RecordBatch, Option<usize>)>,
    transactions: Vec<Transaction>,
}

impl Log {
    fn of(steps: &[Step]) -> Self {
        let mut log = Self::default();
        let mut open: BTreeMap<i64, usize> = BTreeMap::new();
        for step in steps {
            let at = log.end();
            match *step {
                Step::Plain(count) => log.push(data(at, count, ProducerStamp::NONE), None),
                Step::Write(producer, count) => {
                    let number = *open.entry(producer).or_insert_with(|| {
                        log.transactions.push(Transaction {
                            producer,
                            first: at,
                            end: None,
                        });
                        log.transactions.len() - 1
                    });
                    log.push(data(at, count, stamp(producer)), Some(number));
                }
                Step::End(producer, commit) => {
                    if let Some(number) = open.remove(&producer) {
                        log.push(control(at, producer, i16::from(commit)), None);
                        log.transactions[number].end = Some((at, commit));
                    }
                }
                Step::Control => log.push(control(at, -1, 2), None),
            }
        }
        log
    }

    fn push(&mut self, batch: RecordBatch, transaction: Option<usize>) {
        self.batches.push((batch, transaction));
    }

    fn end(&self) -> i64 {
        let last = self.batches.last();
        last.map_or(0, |(batch, _)| batch.header.next_offset())
    }

    fn last_stable_offset(&self) -> i64 {
        let open = self.transactions.iter().filter(|it| it.end.is_none());
        open.map(|it| it.first).min().unwrap_or(self.end())
    }

    /// The offsets of the records that a reader of this isolation level is given.
    fn visible(&self, isolation: IsolationLevel) -> Vec<i64> {
        let is_visible = |(batch, transaction): &&(RecordBatch, Option<usize>)| {
            let end = transaction.map(|number| self.transactions[number].end);
            let is_committed = match end {
                None => batch.header.base_offset < self.last_stable_offset(),
                Some(end) => end.is_some_and(|(_, commit)| commit == COMMITTED),
            };
            let sees_all = isolation == IsolationLevel::ReadUncommitted;
            !batch.header.attributes.is_control() && (sees_all || is_committed)
        };
        let batches = self.batches.iter().filter(is_visible);
        let offsets = batches.flat_map(|(it, _)| it.header.base_offset..it.header.next_offset());
        let stable = match isolation {
            IsolationLevel::ReadUncommitted => self.end(),
            IsolationLevel::ReadCommitted => self.last_stable_offset(),
        };
        offsets.filter(|offset| *offset < stable).collect()
    }

    /// What Kafka answers a fetch with: whole batches, and the aborted transactions that touch
    /// them, in the order in which they ended.
    fn fetch(&self, from: i64, count: usize, isolation: IsolationLevel) -> PartitionData {
        let end = match isolation {
            IsolationLevel::ReadUncommitted => self.end(),
            IsolationLevel::ReadCommitted => self.last_stable_offset(),
        };
        let batches = self.batches.iter().map(|(batch, _)| batch);
        let wanted = batches.filter(|it| it.header.next_offset() > from);
        let wanted = wanted.take_while(|it| it.header.base_offset < end);
        let wanted: Vec<_> = wanted.take(count).cloned().collect();
        let upper = wanted.last().map_or(from, |it| it.header.next_offset());
        let ended = self
            .transactions
            .iter()
            .filter_map(|it| Some((it, it.end?)));
        let mut aborted: Vec<_> = ended
            .filter(|(it, (at, commit))| *commit != COMMITTED && *at >= from && it.first < upper)
            .collect();
        aborted.sort_by_key(|(_, (at, _))| *at);
        let aborted = aborted.into_iter().map(|(it, _)| {
            AbortedTransaction::default()
                .with_producer_id(it.producer.into())
                .with_first_offset(it.first)
        });
        PartitionData::default()
            .with_high_watermark(self.end())
            .with_last_stable_offset(self.last_stable_offset())
            .with_aborted_transactions(Some(aborted.collect()))
            .with_records(Some(wire(&wanted)))
    }
}

fn stamp(producer: i64) -> ProducerStamp {
    ProducerStamp {
        id: producer,
        epoch: 0,
        base_sequence: 0,
    }
}

fn data(base: i64, count: u8, producer: ProducerStamp) -> RecordBatch {
    let deltas: Vec<_> = (0..count).collect();
    let mut batch = batch(base, i32::from(count) - 1, &deltas);
    batch.header.producer = producer;
    batch.header.attributes = Attributes::new(Compression::None, producer != ProducerStamp::NONE);
    batch
}

/// Length, attributes, timestamp, offset, a key of version and type, a value of its own, no
/// headers.
fn control(base: i64, producer: i64, kind: i16) -> RecordBatch {
    let mut control = batch(base, 0, &[0]);
    control.header.producer = stamp(producer);
    control.header.attributes = Attributes(1 << 5 | 1 << 4);
    let key = [0_i16.to_be_bytes(), kind.to_be_bytes()].concat();
    let record = [&[0, 0, 0, 4 << 1][..], &key, &[6 << 1, 0, 0, 0, 0, 0, 9, 0]].concat();
    control.records = [&[(record.len() as u8) << 1][..], &record].concat().into();
    control
}

fn read_as(isolation: IsolationLevel, data: PartitionData, from: i64) -> PartitionAnswer {
    let topic = FetchableTopicResponse::default().with_topic(topic_name("t"));
    let answer = FetchResponse::default().with_responses(vec![topic.with_partitions(vec![data])]);
    let rules = Rules {
        isolation,
        ..rules(1 << 20)
    };
    read(answer, &wanted(&[(0, from)]), rules)
        .partitions
        .remove(0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Fetch after fetch, each of a few batches, from anywhere on.
    #[test]
    fn what_never_came_to_be_is_not_handed_out(
        steps in prop::collection::vec(step(), 0..30),
        from in 0..40_i64,
        counts in prop::collection::vec(1..6_usize, 30),
        committed in any::<bool>(),
    ) {
        let isolation = match committed {
            true => IsolationLevel::ReadCommitted,
            false => IsolationLevel::ReadUncommitted,
        };
        let log = Log::of(&steps);
        let mut offsets = Vec::new();
        let mut at = from;
        for count in counts {
            let mut answer = read_as(isolation, log.fetch(at, count, isolation), at);
            prop_assert!(answer.unreadable.is_none());
            while let Some(record) = answer.records.next() {
                offsets.push(record.unwrap().offset);
            }
            at = answer.records.next_offset();
            prop_assert!(at <= answer.end.max(from));
            if at >= answer.end {
                break;
            }
        }
        let expected = log.visible(isolation).into_iter().filter(|offset| *offset >= from);
        prop_assert_eq!(offsets, expected.collect::<Vec<_>>());
        let end = match committed {
            true => log.last_stable_offset(),
            false => log.end(),
        };
        prop_assert_eq!(at, end.max(from), "the position moves past what is left out");
    }
}

/// One producer: aborted, committed, aborted again.
#[test]
fn an_abort_ends_with_its_marker() {
    let steps = [(1, false), (2, true), (3, false)];
    let steps = steps.map(|(count, commit)| [Step::Write(7, count), Step::End(7, commit)]);
    let log = Log::of(&steps.concat());
    let read = |isolation| {
        let data = log.fetch(0, usize::MAX, isolation);
        let mut records = read_as(isolation, data, 0).records;
        let mut offsets = Vec::new();
        while let Some(Ok(record)) = records.next() {
            offsets.push(record.offset);
        }
        (offsets, records.next_offset())
    };
    assert_eq!(read(IsolationLevel::ReadCommitted), (vec![2, 3], 9));
    let all = vec![0, 2, 3, 5, 6, 7];
    assert_eq!(read(IsolationLevel::ReadUncommitted), (all, 9));
}

/// A marker that can't be read may be the end of a transaction: what follows is not guessed at.
#[test]
fn a_control_record_without_a_type_stops_its_partition() {
    let mut broken = control(1, 7, 0);
    broken.records = batch(1, 0, &[0]).records;
    let all = wire(&[data(0, 1, stamp(7)), broken, data(2, 1, stamp(7))]);
    let aborted = AbortedTransaction::default().with_producer_id(7.into());
    let answer = PartitionData::default()
        .with_records(Some(all))
        .with_aborted_transactions(Some(vec![aborted]));
    let answer = read_as(IsolationLevel::ReadCommitted, answer, 0);
    assert_eq!(answer.records.next_offset(), 1);
    let unreadable = answer.unreadable.unwrap();
    assert_eq!(unreadable.next_offset, Some(2));
    let what = "a control record has no type";
    assert_eq!(
        unreadable.error,
        BatchError::MalformedRecord { at: 0, what }
    );
}

/// A transaction that is open holds the end back.
#[test]
fn the_end_is_the_last_stable_offset_where_that_is_told() {
    let log = Log::of(&[Step::Plain(2), Step::Write(7, 3), Step::Plain(1)]);
    let end = |isolation| read_as(isolation, log.fetch(0, 9, isolation), 0).end;
    assert_eq!(end(IsolationLevel::ReadUncommitted), 6);
    assert_eq!(end(IsolationLevel::ReadCommitted), 2);
    let untold = log.fetch(0, 9, IsolationLevel::ReadCommitted);
    let untold = untold.with_last_stable_offset(-1);
    assert_eq!(read_as(IsolationLevel::ReadCommitted, untold, 0).end, 6);
}
