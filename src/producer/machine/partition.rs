//! One partition's queue and its state.

use std::collections::VecDeque;
use std::time::Instant;

use super::agenda::Place;
use super::batch::Batch;
use super::vocabulary::{BatchOut, ProducerConfig, RequestId, Taken};
use crate::producer::sequence::Sequence;
use crate::wire::TopicPartition;
use crate::wire::batch::RecordBody;

/// What becomes of the batch at the head of the queue. Nothing behind it has been sent.
///
/// Legal: `Open` or `BackingOff` to `InFlight` ([`Partition::launch`]), `InFlight` to
/// `BackingOff` ([`Partition::back_off`]), and any to `Open` with the head taken out
/// ([`Partition::take_head`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    InFlight(RequestId),
    BackingOff { until: Instant },
}

/// Whether the partition belongs to the open transaction, as far as its coordinator has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Enlistment {
    Needed,
    Asked,
    /// It does, or nobody has to be told.
    Done,
}

/// # Invariants
/// - Only the head is ever sent, and `sequence` changes only once the head is out of the way or
///   known not to be in the log: so whatever is sent again bears the same stamp.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) name: TopicPartition,
    pub(super) leader: Option<i32>,
    pub(super) sequence: Option<Sequence>,
    pub(super) enlistment: Enlistment,
    queue: VecDeque<Batch>,
    phase: Phase,
}

impl Partition {
    pub(super) fn new(name: TopicPartition, enlistment: Enlistment) -> Self {
        Self {
            name,
            leader: None,
            sequence: None,
            enlistment,
            queue: VecDeque::new(),
            phase: Phase::Open,
        }
    }

    /// Takes a record into the batch that is open, if there is one with room for it, and tells
    /// how many bytes that takes up. It stirs where that may change the partition's
    /// [place](Self::place).
    pub(super) fn join(
        &mut self,
        timestamp: i64,
        body: &RecordBody,
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

    pub(super) fn head(&self) -> Option<&Batch> {
        self.queue.front()
    }

    pub(super) fn head_mut(&mut self) -> Option<&mut Batch> {
        self.queue.front_mut()
    }

    /// Takes the head out for good, or to [put back](Self::put_back) what is left of it.
    pub(super) fn take_head(&mut self) -> Option<Batch> {
        self.phase = Phase::Open;
        self.queue.pop_front()
    }

    /// Takes out what can be given up at once: all but a head that is in flight.
    pub(super) fn take_idle(&mut self) -> VecDeque<Batch> {
        let kept = usize::from(matches!(self.phase, Phase::InFlight(_)));
        if kept == 0 {
            self.phase = Phase::Open;
        }
        self.queue.split_off(kept.min(self.queue.len()))
    }

    pub(super) fn put_back(&mut self, batch: Batch) {
        self.queue.push_front(batch);
    }

    pub(super) fn is_in_flight(&self, request: RequestId) -> bool {
        self.phase == Phase::InFlight(request)
    }

    /// Hands the head out to be sent; `None` unless there is one, with a stamp.
    pub(super) fn launch(&mut self, request: RequestId) -> Option<BatchOut> {
        let stamp = self.sequence?.stamp();
        let head = self.queue.front_mut()?;
        self.phase = Phase::InFlight(request);
        Some(BatchOut {
            partition: self.name.clone(),
            records: head.close(),
            stamp,
        })
    }

    /// Keeps the head until a later attempt.
    pub(super) fn back_off(&mut self, until: Instant) {
        self.phase = Phase::BackingOff { until };
    }

    /// The head may be in the log: because an attempt before may have put it there, or because
    /// the one under way may.
    pub(super) fn is_head_in_doubt(&self) -> bool {
        matches!(self.phase, Phase::InFlight(_))
            || self.head().is_some_and(|head| head.maybe_written)
    }

    /// Where the partition stands, and when to look at it again.
    pub(super) fn place(&self, config: &ProducerConfig, now: Instant) -> (Place, Option<Instant>) {
        let Some(head) = self.head() else {
            return (Place::Resting, None);
        };
        let deadline = head.deadline(config);
        let send_at = match self.phase {
            Phase::InFlight(_) => return (Place::Resting, Some(deadline)),
            Phase::BackingOff { until } => until,
            Phase::Open => head.due_at(config),
        };
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
