//! Events as lines for a person. Pure.

mod frame;

use std::time::Duration;

use super::event::{Event, Payment, Try};
use super::paint::{Paint, Tone};
use super::table;
use super::tally::Tally;
use crate::engine::{Destination, Report, Totals};
use crate::sink::{Failure, Verdict};

/// From this many payments on, those that go well have no lines of their own.
const MANY: usize = 60;

/// How events are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text {
    pub(super) paint: Paint,
    /// Leaves out what goes well.
    is_short: bool,
}

impl Text {
    pub(super) fn new(colour: bool, payments: usize) -> Self {
        Self {
            paint: Paint { colour },
            is_short: payments >= MANY,
        }
    }

    /// The line or lines of an event, without the last line end; none for what is left out.
    pub(super) fn lines(&self, at: Duration, event: &Event) -> Option<String> {
        match event {
            Event::Ready(stage) => Some(self.ready(stage)),
            Event::Staying(stage) => Some(self.staying(stage)),
            Event::Account(account) => Some(table::account(self.paint, account)),
            Event::DrainStarted { pass } => Some(self.rule(at, &format!("drain pass {pass}"))),
            Event::DrainFinished { pass, totals } => Some(self.rule(at, &drained(*pass, totals))),
            Event::Stopping { why } => Some(self.rule(at, &format!("stopping: {why}"))),
            Event::Told(report) => Some(self.rule(at, &told(report))),
            Event::Published { payment, .. }
            | Event::Attempt { payment, .. }
            | Event::Forwarded { payment, .. } => {
                let is_left_out = self.is_short && !payment.is_special();
                (!is_left_out).then(|| self.step(at, *payment, &self.what(event)))
            }
        }
    }

    /// How far it is.
    pub(super) fn progress(&self, at: Duration, tally: &Tally) -> String {
        format!("{}  … {tally}", self.time(at))
    }

    fn step(&self, at: Duration, payment: Payment, what: &str) -> String {
        let name = format!("#{:02}", payment.number);
        let name = self.paint.name(payment.number, payment.is_special(), &name);
        let place = payment.at.map(|at| at.to_string()).unwrap_or_default();
        let place = self.paint.tone(Tone::Dim, &format!("{place:<6}"));
        format!("{}  {name}  {place} {what}", self.time(at))
    }

    fn rule(&self, at: Duration, text: &str) -> String {
        let text = self.paint.tone(Tone::Strong, &format!("── {text}"));
        format!("{}  {text}", self.time(at))
    }

    fn time(&self, at: Duration) -> String {
        let time = format!("{:>7.3}s", at.as_secs_f64());
        self.paint.tone(Tone::Dim, &time)
    }

    fn what(&self, event: &Event) -> String {
        let tone = |tone, text: &str| self.paint.tone(tone, text);
        match event {
            Event::Published { payment, summary } => {
                let published = tone(Tone::Dim, &format!("· published: {summary}"));
                match payment.fate.filter(|_| payment.is_special()) {
                    Some(fate) => format!("{published}   script: {}", fate.describe()),
                    None => published,
                }
            }
            Event::Attempt {
                try_of, verdict, ..
            } => self.attempt(*try_of, verdict),
            Event::Forwarded {
                to: Destination::DeadLetter,
                at,
                retry_count,
                ..
            } => {
                let count = match retry_count {
                    0 => String::new(),
                    count => format!(", retry-count {count}"),
                };
                tone(Tone::Letter, &format!("→ dead letter {at}{count}"))
            }
            Event::Forwarded { at, why, .. } => {
                tone(Tone::End, &format!("■ permanent {at}: {why}"))
            }
            _ => String::new(),
        }
    }

    fn attempt(&self, try_of: Try, verdict: &Verdict) -> String {
        let tone = |tone, text: &str| self.paint.tone(tone, text);
        match verdict {
            Verdict::Delivered => tone(Tone::Good, &format!("✓ delivered{}", delivered(try_of))),
            Verdict::Transient(failure) | Verdict::Uncertain(failure) => {
                format!("{}; {}", self.failed(failure), failed_try(try_of))
            }
            Verdict::RetryAfter(wait, failure) => {
                let Failure { message, .. } = failure;
                let held = tone(Tone::Wait, &format!("‖ {message}"));
                format!(
                    "{held}; all sending waits {}, and no attempt is counted",
                    span(*wait)
                )
            }
            Verdict::Rejected(failure) => format!("{}; no retry can mend it", self.failed(failure)),
            Verdict::SinkDown(failure) => format!("{}; nothing is sent", self.failed(failure)),
        }
    }

    fn failed(&self, failure: &Failure) -> String {
        self.paint
            .tone(Tone::Bad, &format!("✗ {}", failure.message))
    }
}

fn delivered(try_of: Try) -> String {
    match try_of {
        Try::Main { attempt: 1, .. } => String::new(),
        Try::Main { attempt, of, .. } => format!(", attempt {attempt} of {of}"),
        Try::Drain { attempt, of } => {
            format!(" from the dead letters, drain attempt {attempt} of {of}")
        }
    }
}

fn failed_try(try_of: Try) -> String {
    match try_of {
        Try::Main {
            attempt,
            of,
            backoff,
        } if attempt < of => format!("attempt {attempt} of {of}, next in {}", span(backoff)),
        Try::Main { attempt, of, .. } => format!("attempt {attempt} of {of}"),
        Try::Drain { attempt, of } => format!("drain attempt {attempt} of {of}"),
    }
}

fn drained(pass: u32, totals: &Totals) -> String {
    let Totals {
        sent,
        delivered,
        dead_lettered,
        permanent,
    } = totals;
    format!(
        "drain pass {pass} is over: {sent} sent, {delivered} delivered, {dead_lettered} put back, {permanent} permanent"
    )
}

fn told(report: &Report) -> String {
    match report {
        Report::LineStopped { failure } => format!("the line has stopped: {failure}"),
        Report::LineStillStopped { failure, .. } => format!("the line is still stopped: {failure}"),
        Report::LineResumed => "the line goes on".to_owned(),
        Report::PartitionStuck { place, message } => format!("{} is stuck: {message}", place.tp),
        Report::BadRetryCount { place, offset, .. } => {
            format!(
                "{}@{offset} has a retry-count that is none: it starts at 0",
                place.tp
            )
        }
        other => format!("{other:?}"),
    }
}

fn span(wait: Duration) -> String {
    if wait.subsec_millis() == 0 || wait.as_secs() > 0 {
        format!("{} s", wait.as_secs_f64())
    } else {
        format!("{} ms", wait.as_millis())
    }
}

#[cfg(test)]
mod tests;
