//! The table: field by field what the messages consist of, as Kafka's protocol guide lists them.

mod cluster;
mod consumer_groups;
mod groups;
mod login;
mod offsets;
mod producers;
mod records;
mod topics;
mod transactions;

use kafka_protocol::messages::ApiKey;

use super::table::Api;

/// The shape of an API, where the table has it.
pub(super) fn find(api: ApiKey) -> Option<&'static Api> {
    Some(match api {
        ApiKey::AddOffsetsToTxn => &transactions::ADD_OFFSETS_TO_TXN,
        ApiKey::AddPartitionsToTxn => &transactions::ADD_PARTITIONS_TO_TXN,
        ApiKey::ApiVersions => &cluster::API_VERSIONS,
        ApiKey::ConsumerGroupDescribe => &consumer_groups::CONSUMER_GROUP_DESCRIBE,
        ApiKey::ConsumerGroupHeartbeat => &consumer_groups::CONSUMER_GROUP_HEARTBEAT,
        ApiKey::CreatePartitions => &topics::CREATE_PARTITIONS,
        ApiKey::CreateTopics => &topics::CREATE_TOPICS,
        ApiKey::DeleteGroups => &groups::DELETE_GROUPS,
        ApiKey::DeleteRecords => &records::DELETE_RECORDS,
        ApiKey::DeleteTopics => &topics::DELETE_TOPICS,
        ApiKey::DescribeCluster => &cluster::DESCRIBE_CLUSTER,
        ApiKey::DescribeConfigs => &topics::DESCRIBE_CONFIGS,
        ApiKey::DescribeGroups => &groups::DESCRIBE_GROUPS,
        ApiKey::DescribeProducers => &transactions::DESCRIBE_PRODUCERS,
        ApiKey::DescribeTransactions => &transactions::DESCRIBE_TRANSACTIONS,
        ApiKey::EndTxn => &transactions::END_TXN,
        ApiKey::Fetch => &records::FETCH,
        ApiKey::FindCoordinator => &cluster::FIND_COORDINATOR,
        ApiKey::Heartbeat => &groups::HEARTBEAT,
        ApiKey::IncrementalAlterConfigs => &topics::INCREMENTAL_ALTER_CONFIGS,
        ApiKey::InitProducerId => &producers::INIT_PRODUCER_ID,
        ApiKey::JoinGroup => &groups::JOIN_GROUP,
        ApiKey::LeaveGroup => &groups::LEAVE_GROUP,
        ApiKey::ListGroups => &groups::LIST_GROUPS,
        ApiKey::ListOffsets => &records::LIST_OFFSETS,
        ApiKey::ListTransactions => &transactions::LIST_TRANSACTIONS,
        ApiKey::Metadata => &cluster::METADATA,
        ApiKey::OffsetCommit => &offsets::OFFSET_COMMIT,
        ApiKey::OffsetDelete => &offsets::OFFSET_DELETE,
        ApiKey::OffsetFetch => &offsets::OFFSET_FETCH,
        ApiKey::OffsetForLeaderEpoch => &records::OFFSET_FOR_LEADER_EPOCH,
        ApiKey::Produce => &records::PRODUCE,
        ApiKey::SaslAuthenticate => &login::SASL_AUTHENTICATE,
        ApiKey::SaslHandshake => &login::SASL_HANDSHAKE,
        ApiKey::SyncGroup => &groups::SYNC_GROUP,
        ApiKey::TxnOffsetCommit => &transactions::TXN_OFFSET_COMMIT,
        _ => return None,
    })
}
