//! The client against peers on loopback.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use kafka_protocol::messages::{ApiKey, FindCoordinatorResponse, MetadataRequest};

use super::*;
use crate::net::testing::{Call, Peer, Refusing, Reply, metadata, until};

fn config(servers: &[&Peer]) -> ClientConfig {
    ClientConfig {
        bootstrap_servers: servers
            .iter()
            .map(|peer| peer.address.to_string())
            .collect(),
        request_timeout: Duration::from_secs(20),
        retry_backoff: Duration::from_millis(5),
        retry_backoff_max: Duration::from_millis(20),
        ..ClientConfig::default()
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// A broker that knows topic `t`, and counts how often it was asked for metadata.
async fn broker(asked: Arc<AtomicUsize>, wait: Duration) -> Peer {
    Peer::start(move |call, address| match call.api {
        ApiKey::Metadata => {
            asked.fetch_add(1, Ordering::SeqCst);
            let wanted = call.read::<MetadataRequest>().topics.unwrap_or_default();
            let topics: Vec<_> = wanted
                .iter()
                .map(|topic| topic.name.as_ref().map_or("", |name| name.as_str()))
                .map(|name| (name, if name == "t" { &[1, 1][..] } else { &[] }))
                .collect();
            call.answer_after(wait, &metadata(&[(1, address)], &topics))
        }
        ApiKey::FindCoordinator => {
            let answer = FindCoordinatorResponse::default();
            call.answer(&answer.with_node_id(1.into()))
        }
        _ => Reply::Close,
    })
    .await
}

#[tokio::test]
async fn wishes_for_fresh_metadata_become_few_requests() {
    let asked = Arc::<AtomicUsize>::default();
    let peer = broker(asked.clone(), Duration::from_millis(10)).await;
    let client = Client::connect(config(&[&peer])).await.unwrap();
    let before = asked.load(Ordering::SeqCst);
    let refreshes = (0..50).map(|_| client.refresh(soon()));
    assert!(join_all(refreshes).await.iter().all(Result::is_ok));
    let requests = asked.load(Ordering::SeqCst) - before;
    assert!((1..=2).contains(&requests), "{requests}");
}

/// A refresh that is under way when a topic is asked for does not know of it.
#[tokio::test]
async fn a_refresh_brings_what_was_wanted_when_it_was_asked_for() {
    let asked = Arc::<AtomicUsize>::default();
    let peer = broker(asked.clone(), Duration::from_millis(50)).await;
    let client = Client::connect(config(&[&peer])).await.unwrap();
    let before = asked.load(Ordering::SeqCst);
    client.request_refresh();
    until(|| asked.load(Ordering::SeqCst) > before).await;
    client.track(["t"]);
    let metadata = client.refresh(soon()).await.unwrap();
    assert_eq!(metadata.partition_count("t"), Some(2));
}

#[tokio::test]
async fn a_topic_is_known_or_known_to_be_missing() {
    let peer = broker(Arc::default(), Duration::ZERO).await;
    let client = Client::connect(config(&[&peer])).await.unwrap();
    let metadata = client.topics(&["t"], soon()).await.unwrap();
    assert_eq!(metadata.partition_count("t"), Some(2));
    let error = client.topics(&["t", "missing"], soon()).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    assert!(error.to_string().contains("missing"), "{error}");
    assert_eq!(client.find_coordinator("g", soon()).await.unwrap(), 1);
}

#[tokio::test]
async fn bootstrap_servers_that_refuse_are_named_within_the_timeout() {
    let refusing = Refusing::new();
    let address = refusing.address.to_string();
    let mut config = config(&[]);
    config.bootstrap_servers = vec![address.clone(), "localhost:1".into()];
    config.request_timeout = Duration::from_secs(3);
    let error = Client::connect(config).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection);
    assert!(error.to_string().contains(&address), "{error}");
    assert!(error.to_string().contains("localhost:1"), "{error}");
}

#[tokio::test]
async fn a_bootstrap_server_that_never_answers_is_named_within_the_timeout() {
    let silent = Peer::start_raw(|_: &Call, _| Reply::Nothing).await;
    let mut config = config(&[&silent]);
    config.request_timeout = Duration::from_millis(200);
    let error = Client::connect(config).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(
        error.to_string().contains(&silent.address.to_string()),
        "{error}"
    );
}

#[tokio::test]
async fn a_bootstrap_server_that_is_no_broker_ends_the_attempt_at_once() {
    let http = Peer::start_raw(|_: &Call, _| Reply::Raw("HTTP/1.1 400 Bad Request".into())).await;
    let error = Client::connect(config(&[&http])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("HTTP"), "{error}");
}

/// Settings of a library's user are not checked by the application's rules.
#[tokio::test]
async fn no_setting_overflows_a_clock_or_makes_a_busy_loop() {
    let asked = Arc::<AtomicUsize>::default();
    let peer = broker(asked.clone(), Duration::ZERO).await;
    let config = ClientConfig {
        request_timeout: Duration::MAX,
        connection_setup_timeout: Duration::MAX,
        reconnect_backoff: Duration::ZERO,
        reconnect_backoff_max: Duration::MAX,
        retry_backoff: Duration::ZERO,
        retry_backoff_max: Duration::ZERO,
        metadata_max_age: Duration::ZERO,
        connections_max_idle: Duration::MAX,
        ..config(&[&peer])
    };
    let client = Client::connect(config).await.unwrap();
    let before = asked.load(Ordering::SeqCst);
    let found = client.admin().partition_count("t", Duration::MAX).await;
    assert_eq!(found.unwrap(), Some(2));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(asked.load(Ordering::SeqCst) - before < 5);
}

/// The bootstrap server tells of a broker that has left the cluster and does not know it.
async fn comes_back_from_a_broker_that_answers(code: ErrorCode) {
    let asked = Arc::<AtomicUsize>::default();
    let count = asked.clone();
    let stale = Peer::start(move |call, _| {
        count.fetch_add(1, Ordering::SeqCst);
        call.answer(&metadata(&[], &[]).with_error_code(code.0))
    });
    let stale = stale.await;
    let (left, mut calls) = (stale.address, 0);
    let server = Peer::start(move |call, address| {
        calls += 1;
        match calls {
            1 => call.answer(&metadata(&[(2, left)], &[])),
            2 => Reply::Close,
            _ => call.answer(&metadata(&[(1, address)], &[])),
        }
    });
    let server = server.await;
    let client = Client::connect(config(&[&server])).await.unwrap();
    client.refresh(soon()).await.unwrap_err();
    let known = client.refresh(soon()).await.unwrap();
    assert!(known.brokers().contains_key(&1), "{known:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_broker_that_sends_its_clients_away_is_left() {
    comes_back_from_a_broker_that_answers(ErrorCode::REBOOTSTRAP_REQUIRED).await;
}

#[tokio::test]
async fn a_broker_that_knows_no_others_is_left() {
    comes_back_from_a_broker_that_answers(ErrorCode::NONE).await;
}
