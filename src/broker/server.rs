//! The sockets: one listener a node, one task a connection.
//!
//! The requests of a connection are handled one after the other, as Kafka does: one that waits
//! holds up those behind it.

use std::io;
use std::sync::{Arc, Mutex};

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, RequestHeader};
use kafka_protocol::protocol::Decodable;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::api::{self, Call, Reply};
use super::faults::{Action, Request};
use super::listeners::Acceptor;
use super::sasl::{Admission, Login, locked};
use super::state::Shared;
use crate::net::Stream;
use crate::wire::{ErrorCode, frame};

/// Where an answer's body begins, after its length and its correlation id.
const BODY_AT: usize = 8;

/// Where a connection comes in.
#[derive(Clone, Debug)]
pub(super) struct Entrance {
    pub(super) node: i32,
    /// Its place in the configuration.
    pub(super) listener: usize,
    /// TLS, where the listener has that.
    pub(super) acceptor: Option<Acceptor>,
}

/// Accepts connections until dropped; all that were accepted end then too.
pub(super) async fn listen(shared: Arc<Shared>, entrance: Entrance, listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    // Answers are written whole: there is nothing to wait for.
                    let _ = stream.set_nodelay(true);
                    connections.spawn(serve(shared.clone(), entrance.clone(), Box::new(stream)));
                }
                Err(error) => {
                    let node = entrance.node;
                    tracing::warn!(node, %error, "a connection could not be accepted");
                    // Out of file descriptors, as a rule: some have to be given back first.
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Serves one connection until it ends.
pub(super) async fn serve(shared: Arc<Shared>, entrance: Entrance, stream: Box<dyn Stream>) {
    let Some(tls) = &entrance.acceptor else {
        return talk(&shared, &entrance, stream).await;
    };
    match tls.accept(stream).await {
        Ok(stream) => talk(&shared, &entrance, stream).await,
        Err(error) => tracing::debug!(node = entrance.node, %error, "no TLS"),
    }
}

/// Answers what is asked, one request after the other.
async fn talk(shared: &Shared, entrance: &Entrance, mut stream: Box<dyn Stream>) {
    let node = entrance.node;
    let login = Mutex::new(shared.login_by(entrance.listener));
    let mut input = BytesMut::new();
    loop {
        let request = match next_request(shared, &mut stream, &mut input).await {
            Ok(Some(request)) => request,
            Ok(None) => return,
            Err(error) => {
                tracing::debug!(node, %error, "connection closed");
                return;
            }
        };
        shared.until_resumed(node).await;
        let (bytes, goes_on) = match answer(shared, entrance, &login, request).await {
            Ok(answered) => answered,
            Err(error) => {
                tracing::debug!(node, %error, "connection closed");
                return;
            }
        };
        shared.until_resumed(node).await;
        if send(&mut stream, &bytes).await.is_err() || !goes_on {
            let _ = stream.shutdown().await;
            return;
        }
    }
}

/// The next frame; none where the client has closed the connection between two.
async fn next_request(
    shared: &Shared,
    stream: &mut dyn Stream,
    input: &mut BytesMut,
) -> io::Result<Option<Bytes>> {
    loop {
        let limit = shared.config.socket_request_max_bytes;
        if let Some(request) = frame::split(input, limit).map_err(invalid)? {
            return Ok(Some(request));
        }
        if stream.read_buf(input).await? == 0 {
            let whole = input.is_empty();
            return whole
                .then_some(None)
                .ok_or_else(|| io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// TLS keeps some back otherwise.
async fn send(stream: &mut dyn Stream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

/// What to send, and whether the connection goes on after that: to a request, or to a message of
/// a login by SaslHandshake version 0.
async fn answer(
    shared: &Shared,
    entrance: &Entrance,
    login: &Mutex<Login>,
    frame: Bytes,
) -> io::Result<(Bytes, bool)> {
    if locked(login).takes_bare_message() {
        let answer = shared.authenticate(login, &frame);
        answer.code.ok().map_err(|code| invalid(code.to_string()))?;
        let mut bytes = BytesMut::new();
        bytes.put_u32(u32::try_from(answer.message.len()).map_err(invalid)?);
        bytes.put_slice(answer.message.as_bytes());
        return Ok((bytes.freeze(), true));
    }
    let (bytes, goes_on) = handle(shared, entrance, login, frame).await?;
    Ok((bytes, goes_on && !locked(login).is_refused()))
}

/// Handles a request: what to send (nothing, where there is no answer) and whether the
/// connection goes on after that.
async fn handle(
    shared: &Shared,
    entrance: &Entrance,
    login: &Mutex<Login>,
    mut body: Bytes,
) -> io::Result<(Bytes, bool)> {
    let node = entrance.node;
    let (api, version) = api_and_version(&body)?;
    let header = RequestHeader::decode(&mut body, api.request_header_version(version));
    let header = header.map_err(invalid)?;
    let call = Call {
        shared,
        node,
        listener: entrance.listener,
        api,
        version,
        correlation_id: header.correlation_id,
        client_id: header.client_id.unwrap_or_default(),
        login,
    };
    tracing::trace!(node, ?api, version, client_id = %call.client_id);
    let fate = shared.faults.fate(&Request {
        api,
        version,
        node,
        client_id: call.client_id.to_string(),
    });
    match locked(login).admits(api, shared.clock.now()) {
        Admission::Admitted => {}
        Admission::Refused(code) => return refuse(&call, body, code),
        Admission::Closed => return Err(invalid(format!("{api:?} without a login"))),
    }
    if !fate.delay.is_zero() {
        let until = shared.clock.now() + fate.delay;
        shared.clock.sleep_until(until).await;
    }
    let reply = match fate.action {
        Some(Action::DropBefore) => return Ok((Bytes::new(), false)),
        Some(Action::Error(code)) => api::refuse(&call, body, code)?,
        _ => api::handle(&call, body).await?,
    };
    let answer = match reply {
        Reply::Answer(answer) => answer,
        Reply::Silence => return Ok((Bytes::new(), fate.action != Some(Action::DropAfter))),
        Reply::Close => return Ok((Bytes::new(), false)),
    };
    Ok(match fate.action {
        Some(Action::DropAfter) => (Bytes::new(), false),
        Some(Action::Cut(after)) => (answer.slice(..after.min(answer.len())), false),
        Some(Action::Corrupt(at)) => (corrupted(&answer, at), true),
        _ => (answer, true),
    })
}

/// The answer is the last.
fn refuse(call: &Call<'_>, body: Bytes, code: ErrorCode) -> io::Result<(Bytes, bool)> {
    let last = match api::refuse(call, body, code)? {
        Reply::Answer(answer) => answer,
        Reply::Silence | Reply::Close => Bytes::new(),
    };
    Ok((last, false))
}

fn api_and_version(frame: &[u8]) -> io::Result<(ApiKey, i16)> {
    let [a, b, c, d] = *frame
        .first_chunk()
        .ok_or_else(|| invalid("a frame without a header"))?;
    let key = i16::from_be_bytes([a, b]);
    let api = ApiKey::try_from(key).map_err(|()| invalid(format!("there is no API {key}")))?;
    Ok((api, i16::from_be_bytes([c, d])))
}

fn corrupted(answer: &[u8], at: usize) -> Bytes {
    let mut answer = BytesMut::from(answer);
    let body = answer.len().saturating_sub(BODY_AT);
    if let Some(at) = at.checked_rem(body) {
        answer[BODY_AT + at] ^= 1;
    }
    answer.freeze()
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
