//! Incremental fetch sessions (KIP-227): a node remembers what a client fetches, and the client
//! tells only what is to change. Pure.
//!
//! ```text
//! id 0, epoch 0:   all partitions are named; a session begins, where there is room
//! id n, epoch e:   what changes is named; e is one more than with the request before
//! id n, epoch 0:   session n ends; as the first line
//! epoch -1:        session n ends, if any; all partitions are named; none begins
//! ```
//!
//! # Invariants
//!
//! - A node has at most [`MAX_SESSIONS`]; a new one may push another out as with Kafka: one that was
//!   not used for [`EVICTABLE_AFTER`], else one that is as old as that and has fewer partitions.
//! - An id is never given twice.

mod session;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::wire::ErrorCode;
use session::Session;

pub(super) use session::{Key, Seen, Topic, Wanted};

/// `max.incremental.fetch.session.cache.slots`
const MAX_SESSIONS: usize = 1000;
/// `min.incremental.fetch.session.eviction.ms`
const EVICTABLE_AFTER: Duration = Duration::from_secs(120);
/// The epoch of a request that begins a session.
const FIRST: i32 = 0;
/// The epoch of a request that wants none.
const FINAL: i32 = -1;

/// The sessions of all nodes.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    /// By node and id.
    all: BTreeMap<(i32, i32), Session>,
    last_id: i32,
}

/// What a request says of its session.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    pub(super) node: i32,
    pub(super) id: i32,
    pub(super) epoch: i32,
    /// True where topics go by their ids.
    pub(super) uses_ids: bool,
    pub(super) wanted: Vec<Wanted>,
    pub(super) forgotten: Vec<Key>,
}

/// What is to be fetched, and how it is to be answered.
#[derive(Debug)]
pub(super) struct Opened {
    node: i32,
    context: Context,
    /// All partitions of the session, in the order in which they are served.
    pub(super) wanted: Vec<Wanted>,
}

#[derive(Clone, Copy, Debug)]
enum Context {
    Sessionless,
    /// A session is to begin.
    Full {
        uses_ids: bool,
    },
    /// The session has this epoch until the next request.
    Incremental {
        id: i32,
        epoch: i32,
    },
}

/// The session's part of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Closed {
    pub(super) code: ErrorCode,
    /// 0 for no session.
    pub(super) id: i32,
    /// For each partition that was wanted, whether it is part of the answer.
    pub(super) answered: Vec<bool>,
}

impl Sessions {
    /// Begins a request.
    ///
    /// # Errors
    ///
    /// `FETCH_SESSION_ID_NOT_FOUND`, `INVALID_FETCH_SESSION_EPOCH` or
    /// `FETCH_SESSION_TOPIC_ID_ERROR`.
    pub(super) fn open(&mut self, opening: Opening, now: Instant) -> Result<Opened, ErrorCode> {
        let key = (opening.node, opening.id);
        let opened = |context, wanted| Opened {
            node: opening.node,
            context,
            wanted,
        };
        if [FIRST, FINAL].contains(&opening.epoch) {
            self.all.remove(&key);
            let context = match opening.epoch {
                FINAL => Context::Sessionless,
                _ => Context::Full {
                    uses_ids: opening.uses_ids,
                },
            };
            return Ok(opened(context, opening.wanted));
        }
        let session = self.all.get_mut(&key);
        let session = session.ok_or(ErrorCode::FETCH_SESSION_ID_NOT_FOUND)?;
        if session.epoch != opening.epoch {
            return Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
        }
        if session.uses_ids != opening.uses_ids {
            return Err(ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR);
        }
        session.update(opening.wanted.iter().cloned(), &opening.forgotten);
        if session.is_empty() {
            self.all.remove(&key);
            return Ok(opened(Context::Sessionless, opening.wanted));
        }
        session.last_used = now;
        session.epoch = following(session.epoch);
        let context = Context::Incremental {
            id: opening.id,
            epoch: session.epoch,
        };
        Ok(opened(context, session.wanted()))
    }

    /// Ends a request: `seen` has what was found of each partition that was wanted.
    pub(super) fn close(&mut self, opened: Opened, seen: &[Seen], now: Instant) -> Closed {
        let mut closed = Closed {
            code: ErrorCode::NONE,
            id: 0,
            answered: vec![true; seen.len()],
        };
        match opened.context {
            Context::Sessionless => {}
            Context::Full { uses_ids } => {
                let session = Session::new(uses_ids, opened.wanted, seen, now);
                closed.id = self.begin(opened.node, session, now);
            }
            Context::Incremental { id, epoch } => {
                closed.id = id;
                // One that was pushed out meanwhile is missed by the next request.
                match self.all.get_mut(&(opened.node, id)) {
                    Some(session) if session.epoch != epoch => {
                        closed.code = ErrorCode::INVALID_FETCH_SESSION_EPOCH;
                        closed.answered.fill(false);
                    }
                    Some(session) => closed.answered = session.select(&opened.wanted, seen),
                    None => {}
                }
            }
        }
        closed
    }

    /// A node has stopped: it remembers nothing when it starts.
    pub(super) fn node_stopped(&mut self, node: i32) {
        self.all.retain(|(of, _), _| *of != node);
    }

    /// Returns the new session's id; 0 where there is no room.
    fn begin(&mut self, node: i32, session: Session, now: Instant) -> i32 {
        let of_node = (node, i32::MIN)..=(node, i32::MAX);
        if self.all.range(of_node).count() >= MAX_SESSIONS
            && !self.push_out(node, session.len(), now)
        {
            return 0;
        }
        self.last_id = following(self.last_id);
        self.all.insert((node, self.last_id), session);
        self.last_id
    }

    /// Makes room for a session with so many partitions, if another may go for it.
    fn push_out(&mut self, node: i32, partitions: usize, now: Instant) -> bool {
        let of_node = (node, i32::MIN)..=(node, i32::MAX);
        let sessions = || self.all.range(of_node.clone());
        let is_long = |since: Instant| now.saturating_duration_since(since) > EVICTABLE_AFTER;
        let stale = sessions()
            .min_by_key(|(_, session)| session.last_used)
            .filter(|(_, session)| is_long(session.last_used));
        let smaller = || {
            let old = sessions().filter(|(_, session)| is_long(session.created));
            old.min_by_key(|(_, session)| session.len())
                .filter(|(_, session)| session.len() < partitions)
        };
        let goes = stale.or_else(smaller).map(|(key, _)| *key);
        goes.is_some_and(|key| self.all.remove(&key).is_some())
    }
}

/// Epochs and ids go from 2^31-1 on to 1.
fn following(number: i32) -> i32 {
    number.checked_add(1).unwrap_or(1)
}
