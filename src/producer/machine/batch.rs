//! Records that go to the broker together.

use std::ops::Range;
use std::time::Instant;

use super::vocabulary::{BatchId, ProduceFailure, ProducerConfig, RequestId};
use crate::wire::batch::{BatchBuilder, BodyRef, HEADER_BYTES, ProducerStamp, Unstamped};

/// The most that stands before a record's body: its length, attributes and the two deltas.
const RECORD_OVERHEAD_BYTES: usize = 5 + 1 + 10 + 5;

/// The most that a record takes up in a batch that isn't compressed.
pub(super) fn most_bytes(body: &BodyRef<'_>) -> usize {
    RECORD_OVERHEAD_BYTES + body.encoded_len()
}

/// Its records are encoded as they come: what is sent is what was written here.
#[derive(Debug)]
enum Content {
    Open(BatchBuilder),
    Closed(Unstamped),
}

/// What becomes of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Queued,
    InFlight(RequestId),
    BackingOff { until: Instant },
}

/// The unit of sending, retrying and failing. Never empty.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) id: BatchId,
    content: Content,
    /// The places its records had when they were taken in, once it was divided.
    places: Option<Vec<u32>>,
    created: Instant,
    pub(super) phase: Phase,
    /// It was sent, or is part of one that was.
    pub(super) was_sent: bool,
    /// What it is marked with, from when it is first sent.
    pub(super) stamp: Option<ProducerStamp>,
    /// How many times it was sent, or failed to be.
    pub(super) attempts: u32,
    /// Some attempt may have put it into the log.
    pub(super) maybe_written: bool,
    /// How the last attempt went.
    pub(super) last_failure: Option<ProduceFailure>,
}

impl Batch {
    /// Begins with a record, which may be of any size, in an empty buffer.
    pub(super) fn new(
        id: BatchId,
        timestamp: i64,
        body: &BodyRef<'_>,
        buffer: Vec<u8>,
        config: &ProducerConfig,
        now: Instant,
    ) -> Self {
        let mut builder = BatchBuilder::new(config.compression)
            .with_gzip_level(config.gzip_level)
            .with_buffer(buffer);
        builder.push(timestamp, *body);
        Self::of(id, Content::Open(builder), None, now)
    }

    fn of(id: BatchId, content: Content, places: Option<Vec<u32>>, created: Instant) -> Self {
        Self {
            id,
            content,
            places,
            created,
            phase: Phase::Queued,
            was_sent: false,
            stamp: None,
            attempts: 0,
            maybe_written: false,
            last_failure: None,
        }
    }

    /// Takes a record in and tells its place; `None` where it doesn't fit.
    #[inline]
    pub(super) fn push(
        &mut self,
        timestamp: i64,
        body: &BodyRef<'_>,
        config: &ProducerConfig,
    ) -> Option<u32> {
        let Content::Open(builder) = &mut self.content else {
            return None;
        };
        let limit = config.batch_bytes.min(config.max_request_bytes);
        let place = as_place(builder.len());
        builder
            .push_within(limit, timestamp, *body)
            .then_some(place)
    }

    /// Takes records in, those before one that doesn't fit, and tells their places; `None` where it takes
    /// none.
    #[inline]
    pub(super) fn push_all<'a>(
        &mut self,
        timestamp: i64,
        mut bodies: impl Iterator<Item = BodyRef<'a>>,
        config: &ProducerConfig,
    ) -> Option<Range<u32>> {
        let Content::Open(builder) = &mut self.content else {
            return None;
        };
        let limit = config.batch_bytes.min(config.max_request_bytes);
        let first = as_place(builder.len());
        while bodies
            .next()
            .is_some_and(|body| builder.push_within(limit, timestamp, body))
        {}
        let places = first..as_place(builder.len());
        (!places.is_empty()).then_some(places)
    }

    /// Takes no more records and doesn't linger.
    pub(super) fn close(&mut self) -> Unstamped {
        match &mut self.content {
            Content::Closed(records) => records.clone(),
            Content::Open(builder) => {
                let records = builder.take();
                self.content = Content::Closed(records.clone());
                records
            }
        }
    }

    pub(super) fn into_records(self) -> Unstamped {
        match self.content {
            Content::Closed(records) => records,
            Content::Open(mut builder) => builder.take(),
        }
    }

    pub(super) fn len(&self) -> usize {
        match &self.content {
            Content::Open(builder) => builder.len(),
            Content::Closed(records) => records.len(),
        }
    }

    /// Before compression.
    pub(super) fn size_bytes(&self) -> usize {
        match &self.content {
            Content::Open(builder) => builder.size_bytes(),
            Content::Closed(records) => records.size_bytes(),
        }
    }

    /// What its records count for in the buffer.
    pub(super) fn record_bytes(&self) -> usize {
        self.size_bytes() - HEADER_BYTES
    }

    /// No other record is waited for.
    pub(super) fn is_full(&self, config: &ProducerConfig) -> bool {
        self.size_bytes() >= config.batch_bytes
    }

    /// It may be in the log: an attempt before may have put it there, or the one under way may.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.maybe_written || self.is_in_flight()
    }

    pub(super) fn is_in_flight(&self) -> bool {
        matches!(self.phase, Phase::InFlight(_))
    }

    /// When it is to be sent.
    pub(super) fn due_at(&self, config: &ProducerConfig) -> Instant {
        match (self.phase, &self.content) {
            (Phase::BackingOff { until }, _) => until,
            (_, Content::Open(_)) if !self.is_full(config) => self.created + config.linger,
            _ => self.created,
        }
    }

    /// When it has failed, whatever its state.
    pub(super) fn deadline(&self, config: &ProducerConfig) -> Instant {
        self.created + config.delivery_timeout
    }

    /// The places its records had when they were taken in.
    pub(super) fn places(&self) -> Vec<u32> {
        let whole = || (0..as_place(self.len())).collect();
        self.places.clone().unwrap_or_else(whole)
    }

    /// Those places in runs that follow one another, each with where it begins now.
    pub(super) fn runs(&self) -> Vec<(u32, Range<u32>)> {
        let Some(places) = &self.places else {
            return vec![(0, 0..as_place(self.len()))];
        };
        let mut begin = 0;
        let runs = places.chunk_by(|one, next| one + 1 == *next).map(|run| {
            let now = begin;
            begin += as_place(run.len());
            (now, run[0]..run[0] + as_place(run.len()))
        });
        runs.collect()
    }

    /// Divides the records by their place in the batch, into two closed batches in the same
    /// order; `None` in place of an empty one.
    pub(super) fn divide(mut self, goes_left: impl Fn(usize) -> bool) -> [Option<Self>; 2] {
        let [left, right] = self.close().divide(&goes_left);
        let (mut lefts, mut rights) = (Vec::new(), Vec::new());
        for (at, place) in self.places().into_iter().enumerate() {
            match goes_left(at) {
                true => lefts.push(place),
                false => rights.push(place),
            }
        }
        [(left, lefts), (right, rights)].map(|(records, places)| {
            let content = Content::Closed(records);
            (!places.is_empty()).then(|| Self {
                was_sent: self.was_sent,
                ..Self::of(self.id, content, Some(places), self.created)
            })
        })
    }
}

/// A record takes seven bytes at least: a batch has far fewer than 2^31.
fn as_place(count: usize) -> u32 {
    count as u32
}
