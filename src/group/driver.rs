//! Runs the membership machine: its effects become requests to the coordinator, their answers its
//! events.
//!
//! JoinGroup and SyncGroup have a connection of their own, as the coordinator holds them for as
//! long as a rebalance takes, and would hold up heartbeats and commits behind them.

mod commits;
mod leaving;
mod trouble;

use std::collections::{BTreeSet, VecDeque};

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use crate::clock::{now, sleep_until};
use crate::cluster::{Channel, Client, Metadata};
use crate::group::assignor::PartitionCounts;
use crate::group::membership::{
    Attempt, CommitStamp, Config, ConsumerHeartbeatAnswer, Effect, Ending, GroupFailure,
    JoinAnswer, Membership, RequestError, SyncAnswer, TopicId, TopicNames,
};
pub(crate) use crate::group::requests::Found;
use crate::group::requests::Requests;
use crate::wire::TopicPartition;
use crate::{Error, ErrorKind};
use commits::Commit;
use trouble::Trouble;

/// What the membership tells the consumer.
#[derive(Debug)]
pub(crate) enum GroupEvent {
    Assigned(Vec<TopicPartition>),
    Revoke(Vec<TopicPartition>),
    Lost(Vec<TopicPartition>),
    Failed(Error),
    Left(Ending),
}

/// An answer to one of the machine's effects.
enum Answer {
    Coordinator(Attempt, Result<i32, Error>),
    Join(Attempt, Result<JoinAnswer, RequestError>),
    Partitions(Attempt, Result<PartitionCounts, RequestError>),
    Sync(Attempt, Result<SyncAnswer, RequestError>),
    Heartbeat(Attempt, Result<(), RequestError>),
    Leave(Attempt, Result<(), RequestError>),
    ConsumerHeartbeat(Attempt, Result<ConsumerHeartbeatAnswer, RequestError>),
    Topics(Attempt, Result<TopicNames, RequestError>),
    Commit(Box<Commit>, CommitStamp, Result<(), RequestError>),
}

/// One member's side of its group.
pub(crate) struct GroupDriver {
    client: Client,
    group: String,
    machine: Membership,
    rebalance: Channel,
    control: Channel,
    coordinator: Option<i32>,
    under_way: FuturesUnordered<BoxFuture<'static, Answer>>,
    events: VecDeque<GroupEvent>,
    revoking: Option<(Attempt, BTreeSet<TopicPartition>)>,
    /// Oldest first; only the first is under way, so that commits arrive in order.
    commits: VecDeque<Box<Commit>>,
    committing: bool,
    /// With the coordinator, from when it is sought until it has taken what it was sought for.
    trouble: Trouble,
    /// With an instance id that another member has.
    unreleased: Trouble,
}

impl GroupDriver {
    /// Begins to join.
    pub(crate) fn new(client: Client, config: Config) -> Self {
        let group = config.group_id.clone();
        let mut driver = Self {
            group,
            machine: Membership::new(config),
            rebalance: client.channel(),
            control: client.channel(),
            client,
            coordinator: None,
            under_way: FuturesUnordered::new(),
            events: VecDeque::new(),
            revoking: None,
            commits: VecDeque::new(),
            committing: false,
            trouble: Trouble::default(),
            unreleased: Trouble::default(),
        };
        driver.handle_metadata(&driver.client.metadata());
        driver.machine.handle_start(now());
        driver
    }

    /// The next event. Cancel safe: what is under way stays so.
    pub(crate) async fn next(&mut self) -> GroupEvent {
        loop {
            self.begin_commit();
            self.finish_revocation();
            self.carry_out_effects();
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            let timeout = self.next_timeout();
            tokio::select! {
                Some(answer) = self.under_way.next() => self.handle_answer(answer),
                () = sleep_until(timeout) => self.machine.handle_timeout(now()),
            }
        }
    }

    /// The application is done with partitions that were to be revoked.
    pub(crate) fn revoked(&mut self, partitions: &[TopicPartition]) {
        if let Some((_, left)) = &mut self.revoking {
            left.retain(|tp| !partitions.contains(tp));
        }
    }

    /// Gives up what the application is done with, after the commits that it made before: the
    /// coordinator takes none of them once the partitions are another member's.
    fn finish_revocation(&mut self) {
        let committed = self.commits.is_empty() && !self.committing;
        let done = |(_, left): &mut (_, BTreeSet<_>)| left.is_empty() && committed;
        if let Some((attempt, _)) = self.revoking.take_if(done) {
            self.machine.handle_revoked(attempt, now());
        }
    }

    /// True where the coordinator counts this member to the group, as far as it has told.
    pub(crate) fn is_member(&self) -> bool {
        self.machine.generation().is_some()
    }

    /// Looks up committed offsets.
    pub(crate) fn committed(
        &self,
        partitions: Vec<TopicPartition>,
    ) -> impl Future<Output = Found> + Send + use<> {
        let stamp = self.machine.fetch_stamp();
        self.requests(&self.control).committed(stamp, partitions)
    }

    /// Takes note of the cluster's present topics.
    pub(crate) fn handle_metadata(&mut self, metadata: &Metadata) {
        let (counts, names) = (metadata.partition_counts(), metadata.topic_names());
        self.machine.handle_topics_changed(&counts, names, now());
    }

    fn requests(&self, channel: &Channel) -> Requests {
        Requests {
            group: self.group.clone(),
            channel: channel.clone(),
            coordinator: self.coordinator,
            timeout: self.client.config().request_timeout,
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        let commit = self.commits.front().filter(|_| !self.committing);
        let commit = commit.map(|commit| commit.timeout(self.machine.commit_stamp().is_some()));
        let machine = self.machine.poll_timeout().map(Instant::from_std);
        commit.into_iter().chain(machine).min()
    }

    fn carry_out_effects(&mut self) {
        while let Some(effect) = self.machine.poll_effect() {
            tracing::trace!(group = %self.group, ?effect);
            self.carry_out(effect);
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::FindCoordinator(attempt) => self.find_coordinator(attempt),
            Effect::Join(join) => {
                let (attempt, requests) = (join.attempt, self.requests(&self.rebalance));
                self.begin(async move { Answer::Join(attempt, requests.join(join).await) });
            }
            Effect::NeedPartitions { attempt, topics } => self.count_partitions(attempt, topics),
            Effect::Sync(sync) => {
                let (attempt, requests) = (sync.attempt, self.requests(&self.rebalance));
                self.begin(async move { Answer::Sync(attempt, requests.sync(sync).await) });
            }
            Effect::Heartbeat(beat) => {
                let (attempt, requests) = (beat.attempt, self.requests(&self.control));
                self.begin(
                    async move { Answer::Heartbeat(attempt, requests.heartbeat(beat).await) },
                );
            }
            Effect::Leave(leave) => {
                let (attempt, requests) = (leave.attempt, self.requests(&self.control));
                self.begin(async move { Answer::Leave(attempt, requests.leave(leave).await) });
            }
            Effect::ConsumerHeartbeat(beat) => {
                let (attempt, requests) = (beat.attempt, self.requests(&self.control));
                self.begin(async move {
                    Answer::ConsumerHeartbeat(attempt, requests.consumer_heartbeat(beat).await)
                });
            }
            Effect::NeedTopics { attempt, topics } => self.name_topics(attempt, &topics),
            Effect::Assigned(partitions) => {
                let generation = self.machine.generation();
                let count = self.machine.assignment().len();
                tracing::info!(group = %self.group, generation, owned = count, added = ?partitions, "partitions assigned");
                self.events.push_back(GroupEvent::Assigned(partitions));
            }
            Effect::Revoke {
                attempt,
                partitions,
            } => {
                tracing::info!(group = %self.group, ?partitions, "partitions to be given up");
                self.revoking = Some((attempt, partitions.iter().cloned().collect()));
                self.events.push_back(GroupEvent::Revoke(partitions));
            }
            Effect::Lost(partitions) => {
                tracing::warn!(group = %self.group, ?partitions, "partitions lost");
                self.revoking = None;
                self.events.push_back(GroupEvent::Lost(partitions));
            }
            Effect::Unsupported => {
                tracing::warn!(group = %self.group, "the brokers don't speak group.protocol=consumer (KIP-848: Kafka 4.0, group.version 1); the classic protocol is used");
                self.machine.handle_unsupported(now());
            }
            Effect::Failed(failure) => self.events.push_back(GroupEvent::Failed(failed(failure))),
            Effect::Left(ending) => self.events.push_back(GroupEvent::Left(ending)),
        }
    }

    fn begin(&mut self, answer: impl Future<Output = Answer> + Send + 'static) {
        self.under_way.push(Box::pin(answer));
    }

    fn find_coordinator(&mut self, attempt: Attempt) {
        self.trouble.begin(now());
        let (client, group) = (self.client.clone(), self.group.clone());
        let timeout = client.config().request_timeout;
        self.begin(async move {
            let found = client
                .find_coordinator(&group, Instant::now() + timeout)
                .await;
            Answer::Coordinator(attempt, found)
        });
    }

    fn count_partitions(&mut self, attempt: Attempt, topics: Vec<String>) {
        let client = self.client.clone();
        let timeout = client.config().request_timeout;
        self.begin(async move {
            client.track(&topics);
            let refreshed = client.refresh(Instant::now() + timeout).await;
            let counts = refreshed.map(|metadata| metadata.partition_counts());
            Answer::Partitions(attempt, counts.map_err(|error| request_error(&error)))
        });
    }

    fn name_topics(&mut self, attempt: Attempt, topics: &[TopicId]) {
        tracing::debug!(group = %self.group, count = topics.len(), "topics assigned whose names are not known");
        let client = self.client.clone();
        let timeout = client.config().request_timeout;
        self.begin(async move {
            let refreshed = client.refresh(Instant::now() + timeout).await;
            let names = refreshed.map(|metadata| metadata.topic_names());
            Answer::Topics(attempt, names.map_err(|error| request_error(&error)))
        });
    }

    fn handle_answer(&mut self, answer: Answer) {
        let now = now();
        self.watch(&answer, now);
        match answer {
            Answer::Coordinator(attempt, found) => {
                if let Ok(node) = found {
                    tracing::debug!(group = %self.group, coordinator = node, "coordinator found");
                    self.coordinator = Some(node);
                }
                let found = found.map(|_| ()).map_err(|error| request_error(&error));
                self.machine.handle_coordinator(attempt, found, now);
            }
            Answer::Join(attempt, answer) => self.machine.handle_join(attempt, answer, now),
            Answer::Partitions(attempt, counts) => {
                self.machine.handle_partitions(attempt, counts, now);
            }
            Answer::Sync(attempt, answer) => self.machine.handle_sync(attempt, answer, now),
            Answer::Heartbeat(attempt, answer) => {
                self.machine.handle_heartbeat(attempt, answer, now);
            }
            Answer::ConsumerHeartbeat(attempt, answer) => {
                self.machine.handle_consumer_heartbeat(attempt, answer, now);
            }
            Answer::Topics(attempt, names) => self.machine.handle_topics(attempt, names, now),
            Answer::Leave(attempt, answer) => {
                self.machine.handle_leave_answer(attempt, answer, now);
            }
            Answer::Commit(commit, stamp, answer) => self.handle_committed(commit, &stamp, answer),
        }
    }
}

fn request_error(error: &Error) -> RequestError {
    match (error.code(), error.kind()) {
        // The code is not the group's, and the client goes on trying.
        (_, ErrorKind::Authentication) => RequestError::Disconnected,
        (Some(code), _) => RequestError::Code(code),
        (None, ErrorKind::Timeout) => RequestError::Timeout,
        (None, _) => RequestError::Disconnected,
    }
}

fn failed(failure: GroupFailure) -> Error {
    match failure.code {
        Some(code) => Error::coded(code, failure.message),
        None => Error::new(ErrorKind::Protocol, failure.message),
    }
}
