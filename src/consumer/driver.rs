//! The task beside the application: keeps the membership, finds offsets, fetches ahead, and
//! hands out one event at a time.

mod commands;
mod fetching;
mod offsets;
mod replicas;
mod topics;
mod truncation;

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::cluster::pool::jittered_backoff;
use crate::cluster::{Channel, Client, Metadata};
use crate::consumer::Event;
use crate::consumer::budget::Ledger;
use crate::consumer::config::ConsumerConfig;
use crate::consumer::fetch::FetchAnswer;
use crate::consumer::positions::{Fetched, Incarnation, Positions, Stage};
use crate::consumer::told::Told;
use crate::group::driver::{Found, GroupDriver, GroupEvent};
use crate::wire::ErrorCode;
use crate::{Error, ErrorKind};
use fetching::BrokerState;
use replicas::Replicas;

pub(super) use commands::Command;

/// What a request brought.
enum Done {
    /// From a node, for a fetch with this stamp.
    Fetched(i32, u64, Result<FetchAnswer, Error>),
    Found(Vec<Incarnation>, Found),
    /// The application has been told what it asked for.
    Told,
}

pub(super) struct Driver {
    client: Client,
    config: Arc<ConsumerConfig>,
    group: GroupDriver,
    commands: mpsc::UnboundedReceiver<(u64, Command)>,
    events: mpsc::Sender<Result<(u64, Event), Error>>,
    metadata: watch::Receiver<Arc<Metadata>>,
    channel: Channel,
    positions: Positions,
    brokers: HashMap<i32, BrokerState>,
    replicas: Replicas,
    under_way: FuturesUnordered<BoxFuture<'static, Done>>,
    told: Told,
    ledger: Ledger,
    topic_ids: HashMap<Arc<str>, [u8; 16]>,
    /// How often the group has given out its partitions to this member.
    assignments: u64,
    failure: Option<Error>,
    /// The application was told of a failure: all that is left to do is commit and leave.
    failed: bool,
}

impl Driver {
    pub(super) fn new(
        client: Client,
        config: ConsumerConfig,
        commands: mpsc::UnboundedReceiver<(u64, Command)>,
        events: mpsc::Sender<Result<(u64, Event), Error>>,
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
            replicas: Replicas::default(),
            under_way: FuturesUnordered::new(),
            told: Told::default(),
            ledger: Ledger::default(),
            topic_ids: HashMap::new(),
            assignments: 0,
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
                    Some((_, Command::Close(reply))) => break Some(reply),
                    Some((seen, command)) => self.handle_command(seen, command),
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
                () = self.ledger.returned() => {}
                () = tokio::time::sleep_until(timeout) => {}
            }
        };
        drop(events);
        let left = self.leave().await;
        if let Some(reply) = closed {
            let _ = reply.send(left);
        }
    }

    /// Leaves the group, once what is to be committed is.
    async fn leave(self) -> Result<(), Error> {
        // Half-done, they may hold what the leaving needs.
        drop(self.under_way);
        // Whoever waits for events learns that there are no more before the leaving is done.
        drop(self.events);
        // An application that closes is done with all it had.
        self.group.leave().await
    }

    fn handle_group(&mut self, event: GroupEvent) {
        match event {
            GroupEvent::Assigned(partitions) => {
                self.assignments += 1;
                self.positions.assign(&partitions);
                self.told.announce(Event::Assigned(partitions));
            }
            GroupEvent::Revoke(partitions) if self.failed => self.group.revoked(&partitions),
            GroupEvent::Revoke(partitions) => {
                // What was fetched and not handed out is the next owner's.
                self.positions.remove(&partitions);
                self.told.announce(Event::Revoking(partitions));
            }
            GroupEvent::Lost(partitions) => {
                self.positions.remove(&partitions);
                self.told.announce(Event::Lost(partitions));
            }
            GroupEvent::Failed(error) => self.fail(error),
            GroupEvent::Left(_) => {}
        }
    }

    /// Control events go first, in order; then records, partitions in turn.
    fn take_event(&mut self) -> Option<Result<(u64, Event), Error>> {
        if let Some(event) = self.told.next() {
            return Some(Ok(event));
        }
        if let Some(error) = self.failure.take() {
            self.failed = true;
            return Some(Err(error));
        }
        let (tp, fetched) = self.positions.next_ready(self.config.max_poll_records)?;
        let event = match fetched {
            Fetched::Records(records) => Event::Records(records),
            Fetched::End(offset) => Event::EndOfPartition(tp, offset),
        };
        Some(Ok((self.told.last(), event)))
    }

    fn has_event(&self) -> bool {
        let announced = self.told.waiting().next().is_some();
        let ready = announced || self.failure.is_some() || self.positions.has_ready();
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

    fn handle_done(&mut self, done: Done) {
        match done {
            Done::Fetched(node, stamp, answer) => self.handle_fetched(node, stamp, answer),
            Done::Found(asked, found) => self.handle_found(&asked, found),
            Done::Told => {}
        }
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
        // It was accepted at the start: someone is changing a password or a certificate.
        (ErrorKind::Authentication, _) => true,
        // Heartbeats find out by themselves, and lead to another epoch (KIP-848).
        (_, Some(ErrorCode::STALE_MEMBER_EPOCH | ErrorCode::UNKNOWN_MEMBER_ID)) => true,
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

#[cfg(test)]
mod tests;
