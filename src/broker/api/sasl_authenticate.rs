//! SaslAuthenticate, versions 0 to 2: a mechanism's messages, and from version 1 on how long the
//! login holds (KIP-368).
//!
//! Whoever is refused is told why, and the connection is closed. Left out: the pause before that.

use bytes::Bytes;
use kafka_protocol::messages::{SaslAuthenticateRequest, SaslAuthenticateResponse};

use super::{Call, Refuse};
use crate::broker::sasl::Answer;
use crate::wire::ErrorCode;
use crate::wire::names::text;

pub(super) async fn handle(
    call: &Call<'_>,
    request: SaslAuthenticateRequest,
) -> SaslAuthenticateResponse {
    let Answer {
        code,
        why,
        message,
        session,
    } = call.shared.authenticate(call.login, &request.auth_bytes);
    let session = session.map_or(0, |it| i64::try_from(it.as_millis()).unwrap_or(i64::MAX));
    SaslAuthenticateResponse::default()
        .with_error_code(code.0)
        .with_error_message(why.map(|why| text(&why)))
        .with_auth_bytes(Bytes::from(message))
        .with_session_lifetime_ms(session)
}

impl Refuse for SaslAuthenticateRequest {
    fn refuse(&self, code: ErrorCode) -> SaslAuthenticateResponse {
        SaslAuthenticateResponse::default()
            .with_error_code(code.0)
            .with_error_message(Some(text(code.description())))
    }
}

#[cfg(test)]
mod tests;
