//! SCRAM (RFC 5802) with SHA-256 (RFC 7677) or SHA-512: the client's side, pure.
//!
//! ```text
//! ClientFirst ──message──▶ server ──challenge──▶ answer ──▶ ClientFinal ──message──▶ server
//!                                                           verify ◀──signature──────┘
//! ```
//!
//! # Invariants
//!
//! - Nothing derived from the password is sent before the server's nonce is seen to go on from
//!   ours and its number of iterations to be within [`ITERATIONS`].

mod hash;
mod message;

use std::fmt;
use std::ops::RangeInclusive;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

pub use hash::Hash;
pub use message::{ServerFinal, ServerFirst};

use super::Login;
pub(crate) use message::prepared;
use message::sasl_name;

/// How often a password may be hashed, at least and at most. Fewer makes a stolen conversation
/// cheap to break (RFC 7677); more is a server that wants to keep us busy.
pub const ITERATIONS: RangeInclusive<u32> = 4_096..=1_000_000;

/// No channel binding: `n,,` in base64.
const GS2_HEADER: &str = "n,,";
const CHANNEL: &str = "biws";

/// Why a login by SCRAM can't go on. Never shows a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScramError(String);

impl ScramError {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for ScramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ScramError {}

/// Makes a nonce of 144 random bits.
///
/// # Errors
///
/// The system's, where it has no random numbers.
pub(super) fn nonce() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 18];
    getrandom::fill(&mut bytes)?;
    Ok(BASE64_STANDARD.encode(bytes))
}

/// The beginning of a conversation.
pub struct ClientFirst {
    hash: Hash,
    password: String,
    nonce: String,
    bare: String,
}

impl ClientFirst {
    /// Begins a conversation. The nonce is printable text without a comma.
    ///
    /// # Errors
    ///
    /// Where user or password hold what SASLprep (RFC 4013) prohibits.
    pub fn new(hash: Hash, login: &Login, nonce: String) -> Result<Self, ScramError> {
        let username = prepared(&login.username, "the user")?;
        let password = prepared(login.password.expose(), "the password")?;
        let bare = format!("n={},r={nonce}", sasl_name(&username));
        Ok(Self {
            hash,
            password,
            nonce,
            bare,
        })
    }

    /// What is sent first.
    pub fn message(&self) -> String {
        format!("{GS2_HEADER}{}", self.bare)
    }

    /// Answers the server's challenge. Takes as long as hashing the password does.
    ///
    /// # Errors
    ///
    /// A challenge that can't be read, or must not be answered.
    pub fn answer(self, challenge: &[u8]) -> Result<ClientFinal, ScramError> {
        let server = ServerFirst::parse(challenge)?;
        if server.nonce.len() <= self.nonce.len() || !server.nonce.starts_with(&self.nonce) {
            return Err(ScramError::new(
                "the server's nonce does not go on from ours",
            ));
        }
        if !ITERATIONS.contains(&server.iterations) {
            let (least, most) = ITERATIONS.into_inner();
            return Err(ScramError::new(format!(
                "the server asks for {} iterations; {least} to {most} are allowed",
                server.iterations
            )));
        }
        let hash = self.hash;
        let salted = hash.salted(self.password.as_bytes(), &server.salt, server.iterations);
        let client_key = hash.hmac(&salted, b"Client Key");
        let stored_key = hash.digest(&client_key);
        let without_proof = format!("c={CHANNEL},r={}", server.nonce);
        // Both ends sign what both have said.
        let signed = [self.bare.as_bytes(), challenge, without_proof.as_bytes()].join(&b',');
        let signature = hash.hmac(&stored_key, &signed);
        let proof: Vec<u8> = client_key
            .iter()
            .zip(&signature)
            .map(|(key, signature)| key ^ signature)
            .collect();
        Ok(ClientFinal {
            hash,
            message: format!("{without_proof},p={}", BASE64_STANDARD.encode(proof)),
            server_key: hash.hmac(&salted, b"Server Key"),
            signed,
        })
    }
}

/// The end of a conversation.
pub struct ClientFinal {
    hash: Hash,
    message: String,
    server_key: Vec<u8>,
    signed: Vec<u8>,
}

impl ClientFinal {
    /// What is sent last.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Sees whether the server knows the password too.
    ///
    /// # Errors
    ///
    /// Where it does not, or says why it refuses.
    pub fn verify(&self, last: &[u8]) -> Result<(), ScramError> {
        match ServerFinal::parse(last)? {
            ServerFinal::Refused(why) => Err(ScramError::new(format!("the server says {why}"))),
            ServerFinal::Signature(signature) => {
                let right = self.hash.verify(&self.server_key, &self.signed, &signature);
                let wrong = "the server does not know the password: it is not the one it says";
                right.then_some(()).ok_or_else(|| ScramError::new(wrong))
            }
        }
    }
}

#[cfg(test)]
mod tests;
