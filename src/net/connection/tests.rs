//! A connection against scripted peers, on a clock that jumps to what is waited for.

use std::collections::HashMap;

use bytes::{BufMut, BytesMut};
use futures_util::future::join_all;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{
    ApiVersionsResponse, FindCoordinatorRequest, FindCoordinatorResponse, MetadataRequest,
};
use kafka_protocol::protocol::StrBytes;
use tokio::io::{DuplexStream, duplex};

use super::task::MAX_UNDER_WAY;
use super::*;
use crate::net::testing::{Call, Reply, all_versions, serve};
use crate::net::throttle::LONGEST as LONGEST_THROTTLE;
use crate::wire::ErrorCode;

const SECOND: Duration = Duration::from_secs(1);

fn config() -> ConnectionConfig {
    ConnectionConfig {
        client_id: Arc::from("test"),
        max_frame_bytes: 1 << 20,
        max_idle: 60 * SECOND,
        security: Security::default(),
        traffic: Arc::default(),
    }
}

async fn open(stream: DuplexStream) -> Result<Connection, Error> {
    let deadline = Instant::now() + 10 * SECOND;
    Connection::open(
        Box::new(stream),
        Arc::from("peer:9092"),
        &config(),
        deadline,
    )
    .await
}

/// A connection to a peer that has all versions and otherwise does what the script says.
async fn connected(mut script: impl FnMut(&Call) -> Reply + Send + 'static) -> Connection {
    let (ours, theirs) = duplex(1 << 16);
    tokio::spawn(serve(theirs, move |call| match call.api {
        ApiKey::ApiVersions => call.answer_versions(),
        _ => script(call),
    }));
    open(ours).await.unwrap()
}

/// The error of opening to a peer that answers all it is asked with these bytes.
async fn refused_by(answer: &'static [u8]) -> Error {
    let (ours, theirs) = duplex(1 << 16);
    tokio::spawn(serve(theirs, |_| Reply::Raw(Bytes::from_static(answer))));
    open(ours).await.unwrap_err()
}

fn question(key: &str) -> FindCoordinatorRequest {
    FindCoordinatorRequest::default().with_key(StrBytes::from_string(key.to_owned()))
}

/// Answers with the host named as the question's key.
fn echo(call: &Call) -> FindCoordinatorResponse {
    let key = call.read::<FindCoordinatorRequest>().key;
    FindCoordinatorResponse::default().with_host(key)
}

async fn ask(connection: &Connection, key: &str, timeout: Duration) -> Result<String, Error> {
    let deadline = Instant::now() + timeout;
    let answer = connection.call(&question(key), deadline).await?;
    Ok(answer.host.to_string())
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_speaks_something_else_is_named() {
    let http = refused_by(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    assert_eq!(http.kind(), ErrorKind::Unsupported);
    assert!(http.to_string().contains("peer:9092"), "{http}");
    assert!(http.to_string().contains("HTTP"), "{http}");
    let tls = refused_by(&[0x15, 3, 3, 0, 2, 2, 70]).await;
    assert_eq!(tls.kind(), ErrorKind::Unsupported);
    assert!(tls.to_string().contains("TLS"), "{tls}");
    let garbage = refused_by(&[0xff, 0xff, 0xff, 0xff, 1, 2, 3]).await;
    assert_eq!(garbage.kind(), ErrorKind::Unsupported);
    let empty = refused_by(&[0, 0, 0, 0]).await;
    assert_eq!(empty.kind(), ErrorKind::Unsupported, "{empty}");
}

/// Were the count believed, the process would end.
#[tokio::test(start_paused = true)]
async fn an_answer_that_claims_too_much_is_refused_and_the_next_is_read() {
    let mut calls = 0;
    let connection = connected(move |call| {
        calls += 1;
        if calls > 1 {
            return call.answer(&echo(call));
        }
        let mut answer = BytesMut::new();
        let after_the_length = 4 + 1 + 4 + 5;
        answer.put_i32(after_the_length);
        answer.put_i32(call.correlation_id);
        // No tagged fields, no throttling, and four thousand million brokers.
        answer.put_slice(&[0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f]);
        Reply::Raw(answer.freeze())
    })
    .await;
    let deadline = Instant::now() + SECOND;
    let request = MetadataRequest::default();
    let error = connection.call(&request, deadline).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(error.to_string().contains("elements of brokers"), "{error}");
    assert_eq!(ask(&connection, "next", SECOND).await.unwrap(), "next");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_answers_costs_the_callers_deadline_and_no_more() {
    let (ours, _theirs) = duplex(1 << 16);
    let started = Instant::now();
    let error = open(ours).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("ApiVersions"), "{error}");
    assert_eq!(started.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_refuses_the_first_version_is_asked_in_version_0() {
    let (ours, theirs) = duplex(1 << 16);
    tokio::spawn(serve(theirs, |call| {
        if call.version == 0 {
            return call.answer(&all_versions());
        }
        // Version 0 of the answer, whatever was asked (KIP-511): error 35, no APIs.
        let mut frame = BytesMut::new();
        frame.put_u32(10);
        frame.put_i32(call.correlation_id);
        frame.put_i16(ErrorCode::UNSUPPORTED_VERSION.0);
        frame.put_u32(0);
        Reply::Raw(frame.freeze())
    }));
    let connection = open(ours).await.unwrap();
    assert_eq!(connection.version::<MetadataRequest>().unwrap(), 13);
}

#[tokio::test(start_paused = true)]
async fn what_goes_over_it_is_counted() {
    let (ours, theirs) = duplex(1 << 16);
    let served = tokio::spawn(serve(theirs, |call| match call.api {
        ApiKey::ApiVersions => call.answer_versions(),
        ApiKey::FindCoordinator => {
            let answer = echo(call).with_error_code(ErrorCode::COORDINATOR_NOT_AVAILABLE.0);
            call.answer(&answer.with_throttle_time_ms(1_500))
        }
        _ => Reply::Nothing,
    }));
    let config = config();
    let deadline = Instant::now() + 10 * SECOND;
    let peer = Arc::from("peer:9092");
    let connection = Connection::open(Box::new(ours), peer, &config, deadline)
        .await
        .unwrap();
    for key in ["one", "two"] {
        ask(&connection, key, 5 * SECOND).await.unwrap();
    }
    let deadline = Instant::now() + 3 * SECOND;
    let request = MetadataRequest::default();
    let late = connection.call(&request, deadline).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Timeout);
    // A late answer ends the connection.
    served.await.unwrap();
    let sums = config.traffic.sums();
    let key = |api: ApiKey| api as i16;
    let asked = [
        (key(ApiKey::Metadata), 1),
        (key(ApiKey::FindCoordinator), 2),
        (key(ApiKey::ApiVersions), 1),
    ];
    assert_eq!(sums.requests, asked.into());
    let errors = (key(ApiKey::FindCoordinator), "COORDINATOR_NOT_AVAILABLE");
    assert_eq!(sums.errors, [(errors, 2)].into());
    let unanswered = (key(ApiKey::Metadata), ErrorKind::Timeout);
    assert_eq!(sums.request_failures, [(unanswered, 1)].into());
    assert_eq!(sums.throttled, 3 * SECOND);
    assert!(
        sums.incoming_bytes > 100 && sums.outgoing_bytes > 100,
        "{sums:?}"
    );
    assert_eq!((sums.connections_opened, sums.connections_closed), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_broker_too_old_is_told_so() {
    let (ours, theirs) = duplex(1 << 16);
    tokio::spawn(serve(theirs, |call| {
        let fetch = ApiVersion::default()
            .with_api_key(ApiKey::Produce as i16)
            .with_max_version(3);
        call.answer(&ApiVersionsResponse::default().with_api_keys(vec![fetch]))
    }));
    let error = open(ours).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(
        error.to_string().contains("older than Kafka 2.4"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_hundred_calls_at_once_get_each_its_own_answer() {
    let connection = connected(|call| call.answer(&echo(call))).await;
    let keys: Vec<_> = (0..100).map(|n| format!("key {n}")).collect();
    let calls = keys.iter().map(|key| ask(&connection, key, 10 * SECOND));
    let answers: Vec<_> = join_all(calls)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(answers, keys);
}

#[tokio::test(start_paused = true)]
async fn answers_out_of_order_close_the_connection_before_they_are_mixed_up() {
    let mut held: HashMap<i32, Bytes> = HashMap::new();
    let connection = connected(move |call| {
        held.insert(
            call.correlation_id,
            call.frame(call.correlation_id, &echo(call)),
        );
        if held.len() < 2 {
            return Reply::Nothing;
        }
        let mut ids: Vec<_> = held.keys().copied().collect();
        ids.sort_unstable_by(|a, b| b.cmp(a));
        Reply::Raw(ids.iter().flat_map(|id| held[id].to_vec()).collect())
    })
    .await;
    let (first, second) = tokio::join!(
        ask(&connection, "first", 10 * SECOND),
        ask(&connection, "second", 10 * SECOND)
    );
    assert_eq!(first.unwrap_err().kind(), ErrorKind::Protocol);
    assert_eq!(second.unwrap_err().kind(), ErrorKind::Protocol);
    assert!(!connection.is_open());
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_no_request_closes_the_connection() {
    let connection = connected(|call| {
        let answer = call.frame(call.correlation_id, &echo(call));
        Reply::Raw([answer.clone(), answer].concat().into())
    })
    .await;
    assert_eq!(ask(&connection, "k", SECOND).await.unwrap(), "k");
    let error = ask(&connection, "k", SECOND).await.unwrap_err();
    assert!(matches!(
        error.kind(),
        ErrorKind::Protocol | ErrorKind::Connection
    ));
    assert!(!connection.is_open());
}

/// Once a broker is known to be one, broken framing is no verdict on what the peer is: what was
/// asked may have been done.
#[tokio::test(start_paused = true)]
async fn a_garbage_length_later_on_is_a_broken_protocol_and_not_an_unsupported_peer() {
    let connection = connected(|_| Reply::Raw(Bytes::from_static(b"HTTP/1.1 503"))).await;
    let error = ask(&connection, "k", SECOND).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_closes_mid_frame_fails_its_calls() {
    let mut calls = 0;
    let connection = connected(move |call| {
        calls += 1;
        let answer = call.frame(call.correlation_id, &echo(call));
        match calls {
            1 => Reply::Raw(answer.slice(..answer.len() - 1)),
            _ => Reply::Close,
        }
    })
    .await;
    let (first, second) = tokio::join!(
        ask(&connection, "first", 10 * SECOND),
        ask(&connection, "second", 10 * SECOND)
    );
    assert_eq!(first.unwrap_err().kind(), ErrorKind::Connection);
    assert_eq!(second.unwrap_err().kind(), ErrorKind::Connection);
    assert!(!connection.is_open());
    let later = ask(&connection, "later", 10 * SECOND).await.unwrap_err();
    assert_eq!(later.kind(), ErrorKind::Connection);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_stops_waiting_does_not_disturb_the_next() {
    let connection = connected(|call| call.answer_after(SECOND, &echo(call))).await;
    for _ in 0..3 {
        let dropped = ask(&connection, "dropped", 10 * SECOND);
        assert!(tokio::time::timeout(SECOND / 2, dropped).await.is_err());
    }
    assert_eq!(ask(&connection, "kept", 10 * SECOND).await.unwrap(), "kept");
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_is_a_timeout_for_its_caller_and_a_lost_connection_for_the_others() {
    let connection = connected(|_| Reply::Nothing).await;
    let (late, behind) = tokio::join!(
        ask(&connection, "late", SECOND),
        ask(&connection, "behind", 60 * SECOND)
    );
    assert_eq!(late.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(behind.unwrap_err().kind(), ErrorKind::Connection);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_in_time_and_a_used_one_is_not() {
    let connection = connected(|call| call.answer(&echo(call))).await;
    tokio::time::sleep(40 * SECOND).await;
    ask(&connection, "k", SECOND).await.unwrap();
    tokio::time::sleep(40 * SECOND).await;
    assert!(connection.is_open());
    tokio::time::sleep(21 * SECOND).await;
    assert!(!connection.is_open());
}

/// A peer that reads nothing must not have the client pile up all that callers want to send.
#[tokio::test(start_paused = true)]
async fn requests_wait_with_their_callers_when_the_peer_does_not_answer() {
    let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = asked.clone();
    let connection = connected(move |_| {
        counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Reply::Nothing
    })
    .await;
    let calls = (0..2000).map(|_| ask(&connection, "k", 10 * SECOND));
    let answers = join_all(calls).await;
    assert!(answers.iter().all(Result::is_err));
    let asked = asked.load(std::sync::atomic::Ordering::SeqCst);
    assert!((100..=MAX_UNDER_WAY).contains(&asked), "{asked}");
}

#[tokio::test(start_paused = true)]
async fn the_last_handle_closes_the_stream() {
    let (ours, theirs) = duplex(1 << 16);
    let peer = tokio::spawn(serve(theirs, Call::answer_versions));
    let connection = open(ours).await.unwrap();
    drop(connection.clone());
    assert!(!peer.is_finished());
    drop(connection);
    peer.await.unwrap();
}

/// Answers after which the broker wants to be left alone for these milliseconds.
async fn throttling(mut pauses: impl Iterator<Item = i32> + Send + 'static) -> Connection {
    connected(move |call| {
        let pause = pauses.next().unwrap_or(0);
        call.answer(&echo(call).with_throttle_time_ms(pause))
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_throttles_is_left_alone_for_as_long_as_it_says() {
    let connection = throttling([1_500, 0].into_iter()).await;
    let started = Instant::now();
    ask(&connection, "a", SECOND).await.unwrap();
    assert!(started.elapsed() < SECOND, "the answer itself is not late");
    ask(&connection, "b", 10 * SECOND).await.unwrap();
    let waited = started.elapsed();
    assert!(waited >= Duration::from_millis(1_500), "{waited:?}");
    assert!(waited < 2 * SECOND, "{waited:?}");
    ask(&connection, "c", SECOND).await.unwrap();
    assert!(started.elapsed() < 2 * SECOND, "it is over");
}

#[tokio::test(start_paused = true)]
async fn a_throttled_request_keeps_its_deadline_and_the_connection() {
    let connection = throttling([5_000].into_iter()).await;
    ask(&connection, "a", SECOND).await.unwrap();
    let late = ask(&connection, "b", SECOND).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Timeout);
    assert!(connection.is_open());
    assert_eq!(ask(&connection, "c", 10 * SECOND).await.unwrap(), "c");
}

#[tokio::test(start_paused = true)]
async fn no_broker_throttles_for_ever_or_backwards() {
    let connection = throttling([i32::MAX, i32::MIN].into_iter()).await;
    let started = Instant::now();
    ask(&connection, "a", SECOND).await.unwrap();
    ask(&connection, "b", 100 * SECOND).await.unwrap();
    assert!(started.elapsed() >= LONGEST_THROTTLE);
    ask(&connection, "c", SECOND).await.unwrap();
    assert!(started.elapsed() < LONGEST_THROTTLE + SECOND);
}
