//! SCRAM (RFC 5802): the server's side.
//!
//! ```text
//! client ──first──▶ ClientFirst ──▶ Challenge ──message──▶ client
//!                                   verify ◀──────final────┘ ──signature──▶
//! ```
//!
//! Left out: channel binding, and extensions such as Kafka's delegation tokens.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::net::sasl::Hash;
use crate::net::sasl::scram::ITERATIONS;

/// What the server keeps of a password: enough to know it again, too little to log in with.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Keys {
    hash: Hash,
    salt: Vec<u8>,
    stored_key: Vec<u8>,
    server_key: Vec<u8>,
}

/// Shows no key.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({:?})", self.hash)
    }
}

impl Keys {
    /// Takes as long as hashing the password does, as seldom as is allowed.
    pub(super) fn new(hash: Hash, password: &str, salt: &[u8]) -> Self {
        let salted = hash.salted(password.as_bytes(), salt, *ITERATIONS.start());
        Self {
            hash,
            salt: salt.to_vec(),
            stored_key: hash.digest(&hash.hmac(&salted, b"Client Key")),
            server_key: hash.hmac(&salted, b"Server Key"),
        }
    }
}

/// How a client begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ClientFirst {
    /// Who it wants to be.
    pub(super) user: String,
    header: String,
    bare: String,
    nonce: String,
}

impl ClientFirst {
    /// Reads `n,,n=user,r=nonce`; what follows is left out. None where it is something else.
    pub(super) fn parse(message: &[u8]) -> Option<Self> {
        let message = std::str::from_utf8(message).ok()?;
        let mut parts = message.splitn(3, ',');
        let (binding, identity, bare) = (parts.next()?, parts.next()?, parts.next()?);
        let mut attributes = bare.split(',');
        let user = name(attributes.next()?.strip_prefix("n=")?)?;
        let nonce = attributes.next()?.strip_prefix("r=")?;
        let is_itself = match identity.strip_prefix("a=") {
            Some(acts_for) => name(acts_for)? == user,
            None => identity.is_empty(),
        };
        let is_plain = matches!(binding, "n" | "y") && !nonce.is_empty();
        (is_plain && is_itself).then(|| Self {
            header: format!("{binding},{identity},"),
            bare: bare.to_owned(),
            nonce: nonce.to_owned(),
            user,
        })
    }

    /// Asks the client to prove that it knows the password. The nonce is printable text without
    /// a comma.
    pub(super) fn challenge(self, keys: &Keys, nonce: &str) -> Challenge {
        let nonce = format!("{}{nonce}", self.nonce);
        let salt = BASE64_STANDARD.encode(&keys.salt);
        let message = format!("r={nonce},s={salt},i={}", ITERATIONS.start());
        Challenge {
            signed: format!("{},{message},", self.bare),
            channel: BASE64_STANDARD.encode(&self.header),
            user: self.user,
            keys: keys.clone(),
            nonce,
            message,
        }
    }
}

/// What a client has to answer.
#[derive(Debug)]
pub(super) struct Challenge {
    /// Who it is, should it know the password.
    pub(super) user: String,
    /// What is sent to it.
    pub(super) message: String,
    keys: Keys,
    channel: String,
    nonce: String,
    /// What both ends sign, up to the client's last message.
    signed: String,
}

impl Challenge {
    pub(super) fn hash(&self) -> Hash {
        self.keys.hash
    }

    /// Looks at the client's proof. Gives the server's own, or none where the client does not know
    /// the password.
    pub(super) fn verify(&self, message: &[u8]) -> Option<String> {
        let Keys { hash, .. } = self.keys;
        let message = std::str::from_utf8(message).ok()?;
        let (without_proof, proof) = message.rsplit_once(",p=")?;
        let mut attributes = without_proof.split(',');
        let channel = attributes.next()?.strip_prefix("c=")?;
        let nonce = attributes.next()?.strip_prefix("r=")?;
        if channel != self.channel || nonce != self.nonce {
            return None;
        }
        let signed = format!("{}{without_proof}", self.signed);
        let signature = hash.hmac(&self.keys.stored_key, signed.as_bytes());
        let proof = BASE64_STANDARD.decode(proof).ok()?;
        let client_key: Vec<u8> = proof.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
        let is_right =
            proof.len() == signature.len() && hash.digest(&client_key) == self.keys.stored_key;
        let own = hash.hmac(&self.keys.server_key, signed.as_bytes());
        is_right.then(|| format!("v={}", BASE64_STANDARD.encode(own)))
    }
}

/// Reads a user's name, in which `,` and `=` are written as `=2C` and `=3D`.
fn name(text: &str) -> Option<String> {
    let mut parts = text.split('=');
    let mut name = parts.next()?.to_owned();
    for part in parts {
        let (sign, rest) = part.split_at_checked(2)?;
        name.push(match sign {
            "2C" => ',',
            "3D" => '=',
            _ => return None,
        });
        name.push_str(rest);
    }
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests;
