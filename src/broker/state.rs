//! All that the nodes know, in one place: they share it as if replication took no time.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{Notify, watch};

use super::clock::Clock;
use super::config::BrokerConfig;
use super::faults::Faults;
use super::group::Groups;
use super::markers;
use super::nodes::Nodes;
use super::sasl::{Accounts, Answer, Login, locked};
use super::sessions::Sessions;
use super::topics::Topics;
use super::transactions::Transactions;
use super::waiting::Waiting;

/// What all connections of a broker share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: BrokerConfig,
    pub(super) clock: Clock,
    pub(super) faults: Faults,
    /// Told of each change that a waiting fetch may care for: records, leaders, topics.
    pub(super) changed: watch::Sender<()>,
    /// Told where a timer may be due earlier than before.
    pub(super) timers: Notify,
    /// Nodes that answer nothing at the moment.
    pub(super) paused: watch::Sender<BTreeSet<i32>>,
    /// Told of each change of a group or a transaction.
    pub(super) groups_changed: watch::Sender<()>,
    pub(super) waiting: Waiting,
    pub(super) refused_logins: AtomicU64,
    accounts: Accounts,
    state: Mutex<State>,
}

/// The brokers' state: pure, and never held across an await.
#[derive(Debug)]
pub(super) struct State {
    pub(super) nodes: Nodes,
    pub(super) topics: Topics,
    pub(super) sessions: Sessions,
    pub(super) groups: Groups,
    pub(super) transactions: Transactions,
}

impl Shared {
    pub(super) fn new(config: BrokerConfig, nodes: Nodes) -> Self {
        let state = State {
            nodes,
            topics: Topics::default(),
            sessions: Sessions::default(),
            groups: Groups::new(&config, fastrand::u64(..)),
            transactions: Transactions::new(&config),
        };
        Self {
            accounts: Accounts::new(&config.logins, fastrand::u64(..)),
            config,
            clock: Clock::new(),
            faults: Faults::default(),
            changed: watch::Sender::new(()),
            timers: Notify::new(),
            paused: watch::Sender::default(),
            groups_changed: watch::Sender::new(()),
            waiting: Waiting::default(),
            refused_logins: AtomicU64::new(0),
            state: Mutex::new(state),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // What a panicking test left behind is still what the test wants to see.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of a connection by a listener that has just begun.
    pub(super) fn login_by(&self, listener: usize) -> Login {
        let listener = self.config.listeners.get(listener);
        let is_needed = listener.is_some_and(|it| it.sasl);
        Login::new(is_needed, self.config.connections_max_reauth)
    }

    /// Takes a message of a connection that logs in.
    pub(super) fn authenticate(&self, login: &Mutex<Login>, message: &[u8]) -> Answer {
        let nonce = format!("{:032x}", fastrand::u128(..));
        let mut login = locked(login);
        let answer = login.authenticate(message, &self.accounts, &nonce, self.clock.now());
        if login.is_refused() {
            self.refused_logins.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }

    /// Changes which nodes are up, or which of them coordinates what, with all that follows from
    /// it: leaders are elected, and whoever waits for a coordinator that is none any more is told.
    pub(super) fn change_nodes(&self, change: impl FnOnce(&mut Nodes)) {
        let mut state = self.state();
        let State {
            nodes,
            topics,
            groups,
            ..
        } = &mut *state;
        let coordinators: HashMap<_, _> = groups
            .iter()
            .map(|(id, _)| (id.clone(), nodes.coordinator(id)))
            .collect();
        change(nodes);
        topics.elect(|id| nodes.is_up(id));
        let has_moved = |id: &str| coordinators.get(id).copied().flatten() != nodes.coordinator(id);
        let is_coordinated = nodes.up().next().is_some();
        groups.coordinator_moved(has_moved, is_coordinated, self.clock.now());
        self.settle_transactions(&mut state);
        self.settle_groups(&mut state);
        drop(state);
        self.tell_of_change();
    }

    /// Writes the markers of transactions that end, as far as that can be done now, and has the
    /// timers looked at again.
    pub(super) fn settle_transactions(&self, state: &mut State) {
        let writing = markers::Writing {
            config: &self.config,
            paused: &self.paused.borrow(),
            now: self.clock.now(),
            now_ms: self.clock.now_ms(),
        };
        if markers::write(state, writing) {
            self.tell_of_change();
        }
        self.groups_changed.send_replace(());
        self.timers.notify_one();
    }

    /// Gives out the answers that the groups have, and has the timers looked at again.
    pub(super) fn settle_groups(&self, state: &mut State) {
        while let Some(effect) = state.groups.poll_effect() {
            self.waiting.answer(effect);
        }
        self.groups_changed.send_replace(());
        self.timers.notify_one();
    }

    /// Waits until a node answers, where it is paused.
    pub(super) async fn until_resumed(&self, node: i32) {
        let mut paused = self.paused.subscribe();
        // The sender lives as long as this.
        let _ = paused.wait_for(|paused| !paused.contains(&node)).await;
    }

    /// Wakes the fetches that wait.
    pub(super) fn tell_of_change(&self) {
        self.changed.send_replace(());
    }
}

impl State {
    /// When something is due.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let transactions = self.transactions.poll_timeout();
        let transactions = transactions.filter(|_| self.has_coordinators());
        self.groups
            .poll_timeout()
            .into_iter()
            .chain(transactions)
            .min()
    }

    /// Does what is due.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.groups.handle_timeout(now);
        if self.has_coordinators() {
            self.transactions.handle_timeout(now);
        }
    }

    /// Where no node is up, nobody looks after transactions.
    fn has_coordinators(&self) -> bool {
        self.nodes.up().next().is_some()
    }
}
