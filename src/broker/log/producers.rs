//! The idempotent producers of a partition (KIP-98, KIP-360): each batch once, in order, and whose
//! transactions are open.

use std::collections::{HashMap, VecDeque};

use crate::wire::ErrorCode;
use crate::wire::batch::BatchHeader;

/// How many batches of a producer are remembered: as many as it may have under way.
const REMEMBERED_BATCHES: usize = 5;
/// `producer.id.expiration.ms`: after this time without a batch a producer is forgotten.
const EXPIRATION_MS: i64 = 86_400_000;
/// Fewer producers than this are not worth a look for forgotten ones.
const FEW: usize = 1000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Producers {
    all: HashMap<i64, Producer>,
    /// With so many of them, a look is taken at which ones can be forgotten.
    look_at: usize,
}

#[derive(Debug)]
struct Producer {
    epoch: i16,
    last_at_ms: i64,
    /// The last ones of this epoch, oldest first.
    batches: VecDeque<Batch>,
    /// The first offset of its open transaction.
    open_since: Option<i64>,
    /// Of the last batch, or of the last transaction's end.
    last_timestamp: i64,
    /// Whether a transaction has ended here.
    has_ended: bool,
}

/// What is known of a producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::broker) struct ActiveProducer {
    pub(in crate::broker) id: i64,
    pub(in crate::broker) epoch: i16,
    /// None where it has written nothing in this epoch.
    pub(in crate::broker) last_sequence: Option<i32>,
    pub(in crate::broker) last_timestamp: i64,
    /// The first offset of its open transaction.
    pub(in crate::broker) open_since: Option<i64>,
    /// Whether a transaction has ended here.
    pub(in crate::broker) has_ended: bool,
}

#[derive(Clone, Copy, Debug)]
struct Batch {
    first_sequence: i32,
    last_sequence: i32,
    base_offset: i64,
    timestamp: i64,
}

/// A batch that is in the log already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Duplicate {
    pub(super) base_offset: i64,
    pub(super) timestamp: i64,
}

impl Producers {
    /// Says whether a batch may follow those before it, or is one of them.
    ///
    /// A producer that is not known may begin with any sequence: what it wrote before may have
    /// been deleted (KIP-360).
    ///
    /// # Errors
    ///
    /// `INVALID_PRODUCER_EPOCH`, `OUT_OF_ORDER_SEQUENCE_NUMBER`, or `INVALID_TXN_STATE` for a batch
    /// that is not part of the producer's open transaction.
    pub(super) fn check(&self, header: &BatchHeader) -> Result<Option<Duplicate>, ErrorCode> {
        let stamp = header.producer;
        let Some(producer) = self.all.get(&stamp.id) else {
            return Ok(None);
        };
        if stamp.epoch < producer.epoch {
            return Err(ErrorCode::INVALID_PRODUCER_EPOCH);
        }
        let (first, last) = sequences(header);
        let is_new_epoch = stamp.epoch > producer.epoch;
        let same = |batch: &&Batch| (batch.first_sequence, batch.last_sequence) == (first, last);
        if let Some(batch) = producer.batches.iter().find(same)
            && !is_new_epoch
        {
            return Ok(Some(Duplicate {
                base_offset: batch.base_offset,
                timestamp: batch.timestamp,
            }));
        }
        let last = producer.batches.back().filter(|_| !is_new_epoch);
        if first != last.map_or(0, |batch| after(batch.last_sequence, 1)) {
            return Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
        }
        if producer.open_since.is_some() && !header.attributes.is_transactional() {
            return Err(ErrorCode::INVALID_TXN_STATE);
        }
        Ok(None)
    }

    /// Whether a producer's transaction is open.
    ///
    /// # Errors
    ///
    /// `INVALID_PRODUCER_EPOCH` for one that has been fenced.
    pub(super) fn has_open(&self, id: i64, epoch: i16) -> Result<bool, ErrorCode> {
        match self.all.get(&id) {
            Some(producer) if epoch < producer.epoch => Err(ErrorCode::INVALID_PRODUCER_EPOCH),
            Some(producer) => Ok(producer.epoch == epoch && producer.open_since.is_some()),
            None => Ok(false),
        }
    }

    /// All of them, by id.
    pub(super) fn active(&self) -> Vec<ActiveProducer> {
        let active = self.all.iter().map(|(id, producer)| ActiveProducer {
            id: *id,
            epoch: producer.epoch,
            last_sequence: producer.batches.back().map(|batch| batch.last_sequence),
            last_timestamp: producer.last_timestamp,
            open_since: producer.open_since,
            has_ended: producer.has_ended,
        });
        let mut active: Vec<_> = active.collect();
        active.sort_unstable_by_key(|producer| producer.id);
        active
    }

    /// Whether any batch of a producer is remembered.
    pub(super) fn remembers(&self, id: i64) -> bool {
        let known = self.all.get(&id);
        known.is_some_and(|producer| !producer.batches.is_empty())
    }

    /// Takes note of a batch that is appended, with its offset. True where it begins a transaction.
    pub(super) fn note(&mut self, header: &BatchHeader, now_ms: i64) -> bool {
        let stamp = header.producer;
        if stamp.id < 0 {
            return false;
        }
        let (first_sequence, last_sequence) = sequences(header);
        let producer = self.begin(stamp.id, stamp.epoch, now_ms);
        producer.last_timestamp = header.max_timestamp;
        let begins = header.attributes.is_transactional() && producer.open_since.is_none();
        if begins {
            producer.open_since = Some(header.base_offset);
        }
        if producer.batches.len() == REMEMBERED_BATCHES {
            producer.batches.pop_front();
        }
        producer.batches.push_back(Batch {
            first_sequence,
            last_sequence,
            base_offset: header.base_offset,
            timestamp: header.max_timestamp,
        });
        self.forget_old(now_ms);
        begins
    }

    /// Takes note of the end of a producer's transaction; from now on the producer has this epoch.
    /// Returns the transaction's first offset, where it is open.
    ///
    /// # Errors
    ///
    /// `INVALID_PRODUCER_EPOCH` where it has a higher one already.
    pub(super) fn end_transaction(
        &mut self,
        id: i64,
        epoch: i16,
        now_ms: i64,
    ) -> Result<Option<i64>, ErrorCode> {
        self.has_open(id, epoch)?;
        let producer = self.begin(id, epoch, now_ms);
        producer.last_timestamp = now_ms;
        producer.has_ended = true;
        let since = producer.open_since.take();
        self.forget_old(now_ms);
        Ok(since)
    }

    /// The producer in this epoch.
    fn begin(&mut self, id: i64, epoch: i16, now_ms: i64) -> &mut Producer {
        let producer = self.all.entry(id).or_insert_with(|| Producer {
            epoch,
            last_at_ms: now_ms,
            batches: VecDeque::new(),
            open_since: None,
            last_timestamp: -1,
            has_ended: false,
        });
        if producer.epoch != epoch {
            producer.epoch = epoch;
            producer.batches.clear();
        }
        producer.last_at_ms = now_ms;
        producer
    }

    /// Looks only where their number has doubled, so that it costs next to nothing a batch.
    fn forget_old(&mut self, now_ms: i64) {
        if self.all.len() < self.look_at.max(FEW) {
            return;
        }
        self.all.retain(|_, producer| {
            let silent_ms = now_ms.saturating_sub(producer.last_at_ms);
            silent_ms < EXPIRATION_MS || producer.open_since.is_some()
        });
        self.look_at = 2 * self.all.len();
    }
}

/// The sequence numbers of a batch's first and last record.
fn sequences(header: &BatchHeader) -> (i32, i32) {
    let first = header.producer.base_sequence;
    (first, after(first, header.last_offset_delta))
}

/// Sequence numbers go from 2^31-1 on to 0.
fn after(sequence: i32, by: i32) -> i32 {
    sequence.wrapping_add(by) & i32::MAX
}
