//! The producers (KIP-98, KIP-360): the idempotent one, and the one that sends in transactions.
//!
//! | module | | what it holds |
//! |---|---|---|
//! | [`partitioner`] | P | which partition a record goes to |
//! | [`machine`] | P | what is sent when, and what each answer means |
//! | [`sequence`] | P | a partition's place in the producer's numbering |
//! | [`backoff`] | P | how long to wait before trying again |
//! | `delivery` | S | how a record ends, told to those who wait |
//! | `deliveries` | S | the same for records that were handed in together |
//! | `driver` | S | where records are handed in, and the task that does what the machine asks for |
//! | [`transaction`] | P, S | transactions: states and protocols, and the same for them |

pub mod backoff;
mod deliveries;
mod delivery;
mod driver;
pub mod machine;
pub mod partitioner;
pub mod sequence;
pub mod transaction;

use std::fmt;
use std::sync::Arc;

use tokio::time::Instant;

pub use deliveries::Deliveries;
pub use delivery::Delivery;
pub use machine::{
    Acked, BatchId, BatchOut, Effect, PartitionAnswer, ProduceFailure, ProducerConfig,
    ProducerMachine, RequestFailure, RequestId, SendRefused, Stored, Taken,
};
pub use partitioner::{StickyPartitioner, partition_for_key};
pub use transaction::{Transaction, TransactionalConfig, TransactionalProducer};

use crate::clock::now;
use crate::cluster::Client;
use crate::wire::batch::{BodyRef, RecordBody};
use crate::{Error, ErrorKind};
use driver::Driver;
use driver::desk::Desk;

/// A record to be sent.
#[derive(Clone, Debug)]
pub struct ProducerRecord {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition; without one the key decides as Java does, and without a key the records
    /// stay with one partition for a batch's worth (KIP-794).
    pub partition: Option<i32>,
    /// Milliseconds since 1970; without one, the time at which the record, or the first of some that
    /// were handed in together, is taken into a batch.
    pub timestamp_ms: Option<i64>,
    /// Key, value and headers.
    pub body: RecordBody,
}

impl ProducerRecord {
    /// A record without headers, at the partition that its key decides.
    pub fn new(topic: impl Into<Arc<str>>, key: Option<&[u8]>, value: Option<&[u8]>) -> Self {
        let body = RecordBody::new(key, value, &[]);
        Self {
            topic: topic.into(),
            partition: None,
            timestamp_ms: None,
            body,
        }
    }
}

/// A record to be sent, where the caller has it: its bytes are copied once, into their batch.
#[derive(Clone, Copy, Debug)]
pub struct ProducerRecordRef<'a> {
    /// The topic.
    pub topic: &'a Arc<str>,
    /// As a [`ProducerRecord`]'s.
    pub partition: Option<i32>,
    /// As a [`ProducerRecord`]'s.
    pub timestamp_ms: Option<i64>,
    /// Key, value and headers.
    pub body: BodyRef<'a>,
}

impl<'a> ProducerRecordRef<'a> {
    /// A record without headers, at the partition that its key decides.
    #[inline]
    pub fn new(topic: &'a Arc<str>, key: Option<&'a [u8]>, value: Option<&'a [u8]>) -> Self {
        Self {
            topic,
            partition: None,
            timestamp_ms: None,
            body: BodyRef::new(key, value, &[]),
        }
    }
}

impl<'a> From<&'a ProducerRecord> for ProducerRecordRef<'a> {
    #[inline]
    fn from(record: &'a ProducerRecord) -> Self {
        Self {
            topic: &record.topic,
            partition: record.partition,
            timestamp_ms: record.timestamp_ms,
            body: (&record.body).into(),
        }
    }
}

/// An idempotent producer with acks=all: what it acknowledges, all in-sync replicas have, once
/// and in order within a partition, whatever was sent again on the way.
///
/// Clones are the same producer. Its task ends when the last clone is dropped and everything
/// sent has ended.
///
/// ```no_run
/// # async fn example(client: payment_notifier::Client) -> Result<(), payment_notifier::Error> {
/// use payment_notifier::producer::{Producer, ProducerConfig, ProducerRecord};
///
/// let producer = Producer::new(&client, ProducerConfig::default());
/// let record = ProducerRecord::new("payment-notification", Some(b"k1"), Some(b"{}"));
/// let delivery = producer.send(&record).await?; // it is on its way
/// let acked = delivery.await?; // all in-sync replicas have it
/// println!("at offset {}", acked.offset);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Producer(Arc<Handle>);

/// What the clones share: the producer takes records until it is dropped.
struct Handle(Arc<Desk<ProducerMachine>>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.books().machine.handle_close(now());
        self.0.stir();
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

impl Producer {
    /// Makes a producer. Must be called on a tokio runtime.
    pub fn new(client: &Client, config: ProducerConfig) -> Self {
        let batch_bytes = config.batch_bytes;
        let machine = ProducerMachine::new(config, fastrand::u64(..), now());
        let desk = Arc::new(Desk::new(client.clone(), batch_bytes, machine));
        tokio::spawn(Driver::new(client.clone(), desk.clone()).run());
        Self(Arc::new(Handle(desk)))
    }

    /// Copies a record into a batch; waits for the topic's metadata, and for room in the buffer: there
    /// is some once a record before it has ended, no later than `delivery.timeout.ms` after
    /// it was sent.
    ///
    /// # Errors
    ///
    /// `UNKNOWN_TOPIC_OR_PARTITION` and `TOPIC_AUTHORIZATION_FAILED` where the topic can't be
    /// written to, [`ErrorKind::Usage`] for a partition that it does not have.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the record was not sent. Those who wait for room do so in order: one that is
    /// neither awaited nor dropped keeps back those behind it.
    pub async fn send<'a>(
        &self,
        record: impl Into<ProducerRecordRef<'a>>,
    ) -> Result<Delivery, Error> {
        self.0.0.send(record.into()).await
    }

    /// Sends records in their order, each as [`send`](Self::send) does, for less of the processor:
    /// those without a time of their own bear one time for many. One that can't be sent does not
    /// keep back those after it: why is told in its place. A topic or partition that can't be had is
    /// asked for once: those after it that are for it are told the same.
    ///
    /// ```no_run
    /// # async fn example(producer: payment_notifier::Producer) {
    /// use payment_notifier::producer::ProducerRecordRef;
    ///
    /// let topic = "payment-notification".into();
    /// let values: [&[u8]; 2] = [b"{\"amount\": 1}", b"{\"amount\": 2}"];
    /// let records = values.map(|value| ProducerRecordRef::new(&topic, None, Some(value)));
    /// let deliveries = producer.send_all(records).await; // they are on their way
    /// for (number, result) in deliveries.await.into_iter().enumerate() {
    ///     match result {
    ///         Ok(acked) => println!("{number}: at offset {}", acked.offset),
    ///         Err(error) => println!("{number}: {error}"),
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// The iterator is asked for some records at a time, 64 at most, before they are handed in; it should
    /// not block, and have an end.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the records up to some place were sent, and those after it were not, of which some
    /// may have been taken out of the iterator.
    pub fn send_all<'a, I>(&self, records: I) -> impl Future<Output = Deliveries> + Send
    where
        I: IntoIterator<Item: Into<ProducerRecordRef<'a>>, IntoIter: Send>,
    {
        self.0.0.send_all(records.into_iter())
    }

    /// Waits until everything that was sent before has ended.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`] where the producer has ended.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the records are sent all the same.
    pub async fn flush(&self) -> Result<(), Error> {
        self.0.0.flush().await
    }
}

/// How many partitions a topic has; one more look where a later one is asked for.
async fn partitions(client: &Client, topic: &str, partition: Option<i32>) -> Result<i32, Error> {
    let wanted = partition.unwrap_or(0);
    let known = client.partition_count(topic);
    if let Some(count) = known.filter(|count| (0..*count).contains(&wanted)) {
        return Ok(count);
    }
    let deadline = Instant::now() + client.config().request_timeout;
    if known.is_some() {
        client.refresh(deadline).await?;
    }
    let metadata = client.topics(&[topic], deadline).await?;
    let count = metadata.partition_count(topic).unwrap_or(0);
    if (0..count).contains(&wanted) {
        return Ok(count);
    }
    let text = format!("topic {topic} has {count} partitions and none {wanted}");
    Err(Error::new(ErrorKind::Usage, text))
}
