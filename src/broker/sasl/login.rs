//! What a connection has gone through, from its first request on.
//!
//! ```text
//! Expected ──handshake──▶ Talking ──authenticate──▶ Done ──handshake──▶ Talking (KIP-368)
//!                            └──▶ Refused: the connection is closed
//! ```

use std::time::{Duration, Instant};

use kafka_protocol::messages::ApiKey;

use super::exchange::{Exchange, Step};
use super::{Accounts, Mechanism};
use crate::wire::ErrorCode;

/// A login is renewed no more than once in this time.
const RENEWED_AFTER: Duration = Duration::from_secs(1);

/// The login of a connection.
#[derive(Debug)]
pub(in crate::broker) struct Login {
    state: State,
    /// Who logged in first: nobody else may renew it.
    who: Option<(Mechanism, String)>,
    session: Option<Duration>,
}

#[derive(Debug)]
enum State {
    NotNeeded,
    Expected,
    Talking(Talk),
    Done { at: Instant },
    Refused,
}

#[derive(Debug)]
struct Talk {
    mechanism: Mechanism,
    exchange: Exchange,
    /// Messages come in requests, not as they are.
    is_framed: bool,
}

/// What becomes of a request before anyone looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::broker) enum Admission {
    Admitted,
    /// It is answered with an error, and the connection closed.
    Refused(ErrorCode),
    /// The connection is closed.
    Closed,
}

/// What is said to one of the mechanism's messages.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::broker) struct Answer {
    pub(in crate::broker) code: ErrorCode,
    /// Why, where the client is refused.
    pub(in crate::broker) why: Option<String>,
    pub(in crate::broker) message: String,
    /// How long the login holds, where it has an end.
    pub(in crate::broker) session: Option<Duration>,
}

impl Login {
    /// Of a connection by a listener where a login is needed, or not. A login holds for
    /// `session`, where that is set.
    pub(in crate::broker) fn new(is_needed: bool, session: Option<Duration>) -> Self {
        let state = if is_needed {
            State::Expected
        } else {
            State::NotNeeded
        };
        Self {
            state,
            who: None,
            session,
        }
    }

    /// True where the client is to hear no more.
    pub(in crate::broker) fn is_refused(&self) -> bool {
        matches!(self.state, State::Refused)
    }

    /// True where the next frame is one of the mechanism's messages, and no request.
    pub(in crate::broker) fn takes_bare_message(&self) -> bool {
        matches!(&self.state, State::Talking(talk) if !talk.is_framed)
    }

    /// Says whether a request may be made.
    pub(in crate::broker) fn admits(&self, api: ApiKey, now: Instant) -> Admission {
        let is_admitted = match self.state {
            State::NotNeeded => true,
            State::Expected => matches!(api, ApiKey::ApiVersions | ApiKey::SaslHandshake),
            State::Talking(..) if api == ApiKey::SaslAuthenticate => true,
            State::Talking(..) => return Admission::Refused(ErrorCode::ILLEGAL_SASL_STATE),
            State::Done { at } => {
                let holds = |session| now.saturating_duration_since(at) < session;
                api == ApiKey::SaslHandshake || self.session.is_none_or(holds)
            }
            State::Refused => false,
        };
        if is_admitted {
            Admission::Admitted
        } else {
            Admission::Closed
        }
    }

    /// Takes a SaslHandshake. The messages that follow come in requests, where they are framed.
    pub(in crate::broker) fn handshake(
        &mut self,
        mechanism: &str,
        is_framed: bool,
        now: Instant,
    ) -> ErrorCode {
        let may_begin = match self.state {
            State::Expected => true,
            State::Done { at } => self.session.is_some() && now >= at + RENEWED_AFTER,
            _ => false,
        };
        if !may_begin {
            return ErrorCode::ILLEGAL_SASL_STATE;
        }
        match Mechanism::named(mechanism) {
            Some(mechanism) => {
                self.state = State::Talking(Talk {
                    mechanism,
                    exchange: Exchange::new(mechanism),
                    is_framed,
                });
                ErrorCode::NONE
            }
            None => {
                self.state = State::Refused;
                ErrorCode::UNSUPPORTED_SASL_MECHANISM
            }
        }
    }

    /// Takes one of the mechanism's messages. The nonce is printable text without a comma.
    pub(in crate::broker) fn authenticate(
        &mut self,
        message: &[u8],
        accounts: &Accounts,
        nonce: &str,
        now: Instant,
    ) -> Answer {
        let talk = match std::mem::replace(&mut self.state, State::Refused) {
            State::Talking(talk) => talk,
            other => {
                self.state = other;
                let why = "SaslAuthenticate request received after successful authentication";
                return refused(ErrorCode::ILLEGAL_SASL_STATE, why.to_owned());
            }
        };
        match talk.exchange.take(message, accounts, nonce) {
            Step::Goes(message, exchange) => {
                self.state = State::Talking(Talk { exchange, ..talk });
                accepted(message, None)
            }
            Step::Done { user, last } => {
                let now_is = (talk.mechanism, user);
                if *self.who.get_or_insert_with(|| now_is.clone()) != now_is {
                    let why = "Cannot change principals during re-authentication";
                    return refused(ErrorCode::SASL_AUTHENTICATION_FAILED, why.to_owned());
                }
                self.state = State::Done { at: now };
                accepted(last, self.session)
            }
            Step::Refused(why) => refused(ErrorCode::SASL_AUTHENTICATION_FAILED, why),
        }
    }
}

fn accepted(message: String, session: Option<Duration>) -> Answer {
    Answer {
        code: ErrorCode::NONE,
        why: None,
        message,
        session,
    }
}

fn refused(code: ErrorCode, why: String) -> Answer {
    Answer {
        code,
        why: Some(why),
        message: String::new(),
        session: None,
    }
}
