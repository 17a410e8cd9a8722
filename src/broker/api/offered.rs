//! Which of the APIs a broker has, and what features: that depends on how it is set up.

use kafka_protocol::messages::ApiKey;
use kafka_protocol::messages::api_versions_response::ApiVersion;

use super::Call;
use crate::broker::BrokerConfig;
use crate::broker::transactions::TransactionVersion;

/// The APIs of the consumer protocol (KIP-848).
const OF_CONSUMER_GROUPS: [ApiKey; 2] = [
    ApiKey::ConsumerGroupHeartbeat,
    ApiKey::ConsumerGroupDescribe,
];
/// The APIs that are there for transactions alone.
const OF_TRANSACTIONS: [ApiKey; 6] = [
    ApiKey::AddOffsetsToTxn,
    ApiKey::AddPartitionsToTxn,
    ApiKey::DescribeTransactions,
    ApiKey::EndTxn,
    ApiKey::ListTransactions,
    ApiKey::TxnOffsetCommit,
];
/// The last versions before transaction version 2 (KIP-890).
const BEFORE_V2: [(ApiKey, i16); 3] = [
    (ApiKey::EndTxn, 4),
    (ApiKey::Produce, 11),
    (ApiKey::TxnOffsetCommit, 4),
];

/// A feature of a cluster (KIP-584).
#[derive(Clone, Copy, Debug)]
pub(super) struct Feature {
    pub(super) name: &'static str,
    /// 0 where it is off.
    pub(super) level: i16,
    /// The highest level that a broker knows.
    pub(super) highest: i16,
}

/// The features that a cluster has, or could have.
pub(super) fn features(config: &BrokerConfig) -> Vec<Feature> {
    let transactions = config.transaction_version.map(|version| Feature {
        name: "transaction.version",
        level: version.level(),
        highest: TransactionVersion::V2.level(),
    });
    let groups = Feature {
        name: "group.version",
        level: config.group_version,
        highest: 1,
    };
    transactions.into_iter().chain([groups]).collect()
}

/// The versions that a broker has.
pub(super) fn versions(config: &BrokerConfig) -> Vec<ApiVersion> {
    let mut versions = super::versions();
    versions.retain_mut(|offered| {
        let is = |api: ApiKey| offered.api_key == api as i16;
        let is_missing = OF_TRANSACTIONS.into_iter().any(is)
            && config.transaction_version.is_none()
            || OF_CONSUMER_GROUPS.into_iter().any(is) && config.group_version == 0;
        let limit = BEFORE_V2.into_iter().find(|(api, _)| is(*api));
        if let Some((_, last)) = limit
            && config.transaction_version != Some(TransactionVersion::V2)
        {
            offered.max_version = last;
        }
        !is_missing
    });
    versions
}

/// Whether a broker has what a request is. The version of ApiVersions itself may be any.
pub(super) fn has(call: &Call<'_>) -> bool {
    let mut offered = versions(&call.shared.config).into_iter();
    let found = offered.find(|offered| offered.api_key == call.api as i16);
    found.is_some_and(|offered| {
        call.api == ApiKey::ApiVersions || call.version <= offered.max_version
    })
}
