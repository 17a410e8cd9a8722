//! ApiVersions, versions 0 to 4: which APIs the broker has, in which versions (KIP-35, KIP-511).
//!
//! A version above that is answered in version 0 with `UNSUPPORTED_VERSION` and the list. Produce
//! is told of from version 0 on, as Apache Kafka does it for librdkafka (KAFKA-18659): that
//! compresses nothing where it does not see the versions that it once did so in.
//!
//! Left out: features (KIP-584), as there is nothing to switch on or off.

use std::io;

use bytes::Bytes;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse};

use super::{Call, Refuse, Reply};
use crate::wire::ErrorCode;

/// From this version on a client says what it is.
const NAMES_SOFTWARE: i16 = 3;

pub(super) async fn handle(call: &Call<'_>, request: ApiVersionsRequest) -> ApiVersionsResponse {
    let software = [
        &request.client_software_name,
        &request.client_software_version,
    ];
    if call.version >= NAMES_SOFTWARE && !software.into_iter().all(|it| is_name(it)) {
        return request.refuse(ErrorCode::INVALID_REQUEST);
    }
    ApiVersionsResponse::default().with_api_keys(versions())
}

/// True for what a client may call itself: letters and digits, with `-` and `.` between them.
fn is_name(text: &str) -> bool {
    let is_end = |byte: Option<u8>| byte.is_some_and(|it| it.is_ascii_alphanumeric());
    is_end(text.bytes().next())
        && is_end(text.bytes().last())
        && text
            .bytes()
            .all(|it| it.is_ascii_alphanumeric() || b"-.".contains(&it))
}

fn versions() -> Vec<ApiVersion> {
    let mut versions = super::versions();
    for version in &mut versions {
        if version.api_key == ApiKey::Produce as i16 {
            version.min_version = 0;
        }
    }
    versions
}

/// The answer to a version that is too new.
pub(super) fn unsupported(call: &Call<'_>) -> io::Result<Reply<Bytes>> {
    let answer = ApiVersionsRequest::default().refuse(ErrorCode::UNSUPPORTED_VERSION);
    super::frame(call, 0, &answer).map(Reply::Answer)
}

impl Refuse for ApiVersionsRequest {
    fn refuse(&self, code: ErrorCode) -> ApiVersionsResponse {
        ApiVersionsResponse::default()
            .with_api_keys(versions())
            .with_error_code(code.0)
    }
}
