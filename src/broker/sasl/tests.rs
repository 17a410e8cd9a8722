//! Logins, message by message.

use std::time::{Duration, Instant};

use kafka_protocol::messages::ApiKey;

use super::*;
use crate::secret::Secret;
use crate::wire::ErrorCode;

const SESSION: Duration = Duration::from_secs(10);

fn accounts() -> Accounts {
    let user = |name: &str| Credentials {
        username: name.to_owned(),
        password: Secret::from(format!("{name}-secret")),
    };
    let logins = Logins {
        users: vec![user("alice"), user("bob")],
        tokens: Some(TokenCheck::new(|token| {
            (token == "good").then(|| "alice".to_owned())
        })),
    };
    Accounts::new(&logins, 1)
}

fn say(login: &mut Login, message: &str, now: Instant) -> Answer {
    login.authenticate(message.as_bytes(), &accounts(), "nonce", now)
}

fn logged_in(session: Option<Duration>, now: Instant) -> Login {
    let mut login = Login::new(true, session);
    assert_eq!(login.handshake("PLAIN", true, now), ErrorCode::NONE);
    let answer = say(&mut login, "\0alice\0alice-secret", now);
    assert_eq!((answer.code, answer.session), (ErrorCode::NONE, session));
    login
}

#[test]
fn each_step_admits_what_belongs_to_it() {
    use Admission::{Admitted, Closed};
    let now = Instant::now();
    let illegal = Admission::Refused(ErrorCode::ILLEGAL_SASL_STATE);
    let seen = |login: &Login| {
        let apis = [
            ApiKey::ApiVersions,
            ApiKey::SaslHandshake,
            ApiKey::SaslAuthenticate,
        ];
        apis.into_iter()
            .chain([ApiKey::Metadata])
            .map(|api| login.admits(api, now))
            .collect::<Vec<_>>()
    };
    assert_eq!(seen(&Login::new(false, None)), [Admitted; 4]);
    let mut login = Login::new(true, None);
    assert_eq!(seen(&login), [Admitted, Admitted, Closed, Closed]);
    assert_eq!(login.handshake("PLAIN", true, now), ErrorCode::NONE);
    assert_eq!(seen(&login), [illegal, illegal, Admitted, illegal]);
    assert_eq!(
        say(&mut login, "\0alice\0alice-secret", now).code,
        ErrorCode::NONE
    );
    assert_eq!(seen(&login), [Admitted; 4]);
    let mut wrong = Login::new(true, None);
    assert_eq!(
        wrong.handshake("GSSAPI", true, now),
        ErrorCode::UNSUPPORTED_SASL_MECHANISM
    );
    assert!(wrong.is_refused());
    assert_eq!(seen(&wrong), [Closed; 4]);
}

#[test]
fn wrong_passwords_are_refused() {
    let now = Instant::now();
    for message in [
        "",
        "\0",
        "alice-secret",
        "\0alice\0bob-secret",
        "\0mallory\0mallory-secret",
        "bob\0alice\0alice-secret",
        "\0alice\0alice-secret\0",
    ] {
        let mut login = Login::new(true, None);
        login.handshake("PLAIN", true, now);
        let answer = say(&mut login, message, now);
        assert_eq!(
            answer.code,
            ErrorCode::SASL_AUTHENTICATION_FAILED,
            "{message:?}"
        );
        assert!(answer.why.unwrap().starts_with("Authentication failed"));
        assert!(login.is_refused());
    }
}

#[test]
fn a_bad_token_is_refused_after_the_reason_was_heard() {
    let now = Instant::now();
    let mut login = Login::new(true, None);
    login.handshake("OAUTHBEARER", true, now);
    let answer = say(&mut login, "n,,\u{1}auth=Bearer bad\u{1}\u{1}", now);
    assert_eq!(answer.message, r#"{"status":"invalid_token"}"#);
    assert!(!login.is_refused());
    let answer = say(&mut login, "\u{1}", now);
    assert_eq!(answer.code, ErrorCode::SASL_AUTHENTICATION_FAILED);
    assert!(login.is_refused());

    let mut login = Login::new(true, None);
    login.handshake("OAUTHBEARER", true, now);
    let answer = say(
        &mut login,
        "n,,\u{1}auth=Bearer good\u{1}x=y\u{1}\u{1}",
        now,
    );
    assert_eq!((answer.code, &*answer.message), (ErrorCode::NONE, ""));
}

/// KIP-368.
#[test]
fn a_session_ends_unless_it_is_renewed() {
    let start = Instant::now();
    let mut login = logged_in(Some(SESSION), start);
    let late = start + SESSION;
    assert_eq!(
        login.admits(ApiKey::Fetch, late - Duration::from_millis(1)),
        Admission::Admitted
    );
    assert_eq!(login.admits(ApiKey::Fetch, late), Admission::Closed);
    assert_eq!(
        login.admits(ApiKey::SaslHandshake, late),
        Admission::Admitted
    );
    assert_eq!(login.handshake("PLAIN", true, late), ErrorCode::NONE);
    say(&mut login, "\0alice\0alice-secret", late);
    assert_eq!(login.admits(ApiKey::Fetch, late), Admission::Admitted);
    // Not again at once.
    assert_eq!(
        login.handshake("PLAIN", true, late),
        ErrorCode::ILLEGAL_SASL_STATE
    );
    assert_eq!(login.admits(ApiKey::Fetch, late), Admission::Admitted);
}

#[test]
fn nobody_becomes_somebody_else() {
    let start = Instant::now();
    let mut login = logged_in(Some(SESSION), start);
    let later = start + SESSION / 2;
    assert_eq!(login.handshake("PLAIN", true, later), ErrorCode::NONE);
    let answer = say(&mut login, "\0bob\0bob-secret", later);
    assert_eq!(answer.code, ErrorCode::SASL_AUTHENTICATION_FAILED);
    assert!(login.is_refused());
}

#[test]
fn without_an_end_there_is_nothing_to_renew() {
    let now = Instant::now();
    let mut login = logged_in(None, now);
    let later = now + 100 * SESSION;
    assert_eq!(
        login.handshake("PLAIN", true, later),
        ErrorCode::ILLEGAL_SASL_STATE
    );
    let answer = say(&mut login, "\0alice\0alice-secret", later);
    assert_eq!(answer.code, ErrorCode::ILLEGAL_SASL_STATE);
    assert_eq!(login.admits(ApiKey::Fetch, later), Admission::Admitted);
    let mut none = Login::new(false, None);
    assert_eq!(
        none.handshake("PLAIN", true, now),
        ErrorCode::ILLEGAL_SASL_STATE
    );
}
