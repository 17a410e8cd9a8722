//! ApiVersions, versions 0 to 4: which APIs the broker has, in which versions (KIP-35, KIP-511).
//!
//! A version above that is answered in version 0 with `UNSUPPORTED_VERSION` and the list. Produce
//! is told of from version 0 on, as Apache Kafka does it for librdkafka (KAFKA-18659): that
//! compresses nothing where it does not see the versions that it once did so in.
//!
//! From version 3 on with the features of the cluster (KIP-584). What a feature brings is missing
//! where it is off, as on brokers from before it; Kafka's of today have it, and refuse some of it.

use std::io;

use bytes::Bytes;
use kafka_protocol::messages::api_versions_response::{
    ApiVersion, FinalizedFeatureKey, SupportedFeatureKey,
};
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse};

use super::{Call, Refuse, Reply, offered};
use crate::broker::BrokerConfig;
use crate::wire::ErrorCode;
use crate::wire::names::text;

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
    let config = &call.shared.config;
    let answer = ApiVersionsResponse::default().with_api_keys(versions(config));
    if call.version < HAS_FEATURES {
        return answer;
    }
    let mut supported = Vec::new();
    let mut finalized = Vec::new();
    for feature in offered::features(config) {
        if call.version >= HAS_LEVEL_ZERO {
            supported.push(
                SupportedFeatureKey::default()
                    .with_name(text(feature.name))
                    .with_max_version(feature.highest),
            );
        }
        // What is at level 0 is not there.
        if feature.level > 0 {
            finalized.push(
                FinalizedFeatureKey::default()
                    .with_name(text(feature.name))
                    .with_max_version_level(feature.level)
                    .with_min_version_level(feature.level),
            );
        }
    }
    answer
        .with_supported_features(supported)
        .with_finalized_features_epoch(0)
        .with_finalized_features(finalized)
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

fn versions(config: &BrokerConfig) -> Vec<ApiVersion> {
    let mut versions = offered::versions(config);
    for version in &mut versions {
        if version.api_key == ApiKey::Produce as i16 {
            version.min_version = 0;
        }
    }
    versions
}

/// The answer to a version that is too new.
pub(super) fn unsupported(call: &Call<'_>) -> io::Result<Reply<Bytes>> {
    let answer = ApiVersionsResponse::default()
        .with_api_keys(versions(&call.shared.config))
        .with_error_code(ErrorCode::UNSUPPORTED_VERSION.0);
    super::frame(call, 0, &answer).map(Reply::Answer)
}

impl Refuse for ApiVersionsRequest {
    fn refuse(&self, code: ErrorCode) -> ApiVersionsResponse {
        ApiVersionsResponse::default().with_error_code(code.0)
    }
}
