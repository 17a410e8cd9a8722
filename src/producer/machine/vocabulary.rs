//! What the machine is told, and what it asks for.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::wire::batch::{ProducerStamp, Unstamped};
use crate::wire::compression::{Compression, GzipLevel};
use crate::wire::{ErrorCode, TopicPartition};

/// Of a producer's batches in a partition, a broker keeps so many in mind, to tell a duplicate.
const MOST_IN_FLIGHT: usize = 5;

/// What a [`ProducerMachine`](super::ProducerMachine) is set up with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerConfig {
    /// How long a batch that isn't full waits for more records (`linger.ms`).
    pub linger: Duration,
    /// A batch is full at this many bytes (`batch.size`); a larger record is a batch of its own.
    pub batch_bytes: usize,
    /// The most record bytes in one request, and so in one record (`max.request.size`).
    pub max_request_bytes: usize,
    /// The most record bytes held at a time (`buffer.memory`).
    pub buffer_bytes: usize,
    /// The most requests under way to a broker, and so batches to a partition
    /// (`max.in.flight.requests.per.connection`): at least 1, and with the 5 that brokers keep in
    /// mind at most.
    pub max_in_flight: usize,
    /// How long after it was given a record is acknowledged or failed (`delivery.timeout.ms`).
    pub delivery_timeout: Duration,
    /// The first wait before something is tried again (`retry.backoff.ms`).
    pub retry_backoff: Duration,
    /// The longest such wait (`retry.backoff.max.ms`).
    pub retry_backoff_max: Duration,
    /// How batches are compressed (`compression.type`). Their sizes are counted before that.
    pub compression: Compression,
    /// How hard gzip tries (`compression.gzip.level`).
    pub gzip_level: GzipLevel,
}

/// Kafka's own defaults (those of 4.0).
impl Default for ProducerConfig {
    fn default() -> Self {
        Self {
            linger: Duration::from_millis(5),
            batch_bytes: 16 << 10,
            max_request_bytes: 1 << 20,
            buffer_bytes: 32 << 20,
            max_in_flight: MOST_IN_FLIGHT,
            delivery_timeout: Duration::from_secs(120),
            retry_backoff: Duration::from_millis(100),
            retry_backoff_max: Duration::from_secs(1),
            compression: Compression::None,
            gzip_level: GzipLevel::default(),
        }
    }
}

impl ProducerConfig {
    /// Keeps the waits short enough to be added to any point in time, and duplicates known.
    pub(in crate::producer) fn bounded(self) -> Self {
        const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);
        Self {
            linger: self.linger.min(LONGEST),
            max_in_flight: self.max_in_flight.clamp(1, MOST_IN_FLIGHT),
            delivery_timeout: self.delivery_timeout.min(LONGEST),
            retry_backoff: self.retry_backoff.min(LONGEST),
            retry_backoff_max: self.retry_backoff_max.min(LONGEST),
            ..self
        }
    }
}

/// Names a produce request, so that its answer finds its way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(super) u64);

/// Names a batch of records, as it was when they were taken in: it may be divided later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId(pub(in crate::producer) u64);

/// Where a record was taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Its batch.
    pub batch: BatchId,
    /// Its place in the batch, from 0.
    pub place: u32,
    /// There may be something to do for it now, or at another time than before.
    pub stirs: bool,
}

/// One partition's batch in a produce request.
///
/// A batch that is sent again is equal to what was sent before, so that the same encoding gives
/// the same bytes and the broker can tell a duplicate.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchOut {
    /// Where it goes.
    pub partition: TopicPartition,
    /// Its records, never none.
    pub records: Unstamped,
    /// What to mark the batch with.
    pub stamp: ProducerStamp,
}

/// Something for the shell to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Ask any broker for a new producer id, without a transactional id. Answered once, by
    /// [`handle_producer_id`](super::ProducerMachine::handle_producer_id).
    InitProducerId,
    /// Take these partitions into the transaction, before they are written to; never none.
    /// Answered by [`handle_enlisted`](super::ProducerMachine::handle_enlisted).
    Enlist(Vec<TopicPartition>),
    /// Send a produce request with acks=all. Answered once, by
    /// [`handle_produce_response`](super::ProducerMachine::handle_produce_response); the shell
    /// gives it a deadline.
    Produce {
        /// Names the request in its answer.
        request: RequestId,
        /// The broker to send it to.
        node: i32,
        /// At most one batch a partition.
        batches: Vec<BatchOut>,
    },
    /// Fetch fresh metadata, then call
    /// [`handle_leaders`](super::ProducerMachine::handle_leaders). Asked again, with backoff,
    /// while a leader is missing: a fetch already under way is enough.
    RefreshMetadata,
    /// Tell the caller how its records ended. Once for each record that was accepted.
    Done {
        /// The batch that they were taken into.
        batch: BatchId,
        /// Their places in it; never none.
        places: Range<u32>,
        /// Where they are, or why they aren't.
        result: Result<Stored, ProduceFailure>,
    },
}

/// Where acknowledged records are: one behind the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The partition that they went to.
    pub partition: i32,
    /// The first one's offset; -1 where the broker knows only that it has them.
    pub base_offset: i64,
    /// The time of all of them in a topic with `LogAppendTime`, or -1.
    pub log_append_time: i64,
}

impl Stored {
    /// Where the record is that comes `nth` after the first, and that was sent with `timestamp`.
    pub fn record(self, nth: u32, timestamp: i64) -> Acked {
        Acked {
            partition: self.partition,
            offset: match self.base_offset {
                base @ 0.. => base.saturating_add(i64::from(nth)),
                _ => -1,
            },
            timestamp: match self.log_append_time {
                -1 => timestamp,
                time => time,
            },
        }
    }
}

/// Where an acknowledged record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acked {
    /// The partition that it went to, the producer's choice where the caller made none.
    pub partition: i32,
    /// The record's offset; -1 where the broker knows only that it has the record.
    pub offset: i64,
    /// The record's time as the log has it, in milliseconds since 1970.
    pub timestamp: i64,
}

/// Why a record, or a request for a producer id, failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProduceFailure {
    /// The broker's code, where a broker answered.
    pub code: Option<ErrorCode>,
    /// What happened, for a person.
    pub message: Arc<str>,
    /// The record may be in the log all the same.
    pub in_doubt: bool,
    /// Nothing went wrong: the transaction was given up.
    pub given_up: bool,
}

impl fmt::Display for ProduceFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if self.in_doubt {
            f.write_str(" (the record may have been written)")?;
        }
        Ok(())
    }
}

/// What a produce response says of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionAnswer {
    /// The partition.
    pub partition: TopicPartition,
    /// How it went.
    pub code: ErrorCode,
    /// The offset of the batch's first record, or -1.
    pub base_offset: i64,
    /// The time of all its records in a topic with `LogAppendTime`, or -1.
    pub log_append_time: i64,
    /// The records that are to blame, by their place in the batch, and why (KIP-467).
    pub record_errors: Vec<(i32, Option<String>)>,
    /// What the broker says to a person.
    pub message: Option<String>,
}

/// Why a produce request has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestFailure {
    /// The connection broke after some of the request was written: the batches may be in the
    /// log.
    Disconnected,
    /// The deadline passed after some of the request was written: the batches may be in the log.
    TimedOut,
    /// The answer can't be read, or lacks a partition: the batches may be in the log.
    BadAnswer,
    /// Nothing of it was written.
    NotSent,
}

impl RequestFailure {
    pub(super) fn may_have_written(self) -> bool {
        self != Self::NotSent
    }

    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::Disconnected => "the connection to the leader broke before an answer came",
            Self::TimedOut => "the leader didn't answer in time",
            Self::BadAnswer => "the leader's answer can't be understood",
            Self::NotSent => "the leader couldn't be reached",
        }
    }
}

/// Why a record was not accepted. Nothing of it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendRefused {
    /// The buffer is full: there is room after the next [`Effect::Done`].
    BufferFull,
    /// The record alone is larger than a request, or the whole buffer, may be.
    RecordTooLarge {
        /// What the record takes up.
        bytes: usize,
        /// The most it may take up.
        limit: usize,
    },
    /// The producer has been closed.
    Closed,
    /// The producer has ended by an error that nothing can mend.
    Failed(ProduceFailure),
}
