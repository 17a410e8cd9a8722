//! Each source, when all goes well and when not.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;

use super::*;
use crate::net::sasl::TokenSource;

fn refusal(token: Result<Token, Error>) -> String {
    let error = token.unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
    error.to_string()
}

#[tokio::test]
async fn a_file_is_read_for_each_login() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let source = TokenFile {
        path: file.path().to_owned(),
        extensions: vec![("a".to_owned(), "b".to_owned())],
    };
    for text in ["first.token\n", "second.token"] {
        std::fs::write(file.path(), text).unwrap();
        let token = source.token().await.unwrap();
        assert_eq!(token.value.expose(), text.trim());
        assert_eq!(token.extensions, source.extensions);
    }
    for text in ["", "hunter2 hunter2", "hunter2\u{1}"] {
        std::fs::write(file.path(), text).unwrap();
        assert!(refusal(source.token().await).contains("is no access token"));
    }
    let path = PathBuf::from("/nowhere/token");
    let nowhere = TokenFile { path, ..source };
    assert!(refusal(nowhere.token().await).contains("/nowhere/token can't be read"));
}

#[tokio::test]
async fn a_command_writes_the_token() {
    let run = |command: &str| TokenCommand {
        command: command.to_owned(),
        extensions: Extensions::new(),
    };
    let token = run("printf abc; echo .def").token().await.unwrap();
    assert_eq!(token.value.expose(), "abc.def");
    assert!(refusal(run("echo hunter2; exit 3").token().await).contains("failed"));
    assert!(refusal(run("echo 'hunter2 x'").token().await).contains("is no access token"));
    // One that never stops writing is not read for ever.
    assert!(run("yes hunter2").token().await.is_err());
}

/// A service that answers in turn; and what it was asked: the authorization and the form.
async fn service(answers: &[(u16, &'static str)]) -> (String, Arc<Mutex<Vec<(String, String)>>>) {
    let asked = Arc::<Mutex<Vec<_>>>::default();
    let hears = asked.clone();
    let answers = answers.to_vec();
    let handler = move |headers: HeaderMap, body: String| async move {
        let mut hears = hears.lock().unwrap();
        let authorization = headers["authorization"].to_str().unwrap().to_owned();
        let (status, answer) = answers[hears.len()];
        hears.push((authorization, body));
        (StatusCode::from_u16(status).unwrap(), answer)
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/token?x=1", listener.local_addr().unwrap());
    let router = Router::new().route("/token", post(handler));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, asked)
}

fn client(url: &str, scope: Option<&str>) -> ClientCredentials {
    let (id, secret) = ("id".to_owned(), Secret::from("hunter2"));
    let scope = scope.map(str::to_owned);
    ClientCredentials::new(url, id, secret, scope, Extensions::new()).unwrap()
}

#[tokio::test]
async fn a_service_is_asked_once_for_the_life_of_a_token() {
    let (url, asked) = service(&[(
        200,
        r#"{"access_token": "one", "expires_in": 3600, "token_type": "Bearer"}"#,
    )])
    .await;
    let client = client(&url, Some("kafka read&write"));
    let both = tokio::join!(client.token(), client.token());
    for token in [both.0, both.1, client.token().await] {
        assert_eq!(token.unwrap().value.expose(), "one");
    }
    let asked = asked.lock().unwrap();
    let form = "grant_type=client_credentials&scope=kafka+read%26write";
    // `id:hunter2` in base64.
    let expected = ("Basic aWQ6aHVudGVyMg==".to_owned(), form.to_owned());
    assert_eq!(*asked, [expected]);
    assert!(!format!("{client:?}").contains("hunter2"), "{client:?}");
}

#[tokio::test]
async fn a_token_of_no_life_is_not_kept() {
    let (url, asked) = service(&[
        (200, r#"{"access_token": "one"}"#),
        (200, r#"{"access_token": "two", "expires_in": -1e300}"#),
    ])
    .await;
    let client = client(&url, None);
    for expected in ["one", "two"] {
        assert_eq!(client.token().await.unwrap().value.expose(), expected);
    }
    assert_eq!(asked.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_services_refusal_is_told_and_nothing_else_of_its_answer() {
    let (url, _) = service(&[
        (
            401,
            r#"{"error": "invalid_client", "error_description": "unknown\nclient"}"#,
        ),
        (500, "hunter2"),
        (200, r#"{"token": "hunter2"}"#),
        (302, ""),
    ])
    .await;
    let client = client(&url, None);
    let told = refusal(client.token().await);
    assert!(
        told.contains("401: invalid_client unknown client"),
        "{told}"
    );
    for why in ["HTTP status 500", "has no access_token", "HTTP status 302"] {
        let told = refusal(client.token().await);
        assert!(told.contains(why), "{told}");
    }
}
