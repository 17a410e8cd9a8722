//! A service that gives out access tokens for a client's id and secret, over HTTPS.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::post;
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use payment_notifier::tls::{Identity, Pem, ServerTls, Versions};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::now_ms;
use super::tls::fixture;

pub(crate) const CLIENT_ID: &str = "notifier";
pub(crate) const CLIENT_SECRET: &str = "client-secret";

/// A token that Kafka takes without a signature, as its tests do.
pub(crate) fn unsecured_token(user: &str, seconds: i64) -> String {
    let now = now_ms();
    // To the millisecond: a token of few seconds must hold for all of them.
    let ends = (now + 1000 * seconds) as f64 / 1000.0;
    let claims = json!({ "sub": user, "iat": now / 1000, "exp": ends });
    let [header, claims] = [json!({ "alg": "none" }), claims]
        .map(|part| BASE64_URL_SAFE_NO_PAD.encode(part.to_string()));
    format!("{header}.{claims}.")
}

/// The service. It ends with the test's runtime.
pub(crate) struct TokenService {
    address: SocketAddr,
    asked: Arc<Asked>,
}

struct Asked {
    /// How long tokens hold.
    seconds: i64,
    /// The bodies of the requests that were answered with a token.
    forms: Mutex<Vec<String>>,
}

impl TokenService {
    /// Starts one with the server's certificate of the fixtures. Its tokens are alice's and hold
    /// for so long.
    pub(crate) async fn start(seconds: i64) -> Self {
        let tcp = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = tcp.local_addr().expect("it is bound");
        let tls = ServerTls {
            identity: Identity {
                certificate: Pem::File(fixture("server.pem")),
                key: Pem::File(fixture("p256-key.pem")),
            },
            clients: None,
            versions: Versions::All,
        };
        let tls = Arc::new(tls.server_config().expect("the fixtures can be read"));
        let listener = Https {
            tcp,
            tls: TlsAcceptor::from(tls),
        };
        let asked = Arc::new(Asked {
            seconds,
            forms: Mutex::default(),
        });
        let router = Router::new()
            .route("/token", post(answer))
            .with_state(asked.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, asked }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}/token", self.address.port())
    }

    /// What it was asked for each token that it gave out.
    pub(crate) fn forms(&self) -> Vec<String> {
        self.asked.forms().clone()
    }
}

impl Asked {
    fn forms(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.forms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn answer(State(asked): State<Arc<Asked>>, headers: HeaderMap, form: String) -> Response {
    let right = BASE64_STANDARD.encode(format!("{CLIENT_ID}:{CLIENT_SECRET}"));
    if headers["authorization"] != format!("Basic {right}") {
        let refusal = json!({ "error": "invalid_client", "error_description": "who is that?" });
        return (StatusCode::UNAUTHORIZED, Json(refusal)).into_response();
    }
    asked.forms().push(form);
    let token = unsecured_token("alice", asked.seconds);
    let answer = json!({
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": asked.seconds,
    });
    Json(answer).into_response()
}

struct Https {
    tcp: TcpListener,
    tls: TlsAcceptor,
}

impl axum::serve::Listener for Https {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    /// Those who break off the handshake are passed over.
    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        loop {
            if let Ok((stream, peer)) = self.tcp.accept().await
                && let Ok(stream) = self.tls.accept(stream).await
            {
                return (stream, peer);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}
