//! Fetching: one request a broker, and what its answer means.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::{Done, Driver, backoff, code_may_pass};
use crate::consumer::Event;
use crate::consumer::budget::{Room, share};
use crate::consumer::fetch::{self, FetchAnswer, PartitionAnswer, Unreadable, Wanted};
use crate::consumer::session::{FetchPosition, FetchSession};
use crate::wire::batch::BatchError;
use crate::wire::{ErrorCode, TopicPartition};
use crate::{Error, ErrorKind};

/// How long a partition whose records can't be read rests before it is fetched again.
const UNREADABLE_PAUSE: Duration = Duration::from_secs(10);

/// What is known of fetching from one broker.
#[derive(Default)]
pub(super) struct BrokerState {
    session: FetchSession,
    asked: bool,
    /// The most that the fetch under way may bring.
    coming: usize,
    failures: u32,
    pub(super) not_before: Option<Instant>,
}

impl Driver {
    /// One fetch a broker for those of its partitions that there is room for.
    pub(super) fn begin_fetches(&mut self, now: Instant) {
        self.hold_leaderless(now);
        let budget = size(self.config.fetch_max_bytes);
        let share = self.share();
        for (node, mut wanted) in self.wanted(now) {
            let coming = self
                .brokers
                .values()
                .map(|broker| broker.coming)
                .sum::<usize>();
            let broker = self.brokers.entry(node).or_default();
            if broker.asked || broker.not_before.is_some_and(|at| at > now) {
                continue;
            }
            let mut room = Room::new(budget, self.ledger.total() + coming, share);
            wanted.retain(|tp, _| room.admits(self.ledger.of(tp)));
            if wanted.is_empty() {
                continue;
            }
            broker.asked = true;
            broker.coming =
                (wanted.len() * share).min(size(fetch::most_bytes(&self.config)) + share);
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

    /// What is asked for of each partition.
    fn share(&self) -> usize {
        let budget = size(self.config.fetch_max_bytes);
        let most = size(self.config.max_partition_fetch_bytes);
        share(budget, most, self.positions.assigned().count())
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

    /// What is to be fetched, by the node that is asked: the leader, or the replica that it named.
    fn wanted(&self, now: Instant) -> BTreeMap<i32, Wanted> {
        let metadata = self.metadata.borrow();
        let max_bytes = i32::try_from(self.share()).unwrap_or(i32::MAX);
        let mut wanted: BTreeMap<i32, Wanted> = BTreeMap::new();
        for (tp, offset) in self.positions.fetchable(now.into_std()) {
            let Some(known) = metadata.partition(tp) else {
                continue;
            };
            let Some(leader) = known.leader else { continue };
            let replica = self.replicas.of(tp, now);
            let replica = replica.filter(|node| metadata.brokers().contains_key(node));
            let position = FetchPosition {
                topic_id: metadata.topic(&tp.topic).map_or([0; 16], |topic| topic.id),
                offset,
                leader_epoch: known.leader_epoch,
                last_epoch: self.last_epoch(tp, offset, known.leader_epoch),
                max_bytes,
            };
            wanted
                .entry(replica.unwrap_or(leader))
                .or_default()
                .insert(tp.clone(), position);
        }
        wanted
    }

    /// The leader epoch to hold the broker's log against, -1 for none. A broker of an older one
    /// than was read would take it for one that never was.
    fn last_epoch(&self, tp: &TopicPartition, offset: i64, leader_epoch: i32) -> i32 {
        let read = self.positions.epoch_before(tp, offset);
        read.filter(|read| *read <= leader_epoch).unwrap_or(-1)
    }

    pub(super) fn handle_fetched(
        &mut self,
        node: i32,
        stamp: u64,
        answer: Result<FetchAnswer, Error>,
    ) {
        let broker = self.brokers.entry(node).or_default();
        broker.asked = false;
        broker.coming = 0;
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
                    self.handle_partition(node, stamp, partition);
                }
            }
            Err(error) => {
                broker.session.reset();
                self.replicas.leave_node(node);
                if error.is_retriable() {
                    tracing::debug!(node, %error, "fetch failed");
                } else {
                    tracing::warn!(node, %error, "fetch failed");
                }
                self.client.request_refresh();
            }
        }
    }

    fn handle_partition(&mut self, node: i32, stamp: u64, mut answer: PartitionAnswer) {
        let tp = answer.partition;
        if !self.positions.awaits(&tp, stamp, answer.asked_offset) {
            return;
        }
        let is_refused = !answer.code.is_ok() || answer.diverging.is_some();
        if is_refused && self.replicas.leave(&tp, node) {
            tracing::debug!(partition = %tp, node, code = %answer.code, "going back to the leader");
            let later = backoff(&self.client);
            self.positions.hold(&tp, later);
            return self.client.request_refresh();
        }
        match answer.code {
            ErrorCode::NONE => {}
            ErrorCode::OFFSET_OUT_OF_RANGE => {
                tracing::warn!(partition = %tp, offset = answer.asked_offset, "offset out of range");
                return self.positions.out_of_range(&tp);
            }
            code if code_may_pass(code) => {
                tracing::debug!(partition = %tp, %code, "fetch refused");
                let later = backoff(&self.client);
                self.positions.hold(&tp, later);
                return self.client.request_refresh();
            }
            code => return self.fail(Error::broker(code, format!("fetching {tp}"))),
        }
        if let Some(replica) = answer.preferred_replica
            && self.metadata.borrow().leader(&tp) == Some(node)
        {
            return self.follow(tp, replica);
        }
        if let Some((epoch, end)) = answer.diverging {
            return self.handle_truncated(&tp, answer.asked_offset, epoch, end);
        }
        for (epoch, offset) in answer.epochs {
            self.positions.note_epoch(&tp, epoch, offset);
        }
        let stuck_at = answer.records.next_offset();
        let (asked, end) = (answer.asked_offset, answer.end);
        answer.records.enter(&self.ledger);
        self.positions.fetched(stamp, asked, answer.records, end);
        if let Some(unreadable) = answer.unreadable {
            let later = (Instant::now() + UNREADABLE_PAUSE).into_std();
            self.positions.hold(&tp, |_| later);
            let error = stopped(&tp, stuck_at, &unreadable);
            let told = |event: &Event| matches!(event, Event::PartitionFailed(it, _) if *it == tp);
            if !self.told.waiting().any(told) {
                self.told.announce(Event::PartitionFailed(tp, error));
            }
        }
    }
}

/// Settings are checked to be at least 1.
fn size(bytes: i32) -> usize {
    usize::try_from(bytes).unwrap_or(0)
}

/// Says where a partition stopped and why, and what can be done about it.
fn stopped(tp: &TopicPartition, offset: i64, unreadable: &Unreadable) -> Error {
    let why = &unreadable.error;
    let mut text = format!("{tp}: the records from offset {offset} on can't be read: {why}");
    let mut ways = Vec::new();
    if matches!(why, BatchError::TooLarge { .. }) {
        ways.push("raise max.decompressed.bytes".to_owned());
    }
    if let Some(next) = unreadable.next_offset {
        ways.push(format!(
            "move the group to offset {next} to go on without them"
        ));
    }
    if !ways.is_empty() {
        text = format!("{text} ({})", ways.join(", or "));
    }
    Error::new(ErrorKind::Protocol, text)
}

fn ends_session(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::FETCH_SESSION_ID_NOT_FOUND
            | ErrorCode::INVALID_FETCH_SESSION_EPOCH
            | ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR
    )
}
