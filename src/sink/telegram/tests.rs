//! The sink against stand-ins of Telegram: one that speaks HTTP, and sockets that break off.

mod broken;
mod stand_in;

use serde_json::{Value, json};

use self::stand_in::{Script, StandIn};
use super::*;

const TOKEN: &str = "12345:very-secret_TOKEN";

/// Telegram's way to say no.
fn error(code: u16, description: &str, parameters: &Value) -> Script {
    let body = json!({
        "ok": false,
        "error_code": code,
        "description": description,
        "parameters": parameters,
    });
    (code, "", body.to_string())
}

fn delivered() -> Script {
    (200, "", json!({"ok": true, "result": {}}).to_string())
}

fn config(base_url: impl Into<String>) -> TelegramConfig {
    TelegramConfig {
        base_url: base_url.into(),
        token: Secret::from(TOKEN),
        token_file: None,
        chat_id: "-42".to_owned(),
        timeout: Duration::from_secs(10),
    }
}

fn telegram(base_url: impl Into<String>) -> Telegram {
    Telegram::new(config(base_url)).unwrap()
}

/// Delivers, and checks what holds of every verdict: bounded, and without the token.
async fn deliver(telegram: &Telegram) -> Verdict {
    let text = "🎫 a\nb\n".to_owned();
    let verdict = telegram.deliver(&Message { text }).await;
    let shown = format!("{verdict:?} {telegram:?}");
    assert!(!shown.contains("very-secret"), "{shown}");
    assert!(shown.chars().count() < 700, "{shown}");
    verdict
}

async fn verdict_of(script: Script) -> Verdict {
    let (stand_in, url) = StandIn::start([script]).await;
    let verdict = deliver(&telegram(url)).await;
    assert_eq!(stand_in.asked().len(), 1);
    verdict
}

#[tokio::test]
async fn a_message_is_one_request() {
    let (stand_in, url) = StandIn::start([delivered()]).await;
    assert_eq!(deliver(&telegram(url + "/")).await, Verdict::Delivered);
    let body = json!({"chat_id": "-42", "text": "🎫 a\nb\n"});
    assert_eq!(
        stand_in.asked(),
        [(format!("POST /bot{TOKEN}/sendMessage"), body)]
    );
}

#[tokio::test]
async fn a_base_url_may_have_a_path() {
    let (stand_in, url) = StandIn::start([delivered()]).await;
    deliver(&telegram(url + "/a/b/")).await;
    assert_eq!(
        stand_in.asked()[0].0,
        format!("POST /a/b/bot{TOKEN}/sendMessage")
    );
}

#[tokio::test]
async fn a_200_that_does_not_say_ok_is_uncertain() {
    for body in [
        r#"{"ok":false}"#,
        r#"{"ok":1}"#,
        "<html>",
        "",
        "[]",
        "\u{0}",
    ] {
        let verdict = verdict_of((200, "", body.to_owned())).await;
        let Verdict::Uncertain(failure) = verdict else {
            panic!("{body}: {verdict:?}");
        };
        assert_eq!(failure.kind, FailureKind::UnexpectedAnswer);
    }
}

#[tokio::test]
async fn each_status_has_its_verdict() {
    let rejected: fn(Failure) -> Verdict = Verdict::Rejected;
    for (status, verdict, kind) in [
        (
            202,
            Verdict::Uncertain as fn(Failure) -> Verdict,
            FailureKind::UnexpectedAnswer,
        ),
        (302, Verdict::SinkDown, FailureKind::UnexpectedAnswer),
        (308, Verdict::SinkDown, FailureKind::UnexpectedAnswer),
        (400, rejected, FailureKind::BadRequest),
        (401, Verdict::SinkDown, FailureKind::Unauthorized),
        (403, rejected, FailureKind::Forbidden),
        (404, Verdict::SinkDown, FailureKind::Unauthorized),
        (405, Verdict::Transient, FailureKind::UnexpectedAnswer),
        (409, Verdict::Transient, FailureKind::UnexpectedAnswer),
        (413, rejected, FailureKind::BadRequest),
        (500, Verdict::Transient, FailureKind::ServerError),
        (503, Verdict::Transient, FailureKind::ServerError),
    ] {
        for script in [
            error(status, "why", &json!({})),
            (status, "", "<html>".to_owned()),
        ] {
            let actual = verdict_of(script).await;
            let (Verdict::Uncertain(failure)
            | Verdict::SinkDown(failure)
            | Verdict::Rejected(failure)
            | Verdict::Transient(failure)) = actual.clone()
            else {
                panic!("{status}: {actual:?}");
            };
            assert_eq!(failure.kind, kind, "{status}");
            assert!(failure.message.contains(&status.to_string()), "{failure}");
            assert_eq!(actual, verdict(failure), "{status}");
        }
    }
}

#[tokio::test]
async fn the_description_is_told_in_one_bounded_line_without_the_token() {
    let verdict = verdict_of(error(400, "Bad Request:\nchat not found", &json!({}))).await;
    let message = "Telegram answered 400: Bad Request: chat not found";
    let failure = Failure::new(FailureKind::BadRequest, message);
    assert_eq!(verdict, Verdict::Rejected(failure));
    // Where the cut falls into the token, too.
    for padding in [0, 260, 1000] {
        let description = "x".repeat(padding) + TOKEN;
        verdict_of(error(403, &description, &json!({}))).await;
        verdict_of(error(500, &description.repeat(20), &json!({}))).await;
    }
}

#[tokio::test]
async fn a_429_says_how_long_to_wait() {
    for (parameters, header, seconds) in [
        (json!({"retry_after": 7}), "", 7.0),
        (json!({"retry_after": 7}), "9", 7.0),
        (json!({"retry_after": 2.5}), "", 2.5),
        (json!({}), "9", 9.0),
        (json!({"retry_after": "soon"}), " 9 ", 9.0),
        (json!({}), "Wed, 21 Oct 2026 07:28:00 GMT", 1.0),
        (Value::Null, "", 1.0),
        (json!({"retry_after": 0}), "", 1.0),
        (json!({"retry_after": -5}), "", 1.0),
        (json!({"retry_after": 1e300}), "", 3600.0),
    ] {
        let (status, _, body) = error(429, "Too Many Requests", &parameters);
        let verdict = verdict_of((status, header, body)).await;
        let Verdict::RetryAfter(wait, failure) = verdict else {
            panic!("{parameters}: {verdict:?}");
        };
        assert_eq!(
            wait,
            Duration::from_secs_f64(seconds),
            "{parameters} {header}"
        );
        assert_eq!(failure.kind, FailureKind::RateLimited);
    }
}

fn moved(to: i64) -> Script {
    error(
        400,
        "upgraded to a supergroup",
        &json!({"migrate_to_chat_id": to}),
    )
}

#[tokio::test]
async fn a_chat_that_moved_is_followed_at_once_and_from_then_on() {
    let script = [moved(-1_001_234), delivered(), delivered()];
    let (stand_in, url) = StandIn::start(script).await;
    let telegram = telegram(url);
    assert_eq!(deliver(&telegram).await, Verdict::Delivered);
    assert_eq!(deliver(&telegram).await, Verdict::Delivered);
    assert_eq!(stand_in.asked_chats(), ["-42", "-1001234", "-1001234"]);
}

#[tokio::test]
async fn a_chat_that_keeps_moving_is_followed_once_a_delivery() {
    let script = [moved(1), moved(2), error(403, "kicked", &json!({}))];
    let (stand_in, url) = StandIn::start(script).await;
    let telegram = telegram(url);
    assert!(matches!(deliver(&telegram).await, Verdict::Transient(_)));
    assert!(matches!(deliver(&telegram).await, Verdict::Rejected(_)));
    assert_eq!(stand_in.asked_chats(), ["-42", "1", "2"]);
}

#[tokio::test]
async fn a_probe_asks_who_the_bot_is() {
    let (stand_in, url) =
        StandIn::start([delivered(), error(401, "Unauthorized", &json!({}))]).await;
    let telegram = telegram(url);
    assert_eq!(telegram.probe().await, Ok(()));
    let failure = telegram.probe().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unauthorized);
    assert!(failure.message.ends_with(": Unauthorized"), "{failure}");
    assert_eq!(stand_in.asked()[0].0, format!("GET /bot{TOKEN}/getMe"));
}

#[tokio::test]
async fn a_probe_takes_the_token_that_is_in_the_file_now() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let no = || error(401, "Unauthorized", &json!(null));
    let (stand_in, url) = StandIn::start([no(), no(), no(), delivered(), delivered()]).await;
    let telegram = Telegram::new(TelegramConfig {
        token_file: Some(file.path().to_owned()),
        ..config(url)
    })
    .unwrap();
    for (text, usable) in [
        (format!("{TOKEN}\n"), false),
        ("half a tok".to_owned(), false),
        (String::new(), false),
        ("12345:its_successor\n".to_owned(), true),
    ] {
        std::fs::write(file.path(), text).unwrap();
        assert_eq!(telegram.probe().await.is_ok(), usable);
    }
    assert_eq!(deliver(&telegram).await, Verdict::Delivered);
    let asked: Vec<_> = stand_in.asked().into_iter().map(|(line, _)| line).collect();
    let probe = format!("GET /bot{TOKEN}/getMe");
    assert_eq!(asked[..3], [&*probe, &probe, &probe]);
    assert_eq!(
        asked[3..],
        [
            "GET /bot12345:its_successor/getMe",
            "POST /bot12345:its_successor/sendMessage"
        ]
    );
}

#[test]
fn a_configuration_that_cannot_work_is_refused_without_showing_the_token() {
    let valid = || config("https://api.telegram.org");
    let base_url = |url: &str| config(url);
    let token = |token: &str| TelegramConfig {
        token: Secret::from(token),
        ..valid()
    };
    for (config, problem) in [
        (base_url(""), "base_url"),
        (base_url("api.telegram.org"), "base_url"),
        (base_url("ftp://example.com"), "neither http"),
        (base_url("http://example.com/?a=b"), "no ?"),
        (
            base_url("http://user:password@example.com"),
            "user or password",
        ),
        (token(""), "token is empty"),
        (token("very-secret\n"), "token has characters"),
        (token("very-secret/../x"), "token has characters"),
        (
            TelegramConfig {
                chat_id: " ".to_owned(),
                ..valid()
            },
            "chat_id",
        ),
        (
            TelegramConfig {
                timeout: Duration::ZERO,
                ..valid()
            },
            "timeout",
        ),
    ] {
        let error = Telegram::new(config).unwrap_err().to_string();
        assert!(error.contains(problem), "{problem}: {error}");
        assert!(!error.contains("very-secret"), "{error}");
    }
    let forever = TelegramConfig {
        timeout: Duration::MAX,
        ..valid()
    };
    assert!(Telegram::new(forever).is_ok());
    assert!(!format!("{:?}", valid()).contains("very-secret"));
}
