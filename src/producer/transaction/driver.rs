//! The task of a transactional producer: does what the machine asks for.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::machine::{
    Answer, AskFailure, Attempt, Coordinator, Effect, Protocol, Question, State,
    TransactionMachine, TransactionalConfig,
};
use super::requests::Requests;
use super::{QUEUE, Transaction};
use crate::Error;
use crate::clock::{now, sleep_until};
use crate::cluster::Client;
use crate::group::GroupOffsets;
use crate::producer::driver::books::{Books, Records};
use crate::producer::driver::carrier::Carrier;
use crate::producer::driver::desk::Desk;
use crate::producer::driver::error_of;
use crate::producer::driver::produce::Encoding;
use crate::producer::{ProduceFailure, ProducerMachine};

type Reply = oneshot::Sender<Result<(), Error>>;

/// Asks for a transaction.
pub(super) type Begin = oneshot::Sender<Result<Transaction, Error>>;

/// What the application asks of the transaction that is open.
#[derive(Debug)]
pub(super) enum Command {
    Offsets(GroupOffsets, Reply),
    Commit(Reply),
    Abort(Reply),
}

/// What a request brought.
enum Done {
    Found(Attempt, Coordinator, Result<i32, AskFailure>),
    Answered(Attempt, Result<Answer, AskFailure>),
}

pub(super) struct Driver {
    client: Client,
    requests: Requests,
    desk: Arc<Desk<TransactionMachine>>,
    carrier: Carrier,
    begins: mpsc::Receiver<Begin>,
    /// Waits for the transaction before to end.
    beginning: Option<Begin>,
    /// Of the transaction that is open, until its end is asked for.
    commands: Option<mpsc::Receiver<Command>>,
    /// Waits for the transaction to end.
    ending: Option<Reply>,
    offsets: HashMap<u64, Reply>,
    last_token: u64,
    coordinator: Option<i32>,
    group_coordinator: Option<i32>,
    asking: FuturesUnordered<BoxFuture<'static, Done>>,
    /// Once there is nobody left to begin: until when to go on aborting.
    close_by: Option<Instant>,
}

impl Records for TransactionMachine {
    fn records(&mut self) -> &mut ProducerMachine {
        TransactionMachine::records(self)
    }
}

/// However the task ends, nobody waits for it any more.
impl Drop for Driver {
    fn drop(&mut self) {
        self.desk.close();
    }
}

impl Driver {
    pub(super) fn new(
        client: Client,
        config: TransactionalConfig,
        begins: mpsc::Receiver<Begin>,
    ) -> Self {
        let requests = Requests {
            client: client.clone(),
            channel: client.channel(),
            id: Arc::from(config.transactional_id),
            transaction_timeout: config.transaction_timeout,
        };
        let config = config.producer;
        let batch_bytes = config.batch_bytes;
        let machine = TransactionMachine::new(config, fastrand::u64(..), now());
        Self {
            carrier: Carrier::new(client.clone()),
            desk: Arc::new(Desk::new(client.clone(), batch_bytes, machine)),
            client,
            requests,
            begins,
            beginning: None,
            commands: None,
            ending: None,
            offsets: HashMap::new(),
            last_token: 0,
            coordinator: None,
            group_coordinator: None,
            asking: FuturesUnordered::new(),
            close_by: None,
        }
    }

    /// Runs until the application has dropped its handles and the last transaction has ended.
    pub(super) async fn run(mut self) {
        loop {
            let timeout = self.carry_out_effects();
            if self.is_over() {
                return;
            }
            let free = self.commands.is_none() && self.beginning.is_none();
            let timeout = timeout.map(Instant::from_std);
            let timeout = timeout.into_iter().chain(self.close_by).min();
            tokio::select! {
                begin = self.begins.recv(), if free && self.close_by.is_none() => self.begin(begin),
                command = next(&mut self.commands) => self.handle_command(command),
                () = self.desk.stirred() => {}
                Some(done) = self.asking.next() => self.handle_done(done),
                carried = self.carrier.next() => {
                    self.carrier.handle(&mut self.desk.books(), carried);
                }
                () = sleep_until(timeout) => self.desk.books().machine.handle_timeout(now()),
            }
        }
    }

    fn begin(&mut self, begin: Option<Begin>) {
        match begin {
            Some(begin) => {
                self.beginning = Some(begin);
                self.desk.books().machine.handle_begin(now());
            }
            None => {
                let timeout = self.client.config().request_timeout;
                self.close_by = Some(Instant::now() + timeout);
            }
        }
    }

    /// What the coordinator was not told in time it does by itself after `transaction.timeout.ms`.
    fn is_over(&self) -> bool {
        let Some(close_by) = self.close_by else {
            return false;
        };
        let ending = matches!(
            self.desk.books().machine.state(),
            State::Committing | State::Aborting | State::InTransaction | State::AbortableError
        );
        let waited_for = self.ending.is_some() || self.commands.is_some();
        !waited_for && (!ending || close_by <= Instant::now())
    }

    fn handle_command(&mut self, command: Option<Command>) {
        let machine = &mut self.desk.books().machine;
        match command {
            Some(Command::Offsets(offsets, reply)) => {
                self.last_token += 1;
                self.offsets.insert(self.last_token, reply);
                machine.handle_offsets(offsets, self.last_token, now());
            }
            Some(Command::Commit(reply)) => {
                self.commands = None;
                self.ending = Some(reply);
                machine.handle_commit(now());
            }
            Some(Command::Abort(reply)) => {
                self.commands = None;
                self.ending = Some(reply);
                machine.handle_abort(now());
            }
            // Dropped.
            None => {
                self.commands = None;
                machine.handle_abort(now());
            }
        }
    }

    /// Does what the machine asks for, and tells when it is to be looked at next.
    fn carry_out_effects(&mut self) -> Option<std::time::Instant> {
        let desk = self.desk.clone();
        let mut books = desk.books();
        while let Some(effect) = books.machine.poll_effect() {
            tracing::trace!(id = %self.requests.id, ?effect);
            self.carry_out(effect, &mut books);
        }
        books.machine.poll_timeout()
    }

    fn carry_out(&mut self, effect: Effect, books: &mut Books<TransactionMachine>) {
        match effect {
            Effect::Records(effect) => self.carrier.carry_out(effect, &self.desk, books),
            Effect::FindCoordinator(attempt, coordinator) => {
                let requests = self.requests.clone();
                self.asking.push(Box::pin(async move {
                    let found = requests.find(coordinator.clone()).await;
                    Done::Found(attempt, coordinator, found)
                }));
            }
            Effect::Ask(attempt, question) => {
                let requests = self.requests.clone();
                let coordinator = match question {
                    Question::CommitOffsets(..) => self.group_coordinator,
                    _ => self.coordinator,
                };
                self.asking.push(Box::pin(async move {
                    Done::Answered(attempt, requests.ask(coordinator, question).await)
                }));
            }
            Effect::Begun(outcome) => self.begun(outcome, books.machine.protocol()),
            Effect::OffsetsDone { token, result } => {
                if let Some(reply) = self.offsets.remove(&token) {
                    let _ = reply.send(result.map_err(|failure| ended(&failure)));
                }
            }
            Effect::Ended(outcome) => self.ended(outcome),
        }
    }

    fn begun(&mut self, outcome: Result<(), ProduceFailure>, protocol: Protocol) {
        let Some(reply) = self.beginning.take() else {
            return;
        };
        let opened = outcome.map(|()| {
            let announced = protocol == Protocol::Announced;
            let encoding = Encoding::transactional(self.requests.id.clone(), announced);
            self.carrier.set_encoding(encoding);
            let (commands, receiver) = mpsc::channel(QUEUE);
            self.commands = Some(receiver);
            let desk = self.desk.clone();
            Transaction { desk, commands }
        });
        // Where nobody waits any more, the transaction is dropped, and so aborted.
        let _ = reply.send(opened.map_err(|failure| ended(&failure)));
    }

    fn ended(&mut self, outcome: Result<(), ProduceFailure>) {
        let id = &self.requests.id;
        match (self.ending.take(), outcome) {
            (Some(reply), outcome) => {
                let _ = reply.send(outcome.map_err(|failure| ended(&failure)));
            }
            (None, Ok(())) => tracing::debug!(%id, "the transaction has ended"),
            (None, Err(failure)) => {
                tracing::warn!(%id, error = %failure.message, "a transaction has not ended in order");
            }
        }
    }

    fn handle_done(&mut self, done: Done) {
        match done {
            Done::Found(attempt, coordinator, found) => {
                if let Ok(node) = found {
                    match coordinator {
                        Coordinator::Transaction => self.coordinator = Some(node),
                        Coordinator::Group(_) => self.group_coordinator = Some(node),
                    }
                }
                let found = found.map(|_| ());
                let machine = &mut self.desk.books().machine;
                machine.handle_coordinator(attempt, found, now());
            }
            Done::Answered(attempt, answer) => {
                let machine = &mut self.desk.books().machine;
                machine.handle_answer(attempt, answer, now());
            }
        }
    }
}

/// A failure as the application is told of it.
fn ended(failure: &ProduceFailure) -> Error {
    let doubt = match failure.in_doubt {
        true => " (the transaction may have been committed)",
        false => "",
    };
    error_of(failure, format!("{}{doubt}", failure.message))
}

async fn next(commands: &mut Option<mpsc::Receiver<Command>>) -> Option<Command> {
    match commands {
        Some(commands) => commands.recv().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
