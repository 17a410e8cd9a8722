//! What happens in a demo, as it is shown. Pure.

use std::time::Duration;

use super::account::Account;
use super::evidence::At;
use super::script::Fate;
use super::settings::Pace;
use crate::engine::{Destination, Report, Totals};
use crate::sink::Verdict;

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Event {
    /// The broker and the stand-in are there.
    Ready(Stage),
    /// The source topic has a payment.
    Published {
        payment: Payment,
        /// Whose it is and how much.
        summary: String,
    },
    /// A delivery was tried.
    Attempt {
        payment: Payment,
        try_of: Try,
        verdict: Verdict,
    },
    /// The dead-letter or the permanent-failure topic has the payment.
    Forwarded {
        payment: Payment,
        to: Destination,
        at: At,
        /// The sends it has had in a drain.
        retry_count: u32,
        /// The last failure.
        why: String,
    },
    /// A pass of the drain has found its first dead letter.
    DrainStarted { pass: u32 },
    /// Such a pass is over.
    DrainFinished { pass: u32, totals: Totals },
    /// The engine tells a person something else.
    Told(Report),
    /// It ends before its time.
    Stopping { why: &'static str },
    /// What became of everything.
    Account(Account),
    /// It stays up for whoever wants to look or to publish.
    Staying(Stage),
}

/// What is there to look at.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stage {
    /// `host:port` of the broker.
    pub(super) kafka: String,
    /// The stand-in's address.
    pub(super) telegram: String,
    /// The source, the dead-letter and the permanent-failure topic.
    pub(super) topics: [String; 3],
    /// How this program was called.
    pub(super) program: String,
    pub(super) payments: usize,
    pub(super) seed: u64,
    pub(super) pace: Pace,
}

/// A payment, as it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Payment {
    /// From 1.
    pub(super) number: usize,
    /// Its place in the source topic, once that is known.
    pub(super) at: Option<At>,
    /// None where somebody else published it.
    pub(super) fate: Option<Fate>,
}

/// Which delivery it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Try {
    /// This one of so many before it becomes a dead letter; the wait before the next one.
    Main {
        attempt: u32,
        of: u32,
        backoff: Duration,
    },
    /// This one of so many by the drain.
    Drain { attempt: u32, of: u32 },
}

impl Payment {
    /// True where there is more to see than that it was delivered.
    pub(super) fn is_special(&self) -> bool {
        self.fate != Some(Fate::Fine)
    }
}
