//! A lane's record on its way to another topic.

use std::time::Instant;

use super::{Head, Lane};
use crate::engine::RecordSource;
use crate::engine::task::Forward;
use crate::engine::timing::{after, retry_delay};
use crate::engine::words::Ticket;

impl<S: RecordSource> Lane<S> {
    /// The record taken out is to be forwarded, as soon as that can be.
    pub(in crate::engine) fn forward(&mut self, forward: Forward) {
        self.head = Head::Outgoing(forward, None);
    }

    /// The record that is to be forwarded, if it may go now.
    pub(in crate::engine) fn outgoing(&self) -> Option<&Forward> {
        match &self.head {
            Head::Outgoing(forward, None) => Some(forward),
            _ => None,
        }
    }

    /// The outgoing record is being forwarded under this ticket.
    pub(in crate::engine) fn forwarding(&mut self, ticket: Ticket) {
        self.head = match std::mem::replace(&mut self.head, Head::Empty) {
            Head::Outgoing(forward, None) => Head::Forwarding(forward, ticket),
            head => head,
        };
    }

    /// Takes out the record that was being forwarded under this ticket.
    pub(in crate::engine) fn take_forwarded(&mut self, ticket: Ticket) -> Option<Forward> {
        match std::mem::replace(&mut self.head, Head::Empty) {
            Head::Forwarding(forward, sent) if sent == ticket => Some(forward),
            head => {
                self.head = head;
                None
            }
        }
    }

    /// The record taken out could not be forwarded: it waits, longer each time. A lane that is
    /// leaving gives it up.
    pub(in crate::engine) fn unforwarded(&mut self, mut forward: Forward, now: Instant) {
        if !self.leaving {
            forward.failures = forward.failures.saturating_add(1);
            let until = after(now, retry_delay(forward.failures));
            self.head = Head::Outgoing(forward, Some(until));
        }
    }

    /// True while a record is to be forwarded.
    pub(in crate::engine) fn is_forwarding(&self) -> bool {
        matches!(self.head, Head::Forwarding(..) | Head::Outgoing(..))
    }

    /// True while what is done is to be committed with a record that is forwarded, and so not
    /// apart from it.
    pub(in crate::engine) fn commits_by_forward(&self) -> bool {
        matches!(self.head, Head::Forwarding(..) | Head::Outgoing(_, None))
    }

    /// How often in a row the record that is to be forwarded could not be.
    pub(in crate::engine) fn failed_forwards(&self) -> u32 {
        match &self.head {
            Head::Forwarding(forward, _) | Head::Outgoing(forward, _) => forward.failures,
            _ => 0,
        }
    }
}
