//! The [Telegram Bot API](https://core.telegram.org/bots/api) as a sink: a message is one
//! `sendMessage` to one chat.
//!
//! # Invariants
//!
//! - The token is part of every address. It is in no failure, log line or `Debug`.
//! - A token stays until a probe finds another in its file: probes are made while the sink is down.
//! - One delivery makes one request, and a second one only where Telegram says that the chat has
//!   moved. There is no idempotency key, so nothing else may be sent twice.

mod answer;
mod bot;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use reqwest::{Client, Url};
use serde::Serialize;
use tracing::{info, warn};

use self::answer::Outcome;
use self::bot::Bot;
use super::http;
use super::{Failure, FailureKind, Message, SetupError, Sink, Verdict};
use crate::secret::{Secret, SecretSource};

/// Where and how to send.
#[derive(Clone, Debug)]
pub struct TelegramConfig {
    /// The API's address, `https://api.telegram.org` for Telegram's own.
    pub base_url: String,
    /// The bot's token.
    pub token: Secret,
    /// The file that the token is from, where it is from one: each [`Sink::probe`] looks there for
    /// another, as one that was revoked is replaced.
    pub token_file: Option<PathBuf>,
    /// The chat: its number, or `@name` of a public channel.
    pub chat_id: String,
    /// The limit for one delivery from connecting to the end of the answer.
    pub timeout: Duration,
}

/// Sends messages to a Telegram chat. Shared: deliveries may run side by side.
pub struct Telegram {
    client: Client,
    base_url: Url,
    bot: Mutex<Arc<Bot>>,
    token_file: Option<SecretSource>,
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
        let base_url = base_url(&config.base_url)?;
        Ok(Self {
            client: http::client(&base_url, config.timeout)?,
            bot: Mutex::new(Arc::new(Bot::new(&base_url, config.token)?)),
            base_url,
            token_file: config.token_file.map(SecretSource::File),
            timeout: config.timeout,
            chat_id: Mutex::new(config.chat_id),
        })
    }

    async fn send(&self, chat_id: &str, text: &str, timeout: Duration) -> Outcome {
        let bot = self.bot();
        let request = self
            .client
            .post(bot.send_url.clone())
            .timeout(timeout)
            .json(&SendMessage { chat_id, text });
        match http::exchange(request, &bot.token).await {
            Ok(answer) => answer::outcome(answer, &bot.token),
            Err(no_answer) => Outcome::Final(no_answer.into()),
        }
    }

    fn bot(&self) -> Arc<Bot> {
        lock(&self.bot).clone()
    }

    /// Takes the token that is in its file now. Where there is none that could be one, the other
    /// stays.
    async fn look_for_another_token(&self) {
        let Some(file) = &self.token_file else {
            return;
        };
        let found = match file.read().await {
            Ok(token) if token == self.bot().token => return,
            Ok(token) => Bot::new(&self.base_url, token).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match found {
            Ok(bot) => {
                info!("there is another token in its file; it is used from now on");
                *lock(&self.bot) = Arc::new(bot);
            }
            Err(error) => warn!(%error, "no other token is in its file"),
        }
    }

    fn chat_id(&self) -> String {
        lock(&self.chat_id).clone()
    }

    /// Remembers where a chat went. Deliveries side by side all learn of it; one of them says so.
    fn chat_moved(&self, from: &str, to: i64) -> String {
        let to = to.to_string();
        let mut chat_id = lock(&self.chat_id);
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
        self.look_for_another_token().await;
        let bot = self.bot();
        let request = self.client.get(bot.probe_url.clone()).timeout(self.timeout);
        match http::exchange(request, &bot.token).await {
            Ok(answer) => answer::probe(&answer, &bot.token),
            Err(no_answer) => Err(no_answer.failure),
        }
    }
}

/// Shows no address: they hold the token.
impl fmt::Debug for Telegram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telegram")
            .field("token_file", &self.token_file)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

fn check(config: &TelegramConfig) -> Result<(), SetupError> {
    if config.chat_id.trim().is_empty() {
        return Err(SetupError::new("the chat_id is empty"));
    }
    if config.timeout.is_zero() {
        return Err(SetupError::new("the timeout is zero"));
    }
    Ok(())
}

fn base_url(text: &str) -> Result<Url, SetupError> {
    let invalid = |problem: &str| SetupError::new(format!("the base_url {problem}"));
    let base = Url::parse(text).map_err(|error| invalid(&format!("is not an address: {error}")))?;
    if !matches!(base.scheme(), "http" | "https") {
        return Err(invalid("is neither http:// nor https://"));
    }
    if base.query().is_some() || base.fragment().is_some() {
        return Err(invalid("must end with its path: no ? and no #"));
    }
    if !base.username().is_empty() || base.password().is_some() {
        return Err(invalid("must not hold a user or password"));
    }
    Ok(base)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
