//! API versions: what this client can speak, what a broker says it can, and what the two use.
//!
//! The lowest versions are those of Kafka 2.4, the first with flexible versions (KIP-482), static
//! membership (KIP-345) and member ids given by the coordinator (KIP-394) throughout.

use std::collections::HashMap;
use std::fmt;

use kafka_protocol::messages::{ApiKey, ApiVersionsResponse};

/// The versions this client speaks to every broker: API, lowest, highest.
const SPOKEN: &[(ApiKey, i16, i16)] = &[
    (ApiKey::Produce, 8, 12),
    (ApiKey::Fetch, 11, 13),
    (ApiKey::ListOffsets, 5, 7),
    (ApiKey::Metadata, 9, 13),
    (ApiKey::OffsetCommit, 8, 9),
    (ApiKey::OffsetFetch, 6, 9),
    (ApiKey::FindCoordinator, 3, 3),
    (ApiKey::JoinGroup, 6, 9),
    (ApiKey::Heartbeat, 4, 4),
    (ApiKey::LeaveGroup, 4, 5),
    (ApiKey::SyncGroup, 4, 5),
    (ApiKey::ApiVersions, 0, 3),
    (ApiKey::CreateTopics, 5, 7),
    (ApiKey::InitProducerId, 2, 5),
];

/// Those it speaks to brokers that have them, and does without where they don't. TxnOffsetCommit
/// begins where offsets can be committed as a member of a group (KIP-447, Kafka 2.5);
/// AddPartitionsToTxn ends where brokers have it for themselves.
const OPTIONAL: &[(ApiKey, i16, i16)] = &[
    (ApiKey::ConsumerGroupHeartbeat, 0, 1),
    (ApiKey::AddPartitionsToTxn, 1, 3),
    (ApiKey::AddOffsetsToTxn, 1, 4),
    (ApiKey::TxnOffsetCommit, 3, 5),
    (ApiKey::EndTxn, 1, 5),
];

/// Those it speaks where a login is asked for.
const LOGIN: &[(ApiKey, i16, i16)] = &[
    (ApiKey::SaslHandshake, 1, 1),
    (ApiKey::SaslAuthenticate, 1, 2),
];

/// The feature whose level says how transactions are spoken (KIP-890).
const TRANSACTION_VERSION: &str = "transaction.version";

/// The version of ApiVersions that is asked first. It is asked before anything is known of the
/// broker; one that does not know it answers in version 0 (KIP-511).
pub const FIRST_API_VERSIONS: i16 = 3;

/// What a broker can speak.
#[derive(Clone, Debug, Default)]
pub struct ApiVersions {
    ranges: HashMap<i16, (i16, i16)>,
    transaction_version: i16,
}

/// There is no version of an API that both sides speak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoCommonVersion {
    api: ApiKey,
    ours: (i16, i16),
    theirs: Option<(i16, i16)>,
}

impl fmt::Display for NoCommonVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (low, high) = self.ours;
        write!(
            f,
            "{:?} is needed in a version from {low} to {high}, and the broker ",
            self.api
        )?;
        match self.theirs {
            None if is_optional(self.api) => write!(f, "does not have it"),
            None => write!(f, "does not have it: it is not Kafka 2.4 or newer"),
            Some((min, max)) if max < low => {
                write!(f, "has {min} to {max}: it is older than Kafka 2.4")
            }
            Some((min, max)) => {
                write!(
                    f,
                    "has {min} to {max}: it is newer than this client can speak to"
                )
            }
        }
    }
}

fn is_optional(api: ApiKey) -> bool {
    OPTIONAL.iter().any(|(key, _, _)| *key == api)
}

impl ApiVersions {
    /// Takes over a broker's answer.
    pub fn from_response(response: &ApiVersionsResponse) -> Self {
        let ranges = response
            .api_keys
            .iter()
            .map(|api| (api.api_key, (api.min_version, api.max_version)))
            .collect();
        // An epoch below 0: the broker does not know what the cluster has agreed on.
        let mut features = response.finalized_features.iter();
        let found = features
            .find(|it| *it.name == *TRANSACTION_VERSION && response.finalized_features_epoch >= 0);
        Self {
            ranges,
            transaction_version: found.map_or(0, |feature| feature.max_version_level),
        }
    }

    /// The level of `transaction.version` that the cluster has agreed on (KIP-584): from 2 on, a
    /// transaction's partitions need not be announced, and its end brings the next epoch (KIP-890).
    pub fn transaction_version(&self) -> i16 {
        self.transaction_version
    }

    /// The highest version of an API that both sides speak.
    ///
    /// # Errors
    ///
    /// [`NoCommonVersion`] with the versions of both sides.
    pub fn pick(&self, api: ApiKey) -> Result<i16, NoCommonVersion> {
        let mut spoken = SPOKEN.iter().chain(OPTIONAL).chain(LOGIN);
        let spoken = spoken.find(|(key, _, _)| *key == api);
        let ours = spoken.map_or((0, -1), |&(_, low, high)| (low, high));
        let theirs = self.ranges.get(&(api as i16)).copied();
        match theirs {
            Some((min, max)) if min <= ours.1 && max >= ours.0 => Ok(ours.1.min(max)),
            _ => Err(NoCommonVersion { api, ours, theirs }),
        }
    }

    /// Checks that the broker has everything that a client always needs.
    ///
    /// # Errors
    ///
    /// [`NoCommonVersion`] of the first API that it lacks.
    pub fn check(&self) -> Result<(), NoCommonVersion> {
        SPOKEN
            .iter()
            .try_for_each(|&(api, _, _)| self.pick(api).map(|_| ()))
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::api_versions_response::{ApiVersion, FinalizedFeatureKey};
    use kafka_protocol::protocol::StrBytes;

    use super::*;
    use crate::wire::shape::{self, Refused};

    fn broker(ranges: &[(ApiKey, i16, i16)]) -> ApiVersions {
        let api_keys = ranges.iter().map(|&(api, min, max)| {
            ApiVersion::default()
                .with_api_key(api as i16)
                .with_min_version(min)
                .with_max_version(max)
        });
        ApiVersions::from_response(
            &ApiVersionsResponse::default().with_api_keys(api_keys.collect()),
        )
    }

    #[test]
    fn the_highest_common_version_is_used() {
        let versions = broker(&[(ApiKey::Fetch, 4, 17), (ApiKey::Produce, 0, 9)]);
        assert_eq!(versions.pick(ApiKey::Fetch), Ok(13));
        assert_eq!(versions.pick(ApiKey::Produce), Ok(9));
    }

    #[test]
    fn a_broker_too_old_too_new_or_without_the_api_is_told_apart() {
        let versions = broker(&[(ApiKey::Fetch, 0, 10), (ApiKey::Produce, 90, 99)]);
        let told = |api| {
            versions
                .pick(api)
                .map_err(|error| error.to_string())
                .unwrap_err()
        };
        assert!(
            told(ApiKey::Fetch).contains("older than Kafka 2.4"),
            "{}",
            told(ApiKey::Fetch)
        );
        assert!(told(ApiKey::Produce).contains("newer than this client"));
        assert!(told(ApiKey::Metadata).contains("does not have it"));
        assert!(versions.check().is_err());
    }

    #[test]
    fn the_transaction_version_is_what_the_cluster_has_agreed_on() {
        let told = |name: &str, epoch| {
            let feature = FinalizedFeatureKey::default()
                .with_name(StrBytes::from_string(name.to_owned()))
                .with_max_version_level(2);
            let response = ApiVersionsResponse::default()
                .with_finalized_features_epoch(epoch)
                .with_finalized_features(vec![feature]);
            ApiVersions::from_response(&response).transaction_version()
        };
        assert_eq!(told("transaction.version", 7), 2);
        assert_eq!(told("transaction.version", -1), 0);
        assert_eq!(told("group.version", 7), 0);
    }

    #[test]
    fn every_version_spoken_is_one_that_the_message_crate_can_encode() {
        for &(api, low, high) in SPOKEN.iter().chain(OPTIONAL).chain(LOGIN) {
            let known = api.valid_versions();
            assert!(
                low <= high && known.min <= low && high <= known.max,
                "{api:?}"
            );
        }
    }

    #[test]
    fn the_answer_to_whatever_is_spoken_can_be_checked() {
        for &(api, low, _) in SPOKEN.iter().chain(OPTIONAL) {
            let checked = shape::check_response(api as i16, low, b"");
            assert!(!matches!(checked, Err(Refused::Unknown(_))), "{api:?}");
        }
    }
}
