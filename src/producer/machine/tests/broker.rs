//! A broker's log and duplicate check, as far as a producer can tell.

use std::collections::{HashMap, VecDeque};

use super::*;
use crate::wire::batch::ProducerStamp;

/// How many of a producer's batches a broker remembers.
const REMEMBERED: usize = 5;

/// What a broker's `ProducerStateEntry` holds.
struct Producer {
    epoch: i16,
    /// First sequence number, count and offset.
    batches: VecDeque<(i32, usize, i64)>,
}

impl Producer {
    fn new(epoch: i16) -> Self {
        let batches = VecDeque::new();
        Self { epoch, batches }
    }

    fn expected(&self) -> Option<i32> {
        let (base, count, _) = self.batches.back()?;
        Some(base + *count as i32)
    }
}

/// One partition's log, by the tokens of its records.
#[derive(Default)]
pub(super) struct Log {
    pub(super) tokens: Vec<u64>,
    producers: HashMap<i64, Producer>,
}

impl Log {
    /// Appends the batch, or finds that it is there.
    pub(super) fn append(&mut self, batch: &BatchOut) -> Result<i64, ErrorCode> {
        let ProducerStamp {
            id,
            epoch,
            base_sequence,
        } = batch.stamp;
        let count = batch.records.len();
        let entry = self.producers.entry(id);
        let producer = entry.or_insert_with(|| Producer::new(epoch));
        if epoch < producer.epoch {
            return Err(ErrorCode::INVALID_PRODUCER_EPOCH);
        }
        if epoch > producer.epoch {
            if base_sequence != 0 {
                return Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
            }
            *producer = Producer::new(epoch);
        }
        let mut known = producer.batches.iter();
        if let Some((.., offset)) = known.find(|seen| (seen.0, seen.1) == (base_sequence, count)) {
            return Ok(*offset);
        }
        // A producer that the broker doesn't know may begin anywhere (KIP-360).
        if producer
            .expected()
            .is_some_and(|next| next != base_sequence)
        {
            return Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
        }
        let offset = self.tokens.len() as i64;
        self.tokens.extend(tokens(batch));
        producer.batches.push_back((base_sequence, count, offset));
        if producer.batches.len() > REMEMBERED {
            producer.batches.pop_front();
        }
        Ok(offset)
    }
}
