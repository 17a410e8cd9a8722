//! A stand-in for the Telegram Bot API: real HTTP on a loopback port. It answers by the script, and
//! keeps a record of its calls.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::evidence::{Call, split_retry};
use super::script::{Answer, Fate, Script};
use crate::{Error, ErrorKind};

/// The bot's token; nobody else's.
pub(super) const TOKEN: &str = "123456:of-the-demo";
/// The chat.
pub(super) const CHAT_ID: &str = "@payments";

/// A running stand-in; it ends when it is dropped.
#[derive(Debug)]
pub(super) struct StandIn {
    url: String,
    record: Arc<Mutex<Record>>,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct Record {
    /// What befalls the payment of each text, and its calls so far.
    scripts: HashMap<String, (Fate, u32)>,
    calls: Vec<Call>,
}

#[derive(Deserialize)]
struct SendMessage {
    text: String,
}

impl StandIn {
    /// Starts it on a free port.
    ///
    /// # Errors
    ///
    /// Where there is none.
    pub(super) async fn start(script: &Script) -> Result<Self, Error> {
        let failed = |error| {
            let doing = "Telegram's stand-in can't listen on 127.0.0.1";
            Error::caused(ErrorKind::Connection, doing, error)
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let record = Arc::new(Mutex::new(Record::new(script)));
        let api = Router::new()
            .route("/{bot}/getMe", get(get_me).post(get_me))
            .route("/{bot}/sendMessage", post(send_message))
            .with_state(record.clone());
        let server = tokio::spawn(async move {
            // It serves until it is aborted.
            let _ = axum::serve(listener, api).await;
        });
        Ok(Self {
            url: format!("http://{address}"),
            record,
            server,
        })
    }

    /// Its address, to be used in place of `https://api.telegram.org`.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Its record, in the order of the calls.
    pub(super) fn calls(&self) -> Vec<Call> {
        let record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        record.calls.clone()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Record {
    fn new(script: &Script) -> Self {
        let scripts = script.payments.iter();
        let scripts = scripts.filter_map(|it| Some((it.text.clone()?, (it.fate, 0))));
        Self {
            scripts: scripts.collect(),
            calls: Vec::new(),
        }
    }

    /// Finds the answer to a call, and keeps both.
    fn call(&mut self, text: String) -> Answer {
        let answer = match self.scripts.get_mut(split_retry(&text).0) {
            Some((fate, calls)) => {
                *calls += 1;
                fate.answer(*calls - 1)
            }
            None => Answer::Taken,
        };
        self.calls.push(Call { text, answer });
        answer
    }
}

async fn get_me(Path(bot): Path<String>) -> Response {
    if !is_known(&bot) {
        return refusal(StatusCode::UNAUTHORIZED, "Unauthorized");
    }
    let me = json!({"id": 123_456, "is_bot": true, "first_name": "Demo"});
    Json(json!({"ok": true, "result": me})).into_response()
}

async fn send_message(
    State(record): State<Arc<Mutex<Record>>>,
    Path(bot): Path<String>,
    Json(message): Json<SendMessage>,
) -> Response {
    if !is_known(&bot) {
        return refusal(StatusCode::UNAUTHORIZED, "Unauthorized");
    }
    let answer = {
        let mut record = record.lock().unwrap_or_else(PoisonError::into_inner);
        record.call(message.text)
    };
    match answer {
        Answer::Taken => Json(json!({"ok": true, "result": {"message_id": 1}})).into_response(),
        Answer::Unavailable => refusal(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
        Answer::BadRequest => {
            let description = "Bad Request: can't parse entities";
            refusal(StatusCode::BAD_REQUEST, description)
        }
        Answer::RetryAfter(wait) => {
            let seconds = wait.as_secs();
            let description = format!("Too Many Requests: retry after {seconds}");
            let parameters = json!({"retry_after": seconds});
            let error = json!({"ok": false, "error_code": 429, "description": description, "parameters": parameters});
            (StatusCode::TOO_MANY_REQUESTS, Json(error)).into_response()
        }
        // Until whoever asked hangs up.
        Answer::Nothing => std::future::pending().await,
    }
}

fn is_known(bot: &str) -> bool {
    bot.strip_prefix("bot") == Some(TOKEN)
}

fn refusal(status: StatusCode, description: &str) -> Response {
    let code = status.as_u16();
    let error = json!({"ok": false, "error_code": code, "description": description});
    (status, Json(error)).into_response()
}
