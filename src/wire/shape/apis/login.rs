//! Who a client is.

use super::super::table::api;

api! {
    SASL_HANDSHAKE flexible never;
    request {
        mechanism: text;
    }
    response {
        error_code: i16;
        mechanisms: [text];
    }
}

api! {
    SASL_AUTHENTICATE flexible 2;
    request {
        auth_bytes: bytes;
    }
    response {
        error_code: i16;
        error_message: text;
        auth_bytes: bytes;
        session_lifetime_ms: i64 (1..);
    }
}
