//! Logins at scripted brokers.

use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use kafka_protocol::messages::{
    ApiKey, FindCoordinatorRequest, FindCoordinatorResponse, SaslHandshakeResponse,
};
use tokio::io::duplex;

use super::*;
use crate::net::sasl::{TokenSource, Tokens};
use crate::net::testing::{Call, Reply, serve};
use crate::net::{ConnectionConfig, Security};

/// What was sent to `SaslAuthenticate`, in order.
type Heard = Arc<Mutex<Vec<Vec<u8>>>>;

fn login() -> Login {
    Login {
        username: "alice".to_owned(),
        password: Secret::from("hunter2"),
    }
}

#[derive(Debug)]
struct Fixed(&'static str, &'static [(&'static str, &'static str)]);

impl TokenSource for Fixed {
    fn token(&self) -> BoxFuture<'_, Result<Token, Error>> {
        let Self(value, extensions) = self;
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let token = Token {
            value: Secret::from(*value),
            extensions: extensions.iter().map(own).collect(),
        };
        async { Ok(token) }.boxed()
    }
}

fn ok(bytes: impl Into<Vec<u8>>) -> SaslAuthenticateResponse {
    SaslAuthenticateResponse::default().with_auth_bytes(Bytes::from(bytes.into()))
}

fn no(said: &'static str) -> SaslAuthenticateResponse {
    SaslAuthenticateResponse::default()
        .with_error_code(ErrorCode::SASL_AUTHENTICATION_FAILED.0)
        .with_error_message(Some(StrBytes::from_static_str(said)))
}

/// Connects to a broker that takes every mechanism, and answers the messages as told.
async fn connect(
    sasl: Sasl,
    mut answer: impl FnMut(&[u8]) -> SaslAuthenticateResponse + Send + 'static,
) -> (Result<Connection, Error>, Heard) {
    let heard = Heard::default();
    let hears = heard.clone();
    let opened = open(sasl, move |call| match call.api {
        ApiKey::SaslHandshake => call.answer(&SaslHandshakeResponse::default()),
        ApiKey::SaslAuthenticate => {
            let message = call.read::<SaslAuthenticateRequest>().auth_bytes;
            hears.lock().unwrap().push(message.to_vec());
            call.answer(&answer(&message))
        }
        _ => call.answer(&FindCoordinatorResponse::default()),
    });
    (opened.await, heard)
}

async fn open(
    sasl: Sasl,
    mut script: impl FnMut(&Call) -> Reply + Send + 'static,
) -> Result<Connection, Error> {
    let (ours, theirs) = duplex(1 << 16);
    tokio::spawn(serve(theirs, move |call| match call.api {
        ApiKey::ApiVersions => call.answer_versions(),
        _ => script(call),
    }));
    let config = ConnectionConfig {
        client_id: Arc::from("test"),
        max_frame_bytes: 1 << 20,
        max_idle: Duration::from_secs(86_400),
        security: Security {
            tls: None,
            sasl: Some(sasl),
        },
        traffic: Arc::default(),
    };
    let deadline = Instant::now() + Duration::from_secs(10);
    Connection::open(Box::new(ours), Arc::from("peer:9092"), &config, deadline).await
}

fn refusal(opened: Result<Connection, Error>) -> String {
    let error = opened.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
    assert!(!error.to_string().contains("hunter2"), "{error}");
    error.to_string()
}

#[tokio::test]
async fn plain_sends_user_and_password() {
    let (opened, heard) = connect(Sasl::Plain(login().into()), |_| ok([])).await;
    assert!(opened.is_ok(), "{opened:?}");
    assert_eq!(*heard.lock().unwrap(), [b"\0alice\0hunter2"]);
}

#[tokio::test]
async fn what_the_broker_says_of_a_refusal_is_told() {
    let (opened, _) = connect(Sasl::Plain(login().into()), |_| {
        no("wrong password of alice")
    })
    .await;
    let code = opened.as_ref().unwrap_err().code();
    assert_eq!(code, Some(ErrorCode::SASL_AUTHENTICATION_FAILED));
    assert_eq!(
        refusal(opened),
        "peer:9092: SASL PLAIN: wrong password of alice"
    );
}

#[tokio::test]
async fn what_the_broker_says_is_shown_as_one_short_line_without_the_password() {
    let said = "no:\r\n\u{1b}[2Jhunter2 is not right; this is how it goes on and on; ".repeat(50);
    let (opened, _) = connect(Sasl::Plain(login().into()), move |_| {
        no("").with_error_message(Some(StrBytes::from_string(said.clone())))
    })
    .await;
    let told = refusal(opened);
    assert!(told.contains("no: [2J*** is not right;"), "{told}");
    assert!(
        !told.contains(char::is_control) && told.len() < 500,
        "{told}"
    );
}

#[tokio::test]
async fn a_nul_cannot_be_a_part_of_a_login_by_plain() {
    let odd = Login {
        username: "a\0b".to_owned(),
        ..login()
    };
    let (opened, heard) = connect(Sasl::Plain(odd.into()), |_| ok([])).await;
    assert_eq!(opened.unwrap_err().kind(), ErrorKind::Usage);
    assert!(heard.lock().unwrap().is_empty());
}

#[tokio::test]
async fn mechanisms_that_the_broker_takes_are_named_where_ours_is_not_among_them() {
    let opened = open(Sasl::Plain(login().into()), |call| {
        let taken = StrBytes::from_static_str("SCRAM-SHA-512");
        let answer = SaslHandshakeResponse::default()
            .with_error_code(ErrorCode::UNSUPPORTED_SASL_MECHANISM.0)
            .with_mechanisms(vec![taken]);
        call.answer(&answer)
    });
    let told = refusal(opened.await);
    assert!(
        told.contains("does not take PLAIN: SCRAM-SHA-512"),
        "{told}"
    );
}

#[tokio::test]
async fn a_port_without_logins_is_told() {
    let opened = open(Sasl::Plain(login().into()), |call| {
        let code = ErrorCode::ILLEGAL_SASL_STATE.0;
        call.answer(&SaslHandshakeResponse::default().with_error_code(code))
    });
    assert!(refusal(opened.await).contains("takes no login"));
}

#[tokio::test]
async fn a_scram_server_that_cannot_prove_itself_is_not_talked_to_further() {
    let (opened, heard) = connect(Sasl::Scram(Hash::Sha256, login().into()), |message| {
        let text = String::from_utf8_lossy(message).into_owned();
        match text.split_once("r=").filter(|_| text.starts_with("n,,")) {
            Some((_, nonce)) => ok(format!("r={nonce}x,s=AAAA,i=4096")),
            None => ok(format!("v={}", BASE64_STANDARD.encode([0; 32]))),
        }
    })
    .await;
    assert!(refusal(opened).contains("does not know the password"));
    assert_eq!(heard.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_scram_challenge_that_asks_too_much_is_not_answered() {
    let (opened, heard) = connect(Sasl::Scram(Hash::Sha512, login().into()), |message| {
        let text = String::from_utf8_lossy(message).into_owned();
        let (_, nonce) = text.split_once("r=").unwrap();
        ok(format!("r={nonce}x,s=AAAA,i=2000000000"))
    })
    .await;
    assert!(refusal(opened).contains("iterations"));
    assert_eq!(heard.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_token_goes_with_its_extensions() {
    let tokens = Tokens::new(Fixed("abc.def", &[("logicalCluster", "lkc-1")]));
    let (opened, heard) = connect(Sasl::OauthBearer(tokens), |_| ok([])).await;
    assert!(opened.is_ok(), "{opened:?}");
    let expected = b"n,,\x01auth=Bearer abc.def\x01logicalCluster=lkc-1\x01\x01";
    assert_eq!(*heard.lock().unwrap(), [expected]);
}

#[tokio::test]
async fn a_refused_token_is_told_with_the_brokers_reasons() {
    let tokens = Tokens::new(Fixed("hunter2", &[]));
    let (opened, heard) = connect(Sasl::OauthBearer(tokens), |message| match message {
        b"\x01" => no("authentication failed"),
        _ => ok(br#"{"status":"invalid_token"}"#),
    })
    .await;
    assert!(refusal(opened).contains(r#"refused: {"status":"invalid_token"}"#));
    assert_eq!(heard.lock().unwrap()[1], b"\x01");
}

#[tokio::test]
async fn a_token_cannot_smuggle_anything_in() {
    let tokens = Tokens::new(Fixed("abc\u{1}auth=x", &[]));
    let (opened, heard) = connect(Sasl::OauthBearer(tokens), |_| ok([])).await;
    assert_eq!(opened.unwrap_err().kind(), ErrorKind::Usage);
    assert!(heard.lock().unwrap().is_empty());
}

async fn ask(connection: &Connection) -> Result<FindCoordinatorResponse, Error> {
    let deadline = Instant::now() + Duration::from_secs(5);
    connection
        .call(&FindCoordinatorRequest::default(), deadline)
        .await
}

#[tokio::test(start_paused = true)]
async fn a_login_is_renewed_before_it_ends_and_only_then() {
    let hour = |_: &[u8]| ok([]).with_session_lifetime_ms(3_600_000);
    let (opened, heard) = connect(Sasl::Plain(login().into()), hour).await;
    let connection = opened.unwrap();
    let logins = || heard.lock().unwrap().len();
    for (minutes, expected) in [(0, 1), (50, 1), (8, 2), (50, 2), (8, 3)] {
        tokio::time::advance(Duration::from_secs(60 * minutes)).await;
        let asked = futures_util::future::join_all((0..9).map(|_| ask(&connection))).await;
        assert!(asked.iter().all(Result::is_ok), "{asked:?}");
        assert_eq!(logins(), expected, "{minutes} minutes on");
    }
}

/// Brokers refuse a second renewal within a second.
#[tokio::test(start_paused = true)]
async fn a_session_of_a_moment_is_not_renewed_all_the_time() {
    let moment = |_: &[u8]| ok([]).with_session_lifetime_ms(1);
    let (opened, heard) = connect(Sasl::Plain(login().into()), moment).await;
    let connection = opened.unwrap();
    let logins = || heard.lock().unwrap().len();
    for (millis, expected) in [(1_000, 1), (200, 2), (1_000, 2), (200, 3)] {
        tokio::time::advance(Duration::from_millis(millis)).await;
        assert!(ask(&connection).await.is_ok());
        assert_eq!(logins(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_whose_login_is_not_renewed_is_used_no_more() {
    let mut logins = 0;
    let (opened, _) = connect(Sasl::Plain(login().into()), move |_| {
        logins += 1;
        match logins {
            1 => ok([]).with_session_lifetime_ms(60_000),
            _ => no("the account was closed"),
        }
    })
    .await;
    let connection = opened.unwrap();
    assert!(ask(&connection).await.is_ok());
    tokio::time::advance(Duration::from_secs(58)).await;
    for _ in 0..2 {
        let error = ask(&connection).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication);
        assert!(
            error.to_string().contains("the account was closed"),
            "{error}"
        );
    }
    assert!(!connection.is_open());
}

#[tokio::test(start_paused = true)]
async fn a_renewal_goes_on_when_the_one_who_began_it_stops_waiting() {
    let minute = |_: &[u8]| ok([]).with_session_lifetime_ms(60_000);
    let (opened, heard) = connect(Sasl::Plain(login().into()), minute).await;
    let connection = opened.unwrap();
    tokio::time::advance(Duration::from_secs(58)).await;
    let impatient = ask(&connection);
    assert!(impatient.now_or_never().is_none());
    assert!(ask(&connection).await.is_ok());
    assert_eq!(heard.lock().unwrap().len(), 2);
}
