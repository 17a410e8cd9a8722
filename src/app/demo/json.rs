//! Events as JSON objects, for machines. Pure.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::account::{Account, End, Row};
use super::event::{Event, Payment, Stage, Try};
use super::script::{Answer, Fate};
use crate::engine::Destination;
use crate::sink::{Failure, Verdict};

/// The object of an event: its time in milliseconds since the start, its name, and its own fields.
pub(super) fn line(at: Duration, event: &Event) -> String {
    let (name, fields) = match event {
        Event::Ready(stage) => ("ready", ready(stage)),
        Event::Published { payment, summary } => {
            let mut fields = of(*payment);
            fields["summary"] = json!(summary);
            fields["script"] = json!(payment.fate.map(Fate::describe));
            ("published", fields)
        }
        Event::Attempt {
            payment,
            try_of,
            verdict,
        } => ("attempt", attempt(*payment, *try_of, verdict)),
        Event::Forwarded {
            payment,
            to,
            at,
            retry_count,
            why,
        } => {
            let mut fields = of(*payment);
            fields["to_offset"] = json!(at.offset);
            fields["retry_count"] = json!(retry_count);
            fields["why"] = json!(why);
            let name = match to {
                Destination::DeadLetter => "dead_letter",
                Destination::Permanent => "permanent",
            };
            (name, fields)
        }
        Event::DrainStarted { pass } => ("drain_started", json!({"pass": pass})),
        Event::DrainFinished { pass, totals } => (
            "drain_finished",
            json!({
                "pass": pass,
                "sent": totals.sent,
                "delivered": totals.delivered,
                "put_back": totals.dead_lettered,
                "permanent": totals.permanent,
            }),
        ),
        Event::Told(report) => ("report", json!({"report": format!("{report:?}")})),
        Event::Stopping { why } => ("stopping", json!({"why": why})),
        Event::Account(account) => ("account", of_account(account)),
        Event::Staying(stage) => ("staying", json!({"bootstrap_servers": stage.kafka})),
    };
    let mut object = Map::new();
    object.insert("ms".to_owned(), json!(at.as_millis() as u64));
    object.insert("event".to_owned(), json!(name));
    if let Value::Object(fields) = fields {
        object.extend(fields);
    }
    Value::Object(object).to_string()
}

fn ready(stage: &Stage) -> Value {
    let [source, dead_letter, permanent] = &stage.topics;
    json!({
        "bootstrap_servers": stage.kafka,
        "telegram": stage.telegram,
        "source": source,
        "dead_letter": dead_letter,
        "permanent": permanent,
        "payments": stage.payments,
        "seed": stage.seed,
    })
}

fn of(payment: Payment) -> Value {
    json!({
        "payment": payment.number,
        "partition": payment.at.map(|at| at.partition),
        "offset": payment.at.map(|at| at.offset),
    })
}

fn attempt(payment: Payment, try_of: Try, verdict: &Verdict) -> Value {
    let mut fields = of(payment);
    let (path, attempt, most) = match try_of {
        Try::Main { attempt, of, .. } => ("main", attempt, of),
        Try::Drain { attempt, of } => ("drain", attempt, of),
    };
    fields["path"] = json!(path);
    fields["attempt"] = json!(attempt);
    fields["of"] = json!(most);
    let (outcome, failure) = match verdict {
        Verdict::Delivered => ("delivered", None),
        Verdict::Transient(failure) => ("transient", Some(failure)),
        Verdict::RetryAfter(wait, failure) => {
            fields["wait_ms"] = json!(wait.as_millis() as u64);
            ("retry_after", Some(failure))
        }
        Verdict::Rejected(failure) => ("rejected", Some(failure)),
        Verdict::Uncertain(failure) => ("uncertain", Some(failure)),
        Verdict::SinkDown(failure) => ("sink_down", Some(failure)),
    };
    fields["outcome"] = json!(outcome);
    if let Some(Failure { kind, message }) = failure {
        fields["kind"] = json!(kind.name());
        fields["message"] = json!(message);
    }
    fields
}

fn of_account(account: &Account) -> Value {
    let others = account.rows.iter().filter(|row| row.end != End::FirstTime);
    json!({
        "published": account.rows.len(),
        "delivered_first_time": account.count(End::FirstTime),
        "delivered_after_retry": account.count(End::AfterRetry),
        "delivered_from_dead_letters": account.count(End::FromDeadLetters),
        "permanent": account.count(End::Permanent),
        "open": account.count(End::Open),
        "adds_up": account.adds_up(),
        "missing": account.missing,
        "notes": account.notes,
        "others": others.map(of_row).collect::<Vec<_>>(),
    })
}

fn of_row(row: &Row) -> Value {
    let statuses =
        |answers: &[Answer]| -> Vec<_> { answers.iter().map(|answer| answer.status()).collect() };
    json!({
        "payment": row.number,
        "partition": row.at.partition,
        "offset": row.at.offset,
        "end": match row.end {
            End::FirstTime => "delivered_first_time",
            End::AfterRetry => "delivered_after_retry",
            End::FromDeadLetters => "delivered_from_dead_letters",
            End::Permanent => "permanent",
            End::Open => "open",
        },
        "answers": statuses(&row.main),
        "drain_answers": statuses(&row.drain),
        "dead_letters": row.dead_letters,
        "permanent_offset": row.permanent.map(|at| at.offset),
        "why": row.why,
    })
}

#[cfg(test)]
mod tests {
    use super::super::evidence::At;
    use super::super::script::Script;
    use super::super::testing::played;
    use super::*;
    use crate::sink::FailureKind;

    fn parsed(event: &Event) -> Value {
        let line = line(Duration::from_millis(412), event);
        assert!(!line.contains('\n'));
        serde_json::from_str(&line).unwrap()
    }

    #[test]
    fn a_step_is_an_object_of_its_payment() {
        let at = At {
            partition: 2,
            offset: 3,
        };
        let payment = Payment {
            number: 7,
            at: Some(at),
            fate: Some(Fate::FailsTwice),
        };
        let failure = Failure::new(FailureKind::ServerError, "503");
        let event = Event::Attempt {
            payment,
            try_of: Try::Drain { attempt: 2, of: 3 },
            verdict: Verdict::RetryAfter(Duration::from_secs(1), failure),
        };
        assert_eq!(
            parsed(&event),
            json!({
                "ms": 412, "event": "attempt", "payment": 7, "partition": 2, "offset": 3,
                "path": "drain", "attempt": 2, "of": 3,
                "outcome": "retry_after", "wait_ms": 1000,
                "kind": FailureKind::ServerError.name(), "message": "503",
            })
        );
        let event = Event::Forwarded {
            payment,
            to: Destination::Permanent,
            at,
            retry_count: 3,
            why: "503".to_owned(),
        };
        assert_eq!(
            parsed(&event),
            json!({
                "ms": 412, "event": "permanent", "payment": 7, "partition": 2, "offset": 3,
                "to_offset": 3, "retry_count": 3, "why": "503",
            })
        );
    }

    #[test]
    fn the_account_is_whole() {
        let account = Account::of(&played(&Script::new(24, 7)));
        let account = parsed(&Event::Account(account));
        let counts = [
            "published",
            "delivered_first_time",
            "delivered_after_retry",
            "delivered_from_dead_letters",
            "permanent",
            "open",
        ];
        let counts = counts.map(|name| account[name].as_u64().unwrap());
        assert_eq!(counts, [24, 17, 2, 2, 3, 0]);
        assert_eq!(account["adds_up"], true);
        assert_eq!(account["others"].as_array().map(Vec::len), Some(7));
        let silent = account["others"].as_array().unwrap().iter();
        let mut silent =
            silent.filter(|row| row["answers"][0].is_null() && row["dead_letters"] == 1);
        assert_eq!(silent.next().unwrap()["drain_answers"], json!([200]));
    }
}
