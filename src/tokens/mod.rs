//! Where access tokens for OAUTHBEARER come from: a file, a command, or a service that gives them
//! out for a client's id and secret.
//!
//! # Invariants
//!
//! - No error and no `Debug` shows a token or a secret: not the answer of a service, and not the
//!   output of a command.

mod client_credentials;
mod command;
mod file;

use crate::net::sasl::Token;
use crate::secret::Secret;
use crate::{Error, ErrorKind};

pub use client_credentials::ClientCredentials;
pub use command::TokenCommand;
pub use file::TokenFile;

/// A token is a few hundred bytes; many claims make it some thousand.
const MAX_TOKEN_BYTES: usize = 64 * 1024;

/// SASL extensions, which go along with each token (KIP-342).
pub type Extensions = Vec<(String, String)>;

/// Makes a token of what was found.
fn token(text: &str, from: &str, extensions: &Extensions) -> Result<Token, Error> {
    let text = text.trim();
    // RFC 6750: a token is of these alone.
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if text.is_empty() || !text.bytes().all(legal) {
        return Err(refused(format!("{from}: what it gives is no access token")));
    }
    Ok(Token {
        value: Secret::from(text),
        extensions: extensions.clone(),
    })
}

fn refused(text: String) -> Error {
    Error::new(ErrorKind::Authentication, text)
}

#[cfg(test)]
mod tests;
