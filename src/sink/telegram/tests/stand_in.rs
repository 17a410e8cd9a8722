//! What stands in for Telegram.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A status, a `Retry-After` header (none if empty) and a body.
pub(super) type Script = (u16, &'static str, String);

/// Answers what it is told, and keeps what it was asked.
#[derive(Clone, Default)]
pub(super) struct StandIn {
    answers: Arc<Mutex<VecDeque<Script>>>,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

impl StandIn {
    /// Starts it with the answers it will give.
    pub(super) async fn start(answers: impl IntoIterator<Item = Script>) -> (Self, String) {
        let stand_in = Self::default();
        stand_in.answers.lock().unwrap().extend(answers);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(stand_in.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (stand_in, url)
    }

    pub(super) fn asked(&self) -> Vec<(String, Value)> {
        self.asked.lock().unwrap().clone()
    }

    pub(super) fn asked_chats(&self) -> Vec<String> {
        let chat = |(_, body): (String, Value)| body["chat_id"].as_str().unwrap().to_owned();
        self.asked().into_iter().map(chat).collect()
    }
}

async fn answer(State(stand_in): State<StandIn>, request: Request) -> Response {
    let line = format!("{} {}", request.method(), request.uri());
    let body = axum::body::to_bytes(request.into_body(), 1 << 20)
        .await
        .unwrap();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    stand_in.asked.lock().unwrap().push((line, body));
    let (status, retry_after, body) = stand_in.answers.lock().unwrap().pop_front().unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("location", "/elsewhere".parse().unwrap());
    if !retry_after.is_empty() {
        headers.insert("retry-after", retry_after.parse().unwrap());
    }
    (StatusCode::from_u16(status).unwrap(), headers, body).into_response()
}

/// Listens, and does with each connection what the test says, when the request has come.
pub(super) async fn socket<F>(then: fn(TcpStream) -> F) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            if matches!(stream.read(&mut request).await, Ok(1..)) {
                tokio::spawn(then(stream));
            }
        }
    });
    url
}

pub(super) async fn say(mut stream: TcpStream, text: &str) -> TcpStream {
    let _ = stream.write_all(text.as_bytes()).await;
    stream
}

pub(super) async fn forever(stream: TcpStream) {
    std::future::pending::<()>().await;
    drop(stream);
}

/// Ends in order: dropping a socket with bytes unread would reset it, and lose what was said.
pub(super) async fn hang_up(mut stream: TcpStream) {
    let _ = stream.shutdown().await;
    forever(stream).await;
}
