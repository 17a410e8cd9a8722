//! The messages of a conversation: attributes `x=value`, separated by commas.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::ScramError;
use crate::net::sasl::shown;

/// The server's challenge.
#[derive(Debug, PartialEq, Eq)]
pub struct ServerFirst {
    /// Both sides' nonces, ours first.
    pub nonce: String,
    /// The salt of the password, not empty.
    pub salt: Vec<u8>,
    /// How often the password is hashed.
    pub iterations: u32,
}

impl ServerFirst {
    /// Reads `r=…,s=…,i=…`; what follows is left out.
    ///
    /// # Errors
    ///
    /// A message that is not such a challenge, or has an extension that must be understood.
    pub fn parse(message: &[u8]) -> Result<Self, ScramError> {
        let text = text(message)?;
        if let Some(why) = text.strip_prefix("e=") {
            return Err(ScramError::new(format!("the server says {}", shown(why))));
        }
        if text.starts_with("m=") {
            return Err(ScramError::new("the server asks for an unknown extension"));
        }
        let mut attributes = text.split(',');
        let mut next = |name| attributes.next().and_then(|each| value(each, name));
        let found = (next("r="), next("s="), next("i="));
        let (Some(nonce), Some(salt), Some(iterations)) = found else {
            return Err(ScramError::new("the server's challenge can't be read"));
        };
        let salt = bytes(salt)?;
        if salt.is_empty() || !nonce.bytes().all(|byte| matches!(byte, b'!'..=b'~')) {
            return Err(ScramError::new(
                "the server's challenge has a bad salt or nonce",
            ));
        }
        let iterations = iterations.parse().map_err(|_| {
            ScramError::new("the server's challenge has a bad number of iterations")
        })?;
        Ok(Self {
            nonce: nonce.to_owned(),
            salt,
            iterations,
        })
    }
}

/// The server's last word.
#[derive(Debug, PartialEq, Eq)]
pub enum ServerFinal {
    /// `v=…`: its proof that it knows the password.
    Signature(Vec<u8>),
    /// `e=…`: why it refuses.
    Refused(String),
}

impl ServerFinal {
    /// Reads `v=…` or `e=…`; what follows is left out.
    ///
    /// # Errors
    ///
    /// A message that is neither.
    pub fn parse(message: &[u8]) -> Result<Self, ScramError> {
        let text = text(message)?;
        let first = text.split(',').next().unwrap_or_default();
        if let Some(why) = value(first, "e=") {
            return Ok(Self::Refused(shown(why)));
        }
        match value(first, "v=") {
            Some(signature) => Ok(Self::Signature(bytes(signature)?)),
            None => Err(ScramError::new("the server's last word can't be read")),
        }
    }
}

/// Brings a user or password into the form in which both sides compare it (SASLprep, RFC 4013).
pub(crate) fn prepared(text: &str, what: &str) -> Result<String, ScramError> {
    stringprep::saslprep(text)
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| ScramError::new(format!("{what} has characters that SASLprep prohibits")))
}

/// Writes a user's name so that it can stand between commas.
pub(super) fn sasl_name(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

fn text(message: &[u8]) -> Result<&str, ScramError> {
    std::str::from_utf8(message).map_err(|_| ScramError::new("the server's message is not UTF-8"))
}

fn value<'a>(attribute: &'a str, name: &str) -> Option<&'a str> {
    attribute.strip_prefix(name)
}

fn bytes(base64: &str) -> Result<Vec<u8>, ScramError> {
    BASE64_STANDARD
        .decode(base64)
        .map_err(|_| ScramError::new("the server's message has bad base64"))
}
