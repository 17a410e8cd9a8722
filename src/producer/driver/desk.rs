//! Where records are handed in: by those who send them, straight into the machine.
//!
//! A record goes through no queue and wakes no task: under a lock that is held for as long as its
//! bytes are copied, the machine encodes it behind those before it; records that are handed in
//! together share the lock. The producer's task is told where there may be something to do: with a
//! batch's first record, and when it is full.

use std::iter;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::books::{Books, Records};
use super::failed;
use crate::clock::{now, wall_clock_ms};
use crate::cluster::Client;
use crate::producer::deliveries::Deliveries;
use crate::producer::delivery::{Delivery, Outcome, closed};
use crate::producer::machine::{BatchId, Stored};
use crate::producer::{ProduceFailure, ProducerRecordRef, partitions};
use crate::wire::same_name;
use crate::{Error, ErrorKind};

/// Of records that are handed in together, so many are taken in before others get the lock.
const MOST_AT_ONCE: usize = 64;
/// No further one is, once those have so many bytes.
const MOST_BYTES_AT_ONCE: usize = 1 << 16;

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

impl<M: Records> Desk<M> {
    pub(in crate::producer) fn new(client: Client, batch_bytes: usize, machine: M) -> Self {
        let books = Books::new(&client, batch_bytes, machine);
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

    /// Hands in a record, as [`Producer::send`](crate::producer::Producer::send) has it.
    pub(in crate::producer) async fn send(
        &self,
        record: ProducerRecordRef<'_>,
    ) -> Result<Delivery, Error> {
        // Nothing else here lets the producer's task run in between.
        tokio::task::coop::consume_budget().await;
        let mut partition = record.partition;
        match self.offer(&record, &mut partition, None)? {
            Some(delivery) => Ok(delivery),
            None => {
                let offer = |partition: &mut Option<i32>, count| {
                    self.offer(&record, partition, Some(count)).transpose()
                };
                self.in_line(record.topic, &mut partition, offer).await?
            }
        }
    }

    /// Hands in records, as [`Producer::send_all`](crate::producer::Producer::send_all) has it.
    pub(in crate::producer) async fn send_all<'a>(
        &self,
        mut records: impl Iterator<Item: Into<ProducerRecordRef<'a>>>,
    ) -> Deliveries {
        let mut deliveries = Deliveries::default();
        // What the caller's iterator does, it does before the lock is taken.
        let mut some = Vec::with_capacity(records.size_hint().0.min(MOST_AT_ONCE));
        let mut nowhere = Vec::new();
        loop {
            some.clear();
            let mut bytes = 0;
            while some.len() < MOST_AT_ONCE
                && bytes < MOST_BYTES_AT_ONCE
                && let Some(record) = records.next()
            {
                let record = record.into();
                bytes += record.body.encoded_len();
                some.push(record);
            }
            if some.is_empty() {
                return deliveries;
            }
            self.send_some(&some, &mut nowhere, &mut deliveries).await;
        }
    }

    /// Hands in some records. What can't be had is not asked for again.
    async fn send_some<'a>(
        &self,
        records: &[ProducerRecordRef<'a>],
        nowhere: &mut Vec<Nowhere<'a>>,
        deliveries: &mut Deliveries,
    ) {
        // Nothing else here lets the producer's task run in between.
        tokio::task::coop::consume_budget().await;
        let mut rest = records;
        let mut partition = rest.first().and_then(|first| first.partition);
        while !rest.is_empty() {
            let Some(taken) = self.offer_all(rest, &mut partition, None, deliveries) else {
                return;
            };
            rest = &rest[taken..];
            let waits = rest[0];
            let known = nowhere.iter().find(|it| it.is_for(&waits));
            let error = match known.filter(|_| !self.knows(&waits)) {
                Some(nowhere) => nowhere.error.clone(),
                None => match self
                    .send_some_in_line(rest, &mut partition, deliveries)
                    .await
                {
                    Ok(taken) => {
                        rest = &rest[taken..];
                        continue;
                    }
                    Err(error) => {
                        nowhere.extend(Nowhere::told(&waits, partition, &error));
                        error
                    }
                },
            };
            deliveries.refused(error);
            rest = &rest[1..];
            partition = rest.first().and_then(|first| first.partition);
        }
    }

    /// Whether the cluster is known to have the topic, and the partition if it is chosen.
    fn knows(&self, record: &ProducerRecordRef<'_>) -> bool {
        let count = self.client.partition_count(record.topic);
        count.is_some_and(|count| (0..count).contains(&record.partition.unwrap_or(0)))
    }

    /// The long way for some: hands in as many as there is room for once it is their turn, and tells
    /// how many, one at least. The first one's partition may be settled, and that of the one behind the
    /// last is afterwards.
    async fn send_some_in_line(
        &self,
        records: &[ProducerRecordRef<'_>],
        partition: &mut Option<i32>,
        deliveries: &mut Deliveries,
    ) -> Result<usize, Error> {
        let topic = records.first().map_or("", |first| &**first.topic);
        let offer = |partition: &mut Option<i32>, count| {
            let taken = self.offer_all(records, partition, Some(count), deliveries);
            Some(taken.unwrap_or(records.len())).filter(|taken| *taken > 0)
        };
        self.in_line(topic, partition, offer).await
    }

    /// Asks for the topic, and offers in turn, until there is room.
    async fn in_line<T>(
        &self,
        topic: &str,
        partition: &mut Option<i32>,
        mut offer: impl FnMut(&mut Option<i32>, i32) -> Option<T>,
    ) -> Result<T, Error> {
        let count = partitions(&self.client, topic, *partition).await?;
        let _in_line = InLine::enter(self);
        let _turn = self.line.lock().await;
        loop {
            if let Some(taken) = offer(partition, count) {
                return Ok(taken);
            }
            self.room.notified().await;
        }
    }

    /// Gives the machine a record, as [`Books::offer`] has it.
    fn offer(
        &self,
        record: &ProducerRecordRef<'_>,
        partition: &mut Option<i32>,
        count: Option<i32>,
    ) -> Result<Option<Delivery>, Error> {
        let mut books = self.books();
        if books.closed {
            return Err(closed());
        }
        if count.is_none() && books.in_line > 0 {
            return Ok(None);
        }
        let timestamp_ms = record.timestamp_ms.unwrap_or_else(wall_clock_ms);
        let delivery = match books.offer(record, partition, count, timestamp_ms) {
            None => return Ok(None),
            Some(Ok(taken)) => {
                let outcome = books.outcome(taken.batch);
                let delivery = Delivery::taken(outcome, taken.place, timestamp_ms);
                drop(books);
                if taken.stirs {
                    self.stir();
                }
                delivery
            }
            Some(Err(refused)) => Delivery::refused(refused),
        };
        Ok(Some(delivery))
    }

    /// Gives the machine records, which bear one time where they have none of their own: all, or
    /// those before one that has to wait, and tells how many come before it. The first one's partition
    /// may be settled, and its topic's `count` of partitions be known, where it is its turn; without
    /// that, those in line go first. The partition is that of the one that has to wait afterwards.
    fn offer_all(
        &self,
        records: &[ProducerRecordRef<'_>],
        partition: &mut Option<i32>,
        count: Option<i32>,
        deliveries: &mut Deliveries,
    ) -> Option<usize> {
        let mut stirs = false;
        let mut books = self.books();
        if count.is_none() && books.in_line > 0 {
            return Some(0);
        }
        let now_ms = wall_clock_ms();
        let mut at = 0;
        while let Some(record) = records.get(at) {
            let count = count.filter(|_| at == 0);
            if at > 0 {
                *partition = record.partition;
            }
            let timestamp_ms = record.timestamp_ms.unwrap_or(now_ms);
            match books.offer(record, partition, count, timestamp_ms) {
                None => break,
                Some(Ok(taken)) => {
                    let more = books.offer_more(&records[at + 1..], now_ms);
                    let more = more.map(|(taken, many)| (taken, many, now_ms));
                    for (taken, many, time_ms) in iter::once((taken, 1, timestamp_ms)).chain(more) {
                        stirs |= taken.stirs;
                        at += many as usize;
                        let places = taken.place..taken.place + many;
                        let outcome = || books.outcome(taken.batch);
                        deliveries.taken(taken.batch, places, time_ms, outcome);
                    }
                }
                Some(Err(refused)) => {
                    deliveries.refused(refused);
                    at += 1;
                }
            }
        }
        drop(books);
        if stirs {
            self.stir();
        }
        (at < records.len()).then_some(at)
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

/// Where records can't go, and why: others for there would only wait to be told the same.
struct Nowhere<'a> {
    topic: &'a Arc<str>,
    /// Where it is about one partition, and not about the topic.
    partition: Option<i32>,
    error: Error,
}

impl<'a> Nowhere<'a> {
    /// What a record, whose partition may be settled, was told; `None` where it is of no account for
    /// others.
    fn told(record: &ProducerRecordRef<'a>, settled: Option<i32>, error: &Error) -> Option<Self> {
        let partition = match error.kind() {
            // It has no such partition: the record's own choice, or the producer's of that moment.
            ErrorKind::Usage if settled != record.partition => return None,
            ErrorKind::Usage => record.partition,
            _ => None,
        };
        Some(Self {
            topic: record.topic,
            partition,
            error: error.clone(),
        })
    }

    fn is_for(&self, record: &ProducerRecordRef<'_>) -> bool {
        let partition = self.partition.is_none() || self.partition == record.partition;
        partition && same_name(self.topic, record.topic)
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
