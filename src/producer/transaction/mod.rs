//! Transactions: records in many partitions, and a group's offsets, all of them or none.
//!
//! | module | | what it holds |
//! |---|---|---|
//! | [`machine`] | P | the states of a transaction, and what each answer means |
//! | `requests` | S | questions to coordinators |
//! | `driver` | S | the task that does what the machine asks for |

mod driver;
pub mod machine;
mod requests;

use std::fmt;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

pub use machine::TransactionalConfig;

use crate::cluster::Client;
use crate::group::GroupOffsets;
use crate::producer::delivery::closed;
use crate::producer::driver::desk::Desk;
use crate::producer::{Deliveries, Delivery, ProducerRecordRef};
use crate::{Error, ErrorKind};
use driver::{Begin, Command, Driver};
use machine::TransactionMachine;

/// Those who may wait for a transaction before a further caller waits in line.
const QUEUE: usize = 64;

/// A producer that sends in transactions, one at a time.
///
/// Of a transaction, consumers with `isolation.level` `read_committed` see all records or none,
/// and the group whose offsets go with it moves on with them or not at all. It works on clusters
/// before and after KIP-890, from Kafka 2.5 on.
///
/// The producer is named by its `transactional.id`. The newest producer of a name takes over from
/// those before it: their transactions are aborted, and they are fenced
/// ([`Error::is_fenced`]) for good.
///
/// Clones are the same producer. Its task ends when the last clone is dropped and the last
/// transaction has ended.
///
/// ```no_run
/// # async fn example(
/// #     client: payment_notifier::Client,
/// #     consumer: payment_notifier::Consumer,
/// #     offset: payment_notifier::consumer::CommitOffset,
/// # ) -> Result<(), payment_notifier::Error> {
/// use payment_notifier::producer::{ProducerRecord, TransactionalConfig, TransactionalProducer};
///
/// let config = TransactionalConfig {
///     transactional_id: "reports-1".into(),
///     ..TransactionalConfig::default()
/// };
/// let producer = TransactionalProducer::new(&client, config)?;
/// let transaction = producer.begin().await?;
/// transaction.send(&ProducerRecord::new("reports", Some(b"k1"), Some(b"{}"))).await?;
/// transaction.commit_offsets(consumer.stamped(vec![offset]).await?).await?;
/// transaction.commit().await?; // all of it, or nothing
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TransactionalProducer {
    begins: mpsc::Sender<Begin>,
}

/// A transaction that is open. Dropping it aborts it; the next one begins after that.
#[must_use = "a transaction that is dropped is aborted"]
pub struct Transaction {
    desk: Arc<Desk<TransactionMachine>>,
    commands: mpsc::Sender<Command>,
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").finish_non_exhaustive()
    }
}

impl TransactionalProducer {
    /// Makes a producer. Nothing is asked of the cluster before the first transaction. Must be
    /// called on a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`] without a transactional id, or with a transaction timeout of 0.
    pub fn new(client: &Client, config: TransactionalConfig) -> Result<Self, Error> {
        if config.transactional_id.is_empty() {
            return Err(Error::new(ErrorKind::Usage, "transactional.id is empty"));
        }
        if config.transaction_timeout.as_millis() == 0 {
            return Err(Error::new(ErrorKind::Usage, "transaction.timeout.ms is 0"));
        }
        let (begins, receiver) = mpsc::channel(QUEUE);
        tokio::spawn(Driver::new(client.clone(), config, receiver).run());
        Ok(Self { begins })
    }

    /// Opens a transaction, once the one before it has ended: waits for its owner as long as that
    /// takes, and then for the cluster no longer than `delivery.timeout.ms`.
    ///
    /// # Errors
    ///
    /// [`Error::is_fenced`] where another producer has taken over the transactional id;
    /// [`ErrorKind::Unsupported`] where the cluster has no transactions;
    /// `TRANSACTIONAL_ID_AUTHORIZATION_FAILED` or `CLUSTER_AUTHORIZATION_FAILED` where there is no
    /// right to them, and `INVALID_TRANSACTION_TIMEOUT` where the timeout is longer than the
    /// brokers allow: all of these are final. [`ErrorKind::Timeout`] where no coordinator has
    /// answered, or it has not yet told how the transaction before ended: the next try may succeed.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the transaction is aborted.
    pub async fn begin(&self) -> Result<Transaction, Error> {
        let (reply, begun) = oneshot::channel();
        self.begins.send(reply).await.map_err(|_| closed())?;
        begun.await.map_err(|_| closed())?
    }
}

impl Transaction {
    /// Sends a record with the transaction; waits for the topic's metadata, and for room in the
    /// buffer. What the [`Delivery`] tells can be awaited or not: the commit waits for all of
    /// them, and an acknowledged record is still to be committed. Only of one that is too large to
    /// be sent at all does the commit know nothing.
    ///
    /// # Errors
    ///
    /// As [`Producer::send`](crate::producer::Producer::send).
    ///
    /// # Cancel safety
    ///
    /// When dropped, the record was not sent.
    pub async fn send<'a>(
        &self,
        record: impl Into<ProducerRecordRef<'a>>,
    ) -> Result<Delivery, Error> {
        self.desk.send(record.into()).await
    }

    /// Sends records with the transaction, as
    /// [`Producer::send_all`](crate::producer::Producer::send_all) does. A record that could not be
    /// sent is told of by the [`Deliveries`] alone: the commit knows nothing of it.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the records up to some place were sent, and those after it were not, of which some
    /// may have been taken out of the iterator.
    pub fn send_all<'a, I>(&self, records: I) -> impl Future<Output = Deliveries> + Send
    where
        I: IntoIterator<Item: Into<ProducerRecordRef<'a>>, IntoIter: Send>,
    {
        self.desk.send_all(records.into_iter())
    }

    /// Has all records go out that were sent, without lingering: together, where nothing of them
    /// went before. Does not wait until they are acknowledged.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`] where the producer has ended.
    ///
    /// # Cancel safety
    ///
    /// When dropped, they may linger.
    pub async fn flush(&self) -> Result<(), Error> {
        self.desk.hurry().map(drop)
    }

    /// Has a group's offsets committed with the transaction; until it has ended, nobody reads the
    /// ones before (KIP-447).
    ///
    /// # Errors
    ///
    /// The group coordinator's code: `ILLEGAL_GENERATION`, `UNKNOWN_MEMBER_ID`,
    /// `FENCED_INSTANCE_ID` or `STALE_MEMBER_EPOCH` where the member has lost its place, and
    /// `GROUP_AUTHORIZATION_FAILED`; [`ErrorKind::Timeout`] where it has not answered for
    /// `delivery.timeout.ms`. The transaction can only be aborted then.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the offsets may or may not go with the transaction; the commit fails where
    /// they can't.
    pub async fn commit_offsets(&self, offsets: GroupOffsets) -> Result<(), Error> {
        let (reply, done) = oneshot::channel();
        self.command(Command::Offsets(offsets, reply)).await?;
        done.await.map_err(|_| closed())?
    }

    /// Commits: waits until all records are acknowledged, none of which lingers, and all offsets
    /// are taken, and until the coordinator has told that it commits them. Where it does not
    /// answer, it is asked again.
    ///
    /// # Errors
    ///
    /// Why the transaction could not be committed. It is aborted then: nothing of it will be seen
    /// as committed, and it can be done again in the next. [`Error::is_fenced`] where another
    /// producer has taken over. [`Error::is_in_doubt`] where it may be committed all the same: the
    /// coordinator has not told within `delivery.timeout.ms`, or another producer has taken over
    /// before it did; whether it is committed can be read off the group's committed offsets.
    ///
    /// # Cancel safety
    ///
    /// Before it is first awaited, dropping this aborts the transaction; from then on it may be
    /// committed or aborted.
    pub async fn commit(self) -> Result<(), Error> {
        self.end(Command::Commit).await
    }

    /// Aborts: nothing of the transaction will be seen as committed.
    ///
    /// # Errors
    ///
    /// Why the coordinator has not told that it aborts. The transaction is not committed all the
    /// same: at the latest the coordinator aborts it after `transaction.timeout.ms`.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the transaction is aborted all the same.
    pub async fn abort(self) -> Result<(), Error> {
        self.end(Command::Abort).await
    }

    async fn end(
        self,
        how: impl FnOnce(oneshot::Sender<Result<(), Error>>) -> Command,
    ) -> Result<(), Error> {
        let (reply, done) = oneshot::channel();
        self.command(how(reply)).await?;
        drop(self);
        done.await.map_err(|_| closed())?
    }

    async fn command(&self, command: Command) -> Result<(), Error> {
        self.commands.send(command).await.map_err(|_| closed())
    }
}
