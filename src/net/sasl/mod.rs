//! SASL: how a client says who it is.
//!
//! A login is a conversation over a connection that is used for nothing else meanwhile:
//! `SaslHandshake` names the mechanism, `SaslAuthenticate` carries its messages. [`scram`] is
//! pure.
//!
//! # Invariants
//!
//! - No error and no `Debug` shows a password or a token.
//! - An error is one line, and not a long one, whatever the server says.
//! - A server that does not prove that it knows a SCRAM password is never talked to further.

mod login;
pub mod scram;
mod token;

use crate::Error;
use crate::secret::{Secret, SecretSource};

pub(super) use login::log_in;
pub use scram::Hash;
pub use token::{Token, TokenSource, Tokens};

/// The `sasl.mechanism`, and what it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sasl {
    /// PLAIN (RFC 4616): the password goes over the wire as it is.
    Plain(Account),
    /// SCRAM-SHA-256 or -512 (RFC 5802, RFC 7677): both sides prove that they know the password.
    Scram(Hash, Account),
    /// OAUTHBEARER (RFC 7628, KIP-255): an access token from elsewhere.
    OauthBearer(Tokens),
}

impl Sasl {
    /// The mechanism's registered name.
    pub fn mechanism(&self) -> &'static str {
        match self {
            Self::Plain(_) => "PLAIN",
            Self::Scram(Hash::Sha256, _) => "SCRAM-SHA-256",
            Self::Scram(Hash::Sha512, _) => "SCRAM-SHA-512",
            Self::OauthBearer(_) => "OAUTHBEARER",
        }
    }
}

/// A server's words, as they may be shown: one line of bounded length.
fn shown(text: &str) -> String {
    const MOST: usize = 300;
    let words = text.split(char::is_control).filter(|it| !it.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    line.chars().take(MOST).collect()
}

/// A user, and where its password is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// `sasl.username`.
    pub username: String,
    /// `sasl.password`, or the file that has it: each login reads it anew.
    pub password: SecretSource,
}

impl Account {
    async fn login(&self) -> Result<Login, Error> {
        Ok(Login {
            username: self.username.clone(),
            password: self.password.read().await?,
        })
    }
}

impl From<Login> for Account {
    fn from(login: Login) -> Self {
        Self {
            username: login.username,
            password: SecretSource::Text(login.password),
        }
    }
}

/// A user and its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// `sasl.username`.
    pub username: String,
    /// `sasl.password`.
    pub password: Secret,
}
