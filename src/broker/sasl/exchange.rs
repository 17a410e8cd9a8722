//! One conversation, in one of the mechanisms.

use super::scram::{Challenge, ClientFirst};
use super::{Accounts, Mechanism};
use crate::net::sasl::Hash;

/// Where a conversation is.
#[derive(Debug)]
pub(super) enum Exchange {
    Plain,
    ScramFirst(Hash),
    ScramFinal(Challenge),
    OauthBearer,
    /// A token was no good; the client is yet to say that it has seen why.
    TokenRefused,
}

/// What comes of a message.
#[derive(Debug)]
pub(super) enum Step {
    /// This is said, and the conversation goes on.
    Goes(String, Exchange),
    /// This is said to a user who has logged in.
    Done { user: String, last: String },
    /// Why the client is refused.
    Refused(String),
}

impl Exchange {
    pub(super) fn new(mechanism: Mechanism) -> Self {
        match mechanism {
            Mechanism::Plain => Self::Plain,
            Mechanism::Scram(hash) => Self::ScramFirst(hash),
            Mechanism::OauthBearer => Self::OauthBearer,
        }
    }

    /// Takes the client's next message. The nonce is printable text without a comma.
    pub(super) fn take(self, message: &[u8], accounts: &Accounts, nonce: &str) -> Step {
        match self {
            Self::Plain => plain(message, accounts),
            Self::ScramFirst(hash) => {
                let known = ClientFirst::parse(message)
                    .and_then(|first| Some((accounts.keys(hash, &first.user)?, first)));
                match known {
                    Some((keys, first)) => {
                        let challenge = first.challenge(keys, nonce);
                        Step::Goes(challenge.message.clone(), Self::ScramFinal(challenge))
                    }
                    None => Step::Refused(invalid(Mechanism::Scram(hash))),
                }
            }
            Self::ScramFinal(challenge) => match challenge.verify(message) {
                Some(last) => Step::Done {
                    user: challenge.user,
                    last,
                },
                None => Step::Refused(invalid(Mechanism::Scram(challenge.hash()))),
            },
            Self::OauthBearer => oauth_bearer(message, accounts),
            Self::TokenRefused => Step::Refused(invalid(Mechanism::OauthBearer)),
        }
    }
}

/// RFC 4616: whom to act for (nobody else, here), the user, the password.
fn plain(message: &[u8], accounts: &Accounts) -> Step {
    let text = std::str::from_utf8(message).unwrap_or_default();
    let parts: Vec<_> = text.split('\0').collect();
    match parts[..] {
        [acts_for, user, password]
            if (acts_for.is_empty() || acts_for == user)
                && accounts.has_password(user, password) =>
        {
            Step::Done {
                user: user.to_owned(),
                last: String::new(),
            }
        }
        _ => Step::Refused("Authentication failed: Invalid username or password".to_owned()),
    }
}

/// RFC 7628, without the host and port. Extensions (KIP-342) are not looked at.
fn oauth_bearer(message: &[u8], accounts: &Accounts) -> Step {
    let text = std::str::from_utf8(message).unwrap_or_default();
    let token = text
        .split('\u{1}')
        .find_map(|pair| pair.strip_prefix("auth=Bearer "));
    match token.and_then(|token| accounts.user_of(token)) {
        Some(user) => Step::Done {
            user,
            last: String::new(),
        },
        None => Step::Goes(
            r#"{"status":"invalid_token"}"#.to_owned(),
            Exchange::TokenRefused,
        ),
    }
}

/// Says the same of a user whom nobody knows and of a wrong password.
fn invalid(mechanism: Mechanism) -> String {
    let name = mechanism.name();
    format!("Authentication failed due to invalid credentials with SASL mechanism {name}")
}
