//! Logins over connections; `broker::sasl` has the rules.

use bytes::Bytes;
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, MetadataRequest, SaslAuthenticateRequest, SaslHandshakeRequest,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::broker::testing::Peer;
use crate::broker::{Broker, BrokerConfig, Listener, Logins, TokenCheck};
use crate::net::Security;
use crate::net::sasl::{Hash, Login, Sasl};
use crate::secret::Secret;
use crate::wire::ErrorCode;
use crate::wire::names::text;
use crate::{Client, ClientConfig, ErrorKind};

fn login(password: &str) -> Login {
    Login {
        username: "alice".to_owned(),
        password: Secret::from(password),
    }
}

async fn broker() -> Broker {
    let config = BrokerConfig {
        listeners: vec![Listener {
            sasl: true,
            ..Listener::default()
        }],
        logins: Logins {
            users: vec![login("right")],
            tokens: Some(TokenCheck::new(|_| None)),
        },
        connections_max_reauth: Some(std::time::Duration::from_secs(60)),
        ..BrokerConfig::default()
    };
    Broker::start(config).await.unwrap()
}

fn by(mechanism: &str) -> SaslHandshakeRequest {
    SaslHandshakeRequest::default().with_mechanism(text(mechanism))
}

fn message(text: &'static str) -> SaslAuthenticateRequest {
    SaslAuthenticateRequest::default().with_auth_bytes(Bytes::from_static(text.as_bytes()))
}

#[tokio::test]
async fn a_client_with_the_right_password_is_let_in() {
    let broker = broker().await;
    let every = [
        |login: Login| Sasl::Plain(login.into()),
        |login: Login| Sasl::Scram(Hash::Sha256, login.into()),
        |login: Login| Sasl::Scram(Hash::Sha512, login.into()),
    ];
    for sasl in every {
        let connect = |password| {
            let security = Security {
                tls: None,
                sasl: Some(sasl(login(password))),
            };
            Client::connect(ClientConfig {
                security,
                ..broker.in_memory_client_config()
            })
        };
        connect("right").await.unwrap();
        let before = broker.refused_logins();
        let error = connect("wrong").await.map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
        assert!(
            error.to_string().contains("Authentication failed"),
            "{error}"
        );
        assert_eq!(broker.refused_logins(), before + 1);
    }
}

#[tokio::test]
async fn the_end_of_a_session_is_told() {
    let broker = broker().await;
    for (version, told) in [(0, 0), (1, 60_000), (2, 60_000)] {
        let mut peer = Peer::connect(&broker, 1).await;
        assert_eq!(peer.ask(1, &by("PLAIN")).await.mechanisms.len(), 4);
        let answer = peer.ask(version, &message("\0alice\0right")).await;
        assert_eq!((answer.error_code, answer.session_lifetime_ms), (0, told));
    }
}

#[tokio::test]
async fn nothing_else_is_answered_without_a_login() {
    let broker = broker().await;
    let mut peer = Peer::connect(&broker, 1).await;
    assert_eq!(
        peer.ask(0, &ApiVersionsRequest::default()).await.error_code,
        0
    );
    peer.send(4, &MetadataRequest::default()).await;
    assert_eq!(peer.answer::<MetadataRequest>(4).await, None);

    let mut peer = Peer::connect(&broker, 1).await;
    peer.ask(1, &by("PLAIN")).await;
    let told = peer.ask(0, &ApiVersionsRequest::default()).await;
    assert_eq!(told.error_code, ErrorCode::ILLEGAL_SASL_STATE.0);
    peer.send(1, &message("\0alice\0right")).await;
    assert_eq!(peer.answer::<SaslAuthenticateRequest>(1).await, None);
    assert_eq!(broker.asked(ApiKey::SaslAuthenticate), 0);
}

#[tokio::test]
async fn a_session_that_is_over_costs_the_connection() {
    let broker = broker().await;
    let mut peer = Peer::connect(&broker, 1).await;
    peer.ask(1, &by("PLAIN")).await;
    peer.ask(1, &message("\0alice\0right")).await;
    assert_eq!(
        peer.ask(4, &MetadataRequest::default()).await.brokers.len(),
        1
    );
    broker.clock().advance(std::time::Duration::from_secs(60));
    peer.send(4, &MetadataRequest::default()).await;
    assert_eq!(peer.answer::<MetadataRequest>(4).await, None);
}

/// As it was before KIP-152.
#[tokio::test]
async fn messages_without_requests_around_them() {
    let broker = broker().await;
    for (bytes, is_right) in [("\0alice\0right", true), ("\0alice\0wrong", false)] {
        let mut peer = Peer::connect(&broker, 1).await;
        peer.ask(0, &by("PLAIN")).await;
        peer.stream.write_u32(bytes.len() as u32).await.unwrap();
        peer.stream.write_all(bytes.as_bytes()).await.unwrap();
        assert_eq!(peer.stream.read_u32().await.ok(), is_right.then_some(0));
        if is_right {
            let answer = peer.ask(4, &MetadataRequest::default()).await;
            assert_eq!(answer.brokers.len(), 1);
        }
    }
}
