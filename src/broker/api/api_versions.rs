//! ApiVersions, versions 0 to 4: which APIs the broker has, in which versions (KIP-35, KIP-511).
//!
//! A version above that is answered in version 0 with `UNSUPPORTED_VERSION` and the list.
//!
//! Left out: features (KIP-584), as there is nothing to switch on or off.

use std::io;

use bytes::Bytes;
use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};

use super::{Call, Refuse, Reply};
use crate::wire::ErrorCode;

pub(super) async fn handle(_: &Call<'_>, _: ApiVersionsRequest) -> ApiVersionsResponse {
    ApiVersionsResponse::default().with_api_keys(super::versions())
}

/// The answer to a version that is too new.
pub(super) fn unsupported(call: &Call<'_>) -> io::Result<Reply<Bytes>> {
    let answer = ApiVersionsRequest::default().refuse(ErrorCode::UNSUPPORTED_VERSION);
    super::frame(call, 0, &answer).map(Reply::Answer)
}

impl Refuse for ApiVersionsRequest {
    fn refuse(&self, code: ErrorCode) -> ApiVersionsResponse {
        ApiVersionsResponse::default()
            .with_api_keys(super::versions())
            .with_error_code(code.0)
    }
}
