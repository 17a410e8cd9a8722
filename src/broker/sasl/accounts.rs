//! Those who may log in.

use std::collections::HashMap;

use super::scram::Keys;
use super::{Logins, TokenCheck};
use crate::net::sasl::Hash;
use crate::net::sasl::scram::prepared;
use crate::secret::Secret;

/// See the module.
#[derive(Debug)]
pub(in crate::broker) struct Accounts {
    users: HashMap<String, User>,
    tokens: Option<TokenCheck>,
}

#[derive(Debug)]
struct User {
    password: Secret,
    sha_256: Keys,
    sha_512: Keys,
}

impl Accounts {
    /// Takes as long as hashing all the passwords does. A password that SASLprep
    /// prohibits (RFC 4013) is good for PLAIN alone: no client hashes it.
    pub(in crate::broker) fn new(logins: &Logins, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let user = |login: &crate::net::sasl::Login| {
            let password = login.password.expose();
            let hashed = prepared(password, "the password").unwrap_or_else(|_| password.to_owned());
            let mut keys = |hash| Keys::new(hash, &hashed, &random.u128(..).to_be_bytes());
            let user = User {
                sha_256: keys(Hash::Sha256),
                sha_512: keys(Hash::Sha512),
                password: login.password.clone(),
            };
            (login.username.clone(), user)
        };
        Self {
            users: logins.users.iter().map(user).collect(),
            tokens: logins.tokens.clone(),
        }
    }

    /// True for a user's own password.
    pub(super) fn has_password(&self, user: &str, password: &str) -> bool {
        let user = self.users.get(user);
        user.is_some_and(|user| user.password.expose() == password)
    }

    /// What is known of a user's password.
    pub(super) fn keys(&self, hash: Hash, user: &str) -> Option<&Keys> {
        let user = self.users.get(user)?;
        Some(match hash {
            Hash::Sha256 => &user.sha_256,
            Hash::Sha512 => &user.sha_512,
        })
    }

    /// Whose a token is, if it is good.
    pub(super) fn user_of(&self, token: &str) -> Option<String> {
        let TokenCheck(user) = self.tokens.as_ref()?;
        user(token)
    }
}
