//! The producer's task: does what the machine asks for.

pub(super) mod books;
pub(super) mod carrier;
pub(super) mod desk;
pub(super) mod produce;

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use kafka_protocol::messages::{InitProducerIdRequest, ProducerId};
use tokio::time::Instant;

use crate::clock::{now, sleep_until};
use crate::cluster::{Client, Node};
use crate::producer::{Effect, ProduceFailure, ProducerMachine, SendRefused};
use crate::wire::{ErrorCode, TopicPartition};
use crate::{Error, ErrorKind};
use carrier::Carrier;
use desk::Desk;

pub(super) struct Driver {
    client: Client,
    desk: Arc<Desk<ProducerMachine>>,
    carrier: Carrier,
    /// The questions for a producer id.
    asking: FuturesUnordered<BoxFuture<'static, Result<(i64, i16), ProduceFailure>>>,
}

/// However the task ends, nobody waits for it any more.
impl Drop for Driver {
    fn drop(&mut self) {
        self.desk.close();
    }
}

impl Driver {
    pub(super) fn new(client: Client, desk: Arc<Desk<ProducerMachine>>) -> Self {
        Self {
            carrier: Carrier::new(client.clone()),
            client,
            desk,
            asking: FuturesUnordered::new(),
        }
    }

    /// Runs until the application has dropped its handles and everything sent has ended.
    pub(super) async fn run(mut self) {
        while let Some(timeout) = self.carry_out_effects() {
            tokio::select! {
                () = self.desk.stirred() => {}
                Some(answer) = self.asking.next() => {
                    self.desk.books().machine.handle_producer_id(answer, now());
                }
                carried = self.carrier.next() => {
                    self.carrier.handle(&mut self.desk.books(), carried);
                }
                () = sleep_until(timeout.map(Instant::from_std)) => {
                    self.desk.books().machine.handle_timeout(now());
                }
            }
        }
    }

    /// Does what the machine asks for, and tells when it is to be looked at next; `None` where
    /// that is never.
    fn carry_out_effects(&mut self) -> Option<Option<std::time::Instant>> {
        let desk = self.desk.clone();
        let mut books = desk.books();
        while let Some(effect) = books.machine.poll_effect() {
            match effect {
                Effect::InitProducerId => self.ask_producer_id(),
                effect => self.carrier.carry_out(effect, &desk, &mut books),
            }
        }
        let machine = &books.machine;
        (!machine.is_over()).then(|| machine.poll_timeout())
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
