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
use crate::group::driver::{GroupDriver, GroupEvent};
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
    Fetched(i32, Result<FetchAnswer, Error>),
    Committed(
        Vec<Incarnation>,
        Result<BTreeMap<TopicPartition, i64>, Error>,
    ),
    Reset(
        Vec<Incarnation>,
        Result<BTreeMap<TopicPartition, i64>, Error>,
    ),
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
        }
    }

    pub(super) async fn run(mut self) {
        let events = self.events.clone();
        let closed = loop {
            self.begin_work();
            let ready = self.has_event();
            let timeout = self.next_timeout();
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(Command::Close(reply)) => break Some(reply),
                    Some(command) => self.handle_command(command),
                    None => break None,
                },
                event = self.group.next() => self.handle_group(event),
                Some(done) = self.under_way.next() => self.handle_done(done),
                permit = events.reserve(), if ready => match (permit, self.take_event()) {
                    (Ok(permit), Some(event)) => {
                        let failed = event.is_err();
                        permit.send(event);
                        if failed {
                            break None;
                        }
                    }
                    (Ok(_), None) => {}
                    (Err(_), _) => break None,
                },
                Ok(()) = self.metadata.changed() => self.handle_metadata(),
                () = tokio::time::sleep_until(timeout) => {}
            }
        };
        // Whoever waits for events learns that there are no more before the leaving is done.
        drop((events, self.events));
        self.group.leave();
        let left = async {
            loop {
                match self.group.next().await {
                    GroupEvent::Left => break,
                    // An application that closes is done with all it had.
                    GroupEvent::Revoke(partitions) => self.group.revoked(&partitions),
                    _ => {}
                }
            }
        };
        if tokio::time::timeout(LEAVE_TIMEOUT, left).await.is_err() {
            tracing::debug!("the group was left without the coordinator's answer");
        }
        if let Some(reply) = closed {
            let _ = reply.send(());
        }
    }

    fn handle_command(&mut self, command: Command) {
        match command {
            Command::Commit(offsets, reply) => self.group.commit(offsets, reply),
            Command::Revoked(partitions) => {
                self.positions.remove(&partitions);
                self.group.revoked(&partitions);
            }
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
            GroupEvent::Revoke(partitions) => {
                // What was fetched and not handed out is the next owner's.
                self.positions.remove(&partitions);
                self.ahead.push_back(Event::Revoking(partitions));
            }
            GroupEvent::Lost(partitions) => {
                self.positions.remove(&partitions);
                self.ahead.push_back(Event::Lost(partitions));
            }
            GroupEvent::Failed(error) => self.failure = Some(error),
            GroupEvent::Left => {}
        }
    }

    /// Control events go first, in order; then records, partitions in turn.
    fn take_event(&mut self) -> Option<Result<Event, Error>> {
        if let Some(event) = self.ahead.pop_front() {
            return Some(Ok(event));
        }
        if let Some(error) = self.failure.take() {
            return Some(Err(error));
        }
        let (tp, fetched) = self.positions.next_ready(self.config.max_poll_records)?;
        Some(Ok(match fetched {
            Fetched::Records(records) => Event::Records(records),
            Fetched::End(offset) => Event::EndOfPartition(tp, offset),
        }))
    }

    fn has_event(&self) -> bool {
        !self.ahead.is_empty() || self.failure.is_some() || self.positions.has_ready()
    }

    fn next_timeout(&self) -> Instant {
        let now = Instant::now();
        let position = self
            .positions
            .poll_timeout(now.into_std())
            .map(Instant::from_std);
        let brokers = self.brokers.values().filter_map(|broker| broker.not_before);
        let next = brokers.chain(position).filter(|at| *at > now).min();
        next.unwrap_or(now + self.client.config().metadata_max_age)
    }

    /// Asks for what can be asked for now: offsets first, then records.
    fn begin_work(&mut self) {
        let now = Instant::now().into_std();
        let finding = self.positions.take_questions(Stage::Finding, now);
        if !finding.is_empty() {
            self.ask_committed(finding);
        }
        let resetting = self.positions.take_questions(Stage::Resetting, now);
        if !resetting.is_empty() {
            self.ask_reset(resetting);
        }
        self.begin_fetches();
    }

    fn ask_committed(&mut self, asked: Vec<Incarnation>) {
        let partitions = asked.iter().map(|asked| asked.partition.clone()).collect();
        let answer = self.group.committed(partitions);
        self.under_way.push(Box::pin(
            async move { Done::Committed(asked, answer.await) },
        ));
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
            Done::Reset(asked, admin.offsets(&partitions, timeout).await)
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
    fn begin_fetches(&mut self) {
        let budget = usize::try_from(self.config.fetch_max_bytes).unwrap_or(0);
        if self.positions.waiting_bytes() >= budget.max(1) {
            return;
        }
        let now = Instant::now();
        self.hold_leaderless(now);
        for (node, wanted) in self.wanted(now) {
            let broker = self.brokers.entry(node).or_default();
            if broker.asked || broker.not_before.is_some_and(|at| at > now) {
                continue;
            }
            broker.asked = true;
            let session = broker.session.next_request(&wanted);
            let (channel, config) = (self.channel.clone(), self.config.clone());
            let timeout = self.client.config().request_timeout + config.fetch_max_wait;
            self.under_way.push(Box::pin(async move {
                let deadline = Instant::now() + timeout;
                let answer = fetch::fetch(channel, node, session, wanted, &config, deadline).await;
                Done::Fetched(node, answer)
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
        let later = self.backoff_until(1).into_std();
        for tp in leaderless {
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
            Done::Fetched(node, answer) => self.handle_fetched(node, answer),
            Done::Committed(asked, answer) => self.handle_found(&asked, answer, true),
            Done::Reset(asked, answer) => self.handle_found(&asked, answer, false),
        }
    }

    /// Offsets were looked up; a missing committed one leads to the reset policy.
    fn handle_found(
        &mut self,
        asked: &[Incarnation],
        answer: Result<BTreeMap<TopicPartition, i64>, Error>,
        committed: bool,
    ) {
        match answer {
            Ok(offsets) => {
                for asked in asked {
                    let offset = offsets
                        .get(&asked.partition)
                        .copied()
                        .filter(|offset| *offset >= 0);
                    tracing::debug!(partition = %asked.partition, ?offset, committed, "offset found");
                    self.positions.found(asked, offset);
                }
            }
            Err(error) if error.is_retriable() => {
                tracing::debug!(%error, "offsets could not be looked up");
                let later = self.backoff_until(1).into_std();
                for asked in asked {
                    self.positions.not_found(asked, later);
                }
            }
            Err(error) => self.failure = Some(error),
        }
    }

    fn handle_fetched(&mut self, node: i32, answer: Result<FetchAnswer, Error>) {
        let failures = self.brokers.get(&node).map_or(0, |broker| broker.failures) + 1;
        let later = self.backoff_until(failures);
        let broker = self.brokers.entry(node).or_default();
        broker.asked = false;
        match answer {
            Ok(answer) => {
                broker
                    .session
                    .handle_response(answer.session_id, answer.code);
                broker.failures = 0;
                broker.not_before = None;
                if let Err(code) = answer.code.ok() {
                    tracing::debug!(node, %code, "fetch refused");
                }
                for partition in answer.partitions {
                    self.handle_partition(partition);
                }
            }
            Err(error) => {
                tracing::debug!(node, %error, "fetch failed");
                broker.session.reset();
                broker.failures = failures;
                broker.not_before = Some(later);
                self.client.request_refresh();
            }
        }
    }

    fn handle_partition(&mut self, answer: PartitionAnswer) {
        let tp = answer.partition;
        match answer.code {
            ErrorCode::NONE => {}
            ErrorCode::OFFSET_OUT_OF_RANGE => {
                tracing::warn!(partition = %tp, offset = answer.asked_offset, "offset out of range");
                return self.positions.reset(&tp);
            }
            code if code.is_retriable() => {
                tracing::debug!(partition = %tp, %code, "fetch refused");
                self.positions.hold(&tp, self.backoff_until(1).into_std());
                return self.client.request_refresh();
            }
            code => {
                self.failure = Some(Error::broker(code, format!("fetching {tp}")));
                return;
            }
        }
        let stuck_at = answer.records.next_offset();
        self.positions
            .fetched(answer.asked_offset, answer.records, answer.high_watermark);
        if let Some(error) = answer.unreadable {
            self.positions
                .hold(&tp, (Instant::now() + UNREADABLE_PAUSE).into_std());
            let text = format!("{tp}: the records from offset {stuck_at} on can't be read");
            let error = Error::caused(ErrorKind::Protocol, text, error);
            self.ahead.push_back(Event::PartitionFailed(tp, error));
        }
    }

    fn handle_metadata(&mut self) {
        let metadata = self.metadata.borrow_and_update().clone();
        let topics: Vec<Arc<str>> = self.config.topics.iter().map(|t| Arc::from(&**t)).collect();
        for name in topics {
            let Some(topic) = metadata.topic(&name) else {
                continue;
            };
            let known = self.topic_ids.insert(name.clone(), topic.id);
            if known
                .is_some_and(|known| known != topic.id && topic.id != [0; 16] && known != [0; 16])
            {
                tracing::warn!(topic = %name, "the topic was deleted and made again");
                let assigned = self.positions.assigned().filter(|tp| tp.topic == name);
                for tp in assigned.cloned().collect::<Vec<_>>() {
                    self.positions.reset(&tp);
                }
            }
        }
        self.group.handle_metadata(&metadata);
    }

    fn backoff_until(&self, failures: u32) -> Instant {
        let config = self.client.config();
        Instant::now() + jittered_backoff(config.retry_backoff, config.retry_backoff_max, failures)
    }
}
