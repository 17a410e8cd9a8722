//! One partition's queue and its state.

use std::collections::VecDeque;
use std::time::Instant;

use super::agenda::Place;
use super::batch::{Batch, Phase};
use super::numbering::Restart;
use super::vocabulary::{BatchOut, ProducerConfig, RequestId, Taken};
use crate::producer::sequence::Sequence;
use crate::wire::TopicPartition;
use crate::wire::batch::BodyRef;

/// Whether the partition belongs to the open transaction, as far as its coordinator has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Enlistment {
    Needed,
    Asked,
    /// It does, or nobody has to be told.
    Done,
}

/// # Invariants
/// - Batches get their stamps in the order of the queue, each where the one before it ends.
/// - Those that were sent come first in the queue.
/// - One that was sent goes out again only as the head, with nothing else in flight.
/// - Without a sequence no batch has a stamp. While the numbering waits to begin anew
///   ([`Restart`]) no batch gets one.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) name: TopicPartition,
    pub(super) leader: Option<i32>,
    pub(super) sequence: Option<Sequence>,
    pub(super) restart: Option<Restart>,
    pub(super) enlistment: Enlistment,
    pub(super) queue: VecDeque<Batch>,
    /// A batch that was sent behind others is in the log, and one of those is not known to be.
    pub(super) overtaken: bool,
    /// The broker has stored a batch since the queue was empty: it knows the numbering. One that
    /// doesn't accepts any number, and so a second batch without the first.
    proven: bool,
}

impl Partition {
    pub(super) fn new(name: TopicPartition, enlistment: Enlistment) -> Self {
        Self {
            name,
            leader: None,
            sequence: None,
            restart: None,
            enlistment,
            queue: VecDeque::new(),
            overtaken: false,
            proven: false,
        }
    }

    /// Takes a record into the batch that is open, if there is one with room for it, and tells
    /// how many bytes that takes up. It stirs where that may change the partition's
    /// [place](Self::place).
    #[inline]
    pub(super) fn join(
        &mut self,
        timestamp: i64,
        body: &BodyRef<'_>,
        config: &ProducerConfig,
    ) -> Option<(Taken, usize)> {
        let last = self.queue.back_mut()?;
        let before = last.size_bytes();
        let place = last.push(timestamp, body, config)?;
        let taken = Taken {
            batch: last.id,
            place,
            stirs: last.is_full(config),
        };
        Some((taken, last.size_bytes() - before))
    }

    /// Takes records in as [`join`](Self::join) does, those before one for which there is no room: tells
    /// where the first is and whether any of them stirs, how many they are, and how many bytes they take
    /// up.
    #[inline]
    pub(super) fn join_all<'a>(
        &mut self,
        timestamp: i64,
        bodies: impl Iterator<Item = BodyRef<'a>>,
        config: &ProducerConfig,
    ) -> Option<(Taken, u32, usize)> {
        let last = self.queue.back_mut()?;
        let before = last.size_bytes();
        let places = last.push_all(timestamp, bodies, config)?;
        let taken = Taken {
            batch: last.id,
            place: places.start,
            stirs: last.is_full(config),
        };
        Some((taken, places.end - places.start, last.size_bytes() - before))
    }

    /// What the next batch is likely to take up: where others wait, as much as the last of them.
    pub(super) fn room(&self) -> usize {
        self.queue.back().map_or(0, Batch::record_bytes)
    }

    /// Adds a batch that takes records, behind those that no longer do.
    pub(super) fn open(&mut self, batch: Batch) {
        self.close_last();
        self.queue.push_back(batch);
    }

    /// Lets nothing in the queue linger.
    pub(super) fn close_last(&mut self) {
        // Those before the last are closed: a batch is opened only behind a closed one.
        if let Some(last) = self.queue.back_mut() {
            let _ = last.close();
        }
    }

    /// Where in the queue the batch is that went out with this request, if it still matters.
    pub(super) fn find(&self, request: RequestId) -> Option<usize> {
        self.sent()
            .position(|batch| batch.phase == Phase::InFlight(request))
    }

    /// Takes a batch out for good, or to put back what is left of it.
    pub(super) fn take(&mut self, at: usize) -> Option<Batch> {
        let batch = self.queue.remove(at)?;
        if self.queue.is_empty() {
            self.proven = false;
        }
        Some(batch)
    }

    /// The batch that was taken out at this place is in the log.
    pub(super) fn note_stored(&mut self, at: usize) {
        self.overtaken = (self.overtaken || at > 0) && self.stamped().next().is_some();
        self.proven = !self.queue.is_empty();
    }

    /// No batch bears a number any more.
    pub(super) fn begin_numbering(&mut self) {
        self.restart = None;
        self.overtaken = false;
        self.proven = false;
    }

    pub(super) fn in_flight(&self) -> usize {
        self.sent().filter(|batch| batch.is_in_flight()).count()
    }

    /// The batch that goes out next, which may have to wait; `None` where an answer has to come
    /// first.
    fn next(&self, config: &ProducerConfig) -> Option<usize> {
        let (stamped, in_flight) = (self.stamped().count(), self.in_flight());
        if in_flight == 0 && stamped > 0 {
            return Some(0);
        }
        let limit = if self.proven { config.max_in_flight } else { 1 };
        let all_in_flight = stamped == in_flight && self.restart.is_none();
        (all_in_flight && stamped < limit.min(self.queue.len())).then_some(stamped)
    }

    fn stamped(&self) -> impl Iterator<Item = &Batch> {
        self.sent().filter(|batch| batch.stamp.is_some())
    }

    /// Few, however long the queue is.
    fn sent(&self) -> impl Iterator<Item = &Batch> {
        self.queue.iter().take_while(|batch| batch.was_sent)
    }

    /// The size of the batch that goes out next.
    pub(super) fn next_bytes(&self, config: &ProducerConfig) -> usize {
        let next = self.next(config).and_then(|at| self.queue.get(at));
        next.map_or(0, Batch::size_bytes)
    }

    /// Hands the next batch out to be sent; `None` unless there is one, with a stamp.
    pub(super) fn launch(
        &mut self,
        request: RequestId,
        config: &ProducerConfig,
    ) -> Option<BatchOut> {
        let at = self.next(config)?;
        let batch = self.queue.get_mut(at)?;
        let stamp = match batch.stamp {
            Some(stamp) => stamp,
            None => {
                let sequence = self.sequence.as_mut()?;
                let stamp = sequence.stamp();
                sequence.advance(batch.len());
                stamp
            }
        };
        batch.stamp = Some(stamp);
        batch.was_sent = true;
        batch.phase = Phase::InFlight(request);
        Some(BatchOut {
            partition: self.name.clone(),
            records: batch.close(),
            stamp,
        })
    }

    /// Where the partition stands, and when to look at it again.
    pub(super) fn place(&self, config: &ProducerConfig, now: Instant) -> (Place, Option<Instant>) {
        let Some(head) = self.queue.front() else {
            return (Place::Resting, None);
        };
        // Those behind it were begun later.
        let deadline = head.deadline(config);
        let next = self.next(config).and_then(|at| self.queue.get(at));
        let Some(next) = next else {
            return (Place::Resting, Some(deadline));
        };
        let send_at = next.due_at(config);
        let place = match (self.sequence, self.leader) {
            (None, _) => Place::Unidentified,
            _ if self.enlistment == Enlistment::Needed => Place::Unenlisted,
            _ if self.enlistment == Enlistment::Asked => return (Place::Resting, Some(deadline)),
            (_, None) => Place::Leaderless,
            _ if send_at > now => return (Place::Resting, Some(send_at.min(deadline))),
            _ => Place::Sendable,
        };
        (place, Some(deadline))
    }
}
