//! The [Telegram Bot API](https://core.telegram.org/bots/api) as a sink: a message is one
//! `sendMessage` to one chat.
//!
//! # Invariants
//!
//! - The token is part of every address. It is in no failure, log line or `Debug`.
//! - One delivery makes one request, and a second one only where Telegram says that the chat has
//!   moved. There is no idempotency key, so nothing else may be sent twice.

mod answer;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::{Client, Url};
use serde::Serialize;
use tracing::warn;

use self::answer::Outcome;
use super::http;
use super::{Failure, FailureKind, Message, SetupError, Sink, Verdict};
use crate::secret::Secret;

/// Where and how to send.
#[derive(Clone, Debug)]
pub struct TelegramConfig {
    /// The API's address, `https://api.telegram.org` for Telegram's own.
    pub base_url: String,
    /// The bot's token.
    pub token: Secret,
    /// The chat: its number, or `@name` of a public channel.
    pub chat_id: String,
    /// The limit for one delivery from connecting to the end of the answer.
    pub timeout: Duration,
}

/// Sends messages to a Telegram chat. Shared: deliveries may run side by side.
pub struct Telegram {
    client: Client,
    send_url: Url,
    probe_url: Url,
    token: Secret,
    timeout: Duration,
    /// The chat, which moves when a group becomes a supergroup.
    chat_id: Mutex<String>,
}

#[derive(Serialize)]
struct SendMessage<'a> {
    chat_id: &'a str,
    text: &'a str,
}

impl Telegram {
    /// Makes the sink; connects to nothing.
    ///
    /// # Errors
    ///
    /// An address that is not `http` or `https`, a token with characters that no token has, an
    /// empty chat, a time limit of zero, and `https` on a CPU that can't do it.
    pub fn new(config: TelegramConfig) -> Result<Self, SetupError> {
        check(&config)?;
        let send_url = method_url(&config, "sendMessage")?;
        Ok(Self {
            client: http::client(&send_url, config.timeout)?,
            send_url,
            probe_url: method_url(&config, "getMe")?,
            token: config.token,
            timeout: config.timeout,
            chat_id: Mutex::new(config.chat_id),
        })
    }

    async fn send(&self, chat_id: &str, text: &str, timeout: Duration) -> Outcome {
        let request = self
            .client
            .post(self.send_url.clone())
            .timeout(timeout)
            .json(&SendMessage { chat_id, text });
        match http::exchange(request, &self.token).await {
            Ok(answer) => answer::outcome(answer, &self.token),
            Err(no_answer) => Outcome::Final(no_answer.into()),
        }
    }

    fn chat_id(&self) -> String {
        let chat_id = self.chat_id.lock().unwrap_or_else(PoisonError::into_inner);
        chat_id.clone()
    }

    /// Remembers where a chat went. Deliveries side by side all learn of it; one of them says so.
    fn chat_moved(&self, from: &str, to: i64) -> String {
        let to = to.to_string();
        let mut chat_id = self.chat_id.lock().unwrap_or_else(PoisonError::into_inner);
        if *chat_id != to {
            warn!(
                from,
                to, "the chat has moved: put its new chat_id into the configuration"
            );
            chat_id.clone_from(&to);
        }
        to
    }
}

impl Sink for Telegram {
    async fn deliver(&self, message: &Message) -> Verdict {
        let started = Instant::now();
        let chat_id = self.chat_id();
        let to = match self.send(&chat_id, &message.text, self.timeout).await {
            Outcome::Final(verdict) => return verdict,
            Outcome::Moved { to } => self.chat_moved(&chat_id, to),
        };
        let left = self.timeout.saturating_sub(started.elapsed());
        match self.send(&to, &message.text, left).await {
            Outcome::Final(verdict) => verdict,
            Outcome::Moved { to: next } => {
                self.chat_moved(&to, next);
                Verdict::Transient(Failure::new(
                    FailureKind::UnexpectedAnswer,
                    "the chat has moved twice during one delivery",
                ))
            }
        }
    }

    /// Asks Telegram who the bot is (`getMe`): it needs no more than a valid token, and any 200 will do.
    async fn probe(&self) -> Result<(), Failure> {
        let request = self
            .client
            .get(self.probe_url.clone())
            .timeout(self.timeout);
        match http::exchange(request, &self.token).await {
            Ok(answer) => answer::probe(&answer, &self.token),
            Err(no_answer) => Err(no_answer.failure),
        }
    }
}

/// Shows no address: they hold the token.
impl fmt::Debug for Telegram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telegram")
            .field("token", &self.token)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

fn check(config: &TelegramConfig) -> Result<(), SetupError> {
    let problem = if config.token.expose().is_empty() {
        "the token is empty"
    } else if !config.token.expose().chars().all(is_token_char) {
        "the token has characters that no token has: a line end or quotes perhaps"
    } else if config.chat_id.trim().is_empty() {
        "the chat_id is empty"
    } else if config.timeout.is_zero() {
        "the timeout is zero"
    } else {
        return Ok(());
    };
    Err(SetupError::new(problem))
}

/// Those that stand for themselves in an address (RFC 3986, section 2.3), and the token's colon.
fn is_token_char(char: char) -> bool {
    char.is_ascii_alphanumeric() || "-._~:".contains(char)
}

fn method_url(config: &TelegramConfig, method: &str) -> Result<Url, SetupError> {
    let invalid = |problem: &str| SetupError::new(format!("the base_url {problem}"));
    let base = Url::parse(&config.base_url)
        .map_err(|error| invalid(&format!("is not an address: {error}")))?;
    if !matches!(base.scheme(), "http" | "https") {
        return Err(invalid("is neither http:// nor https://"));
    }
    if base.query().is_some() || base.fragment().is_some() {
        return Err(invalid("must end with its path: no ? and no #"));
    }
    if !base.username().is_empty() || base.password().is_some() {
        return Err(invalid("must not hold a user or password"));
    }
    let base = base.as_str().trim_end_matches('/');
    Url::parse(&format!("{base}/bot{}/{method}", config.token.expose()))
        .map_err(|error| invalid(&format!("is not an address: {error}")))
}
