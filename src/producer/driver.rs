//! The producer's task: does what the machine asks for.

mod produce;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use kafka_protocol::messages::{InitProducerIdRequest, ProducerId};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::clock::{now, sleep_until};
use crate::cluster::{Channel, Client, Metadata, Node};
use crate::producer::{
    Acked, BatchOut, Effect, PartitionAnswer, ProduceFailure, ProducerConfig, ProducerMachine,
    RequestFailure, RequestId, SendRefused, StickyPartitioner, partition_for_key,
};
use crate::wire::batch::RecordBody;
use crate::wire::{ErrorCode, TopicPartition};
use crate::{Error, ErrorKind};
use produce::{Encoding, produce};

/// What the application asks of the driver.
pub(super) enum Command {
    Send(Send),
    Flush(oneshot::Sender<()>),
}

/// A record to be sent.
pub(super) struct Send {
    pub(super) topic: Arc<str>,
    pub(super) partition: Option<i32>,
    pub(super) partitions: i32,
    pub(super) body: RecordBody,
    pub(super) timestamp_ms: i64,
    pub(super) reply: oneshot::Sender<Result<Acked, Error>>,
}

/// An answer to one of the machine's effects.
enum Done {
    ProducerId(Result<(i64, i16), ProduceFailure>),
    Produced(RequestId, Result<Vec<PartitionAnswer>, RequestFailure>),
    Refreshed(Result<Arc<Metadata>, Error>),
}

pub(super) struct Driver {
    client: Client,
    encoding: Encoding,
    machine: ProducerMachine,
    sticky: StickyPartitioner,
    commands: mpsc::Receiver<Command>,
    metadata: watch::Receiver<Arc<Metadata>>,
    channel: Channel,
    under_way: FuturesUnordered<BoxFuture<'static, Done>>,
    /// By the records' numbers, in the order in which they were taken in.
    replies: BTreeMap<u64, oneshot::Sender<Result<Acked, Error>>>,
    last_token: u64,
    refreshing: bool,
    /// A record for which the buffer has no room yet; no other is taken before it.
    waiting: Option<Send>,
    /// Each with the number of the last record that it waits for.
    flushing: Vec<(u64, oneshot::Sender<()>)>,
}

impl Driver {
    pub(super) fn new(
        client: Client,
        config: ProducerConfig,
        commands: mpsc::Receiver<Command>,
    ) -> Self {
        Self {
            encoding: Encoding {
                codec: config.compression,
                gzip_level: config.gzip_level,
            },
            sticky: StickyPartitioner::new(config.batch_bytes, fastrand::u64(..)),
            machine: ProducerMachine::new(config, fastrand::u64(..), now()),
            metadata: client.watch_metadata(),
            channel: client.channel(),
            client,
            commands,
            under_way: FuturesUnordered::new(),
            replies: BTreeMap::new(),
            last_token: 0,
            refreshing: false,
            waiting: None,
            flushing: Vec::new(),
        }
    }

    /// Runs until the application has dropped its handles and everything sent has ended.
    pub(super) async fn run(mut self) {
        let mut open = true;
        loop {
            self.carry_out_effects();
            if !open && self.machine.buffered_bytes() == 0 && self.waiting.is_none() {
                return;
            }
            let timeout = self.machine.poll_timeout().map(Instant::from_std);
            tokio::select! {
                command = self.commands.recv(), if open && self.waiting.is_none() => match command {
                    Some(command) => self.handle_command(command),
                    None => {
                        open = false;
                        self.machine.handle_close(now());
                    }
                },
                Some(done) = self.under_way.next() => self.handle_done(done),
                Ok(()) = self.metadata.changed() => self.handle_metadata(),
                () = sleep_until(timeout) => self.machine.handle_timeout(now()),
            }
        }
    }

    fn handle_command(&mut self, command: Command) {
        match command {
            Command::Send(send) => self.send(send),
            Command::Flush(reply) => {
                self.machine.handle_flush(now());
                self.flushing.push((self.last_token, reply));
            }
        }
    }

    fn send(&mut self, send: Send) {
        let index = send.partition.unwrap_or_else(|| match send.body.key() {
            Some(key) => partition_for_key(key, send.partitions),
            None => {
                let bytes = send.body.encoded_len();
                self.sticky.partition(&send.topic, send.partitions, bytes)
            }
        });
        let tp = TopicPartition::new(send.topic.clone(), index);
        let leader = self.metadata.borrow().leader(&tp);
        self.machine.handle_leader(&tp, leader, now());
        self.last_token += 1;
        let token = self.last_token;
        let body = send.body.clone();
        match self
            .machine
            .handle_send(&tp, body, send.timestamp_ms, token, now())
        {
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

    fn carry_out_effects(&mut self) {
        loop {
            while let Some(effect) = self.machine.poll_effect() {
                self.carry_out(effect);
            }
            // Room may have been made for the record that waits.
            let waiting = self.waiting.take();
            let Some(waiting) = waiting else { break };
            self.send(waiting);
            if self.waiting.is_some() {
                break;
            }
        }
        self.answer_flushes();
    }

    /// A flush waits for what was sent before it, and not for what others send all the time.
    fn answer_flushes(&mut self) {
        let oldest = self.replies.keys().next().copied();
        let done = |last: u64| oldest.is_none_or(|oldest| oldest > last);
        for (_, reply) in self.flushing.extract_if(.., |(last, _)| done(*last)) {
            let _ = reply.send(());
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::InitProducerId => self.ask_producer_id(),
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
            Done::Refreshed(client.refresh(deadline).await)
        }));
    }

    fn ask_producer_id(&mut self) {
        let channel = self.client.control().clone();
        let timeout = self.client.config().request_timeout;
        self.under_way.push(Box::pin(async move {
            let request = InitProducerIdRequest::default()
                .with_transactional_id(None)
                .with_transaction_timeout_ms(i32::MAX)
                .with_producer_id(ProducerId(-1))
                .with_producer_epoch(-1);
            let answer = channel
                .call(Node::Any, &request, Instant::now() + timeout)
                .await;
            Done::ProducerId(match answer {
                Ok(answer) => match ErrorCode(answer.error_code).ok() {
                    Ok(()) => Ok((answer.producer_id.0, answer.producer_epoch)),
                    Err(code) => Err(no_producer_id(Some(code), &code)),
                },
                Err(error) => Err(no_producer_id(None, &error)),
            })
        }));
    }

    fn produce(&mut self, request: RequestId, node: i32, batches: Vec<BatchOut>) {
        let channel = self.channel.clone();
        let (encoding, timeout) = (self.encoding, self.client.config().request_timeout);
        self.under_way.push(Box::pin(async move {
            let answer = produce(&channel, node, batches, encoding, timeout).await;
            Done::Produced(request, answer)
        }));
    }

    fn handle_done(&mut self, done: Done) {
        match done {
            Done::ProducerId(answer) => self.machine.handle_producer_id(answer, now()),
            Done::Produced(request, answer) => {
                self.machine.handle_produce_response(request, answer, now());
            }
            Done::Refreshed(outcome) => {
                self.refreshing = false;
                if outcome.is_ok() {
                    self.handle_metadata();
                }
            }
        }
    }

    fn handle_metadata(&mut self) {
        let metadata = self.metadata.borrow_and_update().clone();
        self.machine.handle_leaders(|tp| metadata.leader(tp), now());
    }
}

fn no_producer_id(code: Option<ErrorCode>, why: &dyn std::fmt::Display) -> ProduceFailure {
    let message = Arc::from(format!("no producer id: {why}"));
    ProduceFailure {
        code,
        message,
        in_doubt: false,
    }
}

fn failed(failure: &ProduceFailure) -> Error {
    let text = failure.to_string();
    match failure.code {
        Some(code) => Error::coded(code, text),
        None => Error::new(ErrorKind::Timeout, text),
    }
    .with_doubt(failure.in_doubt)
}

fn refusal(refused: &SendRefused, tp: &TopicPartition) -> Error {
    match refused {
        SendRefused::RecordTooLarge { bytes, limit } => {
            let text =
                format!("a record for {tp} has {bytes} bytes, and max.request.size leaves {limit}");
            Error::coded(ErrorCode::MESSAGE_TOO_LARGE, text)
        }
        SendRefused::Failed(failure) => failed(failure),
        SendRefused::Closed | SendRefused::BufferFull => {
            Error::new(ErrorKind::Closed, "the producer was closed")
        }
    }
}

#[cfg(test)]
mod tests;
