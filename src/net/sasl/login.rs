//! The conversation of a login.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::{
    SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest,
};
use kafka_protocol::protocol::StrBytes;
use tokio::time::Instant;

use super::scram::{self, ClientFirst, Hash, ScramError};
use super::{Account, Login, Sasl, Token, shown};
use crate::net::Connection;
use crate::secret::Secret;
use crate::wire::ErrorCode;
use crate::{Error, ErrorKind};

/// Says who we are. Gives how long the broker takes that for granted, where it sets a limit
/// (KIP-368).
///
/// # Errors
///
/// [`ErrorKind::Authentication`] where the broker refuses, or can't prove who it is.
pub(in crate::net) async fn log_in(
    connection: &Connection,
    sasl: &Sasl,
    deadline: Instant,
) -> Result<Option<Duration>, Error> {
    let mut conversation = Conversation {
        connection,
        mechanism: sasl.mechanism(),
        deadline,
        secret: Secret::from(""),
        session: None,
    };
    conversation.handshake().await?;
    match sasl {
        Sasl::Plain(account) => {
            let login = conversation.login(account).await?;
            conversation.plain(&login).await?;
        }
        Sasl::Scram(hash, account) => {
            let login = conversation.login(account).await?;
            conversation.scram(*hash, &login).await?;
        }
        Sasl::OauthBearer(tokens) => {
            let token = tokio::time::timeout_at(deadline, tokens.0.token());
            let late = |_| conversation.error(ErrorKind::Timeout, "no access token in time");
            let token = token.await.map_err(late)??;
            conversation.secret = token.value.clone();
            conversation.oauth_bearer(&token).await?;
        }
    }
    Ok(conversation.session)
}

struct Conversation<'a> {
    connection: &'a Connection,
    mechanism: &'static str,
    deadline: Instant,
    /// What the broker is told, and may say in turn.
    secret: Secret,
    session: Option<Duration>,
}

impl Conversation<'_> {
    async fn handshake(&self) -> Result<(), Error> {
        let request = SaslHandshakeRequest::default()
            .with_mechanism(StrBytes::from_static_str(self.mechanism));
        let answer = self.connection.ask(&request, self.deadline).await?;
        let code = ErrorCode(answer.error_code);
        if code == ErrorCode::UNSUPPORTED_SASL_MECHANISM {
            let offered: Vec<_> = answer.mechanisms.iter().map(StrBytes::as_str).collect();
            let offered = offered.join(", ");
            let text = format!("the broker does not take {}: {offered}", self.mechanism);
            return Err(self.refused(Some(code), &text));
        }
        if code == ErrorCode::ILLEGAL_SASL_STATE {
            let text = "the port takes no login (is security.protocol the port's?)";
            return Err(self.refused(Some(code), text));
        }
        code.ok()
            .map_err(|code| self.refused(Some(code), &code.to_string()))
    }

    async fn login(&mut self, account: &Account) -> Result<Login, Error> {
        let login = account.login().await;
        let login = login.map_err(|error| self.error(error.kind(), &error.to_string()))?;
        self.secret = login.password.clone();
        Ok(login)
    }

    async fn plain(&mut self, login: &Login) -> Result<(), Error> {
        let (username, password) = (&login.username, login.password.expose());
        if username.contains('\0') || password.contains('\0') {
            let text = "a user or password for PLAIN can't have a NUL character";
            return Err(self.error(ErrorKind::Usage, text));
        }
        let message = format!("\0{username}\0{password}");
        self.send(message).await.map(|_| ())
    }

    async fn scram(&mut self, hash: Hash, login: &Login) -> Result<(), Error> {
        let nonce = scram::nonce()
            .map_err(|error| Error::caused(ErrorKind::System, "no random numbers", error))?;
        let first = ClientFirst::new(hash, login, nonce)
            .map_err(|error| self.error(ErrorKind::Usage, &error.to_string()))?;
        let challenge = self.send(first.message()).await?;
        // Made to be slow.
        let answered = tokio::task::spawn_blocking(move || first.answer(&challenge));
        let last = answered
            .await
            .map_err(|error| Error::caused(ErrorKind::System, "hashing the password", error))?
            .map_err(|error| self.untrusted(&error))?;
        let verdict = self.send(last.message().to_owned()).await?;
        last.verify(&verdict)
            .map_err(|error| self.untrusted(&error))
    }

    async fn oauth_bearer(&mut self, token: &Token) -> Result<(), Error> {
        let illegal = |text: &str| text.chars().any(char::is_control);
        let mut message = format!("n,,\u{1}auth=Bearer {}\u{1}", token.value.expose());
        for (name, value) in &token.extensions {
            message += &format!("{name}={value}\u{1}");
        }
        message.push('\u{1}');
        let extensions = token
            .extensions
            .iter()
            .flat_map(|(name, value)| [name, value]);
        if illegal(token.value.expose()) || extensions.into_iter().any(|text| illegal(text)) {
            let text = "an access token or extension can't have a control character";
            return Err(self.error(ErrorKind::Usage, text));
        }
        let answer = self.send(message).await?;
        if answer.is_empty() {
            return Ok(());
        }
        // The broker's reasons come as JSON; it refuses once it has heard that we read them.
        let reasons = String::from_utf8_lossy(&answer);
        let refused = self.send("\u{1}".to_owned()).await.err();
        let code = refused.as_ref().and_then(Error::code);
        Err(self.refused(code, &format!("the token was refused: {reasons}")))
    }

    /// Sends one of the mechanism's messages and gives the broker's.
    async fn send(&mut self, message: String) -> Result<Bytes, Error> {
        let request = SaslAuthenticateRequest::default().with_auth_bytes(Bytes::from(message));
        let answer = self.connection.ask(&request, self.deadline).await?;
        let SaslAuthenticateResponse {
            error_code,
            error_message,
            auth_bytes,
            session_lifetime_ms,
            ..
        } = answer;
        ErrorCode(error_code).ok().map_err(|code| {
            let said = error_message.map(|text| text.to_string());
            let said = said.unwrap_or_else(|| code.to_string());
            self.refused(Some(code), &said)
        })?;
        self.session = u64::try_from(session_lifetime_ms)
            .ok()
            .filter(|millis| *millis > 0)
            .map(Duration::from_millis);
        Ok(auth_bytes)
    }

    /// A server whose messages are not those of one that knows the password.
    fn untrusted(&self, error: &ScramError) -> Error {
        self.refused(None, &error.to_string())
    }

    fn refused(&self, code: Option<ErrorCode>, why: &str) -> Error {
        Error::refused(code, self.text(why))
    }

    fn error(&self, kind: ErrorKind, why: &str) -> Error {
        Error::new(kind, self.text(why))
    }

    fn text(&self, why: &str) -> String {
        let (peer, mechanism) = (self.connection.peer(), self.mechanism);
        let why = self.secret.redact(&shown(why));
        format!("{peer}: SASL {mechanism}: {why}")
    }
}

#[cfg(test)]
mod tests;
