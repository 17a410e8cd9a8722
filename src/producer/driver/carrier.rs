//! Carries out what the records' machine asks for: requests to leaders, fresh metadata, replies to
//! the application. The same for both producers, each with a machine of its own around it.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::produce::{Encoding, produce};
use super::{Send, failed, refusal};
use crate::Error;
use crate::clock::now;
use crate::cluster::{Channel, Client, Metadata};
use crate::producer::{
    Acked, BatchOut, Effect, PartitionAnswer, ProducerConfig, ProducerMachine, RequestFailure,
    RequestId, SendRefused, StickyPartitioner, partition_for_key,
};
use crate::wire::TopicPartition;

/// What has come for the machine.
pub(in crate::producer) enum Carried {
    Produced(RequestId, Result<Vec<PartitionAnswer>, RequestFailure>),
    Refreshed(Result<Arc<Metadata>, Error>),
    /// There is a new snapshot of the cluster.
    Metadata,
}

pub(in crate::producer) struct Carrier {
    client: Client,
    encoding: Encoding,
    sticky: StickyPartitioner,
    metadata: watch::Receiver<Arc<Metadata>>,
    channel: Channel,
    under_way: FuturesUnordered<BoxFuture<'static, Carried>>,
    /// By the records' numbers, in the order in which they were taken in.
    replies: BTreeMap<u64, oneshot::Sender<Result<Acked, Error>>>,
    last_token: u64,
    refreshing: bool,
    /// A record for which the buffer has no room yet; no other is taken before it.
    waiting: Option<Send>,
    /// Each with the number of the last record that it waits for.
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
            replies: BTreeMap::new(),
            last_token: 0,
            refreshing: false,
            waiting: None,
            flushing: Vec::new(),
        }
    }

    /// From now on batches are a transaction's, and their requests bear its id.
    pub(in crate::producer) fn set_encoding(&mut self, encoding: Encoding) {
        self.encoding = encoding;
    }

    /// True while a record waits for room.
    pub(in crate::producer) fn is_full(&self) -> bool {
        self.waiting.is_some()
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
    pub(in crate::producer) fn send(&mut self, machine: &mut ProducerMachine, send: Send) {
        let index = send.partition.unwrap_or_else(|| match send.body.key() {
            Some(key) => partition_for_key(key, send.partitions),
            None => {
                let bytes = send.body.encoded_len();
                self.sticky.partition(&send.topic, send.partitions, bytes)
            }
        });
        let tp = TopicPartition::new(send.topic.clone(), index);
        let leader = self.metadata.borrow().leader(&tp);
        machine.handle_leader(&tp, leader, now());
        self.last_token += 1;
        let token = self.last_token;
        let body = send.body.clone();
        match machine.handle_send(&tp, body, send.timestamp_ms, token, now()) {
            Ok(()) => {
                self.replies.insert(token, send.reply);
            }
            Err(SendRefused::BufferFull) => {
                // The partition is settled: a second choice would leave gaps in the sticky one.
                self.waiting = Some(Send {
                    partition: Some(index),
                    ..send
                });
            }
            Err(refused) => {
                let _ = send.reply.send(Err(refusal(&refused, &tp)));
            }
        }
    }

    /// Gives the machine the record that waits, as room may have been made for it; true where it
    /// was taken.
    pub(in crate::producer) fn send_waiting(&mut self, machine: &mut ProducerMachine) -> bool {
        let Some(waiting) = self.waiting.take() else {
            return false;
        };
        self.send(machine, waiting);
        self.waiting.is_none()
    }

    /// Answers once everything that was sent before has ended.
    pub(in crate::producer) fn flush(&mut self, reply: oneshot::Sender<()>) {
        self.flushing.push((self.last_token, reply));
    }

    /// A flush waits for what was sent before it, and not for what others send all the time.
    pub(in crate::producer) fn answer_flushes(&mut self) {
        let oldest = self.replies.keys().next().copied();
        let done = |last: u64| oldest.is_none_or(|oldest| oldest > last);
        for (_, reply) in self.flushing.extract_if(.., |(last, _)| done(*last)) {
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
                let Some(reply) = self.replies.remove(&token) else {
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
