//! What Telegram's answers mean. Pure.
//!
//! | answer | verdict |
//! |---|---|
//! | 200 with `ok: true` | delivered |
//! | any other 2xx | uncertain: something took the request, and nobody says that it wasn't sent |
//! | 3xx | sink down: the address is wrong for every record, and the token must not go elsewhere |
//! | 400 with `migrate_to_chat_id` | the chat has moved |
//! | 400, 403, 413 | rejected |
//! | 401, 404 | sink down |
//! | 429 | retry after |
//! | 5xx, any other 4xx | transient |
//!
//! The status decides even without Telegram's JSON, but for a 400 whose body is cut off: a record is
//! not given up on half an answer, which might have told where the chat moved.

use std::time::Duration;

use serde_json::Value;

use crate::secret::Secret;
use crate::sink::http::{self, Answer};
use crate::sink::{Failure, FailureKind, Verdict};

/// The wait after a 429 that names none, and the least: waits cost no attempt, so they must not
/// spin.
const MIN_WAIT: Duration = Duration::from_secs(1);

/// The longest wait that is believed.
const MAX_WAIT: Duration = Duration::from_secs(60 * 60);

/// What an answer to `sendMessage` means.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    Final(Verdict),
    /// The chat has another number now; nothing was sent.
    Moved {
        to: i64,
    },
}

/// Decides about an answer to `sendMessage`.
pub(super) fn outcome(answer: Answer, token: &Secret) -> Outcome {
    let reply = Reply::of(&answer);
    match (answer.status, answer.body) {
        (200..=299, Err(failure)) => return Outcome::Final(Verdict::Uncertain(failure)),
        (400, Err(failure)) => return Outcome::Final(Verdict::Transient(failure)),
        _ => {}
    }
    let failure = reply.failure(token);
    Outcome::Final(match reply.status {
        200 if reply.ok() => Verdict::Delivered,
        200..=299 => Verdict::Uncertain(failure),
        300..=399 | 401 | 404 => Verdict::SinkDown(failure),
        400 => match reply.moved_to() {
            Some(to) => return Outcome::Moved { to },
            None => Verdict::Rejected(failure),
        },
        403 | 413 => Verdict::Rejected(failure),
        429 => Verdict::RetryAfter(reply.wait(), failure),
        _ => Verdict::Transient(failure),
    })
}

/// Decides about an answer to `getMe`.
pub(super) fn probe(answer: &Answer, token: &Secret) -> Result<(), Failure> {
    match answer.status {
        200 => Ok(()),
        _ => Err(Reply::of(answer).failure(token)),
    }
}

/// An answer with its JSON, which is null where there is none. Fields are looked up one by one:
/// one of an unknown type doesn't spoil the others.
struct Reply {
    status: u16,
    json: Value,
    retry_after: Option<String>,
}

impl Reply {
    fn of(answer: &Answer) -> Self {
        let json = answer.body.as_deref().ok();
        Self {
            status: answer.status,
            json: json
                .and_then(|json| serde_json::from_slice(json).ok())
                .unwrap_or_default(),
            retry_after: answer.retry_after.clone(),
        }
    }

    fn ok(&self) -> bool {
        self.json["ok"] == true
    }

    fn moved_to(&self) -> Option<i64> {
        self.json["parameters"]["migrate_to_chat_id"].as_i64()
    }

    fn wait(&self) -> Duration {
        let seconds = self.json["parameters"]["retry_after"].as_f64().or_else(|| {
            let header = self.retry_after.as_deref()?;
            header.trim().parse::<u32>().ok().map(f64::from)
        });
        let bounds = (MIN_WAIT.as_secs_f64(), MAX_WAIT.as_secs_f64());
        seconds.map_or(MIN_WAIT, |seconds| {
            Duration::from_secs_f64(seconds.clamp(bounds.0, bounds.1))
        })
    }

    fn failure(&self, token: &Secret) -> Failure {
        let (kind, hint) = match self.status {
            300..=399 => (
                FailureKind::UnexpectedAnswer,
                " (a redirect, which is not followed: is the base_url right?)",
            ),
            400 | 413 => (FailureKind::BadRequest, ""),
            401 | 404 => (
                FailureKind::Unauthorized,
                " (are the token and the base_url right?)",
            ),
            403 => (FailureKind::Forbidden, ""),
            429 => (FailureKind::RateLimited, ""),
            500..=599 => (FailureKind::ServerError, ""),
            _ => (FailureKind::UnexpectedAnswer, ""),
        };
        let description = match self.json["description"].as_str() {
            Some(description) => format!(": {description}"),
            None => String::new(),
        };
        let message = format!("Telegram answered {}{hint}{description}", self.status);
        http::failure(kind, &message, token)
    }
}
