//! Requests that are under way on one connection.
//!
//! A broker answers the requests of a connection in the order in which they came, so the answer
//! that arrives is always that of the oldest request; the correlation id only confirms it.
//!
//! # Invariants
//!
//! - Correlation ids are never negative and unique among the requests under way.
//! - A pipeline that has seen a wrong correlation id or a passed deadline is of no more use: what
//!   the next bytes belong to can't be known, so the connection must be closed.

use std::collections::VecDeque;
use std::fmt;
use std::time::Instant;

/// Requests waiting for their answers, oldest first; `T` is what the answer is handed to.
#[derive(Debug)]
pub struct Pipeline<T> {
    next_id: i32,
    under_way: VecDeque<Pending<T>>,
}

#[derive(Debug)]
struct Pending<T> {
    id: i32,
    deadline: Instant,
    reply: T,
}

/// An answer whose correlation id is not that of the oldest request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfStep {
    /// The correlation id expected; none when no request was under way.
    pub expected: Option<i32>,
    /// The one that came.
    pub got: i32,
}

impl fmt::Display for OutOfStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.expected {
            Some(expected) => {
                write!(
                    f,
                    "an answer has correlation id {}, not {expected}",
                    self.got
                )
            }
            None => write!(f, "an answer to no request (correlation id {})", self.got),
        }
    }
}

impl<T> Default for Pipeline<T> {
    fn default() -> Self {
        Self {
            next_id: 0,
            under_way: VecDeque::new(),
        }
    }
}

impl<T> Pipeline<T> {
    /// Enters a request and gives its correlation id.
    pub fn begin(&mut self, deadline: Instant, reply: T) -> i32 {
        let id = self.next_id;
        self.next_id = id.checked_add(1).unwrap_or(0);
        self.under_way.push_back(Pending {
            id,
            deadline,
            reply,
        });
        id
    }

    /// Takes out the request that the answer with this correlation id belongs to.
    ///
    /// # Errors
    ///
    /// [`OutOfStep`] where it is not the oldest one; the connection must then be closed.
    pub fn complete(&mut self, id: i32) -> Result<T, OutOfStep> {
        match self.under_way.front().map(|oldest| oldest.id) {
            Some(expected) if expected == id => {}
            expected => return Err(OutOfStep { expected, got: id }),
        }
        match self.under_way.pop_front() {
            Some(oldest) => Ok(oldest.reply),
            None => Err(OutOfStep {
                expected: None,
                got: id,
            }),
        }
    }

    /// When the first of the requests under way has waited too long.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.under_way.iter().map(|pending| pending.deadline).min()
    }

    /// How many requests are under way.
    pub fn len(&self) -> usize {
        self.under_way.len()
    }

    /// True where nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Gives up all requests; the flag says whether the request's own deadline has passed.
    pub fn abandon(&mut self, now: Instant) -> impl Iterator<Item = (T, bool)> + '_ {
        self.under_way
            .drain(..)
            .map(move |pending| (pending.reply, pending.deadline <= now))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn answers_go_to_the_oldest_request() {
        let now = Instant::now();
        let mut pipeline = Pipeline::default();
        let first = pipeline.begin(now, "first");
        let second = pipeline.begin(now, "second");
        assert_ne!(first, second);
        assert_eq!(
            pipeline.complete(second),
            Err(OutOfStep {
                expected: Some(first),
                got: second
            })
        );
        assert_eq!(pipeline.complete(first), Ok("first"));
        assert_eq!(pipeline.complete(second), Ok("second"));
        assert_eq!(
            pipeline.complete(0),
            Err(OutOfStep {
                expected: None,
                got: 0
            })
        );
    }

    #[test]
    fn the_earliest_deadline_counts_wherever_it_stands() {
        let now = Instant::now();
        let later = now + Duration::from_secs(9);
        let mut pipeline = Pipeline::default();
        pipeline.begin(later, 1);
        pipeline.begin(now, 2);
        assert_eq!(pipeline.next_deadline(), Some(now));
        let abandoned: Vec<_> = pipeline.abandon(now).collect();
        assert_eq!(abandoned, [(1, false), (2, true)]);
        assert!(pipeline.is_empty());
    }

    #[test]
    fn correlation_ids_wrap_without_turning_negative() {
        let now = Instant::now();
        let mut pipeline = Pipeline {
            next_id: i32::MAX,
            ..Pipeline::default()
        };
        assert_eq!(pipeline.begin(now, ()), i32::MAX);
        assert_eq!(pipeline.begin(now, ()), 0);
    }
}
