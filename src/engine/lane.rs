//! One partition: its order, what is in flight, and how far it has come.
//!
//! ```text
//!            pull               send                  forward
//!  empty ──────────▶ waiting ──────────▶ sending ──────────────▶ outgoing ◀───┐
//!    ▲                  ▲                   │                       │         │ failed
//!    │                  └── again, held ────┤                       │ written │
//!    │                                      │                       ▼         │
//!    └────────────── done ◀──── delivered ──┘                   forwarding ───┘
//!                     ▲                                             │
//!                     └──────────────── acknowledged ───────────────┘
//! ```
//! A waiting record may also be forwarded without being sent. Bytes that can't be read make the
//! lane broken, for good.
//!
//! # Invariants
//!
//! - At most one record is out of the chunks, and it is the first that is not done.
//! - A lane that is leaving is empty, sending, forwarding, or about to forward for the first time.

mod outgoing;

use std::collections::VecDeque;
use std::time::Instant;

use super::RecordSource;
use super::task::{Forward, Task};
use super::timing::OnceAMinute;
use super::words::Ticket;

/// Chunks a lane holds before its partition is paused: one being worked on, one to go on with.
const MAX_CHUNKS: usize = 2;

#[derive(Debug)]
enum Head {
    Empty,
    Waiting(Task, Option<Instant>),
    Sending(Task, Ticket),
    Outgoing(Forward, Option<Instant>),
    Forwarding(Forward, Ticket),
    Broken(String, OnceAMinute),
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Lane<S> {
    chunks: VecDeque<S>,
    head: Head,
    done: Option<i64>,
    /// All before this offset was handed over, the last time there was nothing more.
    end: Option<i64>,
    committed: Option<i64>,
    commits_each: bool,
    /// No commit is made any more.
    forgone: bool,
    leaving: bool,
    /// The consumer can't read on.
    unreadable: bool,
    /// Since when it can't go on, where it can't.
    blocked_since: Option<Instant>,
    /// What the consumer was last told.
    pub(super) paused: bool,
}

impl<S: RecordSource> Lane<S> {
    /// An empty lane; `commits_each`: no record starts before the one before it is committed.
    pub(super) fn new(commits_each: bool) -> Self {
        Self {
            chunks: VecDeque::new(),
            head: Head::Empty,
            done: None,
            end: None,
            committed: None,
            commits_each,
            forgone: false,
            leaving: false,
            unreadable: false,
            blocked_since: None,
            paused: false,
        }
    }

    /// Takes records to be handled after those it has.
    pub(super) fn accept(&mut self, chunk: S) {
        self.unreadable = false;
        if !self.leaving && !self.is_broken() {
            self.chunks.push_back(chunk);
            self.end = None;
        }
    }

    /// All before this offset was handed over: with all of it done, what lies between the last
    /// record and here (the markers of transactions, as a rule) is done too.
    ///
    /// A lane that is leaving may give up what it has of that.
    pub(super) fn ended(&mut self, offset: i64) {
        if !self.leaving {
            self.end = Some(offset);
        }
    }

    /// Whether the consumer can read on.
    pub(super) fn set_unreadable(&mut self, unreadable: bool) {
        self.unreadable = unreadable;
    }

    /// True while the partition should not be fetched.
    pub(super) fn is_full(&self) -> bool {
        self.chunks.len() >= MAX_CHUNKS || self.is_broken()
    }

    /// True where bytes came that can't be read.
    pub(super) fn is_broken(&self) -> bool {
        matches!(self.head, Head::Broken(..))
    }

    /// True where it holds no record.
    fn is_empty(&self) -> bool {
        matches!(self.head, Head::Empty) && self.chunks.is_empty()
    }

    /// True if it holds no record and all that was done is committed.
    pub(super) fn is_idle(&self) -> bool {
        self.is_empty() && self.uncommitted().is_none()
    }

    /// True once it starts nothing more.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving
    }

    /// The next record, if it may start now.
    pub(super) fn ready(&mut self) -> Option<&mut Task> {
        if self.commits_each && self.uncommitted().is_some() {
            return None;
        }
        self.pull();
        match &mut self.head {
            Head::Waiting(task, None) => Some(task),
            _ => None,
        }
    }

    fn pull(&mut self) {
        if !matches!(self.head, Head::Empty) {
            return;
        }
        while let Some(chunk) = self.chunks.front_mut() {
            match chunk.next() {
                Some(Ok(record)) => {
                    self.head = Head::Waiting(Task::new(record), None);
                    return;
                }
                Some(Err(message)) => {
                    self.chunks.clear();
                    self.head = Head::Broken(message, OnceAMinute::default());
                    return;
                }
                None => drop(self.chunks.pop_front()),
            }
        }
    }

    /// Takes the ready record out, to be sent or forwarded.
    pub(super) fn take_ready(&mut self) -> Option<Task> {
        match std::mem::replace(&mut self.head, Head::Empty) {
            Head::Waiting(task, None) => Some(task),
            head => {
                self.head = head;
                None
            }
        }
    }

    /// The record taken out is being sent.
    pub(super) fn sending(&mut self, task: Task, ticket: Ticket) {
        self.head = Head::Sending(task, ticket);
    }

    /// Takes out the record that was being sent under this ticket.
    pub(super) fn take_sent(&mut self, ticket: Ticket) -> Option<Task> {
        match std::mem::replace(&mut self.head, Head::Empty) {
            Head::Sending(task, sent) if sent == ticket => Some(task),
            head => {
                self.head = head;
                None
            }
        }
    }

    /// The record taken out waits to be sent again; a lane that is leaving gives it up.
    pub(super) fn wait(&mut self, task: Task, until: Option<Instant>) {
        if !self.leaving {
            self.head = Head::Waiting(task, until);
        }
    }

    /// The record at this offset has come to its end.
    pub(super) fn done(&mut self, offset: i64) {
        self.done = Some(offset.saturating_add(1));
    }

    /// All before this offset is none of its own, and the group is to know.
    pub(super) fn begin_at(&mut self, next: i64) {
        self.done = Some(next);
    }

    /// The next offset to read, where it is to be committed yet.
    pub(super) fn uncommitted(&self) -> Option<i64> {
        self.unacknowledged().filter(|_| !self.forgone)
    }

    /// The next offset to read, where the group does not have it, whether or not it ever will.
    pub(super) fn unacknowledged(&self) -> Option<i64> {
        let end = self.end.filter(|end| self.is_empty() && *end > 0);
        let next = self.done.max(end)?;
        (Some(next) != self.committed).then_some(next)
    }

    /// The next offset to read by what was done here, or found to be no record; none where nothing
    /// was yet.
    pub(super) fn next_offset(&self) -> Option<i64> {
        self.done.max(self.end.filter(|_| self.is_empty()))
    }

    /// Since when it can't go on.
    pub(super) fn blocked_since(&self) -> Option<Instant> {
        self.blocked_since
    }

    /// The group has this next offset to read.
    pub(super) fn committed(&mut self, next: i64) {
        self.committed = Some(next);
    }

    /// The commit of a lane that is leaving was refused for good: the next owner handles again
    /// what was done.
    pub(super) fn forgo_commit(&mut self) {
        self.forgone = true;
    }

    /// Starts nothing more: all that is not in flight is given up.
    pub(super) fn leave(&mut self) {
        self.leaving = true;
        if !self.is_empty() {
            self.end = None;
        }
        self.chunks.clear();
        let stays = match &self.head {
            Head::Sending(..) | Head::Forwarding(..) => true,
            Head::Outgoing(forward, _) => forward.failures == 0,
            Head::Empty | Head::Waiting(..) | Head::Broken(..) => false,
        };
        if !stays {
            self.head = Head::Empty;
        }
    }

    /// Gives up what is in flight; its offset.
    pub(super) fn give_up(&mut self) -> Option<i64> {
        match std::mem::replace(&mut self.head, Head::Empty) {
            Head::Sending(task, _) => Some(task.record.offset),
            Head::Outgoing(forward, _) | Head::Forwarding(forward, _) => Some(forward.offset),
            _ => None,
        }
    }

    /// When something happens by itself.
    pub(super) fn timeout(&self) -> Option<Instant> {
        match &self.head {
            Head::Waiting(_, until) | Head::Outgoing(_, until) => *until,
            Head::Broken(_, reported) => reported.next(),
            _ => None,
        }
    }

    /// Takes note of whether it can go on, after all that could happen has.
    pub(super) fn note_blocked(&mut self, now: Instant) {
        let blocked = self.is_broken() || self.unreadable || self.failed_forwards() > 0;
        self.blocked_since = blocked.then(|| self.blocked_since.unwrap_or(now));
    }

    /// Lets time pass: waits that are over end.
    pub(super) fn expire(&mut self, now: Instant) {
        if let Head::Waiting(_, until) | Head::Outgoing(_, until) = &mut self.head {
            until.take_if(|until| *until <= now);
        }
    }

    /// Why the lane is broken, each time this is due to be told.
    pub(super) fn complaint(&mut self, now: Instant) -> Option<&str> {
        match &mut self.head {
            Head::Broken(message, reported) => reported.tell(now).then_some(message),
            _ => None,
        }
    }
}
