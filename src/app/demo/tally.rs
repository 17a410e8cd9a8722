//! How far a demo has come. Pure.

use std::fmt;

use super::event::{Event, Try};
use crate::engine::Destination;
use crate::sink::Verdict;

/// What was counted so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    payments: usize,
    published: usize,
    delivered: usize,
    /// Dead letters that wait for the drain.
    waiting: usize,
    permanent: usize,
}

impl Tally {
    pub(super) fn new(payments: usize) -> Self {
        Self {
            payments,
            ..Self::default()
        }
    }

    pub(super) fn note(&mut self, event: &Event) {
        match event {
            Event::Published { .. } => {
                self.published += 1;
                self.payments = self.payments.max(self.published);
            }
            Event::Attempt {
                try_of,
                verdict: Verdict::Delivered,
                ..
            } => {
                self.delivered += 1;
                if let Try::Drain { .. } = try_of {
                    self.waiting = self.waiting.saturating_sub(1);
                }
            }
            Event::Forwarded {
                to, retry_count, ..
            } => match (to, retry_count) {
                (Destination::DeadLetter, 0) => self.waiting += 1,
                (Destination::DeadLetter, _) => {}
                (Destination::Permanent, 0) => self.permanent += 1,
                (Destination::Permanent, _) => {
                    self.permanent += 1;
                    self.waiting = self.waiting.saturating_sub(1);
                }
            },
            _ => {}
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            payments,
            published,
            delivered,
            waiting,
            permanent,
        } = self;
        write!(
            f,
            "{published} of {payments} published · {delivered} delivered · {waiting} dead letters · {permanent} permanent"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::Payment;
    use super::super::evidence::At;
    use super::*;

    const PAYMENT: Payment = Payment {
        number: 1,
        at: None,
        fate: None,
    };

    fn forwarded(to: Destination, retry_count: u32) -> Event {
        Event::Forwarded {
            payment: PAYMENT,
            to,
            at: At {
                partition: 0,
                offset: 0,
            },
            retry_count,
            why: String::new(),
        }
    }

    #[test]
    fn a_dead_letter_waits_until_it_is_delivered_or_given_up() {
        let mut tally = Tally::new(2);
        let mut after = |event: Event| {
            tally.note(&event);
            tally.to_string()
        };
        let published = Event::Published {
            payment: PAYMENT,
            summary: String::new(),
        };
        let delivered = Event::Attempt {
            payment: PAYMENT,
            try_of: Try::Drain { attempt: 1, of: 3 },
            verdict: Verdict::Delivered,
        };
        after(published);
        after(forwarded(Destination::DeadLetter, 0));
        after(forwarded(Destination::DeadLetter, 0));
        let text = after(forwarded(Destination::DeadLetter, 1));
        assert_eq!(
            text,
            "1 of 2 published · 0 delivered · 2 dead letters · 0 permanent"
        );
        after(delivered);
        let text = after(forwarded(Destination::Permanent, 3));
        assert!(
            text.ends_with("1 delivered · 0 dead letters · 1 permanent"),
            "{text}"
        );
        let text = after(forwarded(Destination::Permanent, 0));
        assert!(text.ends_with("0 dead letters · 2 permanent"), "{text}");
    }
}
