//! SaslHandshake, versions 0 and 1: which mechanism a client logs in by. After version 0 the
//! mechanism's messages come without headers, after version 1 in SaslAuthenticate (KIP-152).
//!
//! `ILLEGAL_SASL_STATE` where there is nothing to log in to, or no need to do it again;
//! `UNSUPPORTED_SASL_MECHANISM`, and the end of the connection, for a mechanism that there is not.

use kafka_protocol::messages::{SaslHandshakeRequest, SaslHandshakeResponse};

use super::{Call, Refuse};
use crate::broker::sasl::{Mechanism, locked};
use crate::wire::ErrorCode;
use crate::wire::names::text;

pub(super) async fn handle(
    call: &Call<'_>,
    request: SaslHandshakeRequest,
) -> SaslHandshakeResponse {
    let now = call.shared.clock.now();
    let is_framed = call.version > 0;
    let mut login = locked(call.login);
    let code = login.handshake(&request.mechanism, is_framed, now);
    request.refuse(code)
}

/// The mechanisms are told in any case, but where no login is possible.
impl Refuse for SaslHandshakeRequest {
    fn refuse(&self, code: ErrorCode) -> SaslHandshakeResponse {
        let offered = if code == ErrorCode::ILLEGAL_SASL_STATE {
            &[][..]
        } else {
            &Mechanism::ALL
        };
        let offered = offered.iter().map(|it| text(it.name()));
        SaslHandshakeResponse::default()
            .with_error_code(code.0)
            .with_mechanisms(offered.collect())
    }
}
