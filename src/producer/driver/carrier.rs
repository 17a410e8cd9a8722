//! Carries out what the records' machine asks for: requests to leaders, fresh metadata, replies to
//! the application. The same for both producers, each with a machine of its own around it.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::produce::{Encoding, produce};
use super::replies::Replies;
use super::{Send, failed, refusal};
use crate::Error;
use crate::clock::now;
use crate::cluster::{Channel, Client, Metadata};
use crate::producer::{
    BatchOut, Effect, PartitionAnswer, ProducerConfig, ProducerMachine, RequestFailure, RequestId,
    SendRefused, StickyPartitioner, partition_for_key,
};
use crate::wire::TopicPartition;
use crate::wire::batch::RecordBody;

/// What has come for the machine.
pub(in crate::producer) enum Carried {
    Produced(RequestId, Result<Vec<PartitionAnswer>, RequestFailure>),
    Refreshed(Result<Arc<Metadata>, Error>),
    /// There is a new snapshot of the cluster.
    Metadata,
}

/// A record whose partition is settled: a second choice would leave gaps in the sticky one.
struct Addressed {
    /// Names its reply.
    number: u64,
    partition: TopicPartition,
    body: RecordBody,
    timestamp_ms: i64,
}

pub(in crate::producer) struct Carrier {
    client: Client,
    encoding: Encoding,
    sticky: StickyPartitioner,
    metadata: watch::Receiver<Arc<Metadata>>,
    channel: Channel,
    under_way: FuturesUnordered<BoxFuture<'static, Carried>>,
    replies: Replies,
    refreshing: bool,
    /// Records for which the buffer has no room yet. No more are taken from
    /// the application while there are any.
    waiting: VecDeque<Addressed>,
    /// Each with the number of the first record that it does not wait for.
    flushing: Vec<(u64, oneshot::Sender<()>)>,
}

impl Carrier {
    pub(in crate::producer) fn new(client: Client, config: &ProducerConfig) -> Self {
        Self {
            encoding: Encoding::new(config),
            sticky: StickyPartitioner::new(config.batch_bytes, fastrand::u64(..)),
            metadata: client.watch_metadata(),
            channel: client.channel(),
            client,
            under_way: FuturesUnordered::new(),
            replies: Replies::default(),
            refreshing: false,
            waiting: VecDeque::new(),
            flushing: Vec::new(),
        }
    }

    /// From now on batches are a transaction's, and their requests bear its id.
    pub(in crate::producer) fn set_encoding(&mut self, encoding: Encoding) {
        self.encoding = encoding;
    }

    /// True while records wait for room.
    pub(in crate::producer) fn is_full(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The next thing that has come. Cancel safe.
    pub(in crate::producer) async fn next(&mut self) -> Carried {
        tokio::select! {
            Some(carried) = self.under_way.next() => carried,
            Ok(()) = self.metadata.changed() => Carried::Metadata,
            else => std::future::pending().await,
        }
    }

    /// Tells the machine what has come.
    pub(in crate::producer) fn handle(&mut self, machine: &mut ProducerMachine, carried: Carried) {
        match carried {
            Carried::Produced(request, answer) => {
                machine.handle_produce_response(request, answer, now());
            }
            Carried::Refreshed(outcome) => {
                self.refreshing = false;
                if outcome.is_ok() {
                    self.handle_metadata(machine);
                }
            }
            Carried::Metadata => self.handle_metadata(machine),
        }
    }

    fn handle_metadata(&mut self, machine: &mut ProducerMachine) {
        let metadata = self.metadata.borrow_and_update().clone();
        machine.handle_leaders(|tp| metadata.leader(tp), now());
    }

    /// Gives a record to the machine, or keeps it while there is no room.
    pub(in crate::producer) fn send(
        &mut self,
        machine: &mut ProducerMachine,
        send: Send,
        now: std::time::Instant,
    ) {
        let index = send.partition.unwrap_or_else(|| match send.body.key() {
            Some(key) => partition_for_key(key, send.partitions),
            None => {
                let bytes = send.body.encoded_len();
                self.sticky.partition(&send.topic, send.partitions, bytes)
            }
        });
        let number = self.replies.push(send.reply);
        let record = Addressed {
            number,
            partition: TopicPartition::new(send.topic, index),
            body: send.body,
            timestamp_ms: send.timestamp_ms,
        };
        if self.is_full() {
            self.waiting.push_back(record);
        } else {
            self.give(machine, record, now);
        }
    }

    /// Gives the machine the first record that waits, as room may have been made for it; true
    /// where it was taken.
    pub(in crate::producer) fn send_waiting(&mut self, machine: &mut ProducerMachine) -> bool {
        let Some(record) = self.waiting.pop_front() else {
            return false;
        };
        self.give(machine, record, now())
    }

    fn give(
        &mut self,
        machine: &mut ProducerMachine,
        record: Addressed,
        now: std::time::Instant,
    ) -> bool {
        let tp = &record.partition;
        if !machine.knows(tp) {
            let leader = self.metadata.borrow().leader(tp);
            machine.handle_leader(tp, leader, now);
        }
        let body = record.body.clone();
        match machine.handle_send(tp, body, record.timestamp_ms, record.number, now) {
            Ok(()) => true,
            Err(SendRefused::BufferFull) => {
                self.waiting.push_front(record);
                false
            }
            Err(refused) => {
                let error = refusal(&refused, tp);
                if let Some(reply) = self.replies.take(record.number) {
                    let _ = reply.send(Err(error));
                }
                true
            }
        }
    }

    /// Answers once everything that was sent before has ended.
    pub(in crate::producer) fn flush(&mut self, reply: oneshot::Sender<()>) {
        self.flushing.push((self.replies.next_number(), reply));
    }

    /// A flush waits for what was sent before it, and not for what others send all the time.
    pub(in crate::producer) fn answer_flushes(&mut self) {
        let done = |(end, _): &mut (u64, _)| self.replies.all_before(*end);
        for (_, reply) in self.flushing.extract_if(.., done) {
            let _ = reply.send(());
        }
    }

    pub(in crate::producer) fn carry_out(&mut self, effect: Effect) {
        match effect {
            // Not for leaders: the machine's owner sees to them.
            Effect::InitProducerId | Effect::Enlist(_) => {}
            Effect::Produce {
                request,
                node,
                batches,
            } => self.produce(request, node, batches),
            Effect::RefreshMetadata => self.refresh_metadata(),
            Effect::Done { token, result } => {
                let Some(reply) = self.replies.take(token) else {
                    return;
                };
                let _ = reply.send(result.map_err(|failure| failed(&failure)));
            }
        }
    }

    /// The machine has to hear of fresh metadata even where it is what was known before: the
    /// leader that it took for lost may be the one that it still has to send to.
    fn refresh_metadata(&mut self) {
        if std::mem::replace(&mut self.refreshing, true) {
            return;
        }
        let client = self.client.clone();
        self.under_way.push(Box::pin(async move {
            let deadline = Instant::now() + client.config().request_timeout;
            Carried::Refreshed(client.refresh(deadline).await)
        }));
    }

    fn produce(&mut self, request: RequestId, node: i32, batches: Vec<BatchOut>) {
        let channel = self.channel.clone();
        let timeout = self.client.config().request_timeout;
        let encoding = self.encoding.clone();
        self.under_way.push(Box::pin(async move {
            let answer = produce(&channel, node, batches, encoding, timeout).await;
            Carried::Produced(request, answer)
        }));
    }
}
