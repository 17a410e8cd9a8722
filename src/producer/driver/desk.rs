//! Where records are handed in: by those who send them, straight into the machine.
//!
//! A record goes through no queue and wakes no task: under a lock that is held for as long as its
//! bytes are copied, the machine encodes it behind those before it. The producer's task is told
//! where that may be something to do: with a batch's first record, and when it is full.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use super::{failed, refusal};
use crate::Error;
use crate::clock::{now, wall_clock_ms};
use crate::cluster::{Client, Metadata};
use crate::producer::delivery::{Delivery, Outcome, closed};
use crate::producer::machine::{BatchId, Stored, Taken};
use crate::producer::{
    ProduceFailure, ProducerMachine, ProducerRecord, SendRefused, StickyPartitioner,
    partition_for_key, partitions,
};
use crate::wire::{TopicPartition, same_name};

/// The records' machine, or one around it.
pub(in crate::producer) trait Records {
    fn records(&mut self) -> &mut ProducerMachine;
}

impl Records for ProducerMachine {
    fn records(&mut self) -> &mut ProducerMachine {
        self
    }
}

/// What those who send and the producer's task share.
pub(in crate::producer) struct Desk<M> {
    client: Client,
    books: Mutex<Books<M>>,
    /// Tells the task that there may be something to do.
    stirred: Notify,
    /// Tells the first in line that there may be room.
    room: Notify,
    /// Whoever found no room waits here, in order.
    line: tokio::sync::Mutex<()>,
}

/// The machine, and who waits for what of it.
pub(in crate::producer) struct Books<M> {
    pub(in crate::producer) machine: M,
    metadata: watch::Receiver<Arc<Metadata>>,
    sticky: StickyPartitioner,
    /// Where the last record went, and how many partitions its topic has: most records go where
    /// the one before went.
    last: Option<(TopicPartition, i32)>,
    outcomes: HashMap<BatchId, Arc<Outcome>>,
    last_outcome: Option<(BatchId, Arc<Outcome>)>,
    in_line: usize,
    /// The task has ended.
    closed: bool,
}

impl<M: Records> Desk<M> {
    pub(in crate::producer) fn new(client: Client, batch_bytes: usize, machine: M) -> Self {
        let books = Books {
            machine,
            metadata: client.watch_metadata(),
            sticky: StickyPartitioner::new(batch_bytes, fastrand::u64(..)),
            last: None,
            outcomes: HashMap::new(),
            last_outcome: None,
            in_line: 0,
            closed: false,
        };
        Self {
            client,
            books: Mutex::new(books),
            stirred: Notify::new(),
            room: Notify::new(),
            line: tokio::sync::Mutex::new(()),
        }
    }

    /// Never held across an await.
    pub(in crate::producer) fn books(&self) -> MutexGuard<'_, Books<M>> {
        // A machine that has panicked is of no use, but its task, which ends by it, closes them.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands in a record, as [`Producer::send`](crate::producer::Producer::send) has it; borrowed,
    /// as it is larger than its way here is long.
    pub(in crate::producer) async fn send(
        &self,
        record: &mut ProducerRecord,
    ) -> Result<Delivery, Error> {
        // Nothing else here lets the producer's task run in between.
        tokio::task::coop::consume_budget().await;
        match self.offer(record, None)? {
            Some(delivery) => Ok(delivery),
            None => self.send_in_line(record).await,
        }
    }

    /// The long way: asks for the topic, and waits for room.
    async fn send_in_line(&self, record: &mut ProducerRecord) -> Result<Delivery, Error> {
        let count = partitions(&self.client, record).await?;
        let _in_line = InLine::enter(self);
        let _turn = self.line.lock().await;
        loop {
            if let Some(delivery) = self.offer(record, Some(count))? {
                return Ok(delivery);
            }
            self.room.notified().await;
        }
    }

    /// Gives the machine a record, where it is its turn and the topic has `count` partitions.
    /// Without a count the topic's is looked up, and those in line go first.
    fn offer(
        &self,
        record: &mut ProducerRecord,
        count: Option<i32>,
    ) -> Result<Option<Delivery>, Error> {
        let mut books = self.books();
        if books.closed {
            return Err(closed());
        }
        if count.is_none() && books.in_line > 0 {
            return Ok(None);
        }
        let Some(timestamp_ms) = books.address(record, count) else {
            return Ok(None);
        };
        let delivery = match books.take(record, timestamp_ms) {
            Ok(taken) => {
                let delivery =
                    Delivery::taken(books.outcome(taken.batch), taken.place, timestamp_ms);
                drop(books);
                if taken.stirs {
                    self.stir();
                }
                delivery
            }
            Err(SendRefused::BufferFull) => return Ok(None),
            Err(refused) => {
                let tp = TopicPartition::new(record.topic.clone(), record.partition.unwrap_or(-1));
                Delivery::refused(refusal(&refused, &tp))
            }
        };
        Ok(Some(delivery))
    }

    /// Has the task look at the machine.
    pub(in crate::producer) fn stir(&self) {
        self.stirred.notify_one();
    }

    /// Waits until the machine is to be looked at. Cancel safe.
    pub(in crate::producer) async fn stirred(&self) {
        self.stirred.notified().await;
    }

    /// Tells how records have ended, and the first in line that there is room.
    pub(in crate::producer) fn end(
        &self,
        books: &mut Books<M>,
        batch: BatchId,
        places: Range<u32>,
        result: Result<Stored, ProduceFailure>,
    ) {
        let result = result.map_err(|failure| failed(&failure));
        let outcome = books.outcomes.get(&batch);
        if outcome.is_some_and(|outcome| outcome.end(places, result)) {
            books.outcomes.remove(&batch);
            books.last_outcome.take_if(|(last, _)| *last == batch);
        }
        if books.in_line > 0 {
            self.room.notify_one();
        }
    }

    /// Has the records that are in the books go out without lingering, and tells how they end.
    pub(in crate::producer) fn hurry(&self) -> Result<Vec<Arc<Outcome>>, Error> {
        let mut books = self.books();
        if books.closed {
            return Err(closed());
        }
        books.machine.records().handle_flush(now());
        self.stir();
        Ok(books.outcomes.values().cloned().collect())
    }

    /// Waits until the records that are in the books have ended.
    pub(in crate::producer) async fn flush(&self) -> Result<(), Error> {
        for outcome in self.hurry()? {
            outcome.ended().await;
        }
        match self.books().closed {
            true => Err(closed()),
            false => Ok(()),
        }
    }

    /// The task has ended, with its runtime maybe: nobody is left to tell how records end.
    pub(in crate::producer) fn close(&self) {
        let mut books = self.books();
        books.closed = true;
        books.last_outcome = None;
        let outcomes = std::mem::take(&mut books.outcomes);
        drop(books);
        outcomes.values().for_each(|outcome| outcome.give_up());
        self.room.notify_one();
    }
}

impl<M: Records> Books<M> {
    /// Settles where the record goes and when it was sent; `None` where its topic, or this
    /// partition of it, is not known. A second look finds what was settled.
    fn address(&mut self, record: &mut ProducerRecord, count: Option<i32>) -> Option<i64> {
        let last = self.last.as_ref();
        let known = last.filter(|(tp, _)| same_name(&tp.topic, &record.topic));
        let known = known.map(|(_, count)| *count);
        let look_up = || self.metadata.borrow().partition_count(&record.topic);
        let count = count.or(known).or_else(look_up)?;
        let partition = match record.partition {
            Some(partition) if !(0..count).contains(&partition) => return None,
            Some(partition) => partition,
            None => self.choose(record, count),
        };
        record.partition = Some(partition);
        match &mut self.last {
            Some((tp, of)) if known.is_some() => (tp.partition, *of) = (partition, count),
            last => {
                let tp = TopicPartition::new(record.topic.clone(), partition);
                *last = Some((tp, count));
            }
        }
        Some(*record.timestamp_ms.get_or_insert_with(wall_clock_ms))
    }

    fn choose(&mut self, record: &ProducerRecord, count: i32) -> i32 {
        match record.body.key() {
            Some(key) => partition_for_key(key, count),
            None => {
                let bytes = record.body.encoded_len();
                self.sticky.partition(&record.topic, count, bytes)
            }
        }
    }

    fn take(&mut self, record: &ProducerRecord, timestamp_ms: i64) -> Result<Taken, SendRefused> {
        let Some((tp, _)) = &self.last else {
            return Err(SendRefused::Closed);
        };
        let machine = self.machine.records();
        if let Some(taken) = machine.join(tp, &record.body, timestamp_ms) {
            return Ok(taken);
        }
        let now = now();
        if !machine.knows(tp) {
            let leader = self.metadata.borrow().leader(tp);
            machine.handle_leader(tp, leader, now);
        }
        machine.handle_send(tp, &record.body, timestamp_ms, now)
    }

    fn outcome(&mut self, batch: BatchId) -> Arc<Outcome> {
        match &self.last_outcome {
            Some((last, outcome)) if *last == batch => outcome.clone(),
            _ => {
                let outcome = self.outcomes.entry(batch).or_default().clone();
                self.last_outcome = Some((batch, outcome.clone()));
                outcome
            }
        }
    }

    /// There is a new snapshot of the cluster.
    pub(in crate::producer) fn handle_metadata(&mut self) {
        self.last = None;
        let metadata = self.metadata.borrow_and_update().clone();
        let records = self.machine.records();
        records.handle_leaders(|tp| metadata.leader(tp), now());
    }
}

/// Counts one who waits for room: those who come later go behind.
struct InLine<'a, M: Records>(&'a Desk<M>);

impl<'a, M: Records> InLine<'a, M> {
    fn enter(desk: &'a Desk<M>) -> Self {
        desk.books().in_line += 1;
        Self(desk)
    }
}

impl<M: Records> Drop for InLine<'_, M> {
    fn drop(&mut self) {
        self.0.books().in_line -= 1;
    }
}
