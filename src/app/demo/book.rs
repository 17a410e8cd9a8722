//! From what is observed to what is shown: which payment it is, and which of its deliveries. Pure.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;

use super::event::{Event, Payment, Try};
use super::evidence::{At, Published, Stored};
use super::script::{DELIVERIES, DRAIN_SENDS, Script};
use crate::engine::{Destination, Report, headers};
use crate::payment::PaymentEvent;
use crate::sink::Verdict;

/// All payments that were seen, and how far each has come.
#[derive(Debug)]
pub(super) struct Book {
    backoff: Duration,
    entries: Vec<Entry>,
    /// By value: a forwarded record has the same.
    numbers: HashMap<Bytes, usize>,
    pass: u32,
    /// A pass that finds no dead letter is not worth a line.
    pass_shown: bool,
}

#[derive(Debug)]
struct Entry {
    payment: Payment,
    value: Bytes,
    summary: String,
    acked: bool,
    /// It is told that the payment was published.
    told: bool,
    /// Deliveries that failed and count, since the payment was read.
    failed: u32,
}

impl Book {
    pub(super) fn new(script: &Script, backoff: Duration) -> Self {
        let mut book = Self {
            backoff,
            entries: Vec::new(),
            numbers: HashMap::new(),
            pass: 0,
            pass_shown: false,
        };
        for scripted in &script.payments {
            let index = book.add(Bytes::copy_from_slice(&scripted.value));
            let entry = &mut book.entries[index];
            entry.payment.fate = Some(scripted.fate);
            entry.payment.at = Some(scripted.at);
            entry.summary.clone_from(&scripted.summary);
        }
        book
    }

    /// A payment was acknowledged.
    pub(super) fn acked(&mut self, at: At, value: &Bytes) -> Option<Event> {
        let entry = self.entry(value);
        entry.acked = true;
        entry.payment.at = Some(at);
        entry.published()
    }

    /// A record was found in the source topic; a payment of somebody else has no acknowledgement
    /// here.
    pub(super) fn found(&mut self, at: At, value: &Bytes) -> Option<Event> {
        let entry = self.entry(value);
        if entry.payment.fate.is_some() {
            return None;
        }
        entry.acked = true;
        entry.told &= entry.payment.at.is_none();
        entry.payment.at = Some(at);
        entry.published()
    }

    /// What was acknowledged so far.
    pub(super) fn all_published(&self) -> Vec<Published> {
        let published = self.entries.iter().filter(|entry| entry.acked);
        let published = published.filter_map(|entry| {
            Some(Published {
                number: entry.payment.number,
                fate: entry.payment.fate,
                at: entry.payment.at?,
                value: entry.value.clone(),
            })
        });
        published.collect()
    }

    /// A delivery was tried; `retry` numbers those of the drain.
    pub(super) fn attempt(
        &mut self,
        value: &Bytes,
        retry: Option<u32>,
        verdict: Verdict,
    ) -> Vec<Event> {
        let mut events = Vec::new();
        if retry.is_some() {
            events.extend(self.show_pass());
        }
        let backoff = self.backoff;
        let entry = self.entry(value);
        // Its acknowledgement may be on its way still.
        events.extend(entry.published());
        let try_of = match retry {
            Some(attempt) => Try::Drain {
                attempt,
                of: DRAIN_SENDS,
            },
            None => Try::Main {
                attempt: entry.failed + 1,
                of: DELIVERIES,
                backoff,
            },
        };
        if let Verdict::Transient(_) | Verdict::Uncertain(_) = verdict {
            entry.failed += 1;
        }
        events.push(Event::Attempt {
            payment: entry.payment,
            try_of,
            verdict,
        });
        events
    }

    /// A record came into the dead-letter or the permanent-failure topic.
    pub(super) fn forwarded(&mut self, to: Destination, stored: &Stored) -> Event {
        let value = stored.value.clone().unwrap_or_default();
        let payment = self.entry(&value).payment;
        let count = stored.text(headers::RETRY_COUNT);
        Event::Forwarded {
            payment,
            to,
            at: stored.at,
            retry_count: count.and_then(|text| text.parse().ok()).unwrap_or(0),
            why: stored
                .text(headers::EXCEPTION_MESSAGE)
                .unwrap_or("for no reason that it names")
                .to_owned(),
        }
    }

    /// The engine told a person something.
    pub(super) fn report(&mut self, report: &Report) -> Option<Event> {
        match report {
            Report::DrainStarted => {
                self.pass += 1;
                self.pass_shown = false;
                None
            }
            Report::DrainFinished(summary) => {
                let (pass, totals) = (self.pass, summary.totals);
                self.pass_shown
                    .then_some(Event::DrainFinished { pass, totals })
            }
            // The answer that asks for it is shown already.
            Report::LineHeld { .. } => None,
            other => Some(Event::Told(other.clone())),
        }
    }

    fn show_pass(&mut self) -> Option<Event> {
        let is_first = !std::mem::replace(&mut self.pass_shown, true);
        is_first.then_some(Event::DrainStarted { pass: self.pass })
    }

    fn entry(&mut self, value: &Bytes) -> &mut Entry {
        let index = match self.numbers.get(value) {
            Some(index) => *index,
            None => self.add(value.clone()),
        };
        &mut self.entries[index]
    }

    fn add(&mut self, value: Bytes) -> usize {
        let index = self.entries.len();
        self.numbers.insert(value.clone(), index);
        self.entries.push(Entry {
            payment: Payment {
                number: index + 1,
                at: None,
                fate: None,
            },
            summary: summary(&value),
            value,
            acked: false,
            told: false,
            failed: 0,
        });
        index
    }
}

impl Entry {
    /// That it was published, where that is not told yet.
    fn published(&mut self) -> Option<Event> {
        let is_first = !std::mem::replace(&mut self.told, true);
        is_first.then(|| Event::Published {
            payment: self.payment,
            summary: self.summary.clone(),
        })
    }
}

/// What a payment says, or what is wrong with it.
fn summary(value: &[u8]) -> String {
    match PaymentEvent::from_json(value) {
        Ok(event) => format!("{}, {} won", event.mail, event.amount),
        Err(failure) => failure.message,
    }
}

#[cfg(test)]
mod tests;
