//! One HTTP request and its answer, and what it means when there is none.
//!
//! # Invariants
//!
//! - A secret that is part of an address is in no failure: error texts go without the address, and
//!   the secret is hidden in whatever remains.
//! - Of an answer at most [`MAX_BODY_BYTES`] are held.

use std::error::Error as _;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response, Url, header};

use super::{Failure, FailureKind, SetupError, Verdict};
use crate::secret::Secret;
use crate::tls::{TlsConfig, check_cpu};

const MAX_BODY_BYTES: usize = 64 * 1024;

/// Failures' texts are cut to this many characters.
const MAX_MESSAGE_CHARS: usize = 300;

/// A connection is made within this, or within half of a time limit that is shorter.
const MAX_CONNECT_TIME: Duration = Duration::from_secs(10);

/// An idle connection is kept for less than servers and NATs keep theirs: a request on one that
/// is just being closed has an unknown outcome.
const MAX_IDLE_TIME: Duration = Duration::from_secs(30);

/// What a server answered.
pub(super) struct Answer {
    pub(super) status: u16,
    /// The `Retry-After` header, where it is a text.
    pub(super) retry_after: Option<String>,
    /// The whole body, or why it could not be read.
    pub(super) body: Result<Vec<u8>, Failure>,
}

/// Why there is no answer.
pub(super) struct NoAnswer {
    /// True where there was a connection, so that the server may have got the request.
    pub(super) written: bool,
    pub(super) failure: Failure,
}

impl From<NoAnswer> for Verdict {
    fn from(no_answer: NoAnswer) -> Self {
        if no_answer.written {
            Self::Uncertain(no_answer.failure)
        } else {
            Self::Transient(no_answer.failure)
        }
    }
}

/// Makes a client for requests to `url` that get at most `timeout` each.
///
/// It keeps connections, speaks HTTP/1.1, obeys `HTTPS_PROXY` and its kin, keeps no cookies and
/// follows no redirect: an address with a secret in it must not be repeated to another host.
///
/// Connecting gets a part of the time only, so that whoever runs out of the whole has written
/// the request: then the outcome is unknown, before it is known to be none.
pub(super) fn client(url: &Url, timeout: Duration) -> Result<Client, SetupError> {
    if url.scheme() == "https" {
        check_cpu().map_err(|error| {
            let advice = "use an http:// address, of a proxy beside this process for instance";
            SetupError::new(format!("{error}; {advice}"))
        })?;
    }
    let tls = TlsConfig::default()
        .client_config()
        .map_err(|error| SetupError::new(format!("no TLS: {error}")))?;
    Client::builder()
        .tls_backend_preconfigured(tls)
        .http1_only()
        .redirect(Policy::none())
        .connect_timeout(MAX_CONNECT_TIME.min(timeout / 2))
        .pool_idle_timeout(MAX_IDLE_TIME)
        .user_agent(concat!(
            env!("CARGO_PKG_NAME"),
            "/",
            env!("CARGO_PKG_VERSION")
        ))
        .build()
        .map_err(|error| SetupError::new(format!("no HTTP client: {}", chain(error))))
}

/// Sends a request once, and reads the answer.
pub(super) async fn exchange(request: RequestBuilder, hidden: &Secret) -> Result<Answer, NoAnswer> {
    match request.send().await {
        Ok(response) => Ok(read(response, hidden).await),
        Err(error) if error.is_connect() => Err(NoAnswer {
            written: false,
            failure: failure(FailureKind::Unreachable, &chain(error), hidden),
        }),
        Err(error) => Err(NoAnswer {
            written: true,
            failure: interrupted(error, hidden),
        }),
    }
}

/// Makes a failure of a text from outside: one line of bounded length, without the secret.
pub(super) fn failure(kind: FailureKind, message: &str, hidden: &Secret) -> Failure {
    // Hidden before it is cut: half a secret would not be found.
    let message = hidden.redact(message).replace(char::is_control, " ");
    let message = match message.char_indices().nth(MAX_MESSAGE_CHARS) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message,
    };
    Failure::new(kind, message)
}

async fn read(mut response: Response, hidden: &Secret) -> Answer {
    let retry_after = response
        .headers()
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    Answer {
        status: response.status().as_u16(),
        retry_after,
        body: read_body(&mut response, hidden).await,
    }
}

async fn read_body(response: &mut Response, hidden: &Secret) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| interrupted(error, hidden))?
    {
        if body.len() + chunk.len() > MAX_BODY_BYTES {
            let message = format!("the answer is longer than {MAX_BODY_BYTES} bytes");
            return Err(Failure::new(FailureKind::UnexpectedAnswer, message));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The failure of an exchange whose request was written. An answer that is not HTTP counts as a
/// lost connection: nothing more can be read from it.
fn interrupted(error: reqwest::Error, hidden: &Secret) -> Failure {
    if error.is_timeout() {
        failure(
            FailureKind::Timeout,
            "no answer within the time limit",
            hidden,
        )
    } else {
        failure(FailureKind::ConnectionLost, &chain(error), hidden)
    }
}

/// An error and its causes in one line, without the address.
fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
