//! Runs the membership machine: its effects become requests to the coordinator, their answers its
//! events.
//!
//! JoinGroup and SyncGroup have a connection of their own, as the coordinator holds them for as
//! long as a rebalance takes, and would hold up heartbeats and commits behind them.

use std::collections::{BTreeSet, VecDeque};

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::cluster::pool::jittered_backoff;
use crate::cluster::{Channel, Client, Metadata};
use crate::group::CommitOffset;
use crate::group::assignor::PartitionCounts;
use crate::group::membership::{
    Attempt, CommitStamp, Config, Effect, GroupFailure, JoinAnswer, Membership, RequestError,
    SyncAnswer,
};
pub(crate) use crate::group::requests::Found;
use crate::group::requests::Requests;
use crate::wire::{ErrorCode, TopicPartition};
use crate::{Error, ErrorKind};

/// Commits that may wait for the coordinator; more are refused.
const MAX_COMMITS: usize = 1024;

/// What the membership tells the consumer.
#[derive(Debug)]
pub(crate) enum GroupEvent {
    Assigned(Vec<TopicPartition>),
    Revoke(Vec<TopicPartition>),
    Lost(Vec<TopicPartition>),
    Failed(Error),
    Left,
}

/// An answer to one of the machine's effects.
enum Answer {
    Coordinator(Attempt, Result<i32, Error>),
    Join(Attempt, Result<JoinAnswer, RequestError>),
    Partitions(Attempt, Result<PartitionCounts, RequestError>),
    Sync(Attempt, Result<SyncAnswer, RequestError>),
    Heartbeat(Attempt, Result<(), RequestError>),
    Leave(Attempt, Result<(), RequestError>),
    Commit(Box<Commit>, CommitStamp, Result<(), RequestError>),
}

/// A commit on its way.
struct Commit {
    offsets: Vec<CommitOffset>,
    reply: oneshot::Sender<Result<(), Error>>,
    deadline: Instant,
    not_before: Instant,
    failures: u32,
    last_failure: Option<RequestError>,
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
}

impl GroupDriver {
    /// Begins to join.
    pub(crate) fn new(client: Client, config: Config) -> Self {
        let group = config.group_id.clone();
        let mut machine = Membership::new(config);
        machine.handle_start(now());
        Self {
            group,
            machine,
            rebalance: client.channel(),
            control: client.channel(),
            client,
            coordinator: None,
            under_way: FuturesUnordered::new(),
            events: VecDeque::new(),
            revoking: None,
            commits: VecDeque::new(),
            committing: false,
        }
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

    /// The application is done with all that is to be revoked now.
    pub(crate) fn all_revoked(&mut self) {
        if let Some((_, left)) = &mut self.revoking {
            left.clear();
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

    /// Commits as this member; passing failures are tried again within `request.timeout.ms`.
    pub(crate) fn commit(
        &mut self,
        offsets: Vec<CommitOffset>,
        reply: oneshot::Sender<Result<(), Error>>,
    ) {
        if self.commits.len() >= MAX_COMMITS {
            let text = format!("{}: {MAX_COMMITS} wait already", self.committing_what());
            let _ = reply.send(Err(Error::new(ErrorKind::Usage, text)));
            return;
        }
        let now = Instant::now();
        let deadline = now + self.client.config().request_timeout;
        let commit = Commit {
            offsets,
            reply,
            deadline,
            not_before: now,
            failures: 0,
            last_failure: None,
        };
        self.commits.push_back(Box::new(commit));
    }

    /// Looks up committed offsets.
    pub(crate) fn committed(
        &self,
        partitions: Vec<TopicPartition>,
    ) -> impl Future<Output = Found> + Send + use<> {
        self.requests(&self.control).committed(partitions)
    }

    /// Leaves; [`GroupEvent::Left`] follows. Who leaves is done with what was to be revoked.
    pub(crate) fn leave(&mut self) {
        self.machine.handle_leave(now());
        if let Some((attempt, _)) = self.revoking.take() {
            self.machine.handle_revoked(attempt, now());
        }
    }

    /// Takes note of the cluster's present topics.
    pub(crate) fn handle_metadata(&mut self, metadata: &Metadata) {
        let counts = metadata.partition_counts();
        self.machine.handle_topics_changed(&counts, now());
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
        let commit = commit.map(|commit| match self.machine.commit_stamp() {
            Some(_) => commit.not_before.min(commit.deadline),
            // Until the membership allows it, or not at all.
            None => commit.deadline,
        });
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
            Effect::Failed(failure) => self.events.push_back(GroupEvent::Failed(failed(failure))),
            Effect::Left => {
                tracing::info!(group = %self.group, "group left");
                self.events.push_back(GroupEvent::Left);
            }
        }
    }

    fn begin(&mut self, answer: impl Future<Output = Answer> + Send + 'static) {
        self.under_way.push(Box::pin(answer));
    }

    fn find_coordinator(&mut self, attempt: Attempt) {
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

    fn handle_answer(&mut self, answer: Answer) {
        let now = now();
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
            Answer::Leave(attempt, answer) => self.machine.handle_leave_answer(attempt, answer),
            Answer::Commit(commit, stamp, answer) => self.handle_committed(commit, &stamp, answer),
        }
    }

    /// Sends the oldest commit if the membership allows it now. One whose partitions are not all
    /// this member's any more, or whose time is over, is refused.
    fn begin_commit(&mut self) {
        while !self.committing
            && let Some(commit) = self.commits.pop_front()
        {
            let now = Instant::now();
            if let Some(error) = self.refusal(&commit, now) {
                let _ = commit.reply.send(Err(error));
                continue;
            }
            let stamp = self.machine.commit_stamp();
            match stamp.filter(|_| commit.not_before <= now) {
                Some(stamp) => self.send_commit(commit, stamp),
                None => return self.commits.push_front(commit),
            }
        }
    }

    fn refusal(&self, commit: &Commit, now: Instant) -> Option<Error> {
        let owned = self.machine.assignment();
        let mut partitions = commit.offsets.iter().map(|offset| &offset.partition);
        if !partitions.all(|partition| owned.contains(partition)) {
            let code = ErrorCode::ILLEGAL_GENERATION;
            return Some(Error::broker(code, self.committing_what()));
        }
        if commit.deadline > now {
            return None;
        }
        let why = match &commit.last_failure {
            Some(error) => error.to_string(),
            None => "the group was rebalancing".to_owned(),
        };
        let text = format!("{}: not possible in time: {why}", self.committing_what());
        Some(Error::new(ErrorKind::Timeout, text))
    }

    fn send_commit(&mut self, commit: Box<Commit>, stamp: CommitStamp) {
        self.committing = true;
        let requests = self.requests(&self.control);
        self.begin(async move {
            let commit_by = commit.deadline;
            let answer = requests.commit(&stamp, &commit.offsets, commit_by).await;
            Answer::Commit(commit, stamp, answer)
        });
    }

    fn handle_committed(
        &mut self,
        mut commit: Box<Commit>,
        stamp: &CommitStamp,
        answer: Result<(), RequestError>,
    ) {
        self.committing = false;
        let Err(error) = answer else {
            let _ = commit.reply.send(Ok(()));
            return;
        };
        tracing::debug!(group = %self.group, ?error, "commit failed");
        self.machine.handle_commit_error(stamp, &error, now());
        match error {
            RequestError::Code(code) if !may_pass(code) => {
                let _ = commit
                    .reply
                    .send(Err(Error::broker(code, self.committing_what())));
            }
            _ => {
                commit.failures = commit.failures.saturating_add(1);
                commit.last_failure = Some(error);
                let config = self.client.config();
                let (min, max) = (config.retry_backoff, config.retry_backoff_max);
                commit.not_before = Instant::now() + jittered_backoff(min, max, commit.failures);
                self.commits.push_front(commit);
            }
        }
    }

    fn committing_what(&self) -> String {
        format!("committing offsets of group {}", self.group)
    }
}

/// A rebalance passes, and the partitions may still be this member's after it.
fn may_pass(code: ErrorCode) -> bool {
    code.is_retriable() || code == ErrorCode::REBALANCE_IN_PROGRESS
}

fn request_error(error: &Error) -> RequestError {
    match (error.code(), error.kind()) {
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

/// The machine is pure and knows no runtime: its clock is the standard library's, taken from the
/// runtime's so that a paused runtime pauses it too.
fn now() -> std::time::Instant {
    Instant::now().into_std()
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
