//! Records that go to the broker together.

use std::sync::Arc;
use std::time::Instant;

use super::vocabulary::{ProduceFailure, ProducerConfig, QueuedRecord};

/// The header of a record batch of version 2.
pub(super) const BATCH_OVERHEAD_BYTES: usize = 61;
/// The most that stands before a record's body: its length, attributes and the two deltas.
const RECORD_OVERHEAD_BYTES: usize = 5 + 1 + 10 + 5;

impl QueuedRecord {
    /// The most this record takes up in a batch that isn't compressed.
    pub(super) fn size_bytes(&self) -> usize {
        RECORD_OVERHEAD_BYTES + self.body.encoded_len()
    }
}

/// The unit of sending, retrying and failing. Never empty.
#[derive(Debug)]
pub(super) struct Batch {
    records: Arc<Vec<QueuedRecord>>,
    size_bytes: usize,
    created: Instant,
    closed: bool,
    /// How many times it was sent, or failed to be.
    pub(super) attempts: u32,
    /// Some attempt may have put it into the log.
    pub(super) maybe_written: bool,
    /// How the last attempt went.
    pub(super) last_failure: Option<ProduceFailure>,
}

impl Batch {
    pub(super) fn new(record: QueuedRecord, now: Instant) -> Self {
        Self::of(vec![record], now)
    }

    fn of(records: Vec<QueuedRecord>, created: Instant) -> Self {
        let record_bytes: usize = records.iter().map(QueuedRecord::size_bytes).sum();
        Self {
            records: Arc::new(records),
            size_bytes: BATCH_OVERHEAD_BYTES + record_bytes,
            created,
            closed: false,
            attempts: 0,
            maybe_written: false,
            last_failure: None,
        }
    }

    /// Takes the record in, or gives it back where it doesn't fit.
    pub(super) fn push(
        &mut self,
        record: QueuedRecord,
        config: &ProducerConfig,
    ) -> Result<(), QueuedRecord> {
        let size_bytes = self.size_bytes + record.size_bytes();
        if self.closed || size_bytes > config.batch_bytes.min(config.max_request_bytes) {
            return Err(record);
        }
        // An open batch has not been sent, so nobody shares its records and nothing is copied.
        Arc::make_mut(&mut self.records).push(record);
        self.size_bytes = size_bytes;
        Ok(())
    }

    /// Takes no more records and doesn't linger.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    pub(super) fn records(&self) -> &Arc<Vec<QueuedRecord>> {
        &self.records
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// What its records count for in the buffer.
    pub(super) fn record_bytes(&self) -> usize {
        self.size_bytes - BATCH_OVERHEAD_BYTES
    }

    /// No other record is waited for.
    pub(super) fn is_full(&self, config: &ProducerConfig) -> bool {
        self.size_bytes >= config.batch_bytes
    }

    /// When it is to be sent.
    pub(super) fn due_at(&self, config: &ProducerConfig) -> Instant {
        if self.closed || self.is_full(config) {
            self.created
        } else {
            self.created + config.linger
        }
    }

    /// When it has failed, whatever its state.
    pub(super) fn deadline(&self, config: &ProducerConfig) -> Instant {
        self.created + config.delivery_timeout
    }

    /// Divides the records by their place in the batch, into two closed batches in the same
    /// order; `None` in place of an empty one.
    pub(super) fn divide(self, goes_left: impl Fn(usize) -> bool) -> [Option<Self>; 2] {
        let mut halves = [Vec::new(), Vec::new()];
        for (place, record) in self.records.iter().enumerate() {
            halves[usize::from(!goes_left(place))].push(record.clone());
        }
        halves.map(|records| {
            (!records.is_empty()).then(|| Self {
                closed: true,
                ..Self::of(records, self.created)
            })
        })
    }
}
