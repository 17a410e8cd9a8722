//! Goes through the evidence, payment by payment.

use std::collections::{HashMap, HashSet};

use super::super::evidence::{At, Evidence, Published, Stored, Sums, split_retry};
use super::super::script::Answer;
use super::{End, Row, end, name};
use crate::engine::headers;
use crate::payment::{PaymentEvent, Template};

/// What Telegram did with the messages of one text.
#[derive(Default)]
struct Answers {
    main: Vec<Answer>,
    drain: Vec<Answer>,
    /// Payments that have this text, and have had no row yet.
    payments: usize,
}

/// What has been found so far.
pub(super) struct Auditor<'a> {
    evidence: &'a Evidence,
    published: HashMap<At, &'a Published>,
    dead_letters: HashMap<At, Vec<&'a Stored>>,
    permanent: HashMap<At, Vec<&'a Stored>>,
    answers: HashMap<String, Answers>,
    pub(super) missing: Vec<String>,
    pub(super) notes: Vec<String>,
}

impl<'a> Auditor<'a> {
    pub(super) fn new(evidence: &'a Evidence) -> Self {
        let mut answers: HashMap<String, Answers> = HashMap::new();
        for stored in &evidence.source {
            if let Some(text) = text_of(stored) {
                answers.entry(text).or_default().payments += 1;
            }
        }
        for call in &evidence.calls {
            let (text, is_retry) = split_retry(&call.text);
            let of_text = answers.entry(text.to_owned()).or_default();
            let calls = if is_retry {
                &mut of_text.drain
            } else {
                &mut of_text.main
            };
            calls.push(call.answer);
        }
        Self {
            evidence,
            published: evidence.published.iter().map(|it| (it.at, it)).collect(),
            dead_letters: by_origin(&evidence.dead_letters),
            permanent: by_origin(&evidence.permanent),
            answers,
            missing: Vec::new(),
            notes: Vec::new(),
        }
    }

    pub(super) fn rows(&mut self) -> Vec<Row> {
        let mut source: Vec<&Stored> = self.evidence.source.iter().collect();
        source.sort_by_key(|stored| stored.at);
        let mut rows: Vec<Row> = source.into_iter().map(|stored| self.row(stored)).collect();
        rows.sort_by_key(|row| (row.number.unwrap_or(usize::MAX), row.at));
        rows
    }

    fn row(&mut self, stored: &Stored) -> Row {
        let published = self.published.get(&stored.at).copied();
        let copies = |of: &HashMap<At, Vec<&'a Stored>>| of.get(&stored.at).cloned();
        let dead_letters = copies(&self.dead_letters).unwrap_or_default();
        let permanent = copies(&self.permanent).unwrap_or_default();
        let (main, drain) = self.take_answers(stored);
        let last = permanent.last().or(dead_letters.last());
        let row = Row {
            number: published.map(|it| it.number),
            fate: published.and_then(|it| it.fate),
            at: stored.at,
            end: end(
                &main,
                &drain,
                !dead_letters.is_empty(),
                !permanent.is_empty(),
            ),
            is_readable: text_of(stored).is_some(),
            main,
            drain,
            dead_letters: dead_letters.len(),
            permanent: permanent.first().map(|it| it.at),
            why: last.and_then(|it| it.text(headers::EXCEPTION_MESSAGE).map(str::to_owned)),
        };
        self.check_value(&row, stored, published);
        self.check_copies(&row, stored, dead_letters.iter().chain(&permanent));
        self.check_end(&row, permanent.len());
        row
    }

    /// Two payments may read the same, as when somebody publishes one twice: then each has the
    /// calls up to the first that was taken, and the last one all that are left.
    fn take_answers(&mut self, stored: &Stored) -> (Vec<Answer>, Vec<Answer>) {
        let Some(answers) = text_of(stored).and_then(|text| self.answers.get_mut(&text)) else {
            return Default::default();
        };
        answers.payments = answers.payments.saturating_sub(1);
        let is_last = answers.payments == 0;
        let take = |from: &mut Vec<Answer>| {
            let taken = from.iter().position(|answer| *answer == Answer::Taken);
            let up_to = taken.map_or(from.len(), |at| at + 1);
            let count = if is_last { from.len() } else { up_to };
            from.drain(..count).collect()
        };
        (take(&mut answers.main), take(&mut answers.drain))
    }

    fn check_value(&mut self, row: &Row, stored: &Stored, published: Option<&Published>) {
        if published.is_some_and(|it| Some(&it.value) != stored.value.as_ref()) {
            let name = row.name();
            self.missing
                .push(format!("{name} is not in its topic as it was published"));
        }
    }

    fn check_copies<'b>(
        &mut self,
        row: &Row,
        stored: &Stored,
        copies: impl Iterator<Item = &'b &'b Stored>,
    ) {
        for copy in copies {
            if copy.value != stored.value || copy.at.partition != stored.at.partition {
                let (name, at) = (row.name(), copy.at);
                self.missing
                    .push(format!("{name} was changed when it was forwarded to {at}"));
            }
        }
    }

    fn check_end(&mut self, row: &Row, permanent: usize) {
        let name = row.name();
        let answers = row.main.iter().chain(&row.drain);
        let taken = answers.filter(|answer| **answer == Answer::Taken).count();
        if row.end == End::Open {
            let text = if row.dead_letters > 0 {
                "is a dead letter still"
            } else {
                "was neither delivered nor forwarded"
            };
            self.missing.push(format!("{name} {text}"));
        }
        if taken > 0 && permanent > 0 {
            self.missing
                .push(format!("{name} was delivered, and is a permanent failure"));
        }
        if taken > 1 {
            let text = format!("{name} arrived {taken} times: its answer came too late, perhaps");
            self.notes.push(text);
        }
        if permanent > 1 {
            let text = format!("{name} is in the permanent-failure topic {permanent} times");
            self.notes.push(text);
        }
        if let Some(fate) = row.fate
            && fate.end() != row.end
            && row.end != End::Open
        {
            let script = fate.describe();
            let text = format!("{name} went another way than its script says ({script})");
            self.notes.push(text);
        }
    }

    /// What is there and comes from nowhere, and what was published and is nowhere.
    pub(super) fn check_strays(&mut self) {
        let source: HashSet<At> = self.evidence.source.iter().map(|it| it.at).collect();
        for published in &self.evidence.published {
            if !source.contains(&published.at) {
                let name = name(Some(published.number), published.at);
                self.missing
                    .push(format!("{name} was acknowledged, and is not in its topic"));
            }
        }
        let forwarded = self.evidence.dead_letters.iter();
        for copy in forwarded.chain(&self.evidence.permanent) {
            if copy.origin().is_none_or(|origin| !source.contains(&origin)) {
                let at = copy.at;
                self.missing.push(format!(
                    "a record was forwarded to {at} that is no payment's"
                ));
            }
        }
        let left = self.answers.values();
        let strays: usize = left.map(|it| it.main.len() + it.drain.len()).sum();
        if strays > 0 {
            let text = format!("Telegram got {strays} messages that are no payment's");
            self.missing.push(text);
        }
    }

    pub(super) fn check_progress(&mut self) {
        for it in self.evidence.progress.iter().filter(|it| !it.is_through()) {
            self.missing.push(format!(
                "{} stands at {} of {} in {}-{}",
                it.group, it.committed, it.end, it.topic, it.partition
            ));
        }
    }

    /// Holds the engine's sums against what the evidence comes to.
    pub(super) fn compare(&mut self, engine: Sums, expected: Sums) {
        let mut compare = |what: &str, says: u64, is: u64| {
            if says != is {
                let text = format!("the engine counts {says} {what}, and there are {is}");
                self.missing.push(text);
            }
        };
        for (path, says, is) in [
            ("", engine.main, expected.main),
            (" of the drain", engine.drain, expected.drain),
        ] {
            compare(&format!("deliveries{path}"), says.delivered, is.delivered);
            let dead_letters = format!("dead letters{path}");
            compare(&dead_letters, says.dead_lettered, is.dead_lettered);
            let permanent = format!("permanent failures{path}");
            compare(&permanent, says.permanent, is.permanent);
        }
        let sent = |sums: Sums| sums.main.sent + sums.drain.sent;
        match (sent(engine), sent(expected)) {
            // A busy machine may give a send up before it has reached anybody.
            (says, is) if says > is => {
                let text = format!("{} sends did not reach Telegram", says - is);
                self.notes.push(text);
            }
            (says, is) => compare("sends", says, is),
        }
    }
}

fn by_origin(stored: &[Stored]) -> HashMap<At, Vec<&Stored>> {
    let mut by_origin: HashMap<At, Vec<&Stored>> = HashMap::new();
    for stored in stored {
        if let Some(origin) = stored.origin() {
            by_origin.entry(origin).or_default().push(stored);
        }
    }
    by_origin
}

/// What Telegram gets of a payment at first; nothing of a value that is none.
fn text_of(stored: &Stored) -> Option<String> {
    let event = PaymentEvent::from_record_value(stored.value.as_deref()).ok()?;
    Some(Template::default().render(&event, None))
}
