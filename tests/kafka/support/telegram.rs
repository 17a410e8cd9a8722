//! A stand-in for the Telegram Bot API, on the loopback interface.
//!
//! It answers as Telegram does, unless a test tells it otherwise, and keeps what it was sent.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::wait_until;

/// The bot's token.
pub(crate) const TOKEN: &str = "123456:stand-in-token";
/// The chat to send to; any other is "not found".
pub(crate) const CHAT_ID: &str = "-1001234567890";

/// The longest text that Telegram takes, in characters.
const LONGEST_TEXT: usize = 4096;

/// One call of `sendMessage`.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    /// Its number among all, from 0.
    pub(crate) nth: usize,
    /// How often the same text had been sent before.
    pub(crate) repeats: usize,
    pub(crate) chat_id: String,
    pub(crate) text: String,
    pub(crate) at: Instant,
    pub(crate) answer: Answer,
}

/// What a call gets.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    /// An HTTP status with a JSON body.
    Json(u16, Value),
    /// The request is read, and nothing comes.
    Never,
    /// The request is read, and the connection closed.
    Drop,
    /// The request is read, and answered as by Telegram after [`Telegram::release`].
    Held,
}

impl Answer {
    /// Telegram took the message.
    pub(crate) fn ok() -> Self {
        Self::Json(200, json!({"ok": true, "result": {"message_id": 1}}))
    }

    /// True where Telegram takes the message, now or when it is released.
    pub(crate) fn is_ok(&self) -> bool {
        matches!(self, Self::Json(200, _) | Self::Held)
    }

    /// Telegram refuses, in its own form.
    pub(crate) fn error(status: u16, description: &str) -> Self {
        let body = json!({"ok": false, "error_code": status, "description": description});
        Self::Json(status, body)
    }

    /// Telegram asks to slow down.
    pub(crate) fn retry_after(seconds: u64) -> Self {
        let description = format!("Too Many Requests: retry after {seconds}");
        Self::with(429, &description, json!({"retry_after": seconds}))
    }

    /// The chat has become another.
    pub(crate) fn migrated_to(chat_id: i64) -> Self {
        let description = "Bad Request: group chat was upgraded to a supergroup chat";
        Self::with(400, description, json!({"migrate_to_chat_id": chat_id}))
    }

    fn with(status: u16, description: &str, parameters: Value) -> Self {
        let Self::Json(status, mut body) = Self::error(status, description) else {
            unreachable!("an error is JSON")
        };
        body["parameters"] = parameters;
        Self::Json(status, body)
    }

    async fn into_response(self) -> Response {
        match self {
            Self::Json(status, body) => {
                let status = StatusCode::from_u16(status).expect("a test's status is one");
                (status, Json(body)).into_response()
            }
            Self::Never | Self::Held => std::future::pending().await,
            // Ends the connection's task without a word from the panic hook.
            Self::Drop => std::panic::resume_unwind(Box::new("dropped")),
        }
    }
}

type Rule = Box<dyn Fn(&Sent) -> Option<Answer> + Send>;

/// A running stand-in; it ends when it is dropped.
pub(crate) struct Telegram {
    url: String,
    bot: Arc<Bot>,
    sent: watch::Receiver<Vec<Sent>>,
    server: JoinHandle<()>,
}

struct Bot {
    revoked: AtomicBool,
    released: watch::Sender<bool>,
    probes: watch::Sender<Vec<Instant>>,
    rules: Mutex<Vec<Rule>>,
    sent: watch::Sender<Vec<Sent>>,
}

impl Telegram {
    /// Starts a stand-in.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        Self::start_on(listener.expect("a port is free"))
    }

    /// Starts a stand-in that listens already.
    pub(crate) fn start_on(listener: TcpListener) -> Self {
        let (sender, sent) = watch::channel(Vec::new());
        let bot = Arc::new(Bot {
            revoked: AtomicBool::new(false),
            released: watch::channel(false).0,
            probes: watch::channel(Vec::new()).0,
            rules: Mutex::default(),
            sent: sender,
        });
        let methods = Router::new()
            .route("/{bot}/getMe", get(get_me).post(get_me))
            .route("/{bot}/sendMessage", post(send_message))
            .with_state(Arc::clone(&bot));
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let server = tokio::spawn(async move {
            let served = axum::serve(listener, methods).await;
            served.expect("axum serves for ever");
        });
        Self {
            url: format!("http://{address}"),
            bot,
            sent,
            server,
        }
    }

    /// The base URL.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Answers the calls that satisfy a condition differently. Of several rules the latest counts.
    pub(crate) fn answer(&self, when: impl Fn(&Sent) -> bool + Send + 'static, then: Answer) {
        let rule: Rule = Box::new(move |call| when(call).then(|| then.clone()));
        self.rules().push(rule);
    }

    /// Forgets the rules.
    pub(crate) fn answer_as_telegram(&self) {
        self.rules().clear();
    }

    fn rules(&self) -> std::sync::MutexGuard<'_, Vec<Rule>> {
        self.bot
            .rules
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers the calls that are held, and those to come at once.
    pub(crate) fn release(&self) {
        self.bot.released.send_replace(true);
    }

    /// Refuses the token from now on (401), or takes it again.
    pub(crate) fn revoke_token(&self, revoked: bool) {
        self.bot.revoked.store(revoked, Ordering::Relaxed);
    }

    /// The calls of `sendMessage` so far, in order, whatever they got.
    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.sent.borrow().clone()
    }

    /// Waits until `getMe` was called this often, whatever it got.
    pub(crate) async fn wait_for_probes(&self, count: usize) {
        let probes = self.bot.probes.subscribe();
        let enough = |probes: &[Instant]| (probes.len() >= count).then_some(());
        wait_until(&probes, &format!("{count} probes"), enough).await;
    }

    /// Waits for this many calls, and returns all there are.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Sent> {
        self.wait_until(&format!("{count} sends"), |sent| {
            (sent.len() >= count).then(|| sent.to_vec())
        })
        .await
    }

    /// Waits until the calls satisfy `find`, and returns what it found.
    pub(crate) async fn wait_until<R>(
        &self,
        what: &str,
        find: impl FnMut(&[Sent]) -> Option<R>,
    ) -> R {
        wait_until(&self.sent, what, find).await
    }
}

impl Drop for Telegram {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Bot {
    fn refuses(&self, path: &str) -> Option<Answer> {
        let token = path.strip_prefix("bot");
        let known = token == Some(TOKEN) && !self.revoked.load(Ordering::Relaxed);
        (!known).then(|| Answer::error(401, "Unauthorized"))
    }

    async fn released(&self) -> Answer {
        let mut released = self.released.subscribe();
        // The sender is this very bot's.
        let _ = released.wait_for(|released| *released).await;
        Answer::ok()
    }

    /// Finds the answer to a call, and keeps both.
    fn receive(&self, path: &str, chat_id: String, text: String) -> Answer {
        let mut answer = Answer::ok();
        self.sent.send_modify(|sent| {
            let mut call = Sent {
                nth: sent.len(),
                repeats: sent.iter().filter(|call| call.text == text).count(),
                chat_id,
                text,
                at: Instant::now(),
                answer: Answer::ok(),
            };
            let rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
            let scripted = || rules.iter().rev().find_map(|rule| rule(&call));
            let found = self.refuses(path).or_else(scripted);
            answer = found.unwrap_or_else(|| as_telegram(&call));
            call.answer = answer.clone();
            sent.push(call);
        });
        answer
    }
}

fn as_telegram(call: &Sent) -> Answer {
    match call.text.chars().count() {
        _ if call.chat_id != CHAT_ID => Answer::error(400, "Bad Request: chat not found"),
        0 => Answer::error(400, "Bad Request: message text is empty"),
        1..=LONGEST_TEXT => Answer::ok(),
        _ => Answer::error(400, "Bad Request: message is too long"),
    }
}

async fn get_me(State(bot): State<Arc<Bot>>, Path(path): Path<String>) -> Response {
    bot.probes.send_modify(|probes| probes.push(Instant::now()));
    let me = json!({"ok": true, "result": {"id": 123_456, "is_bot": true, "first_name": "Bot"}});
    let answer = bot.refuses(&path).unwrap_or(Answer::Json(200, me));
    answer.into_response().await
}

async fn send_message(
    State(bot): State<Arc<Bot>>,
    Path(path): Path<String>,
    Json(body): Json<Value>,
) -> Response {
    let chat_id = match &body["chat_id"] {
        Value::String(name) => name.clone(),
        number => number.to_string(),
    };
    let text = body["text"].as_str().unwrap_or_default().to_owned();
    let answer = match bot.receive(&path, chat_id, text) {
        Answer::Held => bot.released().await,
        answer => answer,
    };
    answer.into_response().await
}
