//! Requests that wait for what others do: a group's answers, brought to those who asked.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::group::{Effect, JoinAnswer, SyncAnswer, Ticket};

/// Who waits, by ticket.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    joins: Mutex<HashMap<Ticket, oneshot::Sender<JoinAnswer>>>,
    syncs: Mutex<HashMap<Ticket, oneshot::Sender<SyncAnswer>>>,
}

impl Waiting {
    /// The answer to a JoinGroup. Must be called before the ticket is used.
    pub(super) fn for_join(&self, ticket: Ticket) -> oneshot::Receiver<JoinAnswer> {
        register(&self.joins, ticket)
    }

    /// The answer to a SyncGroup. Must be called before the ticket is used.
    pub(super) fn for_sync(&self, ticket: Ticket) -> oneshot::Receiver<SyncAnswer> {
        register(&self.syncs, ticket)
    }

    /// Gives an answer to whoever waits for it.
    pub(super) fn answer(&self, effect: Effect) {
        match effect {
            Effect::Joined(ticket, answer) => answer_to(&self.joins, ticket, answer),
            Effect::Synced(ticket, answer) => answer_to(&self.syncs, ticket, answer),
        }
    }
}

fn register<T>(
    waiting: &Mutex<HashMap<Ticket, oneshot::Sender<T>>>,
    ticket: Ticket,
) -> oneshot::Receiver<T> {
    let (sender, receiver) = oneshot::channel();
    lock(waiting).insert(ticket, sender);
    receiver
}

fn answer_to<T>(waiting: &Mutex<HashMap<Ticket, oneshot::Sender<T>>>, ticket: Ticket, answer: T) {
    if let Some(sender) = lock(waiting).remove(&ticket) {
        // Whoever asked may be gone.
        let _ = sender.send(answer);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
