//! OAuth 2.0's client credentials grant (RFC 6749, section 4.4).

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reqwest::{Client, Url, header, redirect};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{Extensions, MAX_TOKEN_BYTES, refused, token};
use crate::net::sasl::{Token, TokenSource};
use crate::secret::SecretSource;
use crate::tls::{TlsConfig, check_cpu};
use crate::{Error, ErrorKind};

/// A request for a token may take this long.
const TIMEOUT: Duration = Duration::from_secs(10);
/// A token is asked for anew after this part of its life, as in Java's client.
const RENEW_AFTER: f64 = 0.8;
/// No token is kept for longer, whatever is said of it.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Asks a service for tokens, and keeps each for most of its life.
#[derive(Debug)]
pub struct ClientCredentials {
    endpoint: Url,
    client_id: String,
    client_secret: SecretSource,
    scope: Option<String>,
    extensions: Extensions,
    http: Client,
    kept: Mutex<Option<Kept>>,
}

#[derive(Debug)]
struct Kept {
    token: Token,
    until: Instant,
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    expires_in: Option<f64>,
}

/// How a refusal is told (RFC 6749, section 5.2).
#[derive(Deserialize)]
struct Refusal {
    error: String,
    error_description: Option<String>,
}

impl ClientCredentials {
    /// Gets ready to ask the service at `endpoint`, over HTTPS with the system's trusted
    /// certificates.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`] where the address is none, or TLS can't be used.
    pub fn new(
        endpoint: &str,
        client_id: String,
        client_secret: impl Into<SecretSource>,
        scope: Option<String>,
        extensions: Extensions,
    ) -> Result<Self, Error> {
        let usage = |error: &dyn std::fmt::Display| {
            Error::new(
                ErrorKind::Usage,
                format!("asking for access tokens: {error}"),
            )
        };
        let endpoint = Url::parse(endpoint).map_err(|error| usage(&error))?;
        if endpoint.scheme() == "https" {
            check_cpu().map_err(|error| usage(&error))?;
        }
        let tls = TlsConfig::default().client_config();
        let http = Client::builder()
            .tls_backend_preconfigured(tls.map_err(|error| usage(&error))?)
            .redirect(redirect::Policy::none())
            .timeout(TIMEOUT)
            .build()
            .map_err(|error| usage(&error))?;
        Ok(Self {
            endpoint,
            client_id,
            client_secret: client_secret.into(),
            scope,
            extensions,
            http,
            kept: Mutex::default(),
        })
    }

    async fn ask(&self) -> Result<Kept, Error> {
        let secret = self.client_secret.read().await?;
        let asked = Instant::now();
        let request = self
            .http
            .post(self.endpoint.clone())
            .basic_auth(&self.client_id, Some(secret.expose()))
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(self.form());
        let failed = |error: reqwest::Error| {
            let text = format!("{}: no access token", self.endpoint);
            Error::caused(ErrorKind::Connection, text, error.without_url())
        };
        let mut response = request.send().await.map_err(failed)?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_TOKEN_BYTES {
                return Err(self.refused("its answer is too long"));
            }
        }
        if !status.is_success() {
            return Err(self.refused(&reason(status.as_u16(), &body)));
        }
        let answer: Answer = serde_json::from_slice(&body)
            .map_err(|_| self.refused("its answer has no access_token"))?;
        let life = Duration::try_from_secs_f64(answer.expires_in.unwrap_or(0.0));
        let life = life.unwrap_or_default().min(LONGEST);
        Ok(Kept {
            token: token(
                &answer.access_token,
                self.endpoint.as_str(),
                &self.extensions,
            )?,
            until: asked + life.mul_f64(RENEW_AFTER),
        })
    }

    fn form(&self) -> String {
        let mut form = self.endpoint.clone();
        form.query_pairs_mut()
            .clear()
            .append_pair("grant_type", "client_credentials")
            .extend_pairs(self.scope.iter().map(|scope| ("scope", scope)));
        form.query().unwrap_or_default().to_owned()
    }

    fn refused(&self, why: &str) -> Error {
        refused(format!("{}: no access token: {why}", self.endpoint))
    }
}

/// Why a service refuses, in its own words where they are those of the RFC: anything else might
/// be what nobody should see.
fn reason(status: u16, body: &[u8]) -> String {
    let told = serde_json::from_slice::<Refusal>(body).ok();
    let told = told.map_or_else(String::new, |refusal| {
        let more = refusal.error_description.unwrap_or_default();
        format!(": {} {more}", refusal.error)
    });
    let line = format!("HTTP status {status}{told}").replace(char::is_control, " ");
    line.chars()
        .take(300)
        .collect::<String>()
        .trim_end()
        .to_owned()
}

impl TokenSource for ClientCredentials {
    fn token(&self) -> BoxFuture<'_, Result<Token, Error>> {
        async {
            // Held while asking: those who come meanwhile want the same.
            let mut kept = self.kept.lock().await;
            if let Some(kept) = kept.as_ref().filter(|kept| Instant::now() < kept.until) {
                return Ok(kept.token.clone());
            }
            let fresh = self.ask().await?;
            let token = fresh.token.clone();
            *kept = Some(fresh);
            Ok(token)
        }
        .boxed()
    }
}
