//! Consuming as a member of a group.
//!
//! [`session`] and [`positions`] are pure: what to ask the brokers for, and where each partition
//! stands; `aborted` tells which records never came to be. `budget` bounds what is held of them all, and `told` numbers what the application is
//! told. `fetch` turns that into requests and answers into records; `driver` is the task that runs
//! it all beside the application, so that a slow application never costs the membership.

mod aborted;
mod budget;
mod config;
mod driver;
mod fetch;
mod peek;
pub mod positions;
mod records;
pub mod session;
#[cfg(test)]
mod testing;
mod told;
mod watch;

use std::collections::BTreeMap;

use tokio::sync::{mpsc, oneshot};

pub use config::{ConsumerConfig, OffsetReset};
pub use records::FetchedRecords;
pub use watch::{Standing, Watcher};

pub(crate) use peek::timestamp_at;

pub use crate::group::membership::GroupProtocol;
pub use crate::group::{CommitOffset, GroupOffsets};
pub use crate::wire::IsolationLevel;

use crate::cluster::Client;
use crate::wire::TopicPartition;
use crate::{Error, ErrorKind};
use driver::{Command, Driver};

/// What a consumer tells its application, in order.
#[derive(Debug)]
pub enum Event {
    /// These partitions are this member's from now on.
    Assigned(Vec<TopicPartition>),
    /// These partitions are about to go. The application finishes or gives up what it has of
    /// them, commits, and then answers with [`Consumer::revoked`]; the group waits for it.
    Revoking(Vec<TopicPartition>),
    /// These partitions have gone: another member may have them already, or their topic was
    /// deleted and made again (KIP-516). Nothing can be committed for them.
    Lost(Vec<TopicPartition>),
    /// This partition goes on at this offset by `auto.offset.reset`: its topic was made again, or
    /// ends before the offset that was reached. What the application has of it is of records that
    /// are no more, and commits of it are refused. The offset is not committed by itself: until
    /// the application does, a member that begins there may skip records.
    Reset(TopicPartition, i64),
    /// Records of one partition. Until they are dropped they count against `fetch.max.bytes`: what
    /// is to be kept for long is to be copied ([`detach`](crate::wire::batch::RecordRef::detach)).
    Records(FetchedRecords),
    /// Everything before this offset has been handed out: the partition's high watermark, or, for
    /// [`IsolationLevel::ReadCommitted`], its last stable offset.
    EndOfPartition(TopicPartition, i64),
    /// This partition can't go on: its records can't be read, or it has no offset to begin at
    /// and the policy is [`OffsetReset::None`] ([`ErrorKind::NoOffset`]). Unreadable records are
    /// fetched again after a while; a partition without an offset waits for [`Consumer::seek`].
    PartitionFailed(TopicPartition, Error),
}

/// A member of a consumer group.
///
/// A background task keeps the membership and fetches ahead; the application takes [`Event`]s
/// at its own pace with [`Consumer::next`]. Nothing is committed but by [`Consumer::commit`].
///
/// What is asked of a partition is about the partition as the application knew it by the events
/// it had taken: of one that has meanwhile gone and come back, or was reset, a commit is refused,
/// and all else does nothing.
///
/// ```no_run
/// # async fn example(client: payment_notifier::Client) -> Result<(), payment_notifier::Error> {
/// use payment_notifier::consumer::{CommitOffset, Consumer, ConsumerConfig, Event};
///
/// let mut consumer = Consumer::join(
///     &client,
///     ConsumerConfig {
///         group_id: "reports".into(),
///         topics: vec!["payment-notification".into()],
///         ..ConsumerConfig::default()
///     },
/// )?;
/// loop {
///     match consumer.next().await? {
///         Event::Records(mut records) => {
///             while let Some(record) = records.next() {
///                 let record = record.expect("readable records");
///                 println!("{} {:?}", record.offset, record.value());
///             }
///             let done = CommitOffset::new(records.partition().clone(), records.next_offset());
///             consumer.commit(vec![done]).await?;
///         }
///         Event::Revoking(partitions) => consumer.revoked(&partitions),
///         Event::Reset(partition, offset) => {
///             consumer.commit(vec![CommitOffset::new(partition, offset)]).await?;
///         }
///         _ => {}
///     }
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct Consumer {
    /// Not bounded, as no caller may wait here; the driver takes each one at once, and bounds the
    /// commits that wait for the coordinator itself.
    commands: mpsc::UnboundedSender<(u64, Command)>,
    events: mpsc::Receiver<Result<(u64, Event), Error>>,
    /// The number of the last event that was taken: what the application knows.
    seen: u64,
    failed: Option<Error>,
    isolation_level: IsolationLevel,
}

impl Consumer {
    /// Begins to join a group. The membership is under way when this returns; its first
    /// [`Event::Assigned`] tells that it stands. Must be called on a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`] for settings that can't be.
    pub fn join(client: &Client, config: ConsumerConfig) -> Result<Self, Error> {
        check(&config)?;
        let config = config.bounded();
        let isolation_level = config.isolation_level;
        // One event on its way: what the application has not asked for stays with the driver,
        // where a lost partition's records can still be thrown away.
        let (events_sender, events) = mpsc::channel(1);
        let (commands, commands_receiver) = mpsc::unbounded_channel();
        let driver = Driver::new(client.clone(), config, commands_receiver, events_sender);
        tokio::spawn(driver.run());
        Ok(Self {
            commands,
            events,
            seen: 0,
            failed: None,
            isolation_level,
        })
    }

    /// The next event. Events wait for the application as long as it likes.
    ///
    /// # Errors
    ///
    /// What ended the membership for good: the group or a topic is forbidden
    /// (`GROUP_AUTHORIZATION_FAILED`, `TOPIC_AUTHORIZATION_FAILED`), another instance has taken
    /// the same `group.instance.id` (`FENCED_INSTANCE_ID`), the group's members have no assignor
    /// in common (`INCONSISTENT_GROUP_PROTOCOL`). Further calls give the same error; what is still
    /// this member's can be committed until the consumer is closed or dropped.
    ///
    /// # Cancel safety
    ///
    /// When dropped, no event is lost.
    pub async fn next(&mut self) -> Result<Event, Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        match self.events.recv().await.unwrap_or_else(|| Err(closed())) {
            Ok((number, event)) => {
                self.seen = number;
                Ok(event)
            }
            Err(error) => {
                self.failed = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Commits offsets as this member of this generation, so that a member which has lost its
    /// partitions is refused. Passing failures are tried again within `request.timeout.ms`.
    ///
    /// # Errors
    ///
    /// The broker's code: `ILLEGAL_GENERATION`, `UNKNOWN_MEMBER_ID` or `REBALANCE_IN_PROGRESS`
    /// where the partitions are (or may soon be) another member's or have begun anew, or what kept
    /// the coordinator from answering.
    ///
    /// # Cancel safety
    ///
    /// The commit is under way when this returns, and comes after those before it, whether the
    /// answer is awaited or dropped; only its answer is then lost.
    pub fn commit(
        &self,
        offsets: Vec<CommitOffset>,
    ) -> impl Future<Output = Result<(), Error>> + Send + use<> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Commit(offsets, reply);
        let sent = self.commands.send((self.seen, command));
        async move {
            sent.map_err(|_| closed())?;
            answer.await.map_err(|_| closed())?
        }
    }

    /// Marks offsets as this member's, for a producer to commit them with its transaction
    /// ([`Transaction::commit_offsets`](crate::producer::Transaction::commit_offsets), KIP-447).
    /// They are refused where [`Consumer::commit`] would be; and later, by the coordinator, where
    /// the member has lost its place meanwhile. The consumer doesn't learn of the commit: before
    /// [`Consumer::revoked`] the transaction is to be ended.
    ///
    /// # Errors
    ///
    /// `ILLEGAL_GENERATION` where the partitions are another member's or have begun anew,
    /// [`ErrorKind::Timeout`] where the group was rebalancing for all of `request.timeout.ms`.
    ///
    /// # Cancel safety
    ///
    /// When dropped, nothing has happened.
    pub fn stamped(
        &self,
        offsets: Vec<CommitOffset>,
    ) -> impl Future<Output = Result<GroupOffsets, Error>> + Send + use<> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Stamp(offsets, reply);
        let sent = self.commands.send((self.seen, command));
        async move {
            sent.map_err(|_| closed())?;
            answer.await.map_err(|_| closed())?
        }
    }

    /// What the group has committed of these partitions, once no transaction that commits them is
    /// open (KIP-447); none for a partition without an offset.
    ///
    /// # Errors
    ///
    /// Why the coordinator has not told of all of them: the next try may succeed where
    /// [`Error::is_retriable`] says so.
    ///
    /// # Cancel safety
    ///
    /// When dropped, nothing is left behind.
    pub fn committed(
        &self,
        partitions: Vec<TopicPartition>,
    ) -> impl Future<Output = Result<BTreeMap<TopicPartition, Option<i64>>, Error>> + Send + use<>
    {
        let (reply, answer) = oneshot::channel();
        let sent = self
            .commands
            .send((self.seen, Command::Committed(partitions, reply)));
        async move {
            sent.map_err(|_| closed())?;
            answer.await.map_err(|_| closed())?
        }
    }

    /// Answers [`Event::Revoking`]: the application is done with these partitions.
    pub fn revoked(&self, partitions: &[TopicPartition]) {
        self.command(Command::Revoked(partitions.to_vec()));
    }

    /// Stops fetching these partitions and handing out what was fetched. An event that is on its
    /// way already still arrives.
    pub fn pause(&self, partitions: &[TopicPartition]) {
        self.command(Command::Pause(partitions.to_vec()));
    }

    /// Goes on with partitions that were paused.
    pub fn resume(&self, partitions: &[TopicPartition]) {
        self.command(Command::Resume(partitions.to_vec()));
    }

    /// Goes on from another offset of a partition that is assigned. An event that is on its way
    /// already still arrives.
    pub fn seek(&self, partition: TopicPartition, offset: i64) {
        self.command(Command::Seek(partition, offset));
    }

    /// Which records it is given, and so what the end of a partition is to it.
    pub fn isolation_level(&self) -> IsolationLevel {
        self.isolation_level
    }

    /// Leaves the group and ends, once the commits made before are done, within 5 seconds. A
    /// static member does not leave: it may come back within its session timeout and keep its
    /// partitions (KIP-345).
    ///
    /// # Errors
    ///
    /// Why the group was not left, as where the coordinator does not answer: the partitions are
    /// nobody's until the session ends. The consumer has ended all the same.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the leaving goes on.
    pub async fn close(self) -> Result<(), Error> {
        let (reply, done) = oneshot::channel();
        self.command(Command::Close(reply));
        drop(self.events);
        done.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Makes something to see from beside the application where this consumer stands.
    pub fn watch(&self) -> Watcher {
        Watcher::new(&self.commands)
    }

    /// A driver that has ended needs no command: the next event tells why.
    fn command(&self, command: Command) {
        let _ = self.commands.send((self.seen, command));
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the consumer was closed")
}

fn check(config: &ConsumerConfig) -> Result<(), Error> {
    let wrong = |text: &str| Err(Error::new(ErrorKind::Usage, text));
    if config.group_id.is_empty() {
        return wrong("group.id is empty");
    }
    if config.topics.is_empty() {
        return wrong("a consumer without topics");
    }
    if config.max_poll_records == 0 {
        return wrong("max.poll.records is 0");
    }
    let sizes = [config.fetch_max_bytes, config.max_partition_fetch_bytes];
    if sizes.iter().any(|bytes| *bytes < 1) {
        return wrong("fetch.max.bytes and max.partition.fetch.bytes must be at least 1");
    }
    match config.group_protocol {
        GroupProtocol::Classic => check_classic(config),
        GroupProtocol::Consumer => check_consumer(config),
    }
    .map_err(|text| Error::new(ErrorKind::Usage, text))
}

fn check_classic(config: &ConsumerConfig) -> Result<(), &'static str> {
    if config.assignors.is_empty() {
        return Err("partition.assignment.strategy is empty");
    }
    if config.heartbeat_interval >= config.session_timeout {
        return Err("heartbeat.interval.ms must be below session.timeout.ms");
    }
    if config.remote_assignor.is_some() {
        return Err("group.remote.assignor can't be set with group.protocol=classic");
    }
    Ok(())
}

/// What the coordinator says can't be said here too, as in Java.
fn check_consumer(config: &ConsumerConfig) -> Result<(), &'static str> {
    let default = ConsumerConfig::default();
    if config.assignors != default.assignors {
        return Err(
            "partition.assignment.strategy can't be set with group.protocol=consumer: \
             see group.remote.assignor",
        );
    }
    if config.session_timeout != default.session_timeout {
        return Err(
            "session.timeout.ms can't be set with group.protocol=consumer: \
             the brokers' group.consumer.session.timeout.ms holds",
        );
    }
    if config.heartbeat_interval != default.heartbeat_interval {
        return Err(
            "heartbeat.interval.ms can't be set with group.protocol=consumer: \
             the brokers' group.consumer.heartbeat.interval.ms holds",
        );
    }
    if config.remote_assignor.as_deref() == Some("") {
        return Err("group.remote.assignor is empty");
    }
    Ok(())
}
