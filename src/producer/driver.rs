//! The producer's task: does what the machine asks for.

pub(super) mod carrier;
pub(super) mod produce;
mod replies;

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use kafka_protocol::messages::{InitProducerIdRequest, ProducerId};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::clock::{now, sleep_until};
use crate::cluster::{Client, Node};
use crate::producer::{
    Acked, Effect, ProduceFailure, ProducerConfig, ProducerMachine, QUEUE, SendRefused,
};
use crate::wire::batch::RecordBody;
use crate::wire::{ErrorCode, TopicPartition};
use crate::{Error, ErrorKind};
use carrier::Carrier;

/// What the application asks of the driver.
pub(super) enum Command {
    Send(Send),
    Flush(oneshot::Sender<()>),
}

/// A record to be sent.
#[derive(Debug)]
pub(super) struct Send {
    pub(super) topic: Arc<str>,
    pub(super) partition: Option<i32>,
    pub(super) partitions: i32,
    pub(super) body: RecordBody,
    pub(super) timestamp_ms: i64,
    pub(super) reply: oneshot::Sender<Result<Acked, Error>>,
}

pub(super) struct Driver {
    client: Client,
    machine: ProducerMachine,
    carrier: Carrier,
    commands: mpsc::Receiver<Command>,
    /// What was taken from the queue at once.
    inbox: Vec<Command>,
    /// The questions for a producer id.
    asking: FuturesUnordered<BoxFuture<'static, Result<(i64, i16), ProduceFailure>>>,
}

impl Driver {
    pub(super) fn new(
        client: Client,
        config: ProducerConfig,
        commands: mpsc::Receiver<Command>,
    ) -> Self {
        Self {
            carrier: Carrier::new(client.clone(), &config),
            machine: ProducerMachine::new(config, fastrand::u64(..), now()),
            client,
            commands,
            inbox: Vec::new(),
            asking: FuturesUnordered::new(),
        }
    }

    /// Runs until the application has dropped its handles and everything sent has ended.
    pub(super) async fn run(mut self) {
        let mut open = true;
        loop {
            self.carry_out_effects();
            let full = self.carrier.is_full();
            if !open && self.machine.buffered_bytes() == 0 && !full {
                return;
            }
            let timeout = self.machine.poll_timeout().map(Instant::from_std);
            tokio::select! {
                count = self.commands.recv_many(&mut self.inbox, QUEUE), if open && !full => {
                    if count > 0 {
                        self.take_in();
                    } else {
                        open = false;
                        self.machine.handle_close(now());
                    }
                }
                Some(answer) = self.asking.next() => self.machine.handle_producer_id(answer, now()),
                carried = self.carrier.next() => self.carrier.handle(&mut self.machine, carried),
                () = sleep_until(timeout) => self.machine.handle_timeout(now()),
            }
        }
    }

    /// Does what the application asks for: in bulk, as going through the loop for each record
    /// costs more than the record.
    fn take_in(&mut self) {
        let now = now();
        for command in self.inbox.drain(..) {
            match command {
                Command::Send(send) => self.carrier.send(&mut self.machine, send, now),
                Command::Flush(reply) => {
                    self.machine.handle_flush(now);
                    self.carrier.flush(reply);
                }
            }
        }
    }

    fn carry_out_effects(&mut self) {
        loop {
            while let Some(effect) = self.machine.poll_effect() {
                match effect {
                    Effect::InitProducerId => self.ask_producer_id(),
                    effect => self.carrier.carry_out(effect),
                }
            }
            if !self.carrier.send_waiting(&mut self.machine) {
                break;
            }
        }
        self.carrier.answer_flushes();
    }

    fn ask_producer_id(&mut self) {
        let channel = self.client.control().clone();
        let timeout = self.client.config().request_timeout;
        self.asking.push(Box::pin(async move {
            let request = InitProducerIdRequest::default()
                .with_transactional_id(None)
                .with_transaction_timeout_ms(i32::MAX)
                .with_producer_id(ProducerId(-1))
                .with_producer_epoch(-1);
            let answer = channel
                .call(Node::Any, &request, Instant::now() + timeout)
                .await;
            match answer {
                Ok(answer) => match ErrorCode(answer.error_code).ok() {
                    Ok(()) => Ok((answer.producer_id.0, answer.producer_epoch)),
                    Err(code) => Err(no_producer_id(Some(code), &code)),
                },
                Err(error) => Err(no_producer_id(None, &error)),
            }
        }));
    }
}

fn no_producer_id(code: Option<ErrorCode>, why: &dyn std::fmt::Display) -> ProduceFailure {
    let message = Arc::from(format!("no producer id: {why}"));
    ProduceFailure {
        code,
        message,
        in_doubt: false,
        given_up: false,
    }
}

/// A failure as the application is told of it.
fn failed(failure: &ProduceFailure) -> Error {
    error_of(failure, failure.to_string())
}

/// The same in other words.
pub(super) fn error_of(failure: &ProduceFailure, text: String) -> Error {
    match failure.code {
        Some(ErrorCode::UNSUPPORTED_VERSION) => Error::new(ErrorKind::Unsupported, text),
        Some(code) => Error::coded(code, text),
        None if failure.given_up => Error::new(ErrorKind::Closed, text),
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
