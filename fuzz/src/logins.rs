//! What servers say while a client logs in.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{ApiKey, ApiVersionsResponse};
use kafka_protocol::protocol::Encodable;
use payment_notifier::Error;
use payment_notifier::net::sasl::scram::{ClientFirst, ITERATIONS, ServerFinal, ServerFirst};
use payment_notifier::net::sasl::{Hash, Login, Sasl, Token, TokenSource, Tokens};
use payment_notifier::net::{Connection, ConnectionConfig, Security};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::Instant;

const PASSWORD: &str = "hunter2";
/// More are allowed and would only make the fuzzer slow.
const MOST_ITERATIONS: u32 = *ITERATIONS.start();
/// An error is for a person to read.
const LONGEST_ERROR: usize = 1000;

/// A byte that says which mechanism, then the server's messages, each with a byte for its length
/// before it.
pub fn sasl(data: &[u8]) {
    let [how, messages @ ..] = data else {
        return;
    };
    let messages = split(messages);
    match how % 5 {
        0 => scram(Hash::Sha256, &messages),
        1 => scram(Hash::Sha512, &messages),
        2 => conversation(Sasl::Plain(login().into()), *how, &messages),
        3 => conversation(Sasl::Scram(Hash::Sha256, login().into()), *how, &messages),
        _ => conversation(Sasl::OauthBearer(Tokens::new(Fixed)), *how, &messages),
    }
}

fn split(mut data: &[u8]) -> Vec<&[u8]> {
    let mut messages = Vec::new();
    while let [length, rest @ ..] = data {
        let (message, after) = rest.split_at(rest.len().min((*length).into()));
        messages.push(message);
        data = after;
    }
    messages
}

/// To a server that was not told it is a word as any other, and shown as such.
fn says_it(message: &[u8]) -> bool {
    String::from_utf8_lossy(message).contains(PASSWORD)
}

fn login() -> Login {
    Login {
        username: "alice".to_owned(),
        password: PASSWORD.into(),
    }
}

/// A challenge and a last word, with a nonce that is no secret, so that a challenge can go on
/// from it.
fn scram(hash: Hash, messages: &[&[u8]]) {
    if messages.iter().any(|message| says_it(message)) {
        return;
    }
    let mut messages = messages.iter().copied();
    let challenge = messages.next().unwrap_or_default();
    match ServerFirst::parse(challenge) {
        Ok(first) if ITERATIONS.contains(&first.iterations) => {
            assert!(!first.salt.is_empty());
            if first.iterations > MOST_ITERATIONS {
                return;
            }
        }
        _ => {}
    }
    let first = ClientFirst::new(hash, &login(), "nonce".to_owned()).expect("a plain password");
    let last = match first.answer(challenge) {
        Ok(last) => last,
        Err(error) => return is_fit_to_read(&error),
    };
    assert!(last.message().starts_with("c=biws,r=nonce"));
    let verdict = messages.next().unwrap_or_default();
    match last.verify(verdict) {
        Ok(()) => {
            let bytes = match hash {
                Hash::Sha256 => 32,
                Hash::Sha512 => 64,
            };
            let parsed = ServerFinal::parse(verdict);
            assert!(matches!(parsed, Ok(ServerFinal::Signature(it)) if it.len() == bytes));
        }
        Err(error) => is_fit_to_read(&error),
    }
}

/// A whole login, with a server whose answers to SaslHandshake and then to SaslAuthenticate are
/// these. The first byte says in which version the latter is spoken, too.
fn conversation(sasl: Sasl, how: u8, messages: &[&[u8]]) {
    // It answers the handshake before it is told anything.
    if messages.first().is_some_and(|message| says_it(message)) {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_time().build().expect("a runtime");
    let config = ConnectionConfig {
        client_id: Arc::from("fuzz"),
        max_frame_bytes: 1 << 16,
        max_idle: Duration::from_secs(60),
        security: Security {
            tls: None,
            sasl: Some(sasl),
        },
        traffic: Arc::default(),
    };
    let (ours, theirs) = duplex(1 << 12);
    let deadline = Instant::now() + Duration::from_secs(60);
    let opened = runtime.block_on(async {
        let client = Connection::open(Box::new(ours), Arc::from("peer"), &config, deadline);
        let server = async {
            // It closes when it has said everything; the client need not hear it all.
            serve(theirs, i16::from(how / 5 % 3), messages).await;
            std::future::pending().await
        };
        tokio::select! {
            opened = client => opened,
            never = server => never,
        }
    });
    if let Err(error) = opened {
        is_fit_to_read(&error);
    }
}

async fn serve(mut stream: DuplexStream, version: i16, messages: &[&[u8]]) {
    let mut versions = Vec::new();
    every_version(version)
        .encode(&mut versions, 3)
        .expect("it has the version");
    for message in [&versions[..]].iter().chain(messages) {
        let Ok(length) = stream.read_u32().await else {
            return;
        };
        let mut request = vec![0; length as usize];
        if stream.read_exact(&mut request).await.is_err() {
            return;
        }
        let correlation_id = &request[4..8];
        let length = u32::try_from(message.len() + 4).expect("a short message");
        let answer = [&length.to_be_bytes()[..], correlation_id, message].concat();
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

fn every_version(of_authenticate: i16) -> ApiVersionsResponse {
    let apis = (0..100).filter_map(|key| ApiKey::try_from(key).ok());
    let versions = apis.map(|api| {
        let range = api.valid_versions();
        let max = match api {
            ApiKey::SaslAuthenticate => of_authenticate,
            _ => range.max,
        };
        ApiVersion::default()
            .with_api_key(api as i16)
            .with_min_version(range.min)
            .with_max_version(max)
    });
    ApiVersionsResponse::default().with_api_keys(versions.collect())
}

#[derive(Debug)]
struct Fixed;

impl TokenSource for Fixed {
    fn token(&self) -> Pin<Box<dyn Future<Output = Result<Token, Error>> + Send + '_>> {
        let token = Token {
            value: PASSWORD.into(),
            extensions: Vec::new(),
        };
        Box::pin(async { Ok(token) })
    }
}

/// One line of a bounded length, without the password.
fn is_fit_to_read(error: &dyn std::fmt::Display) {
    let text = error.to_string();
    assert!(!text.contains(PASSWORD), "{text}");
    assert!(!text.contains(char::is_control), "{text:?}");
    assert!(text.len() <= LONGEST_ERROR, "{} bytes", text.len());
}
