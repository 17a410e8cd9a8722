//! The pool against peers on loopback.

use futures_util::future::join_all;
use kafka_protocol::messages::{
    ApiKey, FindCoordinatorRequest, FindCoordinatorResponse, SaslAuthenticateResponse,
    SaslHandshakeResponse,
};

use super::*;
use crate::net::Security;
use crate::net::sasl::{Login, Sasl};
use crate::net::testing::{Call, Peer, Refusing, Reply, metadata, until};
use crate::wire::ErrorCode;

fn config(bootstrap: &[SocketAddr]) -> ClientConfig {
    ClientConfig {
        bootstrap_servers: bootstrap.iter().map(ToString::to_string).collect(),
        connection_setup_timeout: Duration::from_secs(5),
        reconnect_backoff: Duration::from_millis(20),
        reconnect_backoff_max: Duration::from_millis(80),
        ..ClientConfig::default()
    }
}

/// A pool, and what it knows of the cluster.
fn pool(config: ClientConfig) -> (Arc<Pool>, watch::Sender<Arc<Metadata>>) {
    let (known, metadata) = watch::channel(Arc::default());
    (Pool::new(config, metadata), known)
}

fn brokers(known: &[(i32, SocketAddr)]) -> Arc<Metadata> {
    Arc::new(Metadata::default().updated(metadata(known, &[])))
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

async fn ready() -> Peer {
    Peer::start(|call, _| match call.api {
        ApiKey::FindCoordinator => call.answer(&FindCoordinatorResponse::default()),
        _ => Reply::Close,
    })
    .await
}

/// A peer that takes connections and says nothing.
async fn silent() -> Peer {
    Peer::start_raw(|_: &Call, _| Reply::Nothing).await
}

#[tokio::test]
async fn a_dead_and_a_silent_bootstrap_server_do_not_keep_from_the_third() {
    let (dead, silent, ready) = (Refusing::new(), silent().await, ready().await);
    let mut config = config(&[dead.address, silent.address, ready.address]);
    config.connection_setup_timeout = Duration::from_secs(8);
    let (pool, _known) = pool(config);
    // Whichever is tried first.
    for _ in 0..3 {
        let channel = pool.channel();
        let connection = channel.connection(Node::Any, soon()).await.unwrap();
        assert_eq!(**connection.peer(), *ready.address.to_string());
    }
}

#[tokio::test]
async fn when_none_can_be_reached_each_is_named() {
    let (first, second) = (Refusing::new(), silent().await);
    let mut config = config(&[first.address, second.address]);
    config.connection_setup_timeout = Duration::from_millis(300);
    let (pool, _known) = pool(config);
    let error = pool
        .channel()
        .connection(Node::Any, soon())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection);
    let text = error.to_string();
    assert!(text.contains(&first.address.to_string()), "{text}");
    assert!(text.contains(&second.address.to_string()), "{text}");
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_named() {
    let mut config = config(&[]);
    config.bootstrap_servers = vec!["no-such-host.invalid:9092".into()];
    // A name server may be asked again after five seconds.
    config.connection_setup_timeout = Duration::from_secs(15);
    let (pool, _known) = pool(config);
    let error = pool
        .channel()
        .connection(Node::Any, soon())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection);
    assert!(
        error.to_string().contains("no-such-host.invalid"),
        "{error}"
    );
}

#[tokio::test]
async fn reconnecting_waits_longer_each_time_up_to_the_maximum() {
    let (pool, known) = pool(config(&[]));
    let dead = Refusing::new();
    known.send_replace(brokers(&[(1, dead.address)]));
    let channel = pool.channel();
    // From the first attempt on: each waits from the end of the one before, which nobody here sees.
    let started = Instant::now();
    let mut ends = Vec::new();
    for _ in 0..6 {
        channel.connection(Node::Id(1), soon()).await.unwrap_err();
        ends.push(started.elapsed());
    }
    let at_least = [0, 16, 48, 112, 176, 240].map(Duration::from_millis);
    for (end, least) in ends.iter().zip(at_least) {
        assert!(*end >= least, "{ends:?}");
    }
}

#[test]
fn backoff_doubles_and_differs_by_a_fifth() {
    let (min, max) = (Duration::from_millis(50), Duration::from_secs(1));
    for (failures, middle) in [(1, 50), (2, 100), (3, 200), (5, 800), (6, 1000), (99, 1000)] {
        let waits: Vec<_> = (0..50)
            .map(|_| jittered_backoff(min, max, failures).as_millis())
            .collect();
        let in_range = |wait: &u128| (middle * 8 / 10 - 1..=middle * 12 / 10).contains(wait);
        assert!(waits.iter().all(in_range), "{failures}: {waits:?}");
        assert!(waits.iter().any(|wait| wait != &waits[0]), "no jitter");
    }
}

#[tokio::test]
async fn a_broker_that_moved_is_found_at_its_new_address_at_once() {
    let (old, new, dead) = (ready().await, ready().await, Refusing::new());
    let mut config = config(&[]);
    config.reconnect_backoff = Duration::from_secs(600);
    config.reconnect_backoff_max = Duration::from_secs(600);
    let (pool, known) = pool(config);
    let channel = pool.channel();
    let peer = async || {
        let connection = channel.connection(Node::Id(1), soon()).await?;
        Ok::<_, Error>(connection.peer().to_string())
    };
    known.send_replace(brokers(&[(1, old.address)]));
    assert_eq!(peer().await.unwrap(), old.address.to_string());
    known.send_replace(brokers(&[(1, new.address)]));
    assert_eq!(peer().await.unwrap(), new.address.to_string());
    // Failures at an address that it has left are forgotten with it.
    known.send_replace(brokers(&[(1, dead.address)]));
    peer().await.unwrap_err();
    known.send_replace(brokers(&[(1, old.address)]));
    assert_eq!(peer().await.unwrap(), old.address.to_string());
}

#[tokio::test]
async fn a_node_that_the_cluster_does_not_know_is_refused_at_once() {
    let (pool, _known) = pool(config(&[]));
    let error = pool
        .channel()
        .connection(Node::Id(7), soon())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("broker 7"), "{error}");
}

#[tokio::test]
async fn callers_at_once_share_one_attempt_that_succeeds() {
    let peer = ready().await;
    let (pool, known) = pool(config(&[]));
    known.send_replace(brokers(&[(1, peer.address)]));
    let channel = pool.channel();
    let calls = (0..20).map(|_| channel.connection(Node::Id(1), soon()));
    assert!(join_all(calls).await.iter().all(Result::is_ok));
    assert_eq!(peer.accepted(), 1);
}

#[tokio::test]
async fn callers_at_once_share_one_attempt_that_fails() {
    let peer = Peer::start_raw(|_: &Call, _| Reply::Close).await;
    let (pool, known) = pool(config(&[]));
    known.send_replace(brokers(&[(1, peer.address)]));
    let channel = pool.channel();
    let calls = (0..20).map(|_| channel.connection(Node::Id(1), soon()));
    assert!(join_all(calls).await.iter().all(Result::is_err));
    assert_eq!(peer.accepted(), 1);
    channel.connection(Node::Id(1), soon()).await.unwrap_err();
    assert_eq!(
        peer.accepted(),
        2,
        "a later caller makes an attempt of its own"
    );
}

#[tokio::test]
async fn a_callers_own_haste_is_not_the_others_failure() {
    let peer = Peer::start_raw(|call, _| match call.api {
        ApiKey::ApiVersions => {
            let Reply::After(_, answer) = call.answer_versions() else {
                return Reply::Close;
            };
            Reply::After(Duration::from_millis(200), answer)
        }
        _ => Reply::Close,
    })
    .await;
    let (pool, known) = pool(config(&[]));
    known.send_replace(brokers(&[(1, peer.address)]));
    let channel = pool.channel();
    let hasty = channel.connection(Node::Id(1), Instant::now() + Duration::from_millis(50));
    let (hasty, patient) = tokio::join!(hasty, channel.connection(Node::Id(1), soon()));
    assert_eq!(hasty.unwrap_err().kind(), ErrorKind::Timeout);
    patient.unwrap();
}

#[tokio::test]
async fn the_last_clone_of_a_channel_closes_its_connections_and_no_others() {
    let peer = ready().await;
    let (pool, known) = pool(config(&[]));
    known.send_replace(brokers(&[(1, peer.address)]));
    let (kept, dropped) = (pool.channel(), pool.channel());
    for channel in [&kept, &dropped] {
        channel.connection(Node::Id(1), soon()).await.unwrap();
    }
    until(|| peer.open() == 2).await;
    let clone = dropped.clone();
    drop(dropped);
    clone.connection(Node::Id(1), soon()).await.unwrap();
    assert_eq!(peer.accepted(), 2);
    drop(clone);
    until(|| peer.open() == 1).await;
    let request = FindCoordinatorRequest::default();
    kept.call(Node::Id(1), &request, soon()).await.unwrap();
    assert_eq!(peer.accepted(), 2);
}

/// A peer that takes PLAIN and refuses every password; and how often it did.
async fn refusing() -> (Peer, Arc<AtomicUsize>) {
    let logins = Arc::<AtomicUsize>::default();
    let counted = logins.clone();
    let peer = Peer::start(move |call, _| match call.api {
        ApiKey::SaslHandshake => call.answer(&SaslHandshakeResponse::default()),
        ApiKey::SaslAuthenticate => {
            counted.fetch_add(1, Ordering::SeqCst);
            let code = ErrorCode::SASL_AUTHENTICATION_FAILED.0;
            call.answer(&SaslAuthenticateResponse::default().with_error_code(code))
        }
        _ => Reply::Close,
    })
    .await;
    (peer, logins)
}

#[tokio::test]
async fn a_refused_login_is_not_repeated_at_the_next_address_nor_by_other_channels() {
    let (peer, logins) = refusing().await;
    let login = Login {
        username: "alice".to_owned(),
        password: "wrong".into(),
    };
    let (pool, _known) = pool(ClientConfig {
        reconnect_backoff_max: Duration::from_secs(3600),
        security: Security {
            tls: None,
            sasl: Some(Sasl::Plain(login.into())),
        },
        ..config(&[peer.address; 3])
    });
    let first = pool.channel().connection(Node::Any, soon()).await;
    assert_eq!(first.unwrap_err().kind(), ErrorKind::Authentication);
    assert_eq!(logins.load(Ordering::SeqCst), 1);
    let channels: Vec<_> = (0..9).map(|_| pool.channel()).collect();
    let limit = Instant::now() + Duration::from_millis(100);
    let tried = channels.iter().map(|it| it.connection(Node::Any, limit));
    for tried in join_all(tried).await {
        assert_eq!(tried.unwrap_err().kind(), ErrorKind::Authentication);
    }
    assert_eq!(logins.load(Ordering::SeqCst), 1);
}
