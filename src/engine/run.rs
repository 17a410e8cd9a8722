//! The engine's shell: hands it what happens, and executes what it decides.
//!
//! One loop on one task. Sends, forwards and commits are futures of that task, so nothing is
//! shared and nothing is locked; each has its own deadline, so the loop never waits for one.

mod effects;
mod log;
mod outcome;
mod producers;
mod transactions;
mod watch;

use std::collections::HashMap;
use std::sync::Arc;

pub use outcome::Outcome;
pub use producers::Transactions;
pub use watch::{Questions, View, Watcher};

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use crate::clock::{now, sleep_until, wall_clock_ms};
use crate::cluster::{Client, Metadata};
use crate::consumer::{Consumer, Event, FetchedRecords};
use crate::engine::timing::OnceAMinute;
use crate::engine::{
    CommitFailure, Config, Engine, ForwardFailure, Forwarding, Moment, Path, RecordSource, Report,
    Ticket,
};
use crate::producer::Producer;
use crate::sink::{Failure, Verdict};
use crate::wire::TopicPartition;
use crate::wire::batch::Record;
use crate::{Error, ErrorKind};
use producers::{Producers, Slot};
use transactions::Doubt;

/// What is done with each record.
pub trait Handler: Send + Sync + 'static {
    /// Makes one delivery attempt; `retry` numbers the attempts of the drain from 1. Must answer
    /// within a bound of its own.
    fn deliver(&self, record: &Record, retry: Option<u32>) -> impl Future<Output = Verdict> + Send;

    /// Finds out whether the sink can be used, after a [`Verdict::SinkDown`].
    fn probe(&self) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Is told what a person is told by the log. Nothing, as a rule, is to be done about it.
    fn told(&self, report: &Report) {
        let _ = report;
    }
}

/// The topics that records are forwarded to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    /// The dead-letter topic.
    pub dead_letter: Arc<str>,
    /// The permanent-failure topic.
    pub permanent: Arc<str>,
}

/// Everything that an engine works with.
#[derive(Debug)]
pub struct Service<H> {
    /// The client behind the consumers and the producer.
    pub client: Client,
    /// Consumes the source topic; none for a drain alone.
    pub main: Option<Consumer>,
    /// Consumes the dead-letter topic; none where there is no drain.
    pub drain: Option<Consumer>,
    /// Forwards where there are no transactions.
    pub producer: Producer,
    /// Forwards in transactions; none where a record's forward is only to be acknowledged before
    /// its offset is committed.
    pub transactions: Option<Transactions>,
    /// Delivers.
    pub handler: Arc<H>,
    /// Where to forward to.
    pub topics: Topics,
}

/// An answer to one of the engine's effects.
enum Done {
    Verdict(Ticket, Verdict),
    Forwarded(Ticket, Result<Vec<i64>, ForwardFailure>),
    Moved(Ticket, Slot, Result<Vec<i64>, Error>),
    InDoubt(Doubt),
    Settled(Doubt),
    Tried(Result<(), Error>),
    Committed(Ticket, Result<(), CommitFailure>),
    EndOffsets(
        Vec<TopicPartition>,
        Result<Vec<(TopicPartition, i64)>, Error>,
    ),
    Probed(Result<(), Failure>),
}

impl<H> Service<H> {
    /// The same service with another handler, made around this one.
    pub fn map_handler<G>(self, make: impl FnOnce(Arc<H>) -> G) -> Service<G> {
        Service {
            client: self.client,
            main: self.main,
            drain: self.drain,
            producer: self.producer,
            transactions: self.transactions,
            handler: Arc::new(make(self.handler)),
            topics: self.topics,
        }
    }
}

impl<H: Handler> Service<H> {
    /// Makes something to see from beside it where this service stands, and what that will ask of
    /// it: to be given to [`Service::run_watched`].
    pub fn watch(&self) -> (Watcher, Questions) {
        let watch = |consumer: &Option<Consumer>| consumer.as_ref().map(Consumer::watch);
        watch::watch(watch(&self.main), watch(&self.drain))
    }

    /// Works until `shutdown` resolves (or, with a one-shot drain, its pass is over), then
    /// finishes what is in flight within the engine's bound, commits and leaves the groups.
    ///
    /// # Errors
    ///
    /// What ended a consumer for good: a group or a topic that is forbidden, above all. What
    /// could be finished was finished and committed before.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the groups are left and records in flight are handled again by their next
    /// owner.
    pub async fn run(
        self,
        config: Config,
        shutdown: impl Future<Output = ()>,
    ) -> Result<Outcome, Error> {
        self.run_watched(config, shutdown, Questions::none()).await
    }

    /// As [`Service::run`], and answers what is asked of it meanwhile.
    ///
    /// # Errors
    ///
    /// As [`Service::run`].
    ///
    /// # Cancel safety
    ///
    /// As [`Service::run`].
    pub async fn run_watched(
        self,
        config: Config,
        shutdown: impl Future<Output = ()>,
        questions: Questions,
    ) -> Result<Outcome, Error> {
        let client = self.client.clone();
        let transactions = self.transactions.clone();
        let forwarding = match transactions {
            Some(_) => Forwarding::Transactional,
            None => Forwarding::AtLeastOnce,
        };
        let mut work = Work {
            engine: Engine::new(config, forwarding),
            producers: transactions.map(|it| Producers::new(client, it)),
            service: self,
            under_way: FuturesUnordered::new(),
            failed: [None, None],
            failing: HashMap::new(),
            without_ends: OnceAMinute::default(),
            questions,
            outcome: Outcome::default(),
        };
        work.run(shutdown).await;
        work.finish().await
    }
}

struct Work<H> {
    service: Service<H>,
    engine: Engine<FetchedRecords>,
    producers: Option<Producers>,
    under_way: FuturesUnordered<BoxFuture<'static, Done>>,
    /// Why there are no more events of a path.
    failed: [Option<Error>; 2],
    /// When a person was last told of a partition that can't be read.
    failing: HashMap<TopicPartition, OnceAMinute>,
    /// When a person was last told of end offsets that can't be looked up.
    without_ends: OnceAMinute,
    questions: Questions,
    outcome: Outcome,
}

impl<H: Handler> Work<H> {
    async fn run(&mut self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut stopping = false;
        let mut metadata = self.service.client.watch_metadata();
        let topics = self.service.topics.clone();
        self.service
            .client
            .track([&topics.dead_letter, &topics.permanent]);
        self.count_partitions(&metadata.borrow_and_update().clone());
        self.try_transactions();
        // A wait for what may never come begins here.
        self.engine.handle_timeout(moment());
        while !self.carry_out_effects() {
            let timeout = self.engine.poll_timeout().map(Instant::from_std);
            tokio::select! {
                event = next(&mut self.service.main), if self.failed[0].is_none() => {
                    self.handle_event(Path::Main, event);
                }
                event = next(&mut self.service.drain), if self.failed[1].is_none() => {
                    self.handle_event(Path::Drain, event);
                }
                Some(done) = self.under_way.next() => self.handle_done(done),
                Ok(()) = metadata.changed() => {
                    self.count_partitions(&metadata.borrow_and_update().clone());
                }
                question = self.questions.next() => {
                    // Whoever asked may wait no more.
                    let _ = question.send(self.engine.status(now()));
                }
                () = sleep_until(timeout) => self.engine.handle_timeout(moment()),
                () = &mut shutdown, if !stopping => {
                    stopping = true;
                    self.engine.handle_shutdown(moment());
                }
            }
        }
    }

    async fn finish(self) -> Result<Outcome, Error> {
        // Half-done, they may hold what the leaving needs.
        drop(self.under_way);
        // Whoever asks learns that it has stopped, while the groups are left.
        drop(self.questions);
        let mut outcome = self.outcome;
        outcome.main = self.engine.totals(Path::Main);
        outcome.drain = self.engine.totals(Path::Drain);
        let consumers = [self.service.main, self.service.drain];
        let leaving = consumers.into_iter().flatten().map(Consumer::close);
        // Where a group is not left, its driver has told, and nothing is lost by it.
        let left = futures_util::future::join_all(leaving);
        tokio::join!(left, Producers::finish(self.producers));
        match self.failed.into_iter().flatten().next() {
            Some(error) => Err(error),
            None => Ok(outcome),
        }
    }

    fn handle_event(&mut self, path: Path, event: Result<Event, Error>) {
        let now = moment();
        match event {
            Ok(Event::Assigned(partitions)) => {
                self.outcome.assigned(path, &partitions);
                self.engine.handle_assigned(path, partitions, now);
            }
            Ok(Event::Revoking(partitions)) => self.engine.handle_revoking(path, partitions, now),
            Ok(Event::Lost(partitions)) => self.engine.handle_lost(path, &partitions, now),
            Ok(Event::Reset(tp, offset)) => {
                self.outcome.reset(path, &tp);
                self.engine.handle_reset(path, tp, offset, now);
            }
            Ok(Event::Records(records)) => {
                let tp = records.partition().clone();
                self.engine.handle_records(path, &tp, records, now);
            }
            Ok(Event::EndOfPartition(tp, offset)) => {
                self.engine.handle_end_of_partition(path, &tp, offset, now);
            }
            Ok(Event::PartitionFailed(_, error)) if error.kind() == ErrorKind::NoOffset => {
                self.fail(path, error, now);
            }
            Ok(Event::PartitionFailed(tp, error)) => {
                if self.failing.entry(tp.clone()).or_default().tell(now.at) {
                    tracing::error!(%path, partition = %tp, %error, "partition stopped; nothing of it is skipped");
                }
                self.engine.handle_partition_failed(path, &tp, now);
            }
            Err(error) => self.fail(path, error, now),
        }
    }

    /// Ends a path that can't go on, and the other with it. What is in flight is still to be
    /// finished and, where the membership stands, committed.
    fn fail(&mut self, path: Path, error: Error, now: Moment) {
        tracing::error!(%path, %error, "the consumer has failed; stopping");
        self.failed[path as usize] = Some(error);
        self.engine.handle_shutdown(now);
    }

    fn handle_done(&mut self, done: Done) {
        let now = moment();
        match done {
            Done::Verdict(ticket, verdict) => self.engine.handle_verdict(ticket, verdict, now),
            Done::Forwarded(ticket, result) => self.engine.handle_forwarded(ticket, result, now),
            Done::Moved(ticket, slot, result) => self.moved(ticket, slot, result),
            Done::InDoubt(doubt) => self.in_doubt(doubt),
            Done::Settled(doubt) => self.settled(doubt),
            Done::Tried(result) => self.tried(result),
            Done::Committed(ticket, result) => self.engine.handle_committed(ticket, result, now),
            Done::EndOffsets(_, Ok(ends)) => self.engine.handle_end_offsets(&ends, now),
            Done::EndOffsets(partitions, Err(error)) => {
                if self.without_ends.tell(now.at) {
                    tracing::warn!(%error, "end offsets can't be looked up; asking again");
                }
                self.ask_end_offsets_again(partitions);
            }
            Done::Probed(result) => self.engine.handle_probe(result, now),
        }
    }

    fn count_partitions(&mut self, metadata: &Metadata) {
        let topics = &self.service.topics;
        let dead_letter = metadata.partition_count(&topics.dead_letter);
        let permanent = metadata.partition_count(&topics.permanent);
        if let (Some(dead_letter), Some(permanent)) = (dead_letter, permanent) {
            self.engine.handle_partition_counts(dead_letter, permanent);
        }
    }
}

impl RecordSource for FetchedRecords {
    fn next(&mut self) -> Option<Result<Record, String>> {
        let record = FetchedRecords::next(self)?;
        Some(
            record
                .map(|record| record.detach())
                .map_err(|error| error.to_string()),
        )
    }
}

async fn next(consumer: &mut Option<Consumer>) -> Result<Event, Error> {
    match consumer {
        Some(consumer) => consumer.next().await,
        None => std::future::pending().await,
    }
}

/// What the clocks show; the monotonic one is the runtime's, so that a paused runtime pauses it.
fn moment() -> Moment {
    Moment {
        at: now(),
        wall_ms: wall_clock_ms(),
    }
}
