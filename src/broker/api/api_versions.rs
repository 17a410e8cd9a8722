//! ApiVersions, versions 0 to 4: which APIs the broker has, in which versions (KIP-35, KIP-511).
//!
//! A version above that is answered in version 0 with `UNSUPPORTED_VERSION` and the list. Produce
//! is told of from version 0 on, as Apache Kafka does it for librdkafka (KAFKA-18659): that
//! compresses nothing where it does not see the versions that it once did so in.
//!
//! From version 3 on with the features of the cluster (KIP-584): `group.version` alone. Where that
//! is 0 there are no APIs of the consumer protocol, as on brokers from before it; Kafka's have
//! them, and answer `UNSUPPORTED_VERSION`.

use std::io;

use bytes::Bytes;
use kafka_protocol::messages::api_versions_response::{
    ApiVersion, FinalizedFeatureKey, SupportedFeatureKey,
};
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse};

use super::{Call, Refuse, Reply};
use crate::wire::ErrorCode;
use crate::wire::names::text;

/// The feature that the consumer protocol is (KIP-848), and its APIs.
const GROUP_VERSION: &str = "group.version";
const GROUP_APIS: [i16; 2] = [
    ApiKey::ConsumerGroupHeartbeat as i16,
    ApiKey::ConsumerGroupDescribe as i16,
];
/// From this version on a client says what it is.
const NAMES_SOFTWARE: i16 = 3;
/// From this version on a client learns of features, …
const HAS_FEATURES: i16 = 3;
/// … and from this one also of those whose lowest level is 0.
const HAS_LEVEL_ZERO: i16 = 4;

pub(super) async fn handle(call: &Call<'_>, request: ApiVersionsRequest) -> ApiVersionsResponse {
    let software = [
        &request.client_software_name,
        &request.client_software_version,
    ];
    if call.version >= NAMES_SOFTWARE && !software.into_iter().all(|it| is_name(it)) {
        return request.refuse(ErrorCode::INVALID_REQUEST);
    }
    let group_version = call.shared.config.group_version;
    let mut versions = versions();
    versions.retain(|it| group_version > 0 || !GROUP_APIS.contains(&it.api_key));
    let answer = ApiVersionsResponse::default().with_api_keys(versions);
    if call.version < HAS_FEATURES {
        return answer;
    }
    // What is at level 0 is not there.
    let finalized = (group_version > 0).then(|| {
        FinalizedFeatureKey::default()
            .with_name(text(GROUP_VERSION))
            .with_max_version_level(group_version)
            .with_min_version_level(group_version)
    });
    answer
        .with_supported_features(supported(call.version))
        .with_finalized_features_epoch(0)
        .with_finalized_features(finalized.into_iter().collect())
}

fn supported(version: i16) -> Vec<SupportedFeatureKey> {
    let feature = SupportedFeatureKey::default()
        .with_name(text(GROUP_VERSION))
        .with_max_version(1);
    match version {
        HAS_LEVEL_ZERO.. => vec![feature],
        _ => Vec::new(),
    }
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
