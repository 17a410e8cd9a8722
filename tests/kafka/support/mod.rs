//! What the tests stand on: clusters, peers, stand-ins and the program under test.

#![allow(
    dead_code,
    reason = "a toolbox: which of its tools are in use changes with the tests"
)]

pub(crate) mod audit;
pub(crate) mod cluster;
pub(crate) mod connection;
pub(crate) mod coordinator;
pub(crate) mod counting;
pub(crate) mod examples;
pub(crate) mod group;
pub(crate) mod java;
pub(crate) mod notifier;
pub(crate) mod openmetrics;
pub(crate) mod openssl;
pub(crate) mod ours;
pub(crate) mod payments;
pub(crate) mod peers;
pub(crate) mod process;
pub(crate) mod record_batch;
pub(crate) mod records;
pub(crate) mod runner;
pub(crate) mod stage;
pub(crate) mod stream;
pub(crate) mod telegram;
pub(crate) mod tls;
pub(crate) mod tokens;
pub(crate) mod topics;
pub(crate) mod transactions;
pub(crate) mod verifiable;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpSocket;
use tokio::sync::watch;

/// How long a test waits for what should take a moment.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// An address that nobody listens at as long as the socket is kept, or until it does.
pub(crate) fn silent_address() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().expect("a socket");
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    socket.bind(any).expect("a port is free");
    let address = socket.local_addr().expect("it is bound");
    (socket, address)
}

/// The wall clock, in milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let since = since.expect("the clock is past 1970");
    i64::try_from(since.as_millis()).expect("it is not the end of time")
}

/// Waits until a growing list satisfies `find`, and returns what it found.
///
/// # Panics
///
/// Where that has not happened within [`PATIENCE`], or the list can't grow any more.
pub(crate) async fn wait_until<T: std::fmt::Debug, R>(
    list: &watch::Receiver<Vec<T>>,
    what: &str,
    mut find: impl FnMut(&[T]) -> Option<R>,
) -> R {
    let mut found = None;
    let mut list = list.clone();
    let outcome = tokio::time::timeout(
        PATIENCE,
        list.wait_for(|items| {
            found = find(items);
            found.is_some()
        }),
    )
    .await
    .map(|changed| changed.is_ok());
    match (outcome, found) {
        (Ok(true), Some(found)) => found,
        (Ok(_), _) => panic!("ended without {what}; there is {:#?}", tail(&list)),
        (Err(_), _) => panic!("no {what} within {PATIENCE:?}; there is {:#?}", tail(&list)),
    }
}

/// The last items of a list, as many as a person reads.
fn tail<T: std::fmt::Debug>(list: &watch::Receiver<Vec<T>>) -> Vec<String> {
    let items = list.borrow();
    let shown = items.len().saturating_sub(30);
    items[shown..]
        .iter()
        .map(|item| format!("{item:?}"))
        .collect()
}
