//! SASL: the other side of a login. Pure.
//!
//! [`login`] is what a connection has gone through; [`exchange`] is one conversation, in one of the
//! mechanisms; [`accounts`] are those who may log in. [`scram`] has the keys of a password, not
//! the password.

mod accounts;
mod exchange;
mod login;
mod scram;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(super) use accounts::Accounts;
pub(super) use login::{Admission, Answer, Login};

use crate::net::sasl::{Hash, Login as Credentials};

/// Who may log in, by every mechanism.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Logins {
    /// Users and passwords, for PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512.
    pub users: Vec<Credentials>,
    /// What is done about access tokens, for OAUTHBEARER. Where it is left out, none is good.
    pub tokens: Option<TokenCheck>,
}

/// Whose token it is.
type Check = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Tells whose an access token is; nobody's, where it is no good. Clones are the same check.
#[derive(Clone)]
pub struct TokenCheck(Arc<Check>);

impl TokenCheck {
    /// Goes by this function.
    pub fn new(user: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(user))
    }
}

impl fmt::Debug for TokenCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenCheck")
    }
}

/// The same check, not one that does the same.
impl PartialEq for TokenCheck {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for TokenCheck {}

/// A connection's login, for a moment.
pub(super) fn locked(login: &Mutex<Login>) -> MutexGuard<'_, Login> {
    // No message leaves it half changed.
    login.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A way to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mechanism {
    Plain,
    Scram(Hash),
    OauthBearer,
}

impl Mechanism {
    pub(super) const ALL: [Self; 4] = [
        Self::Plain,
        Self::Scram(Hash::Sha256),
        Self::Scram(Hash::Sha512),
        Self::OauthBearer,
    ];

    /// The registered name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Scram(Hash::Sha256) => "SCRAM-SHA-256",
            Self::Scram(Hash::Sha512) => "SCRAM-SHA-512",
            Self::OauthBearer => "OAUTHBEARER",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }
}
