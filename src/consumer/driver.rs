//! The task beside the application: keeps the membership, finds offsets, fetches ahead, and
//! hands out one event at a time.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::cluster::pool::jittered_backoff;
use crate::cluster::{Channel, Client, Metadata, OffsetAt};
use crate::consumer::config::{ConsumerConfig, OffsetReset};
use crate::consumer::fetch::{self, FetchAnswer, PartitionAnswer, Wanted};
use crate::consumer::positions::{Fetched, Incarnation, Positions, Stage};
use crate::consumer::session::{FetchPosition, FetchSession};
use crate::consumer::{CommitOffset, Event};
use crate::group::driver::{Found, GroupDriver, GroupEvent};
use crate::wire::{ErrorCode, TopicPartition};
use crate::{Error, ErrorKind};

/// How long a partition whose records can't be read rests before it is fetched again.
const UNREADABLE_PAUSE: Duration = Duration::from_secs(10);
/// How long leaving the group may take: the session timeout does the same later.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);

/// What the application asks of the driver.
#[derive(Debug)]
pub(super) enum Command {
    Commit(Vec<CommitOffset>, oneshot::Sender<Result<(), Error>>),
    Revoked(Vec<TopicPartition>),
    Pause(Vec<TopicPartition>),
    Resume(Vec<TopicPartition>),
    Seek(TopicPartition, i64),
    Close(oneshot::Sender<()>),
}

/// What a request brought.
enum Done {
    /// From a node, for a fetch with this stamp.
    Fetched(i32, u64, Result<FetchAnswer, Error>),
    Found(Vec<Incarnation>, Found),
}

pub(super) struct Driver {
    client: Client,
    config: Arc<ConsumerConfig>,
    group: GroupDriver,
    commands: mpsc::UnboundedReceiver<Command>,
    events: mpsc::Sender<Result<Event, Error>>,
    metadata: watch::Receiver<Arc<Metadata>>,
    channel: Channel,
    positions: Positions,
    brokers: HashMap<i32, BrokerState>,
    under_way: FuturesUnordered<BoxFuture<'static, Done>>,
    ahead: VecDeque<Event>,
    topic_ids: HashMap<Arc<str>, [u8; 16]>,
    failure: Option<Error>,
    /// The application was told of a failure: all that is left to do is commit and leave.
    failed: bool,
}

/// What is known of fetching from one broker.
#[derive(Default)]
struct BrokerState {
    session: FetchSession,
    asked: bool,
    failures: u32,
    not_before: Option<Instant>,
}

impl Driver {
    pub(super) fn new(
        client: Client,
        config: ConsumerConfig,
        commands: mpsc::UnboundedReceiver<Command>,
        events: mpsc::Sender<Result<Event, Error>>,
    ) -> Self {
        client.track(&config.topics);
        let membership = config.membership(client.config(), fastrand::u64(..));
        Self {
            group: GroupDriver::new(client.clone(), membership),
            metadata: client.watch_metadata(),
            channel: client.channel(),
            client,
            config: Arc::new(config),
            commands,
            events,
            positions: Positions::default(),
            brokers: HashMap::new(),
            under_way: FuturesUnordered::new(),
            ahead: VecDeque::new(),
            topic_ids: HashMap::new(),
            failure: None,
            failed: false,
        }
    }

    pub(super) async fn run(mut self) {
        let events = self.events.clone();
        let closed = loop {
            let now = Instant::now();
            self.begin_work(now);
            let ready = self.has_event();
            let timeout = self.next_timeout(now);
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(Command::Close(reply)) => break Some(reply),
                    Some(command) => self.handle_command(command),
                    None => break None,
                },
                event = self.group.next() => self.handle_group(event),
                Some(done) = self.under_way.next() => self.handle_done(done),
                permit = events.reserve(), if ready => match (permit, self.take_event()) {
                    (Ok(permit), Some(event)) => permit.send(event),
                    (Ok(_), None) => {}
                    (Err(_), _) => break self.last_commands(),
                },
                Ok(()) = self.metadata.changed() => self.handle_metadata(),
                () = tokio::time::sleep_until(timeout) => {}
            }
        };
        drop(events);
        self.leave().await;
        if let Some(reply) = closed {
            let _ = reply.send(());
        }
    }

    /// The application takes no more events: it has closed or dropped its handle, and what it
    /// asked for before that is still to be done.
    fn last_commands(&mut self) -> Option<oneshot::Sender<()>> {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Close(reply) => return Some(reply),
                command => self.handle_command(command),
            }
        }
        None
    }

    /// Leaves the group, once what is to be committed is.
    async fn leave(self) {
        let mut group = self.group;
        // Half-done, they may hold what the leaving needs.
        drop(self.under_way);
        // Whoever waits for events learns that there are no more before the leaving is done.
        drop(self.events);
        group.leave();
        // An application that closes is done with all it had.
        group.all_revoked();
        let left = async {
            loop {
                match group.next().await {
                    GroupEvent::Left => break,
                    GroupEvent::Revoke(partitions) => group.revoked(&partitions),
                    _ => {}
                }
            }
        };
        if tokio::time::timeout(LEAVE_TIMEOUT, left).await.is_err() {
            tracing::debug!("the group was left without the coordinator's answer");
        }
    }

    fn handle_command(&mut self, command: Command) {
        match command {
            Command::Commit(offsets, reply) => self.group.commit(offsets, reply),
            Command::Revoked(partitions) => self.group.revoked(&partitions),
            Command::Pause(partitions) => self.positions.pause(&partitions),
            Command::Resume(partitions) => self.positions.resume(&partitions),
            Command::Seek(tp, offset) => self.positions.seek(&tp, offset),
            // Handled where the loop ends.
            Command::Close(_) => {}
        }
    }

    fn handle_group(&mut self, event: GroupEvent) {
        match event {
            GroupEvent::Assigned(partitions) => {
                self.positions.assign(&partitions);
                self.ahead.push_back(Event::Assigned(partitions));
            }
            GroupEvent::Revoke(partitions) if self.failed => self.group.revoked(&partitions),
            GroupEvent::Revoke(partitions) => {
                // What was fetched and not handed out is the next owner's.
                self.positions.remove(&partitions);
                self.ahead.push_back(Event::Revoking(partitions));
            }
            GroupEvent::Lost(partitions) => {
                self.positions.remove(&partitions);
                self.ahead.push_back(Event::Lost(partitions));
            }
            GroupEvent::Failed(error) => self.fail(error),
            GroupEvent::Left => {}
        }
    }

    /// Control events go first, in order; then records, partitions in turn.
    fn take_event(&mut self) -> Option<Result<Event, Error>> {
        if let Some(event) = self.ahead.pop_front() {
            return Some(Ok(event));
        }
        if let Some(error) = self.failure.take() {
            self.failed = true;
            return Some(Err(error));
        }
        let (tp, fetched) = self.positions.next_ready(self.config.max_poll_records)?;
        Some(Ok(match fetched {
            Fetched::Records(records) => Event::Records(records),
            Fetched::End(offset) => Event::EndOfPartition(tp, offset),
        }))
    }

    fn has_event(&self) -> bool {
        let ready = !self.ahead.is_empty() || self.failure.is_some() || self.positions.has_ready();
        ready && !self.failed
    }

    /// The first failure is what the application is told.
    fn fail(&mut self, error: Error) {
        self.failure.get_or_insert(error);
    }

    /// When the next thing that waits may go on. Of the same time as the look at what may go on
    /// now: between two looks a wait could end unseen.
    fn next_timeout(&self, now: Instant) -> Instant {
        let position = self
            .positions
            .poll_timeout(now.into_std())
            .map(Instant::from_std);
        let brokers = self.brokers.values().filter_map(|broker| broker.not_before);
        let next = brokers.chain(position).filter(|at| *at > now).min();
        next.unwrap_or(now + self.client.config().metadata_max_age)
    }

    /// Asks for what can be asked for now: offsets first, then records.
    fn begin_work(&mut self, now: Instant) {
        if self.failed || self.failure.is_some() {
            return;
        }
        let finding = self
            .positions
            .take_questions(Stage::Finding, now.into_std());
        if !finding.is_empty() {
            self.ask_committed(finding);
        }
        let resetting = self
            .positions
            .take_questions(Stage::Resetting, now.into_std());
        if !resetting.is_empty() {
            self.ask_reset(resetting);
        }
        self.begin_fetches(now);
    }

    fn ask_committed(&mut self, asked: Vec<Incarnation>) {
        let partitions = asked.iter().map(|asked| asked.partition.clone()).collect();
        let found = self.group.committed(partitions);
        self.under_way
            .push(Box::pin(async move { Done::Found(asked, found.await) }));
    }

    fn ask_reset(&mut self, asked: Vec<Incarnation>) {
        let at = match self.config.auto_offset_reset {
            OffsetReset::Earliest => OffsetAt::Earliest,
            OffsetReset::Latest => OffsetAt::Latest,
            OffsetReset::None => return self.stop_without_offset(&asked),
        };
        let admin = self.client.admin();
        let timeout = self.client.config().request_timeout;
        let partitions: Vec<_> = asked
            .iter()
            .map(|asked| (asked.partition.clone(), at))
            .collect();
        self.under_way.push(Box::pin(async move {
            let deadline = Instant::now() + timeout;
            let (offsets, failure) = admin.ask_offsets(&partitions, deadline).await;
            let offsets = offsets.into_iter().map(|(tp, offset)| (tp, Some(offset)));
            let offsets = offsets.collect();
            Done::Found(asked, Found { offsets, failure })
        }));
    }

    fn stop_without_offset(&mut self, asked: &[Incarnation]) {
        for Incarnation { partition: tp, .. } in asked {
            self.positions.stop(tp);
            let text = format!("{tp}: no offset to begin at, and auto.offset.reset is none");
            let error = Error::new(ErrorKind::Usage, text);
            self.ahead
                .push_back(Event::PartitionFailed(tp.clone(), error));
        }
    }

    /// One fetch a broker for all its partitions, while there is room for what it may bring.
    fn begin_fetches(&mut self, now: Instant) {
        let budget = usize::try_from(self.config.fetch_max_bytes).unwrap_or(0);
        if self.positions.waiting_bytes() >= budget.max(1) {
            return;
        }
        self.hold_leaderless(now);
        for (node, wanted) in self.wanted(now) {
            let broker = self.brokers.entry(node).or_default();
            if broker.asked || broker.not_before.is_some_and(|at| at > now) {
                continue;
            }
            broker.asked = true;
            // A session's answer leaves out what has not changed: these have to be spoken of.
            let positions = &self.positions;
            let unheard = |tp| positions.must_hear(tp) && broker.session.knows(tp);
            if wanted.keys().any(unheard) {
                broker.session.reset();
            }
            let stamp = self.positions.stamp();
            let session = broker.session.next_request(&wanted);
            let (channel, config) = (self.channel.clone(), self.config.clone());
            let timeout = self.client.config().request_timeout + config.fetch_max_wait;
            self.under_way.push(Box::pin(async move {
                let deadline = Instant::now() + timeout;
                let answer = fetch::fetch(channel, node, session, wanted, &config, deadline).await;
                Done::Fetched(node, stamp, answer)
            }));
        }
    }

    /// A partition without a leader waits for fresh metadata.
    fn hold_leaderless(&mut self, now: Instant) {
        let metadata = self.metadata.borrow().clone();
        let fetchable = self.positions.fetchable(now.into_std());
        let leaderless = fetchable.filter(|(tp, _)| metadata.leader(tp).is_none());
        let leaderless: Vec<_> = leaderless.map(|(tp, _)| tp.clone()).collect();
        if leaderless.is_empty() {
            return;
        }
        for tp in leaderless {
            let later = backoff(&self.client);
            self.positions.hold(&tp, later);
        }
        self.client.request_refresh();
    }

    /// What is to be fetched, by leader.
    fn wanted(&self, now: Instant) -> BTreeMap<i32, Wanted> {
        let metadata = self.metadata.borrow();
        let mut wanted: BTreeMap<i32, Wanted> = BTreeMap::new();
        for (tp, offset) in self.positions.fetchable(now.into_std()) {
            let Some(known) = metadata.partition(tp) else {
                continue;
            };
            let Some(leader) = known.leader else { continue };
            let position = FetchPosition {
                offset,
                leader_epoch: known.leader_epoch,
                max_bytes: self.config.max_partition_fetch_bytes,
            };
            wanted
                .entry(leader)
                .or_default()
                .insert(tp.clone(), position);
        }
        wanted
    }

    fn handle_done(&mut self, done: Done) {
        match done {
            Done::Fetched(node, stamp, answer) => self.handle_fetched(node, stamp, answer),
            Done::Found(asked, found) => self.handle_found(&asked, found),
        }
    }

    /// Offsets were looked up; a missing committed one leads to the reset policy. One that the
    /// answer does not speak of is asked for again: what is not known to be missing is not.
    fn handle_found(&mut self, asked: &[Incarnation], found: Found) {
        for asked in asked {
            if let Some(offset) = found.offsets.get(&asked.partition) {
                tracing::debug!(partition = %asked.partition, ?offset, "offset found");
                self.positions.found(asked, *offset);
            } else {
                let later = backoff(&self.client);
                self.positions.not_found(asked, later);
            }
        }
        match found.failure {
            Some(error) if may_pass(&error) => {
                tracing::debug!(%error, "offsets could not be looked up");
                self.client.request_refresh();
            }
            Some(error) => self.fail(error),
            None => {}
        }
    }

    fn handle_fetched(&mut self, node: i32, stamp: u64, answer: Result<FetchAnswer, Error>) {
        let broker = self.brokers.entry(node).or_default();
        broker.asked = false;
        let code = answer.as_ref().ok().map(|answer| answer.code);
        if code == Some(ErrorCode::NONE) {
            broker.failures = 0;
            broker.not_before = None;
        } else {
            broker.failures = broker.failures.saturating_add(1);
            // A session that the broker has dropped is begun anew at once, if that is all.
            let at_once = broker.failures == 1 && code.is_some_and(ends_session);
            let later = backoff(&self.client)(broker.failures);
            broker.not_before = (!at_once).then(|| Instant::from_std(later));
        }
        match answer {
            Ok(answer) => {
                broker
                    .session
                    .handle_response(answer.session_id, answer.code);
                if let Err(code) = answer.code.ok() {
                    tracing::debug!(node, %code, "fetch refused");
                }
                for partition in answer.partitions {
                    self.handle_partition(stamp, partition);
                }
            }
            Err(error) => {
                broker.session.reset();
                if error.is_retriable() {
                    tracing::debug!(node, %error, "fetch failed");
                } else {
                    tracing::warn!(node, %error, "fetch failed");
                }
                self.client.request_refresh();
            }
        }
    }

    fn handle_partition(&mut self, stamp: u64, answer: PartitionAnswer) {
        let tp = answer.partition;
        if !self.positions.awaits(&tp, stamp, answer.asked_offset) {
            return;
        }
        match answer.code {
            ErrorCode::NONE => {}
            ErrorCode::OFFSET_OUT_OF_RANGE => {
                tracing::warn!(partition = %tp, offset = answer.asked_offset, "offset out of range");
                return self.positions.reset(&tp);
            }
            code if code_may_pass(code) => {
                tracing::debug!(partition = %tp, %code, "fetch refused");
                let later = backoff(&self.client);
                self.positions.hold(&tp, later);
                return self.client.request_refresh();
            }
            code => return self.fail(Error::broker(code, format!("fetching {tp}"))),
        }
        let stuck_at = answer.records.next_offset();
        let (asked, high_watermark) = (answer.asked_offset, answer.high_watermark);
        self.positions
            .fetched(stamp, asked, answer.records, high_watermark);
        if let Some(error) = answer.unreadable {
            let later = (Instant::now() + UNREADABLE_PAUSE).into_std();
            self.positions.hold(&tp, |_| later);
            let text = format!("{tp}: the records from offset {stuck_at} on can't be read");
            let error = Error::caused(ErrorKind::Protocol, text, error);
            let told = |event: &Event| matches!(event, Event::PartitionFailed(it, _) if *it == tp);
            if !self.ahead.iter().any(told) {
                self.ahead.push_back(Event::PartitionFailed(tp, error));
            }
        }
    }

    fn handle_metadata(&mut self) {
        let metadata = self.metadata.borrow_and_update().clone();
        let topics: Vec<Arc<str>> = self.config.topics.iter().map(|t| Arc::from(&**t)).collect();
        for name in topics {
            let Some(topic) = metadata.topic(&name) else {
                continue;
            };
            if topic.error.is_fatal() || topic.error == ErrorCode::INVALID_TOPIC_EXCEPTION {
                self.fail(Error::broker(topic.error, format!("topic {name}")));
            }
            // A topic that is missing, or an old broker's, has no id to tell.
            if topic.id == [0; 16] {
                continue;
            }
            let known = self.topic_ids.insert(name.clone(), topic.id);
            if known.is_some_and(|known| known != topic.id) {
                tracing::warn!(topic = %name, "the topic was deleted and made again");
                let assigned = self.positions.assigned().filter(|tp| tp.topic == name);
                for tp in assigned.cloned().collect::<Vec<_>>() {
                    self.positions.reset(&tp);
                }
            }
        }
        self.group.handle_metadata(&metadata);
    }
}

/// When to try again, by the number of failures in a row.
fn backoff(client: &Client) -> impl FnOnce(u32) -> std::time::Instant + use<> {
    let config = client.config();
    let (min, max) = (config.retry_backoff, config.retry_backoff_max);
    move |failures| (Instant::now() + jittered_backoff(min, max, failures)).into_std()
}

fn may_pass(error: &Error) -> bool {
    match (error.kind(), error.code()) {
        (_, Some(code)) => code_may_pass(code),
        // An answer that can't be read may be one connection's trouble.
        (ErrorKind::Protocol, None) => true,
        _ => error.is_retriable(),
    }
}

/// The broker's own trouble is told by nothing better than UNKNOWN_SERVER_ERROR.
fn code_may_pass(code: ErrorCode) -> bool {
    code.is_retriable() || code == ErrorCode::UNKNOWN_SERVER_ERROR
}

fn ends_session(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::FETCH_SESSION_ID_NOT_FOUND
            | ErrorCode::INVALID_FETCH_SESSION_EPOCH
            | ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR
    )
}

#[cfg(test)]
mod tests;
