//! The account: where each payment came to its end, and what is missing. Pure.
//!
//! # Invariants
//!
//! - Every record of the source topic has exactly one row, and every row one end, so the sums add up.
//! - An end is taken from the topics and from Telegram's record of its calls. The engine's own sums
//!   are only compared with what came of that.

mod auditor;

use self::auditor::Auditor;
use super::evidence::{At, Evidence, Sums};
use super::script::{Answer, Fate};
use crate::engine::Totals;

/// Where a payment came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum End {
    /// Telegram took the only call.
    FirstTime,
    /// Telegram took a later one.
    AfterRetry,
    /// Telegram took it from the dead-letter topic.
    FromDeadLetters,
    /// It is in the permanent-failure topic.
    Permanent,
    /// Nowhere yet.
    Open,
}

/// What became of all payments.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Account {
    /// In the order of publication, those without a number last.
    pub(super) rows: Vec<Row>,
    /// True where the engine's sums were compared, too.
    pub(super) engine_agrees: bool,
    /// What keeps it from adding up, a sentence each.
    pub(super) missing: Vec<String>,
    /// What is worth knowing besides.
    pub(super) notes: Vec<String>,
}

/// What became of one payment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    /// None for one that nobody here has seen on its way.
    pub(super) number: Option<usize>,
    pub(super) fate: Option<Fate>,
    pub(super) at: At,
    pub(super) end: End,
    /// Its value can be read, so that Telegram is called.
    pub(super) is_readable: bool,
    /// What Telegram did with it, before it became a dead letter and after.
    pub(super) main: Vec<Answer>,
    pub(super) drain: Vec<Answer>,
    /// How many records of the dead-letter topic it became.
    pub(super) dead_letters: usize,
    /// Its record in the permanent-failure topic.
    pub(super) permanent: Option<At>,
    /// The last failure that the forwarded record names.
    pub(super) why: Option<String>,
}

impl Account {
    /// Takes the account.
    pub(super) fn of(evidence: &Evidence) -> Self {
        let mut auditor = Auditor::new(evidence);
        let rows = auditor.rows();
        auditor.check_strays();
        auditor.check_progress();
        if let Some(engine) = evidence.engine {
            auditor.compare(engine, sums(&rows, evidence.calls.len()));
        }
        Self {
            rows,
            engine_agrees: evidence.engine.is_some() && auditor.missing.is_empty(),
            missing: auditor.missing,
            notes: auditor.notes,
        }
    }

    /// True where every payment is accounted for.
    pub(super) fn adds_up(&self) -> bool {
        self.missing.is_empty()
    }

    /// How many payments ended so.
    pub(super) fn count(&self, end: End) -> usize {
        self.rows.iter().filter(|row| row.end == end).count()
    }
}

impl Row {
    /// How it is called: `#07`, or its place.
    pub(super) fn name(&self) -> String {
        name(self.number, self.at)
    }
}

fn name(number: Option<usize>, at: At) -> String {
    match number {
        Some(number) => format!("#{number:02} ({at})"),
        None => at.to_string(),
    }
}

fn end(main: &[Answer], drain: &[Answer], dead_letter: bool, permanent: bool) -> End {
    let taken = |answers: &[Answer]| answers.contains(&Answer::Taken);
    match (taken(main), taken(drain)) {
        _ if permanent => End::Permanent,
        (_, true) if dead_letter => End::FromDeadLetters,
        (true, _) if main.len() == 1 => End::FirstTime,
        (true, _) => End::AfterRetry,
        _ => End::Open,
    }
}

/// What the engine's sums must be. What is sent is told apart by path in Telegram's record, but
/// a value that can't be read is handed over without a call.
fn sums(rows: &[Row], calls: usize) -> Sums {
    let mut sums = Sums::default();
    let add = |sum: &mut u64, count: usize| *sum += count as u64;
    let unread = rows
        .iter()
        .filter(|row| !row.is_readable && row.end == End::Permanent)
        .count();
    add(&mut sums.main.sent, calls + unread);
    for row in rows {
        let Sums { main, drain } = &mut sums;
        let last: &mut Totals = if row.dead_letters > 0 { drain } else { main };
        match row.end {
            End::Permanent => add(&mut last.permanent, 1),
            End::Open => {}
            _ => add(&mut last.delivered, 1),
        }
        if row.dead_letters > 0 {
            add(&mut sums.main.dead_lettered, 1);
            add(&mut sums.drain.dead_lettered, row.dead_letters - 1);
        }
    }
    sums
}

#[cfg(test)]
mod tests;
