//! The producers (KIP-98, KIP-360): the idempotent one, and the one that sends in transactions.
//!
//! | module | | what it holds |
//! |---|---|---|
//! | [`partitioner`] | P | which partition a record goes to |
//! | [`machine`] | P | what is sent when, and what each answer means |
//! | [`sequence`] | P | a partition's place in the producer's numbering |
//! | [`backoff`] | P | how long to wait before trying again |
//! | `driver` | S | the task that does what the machine asks for |
//! | [`transaction`] | P, S | transactions: states and protocols, and the same for them |

pub mod backoff;
mod driver;
pub mod machine;
pub mod partitioner;
pub mod sequence;
pub mod transaction;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

pub use machine::{
    Acked, BatchOut, Effect, PartitionAnswer, ProduceFailure, ProducerConfig, ProducerMachine,
    QueuedRecord, RequestFailure, RequestId, SendRefused,
};
pub use partitioner::{StickyPartitioner, partition_for_key};
pub use transaction::{Transaction, TransactionalConfig, TransactionalProducer};

use crate::clock::wall_clock_ms;
use crate::cluster::Client;
use crate::wire::batch::RecordBody;
use crate::{Error, ErrorKind};
use driver::{Command, Driver, Send};

/// Records that may wait for the producer's task before a further caller waits in line.
const QUEUE: usize = 256;

/// A record to be sent.
#[derive(Clone, Debug)]
pub struct ProducerRecord {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition; without one the key decides as Java does, and without a key the records
    /// stay with one partition for a batch's worth (KIP-794).
    pub partition: Option<i32>,
    /// Milliseconds since 1970; without one, the time of sending.
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
/// let delivery = producer.send(record).await?; // it is on its way
/// let acked = delivery.await?; // all in-sync replicas have it
/// println!("at offset {}", acked.offset);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Producer {
    client: Client,
    commands: mpsc::Sender<Command>,
}

/// A record on its way: resolves when it is acknowledged or has failed for good, at the latest
/// `delivery.timeout.ms` after there was room for it in the buffer, for which it waits no longer
/// than that either. Dropping it does not take the record back.
#[derive(Debug)]
pub struct Delivery(oneshot::Receiver<Result<Acked, Error>>);

impl Producer {
    /// Makes a producer. Must be called on a tokio runtime.
    pub fn new(client: &Client, config: ProducerConfig) -> Self {
        let (commands, receiver) = mpsc::channel(QUEUE);
        tokio::spawn(Driver::new(client.clone(), config, receiver).run());
        Self {
            client: client.clone(),
            commands,
        }
    }

    /// Gives a record to the producer; waits for the topic's metadata, and while the buffer is
    /// full and others wait already.
    ///
    /// # Errors
    ///
    /// `UNKNOWN_TOPIC_OR_PARTITION` and `TOPIC_AUTHORIZATION_FAILED` where the topic can't be
    /// written to, [`ErrorKind::Usage`] for a partition that it does not have.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the record was not sent.
    pub async fn send(&self, record: ProducerRecord) -> Result<Delivery, Error> {
        let (send, delivery) = addressed(&self.client, record).await?;
        let sent = self.commands.send(Command::Send(send)).await;
        sent.map_err(|_| closed())?;
        Ok(delivery)
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
        let (reply, done) = oneshot::channel();
        self.commands
            .send(Command::Flush(reply))
            .await
            .map_err(|_| closed())?;
        done.await.map_err(|_| closed())
    }
}

/// A record as the producer's task takes it, and what tells how it ends.
async fn addressed(client: &Client, record: ProducerRecord) -> Result<(Send, Delivery), Error> {
    let partitions = partitions(client, &record).await?;
    let (reply, delivery) = oneshot::channel();
    let send = Send {
        topic: record.topic,
        partition: record.partition,
        partitions,
        body: record.body,
        timestamp_ms: record.timestamp_ms.unwrap_or_else(wall_clock_ms),
        reply,
    };
    Ok((send, Delivery(delivery)))
}

/// How many partitions the record's topic has; one more look where it asks for a later one.
async fn partitions(client: &Client, record: &ProducerRecord) -> Result<i32, Error> {
    let wanted = record.partition.unwrap_or(0);
    let known = client.partition_count(&record.topic);
    if let Some(count) = known.filter(|count| (0..*count).contains(&wanted)) {
        return Ok(count);
    }
    let deadline = Instant::now() + client.config().request_timeout;
    if known.is_some() {
        client.refresh(deadline).await?;
    }
    let metadata = client.topics(&[&*record.topic], deadline).await?;
    let count = metadata.partition_count(&record.topic).unwrap_or(0);
    if (0..count).contains(&wanted) {
        return Ok(count);
    }
    let topic = &record.topic;
    let text = format!("topic {topic} has {count} partitions and none {wanted}");
    Err(Error::new(ErrorKind::Usage, text))
}

impl Future for Delivery {
    type Output = Result<Acked, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(Pin::new(&mut self.0).poll(cx));
        Poll::Ready(answer.unwrap_or_else(|_| Err(closed())))
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the producer was closed")
}
