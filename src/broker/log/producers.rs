//! The idempotent producers of a partition (KIP-98, KIP-360): each batch once, in order.

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
    /// The last ones of this epoch, oldest first; never empty.
    batches: VecDeque<Batch>,
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
    /// `INVALID_PRODUCER_EPOCH` or `OUT_OF_ORDER_SEQUENCE_NUMBER`.
    pub(super) fn check(&self, header: &BatchHeader) -> Result<Option<Duplicate>, ErrorCode> {
        let stamp = header.producer;
        let Some(producer) = self.all.get(&stamp.id) else {
            return Ok(None);
        };
        if stamp.epoch < producer.epoch {
            return Err(ErrorCode::INVALID_PRODUCER_EPOCH);
        }
        if stamp.epoch > producer.epoch {
            let begins = stamp.base_sequence == 0;
            return begins
                .then_some(None)
                .ok_or(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
        }
        let (first, last) = sequences(header);
        let same = |batch: &&Batch| (batch.first_sequence, batch.last_sequence) == (first, last);
        if let Some(batch) = producer.batches.iter().find(same) {
            return Ok(Some(Duplicate {
                base_offset: batch.base_offset,
                timestamp: batch.timestamp,
            }));
        }
        let next = producer
            .batches
            .back()
            .map(|batch| after(batch.last_sequence, 1));
        if next.is_some_and(|next| next != first) {
            return Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
        }
        Ok(None)
    }

    /// Takes note of a batch that is appended, with its offset.
    pub(super) fn note(&mut self, header: &BatchHeader, now_ms: i64) {
        let stamp = header.producer;
        if stamp.id < 0 {
            return;
        }
        let (first_sequence, last_sequence) = sequences(header);
        let producer = self.all.entry(stamp.id).or_insert_with(|| Producer {
            epoch: stamp.epoch,
            last_at_ms: now_ms,
            batches: VecDeque::new(),
        });
        if producer.epoch != stamp.epoch {
            producer.epoch = stamp.epoch;
            producer.batches.clear();
        }
        if producer.batches.len() == REMEMBERED_BATCHES {
            producer.batches.pop_front();
        }
        producer.last_at_ms = now_ms;
        producer.batches.push_back(Batch {
            first_sequence,
            last_sequence,
            base_offset: header.base_offset,
            timestamp: header.max_timestamp,
        });
        self.forget_old(now_ms);
    }

    /// Looks only where their number has doubled, so that it costs next to nothing a batch.
    fn forget_old(&mut self, now_ms: i64) {
        if self.all.len() < self.look_at.max(FEW) {
            return;
        }
        self.all
            .retain(|_, producer| now_ms.saturating_sub(producer.last_at_ms) < EXPIRATION_MS);
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
