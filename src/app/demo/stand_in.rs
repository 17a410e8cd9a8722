//! A stand-in for the Telegram Bot API: real HTTP on a loopback port. It answers by the script, and
//! keeps a record of its calls.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::{Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use super::evidence::{Call, split_retry};
use super::script::{Answer, Fate, Script};
use crate::app::conversation::{Answering, converse};
use crate::{Error, ErrorKind};

/// The bot's token; nobody else's.
pub(super) const TOKEN: &str = "123456:of-the-demo";
/// The chat.
pub(super) const CHAT_ID: &str = "@payments";

const MAX_BODY_BYTES: usize = 1 << 20;
/// The pause after a connection that could not be accepted: the process has no file left for it.
const PAUSE: Duration = Duration::from_millis(100);

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
        Ok(Self {
            url: format!("http://{address}"),
            server: tokio::spawn(serve(listener, record.clone())),
            record,
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

/// Serves until it is dropped.
async fn serve(listener: TcpListener, record: Arc<Mutex<Record>>) {
    let answering: Answering = Arc::new(move |request| {
        let record = record.clone();
        Box::pin(async move { answer(&record, request).await })
    });
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(converse(stream, http1::Builder::new(), answering.clone()));
                }
                Err(_) => sleep(PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn answer(record: &Mutex<Record>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    let asked = path.strip_prefix("/bot").and_then(|it| it.split_once('/'));
    match asked {
        Some((TOKEN, "getMe")) => {
            let me = json!({"id": 123_456, "is_bot": true, "first_name": "Demo"});
            respond(StatusCode::OK, &json!({"ok": true, "result": me}))
        }
        Some((TOKEN, "sendMessage")) if request.method() == Method::POST => {
            send_message(record, request.into_body()).await
        }
        Some((TOKEN, _)) | None => refusal(StatusCode::NOT_FOUND, "Not Found"),
        Some(_) => refusal(StatusCode::UNAUTHORIZED, "Unauthorized"),
    }
}

async fn send_message(record: &Mutex<Record>, body: Incoming) -> Response<Full<Bytes>> {
    let body = Limited::new(body, MAX_BODY_BYTES).collect().await;
    let message = body
        .ok()
        .map(|body| serde_json::from_slice(&body.to_bytes()));
    let Some(Ok(SendMessage { text })) = message else {
        return refusal(StatusCode::BAD_REQUEST, "Bad Request: no message");
    };
    let answer = {
        let mut record = record.lock().unwrap_or_else(PoisonError::into_inner);
        record.call(text)
    };
    match answer {
        Answer::Taken => {
            let message = json!({"message_id": 1});
            respond(StatusCode::OK, &json!({"ok": true, "result": message}))
        }
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
            respond(StatusCode::TOO_MANY_REQUESTS, &error)
        }
        // Until whoever asked hangs up.
        Answer::Nothing => std::future::pending().await,
    }
}

fn refusal(status: StatusCode, description: &str) -> Response<Full<Bytes>> {
    let code = status.as_u16();
    let error = json!({"ok": false, "error_code": code, "description": description});
    respond(status, &error)
}

fn respond(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body.to_string()));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}
