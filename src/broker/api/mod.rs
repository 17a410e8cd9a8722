//! The APIs, a file each: its head says which versions it has, what it does and what it leaves
//! out.

mod add_offsets_to_txn;
mod add_partitions_to_txn;
mod api_versions;
mod consumer_group_describe;
mod consumer_group_heartbeat;
mod coordinated;
mod create_partitions;
mod create_topics;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_producers;
mod describe_transactions;
mod end_txn;
mod fetch;
mod find_coordinator;
#[cfg(test)]
mod group_tests;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod join_group;
mod leave_group;
mod led;
mod list_groups;
mod list_offsets;
mod list_transactions;
mod metadata;
mod offered;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod produce;
mod sasl_authenticate;
mod sasl_handshake;
mod sync_group;
#[cfg(test)]
mod transaction_tests;
mod transactional;
mod txn_offset_commit;

use std::sync::Mutex;
use std::{fmt, io};

use bytes::Bytes;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{self, ApiKey, ResponseHeader};
use kafka_protocol::protocol::{Encodable, Request, StrBytes};

use super::sasl::Login;
use super::state::Shared;
use crate::wire::frame::Draft;
use crate::wire::{ErrorCode, shape};

/// Who asks, whom, and how.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) shared: &'a Shared,
    /// The node that was asked.
    pub(super) node: i32,
    /// The listener by which: its place in the configuration.
    pub(super) listener: usize,
    pub(super) api: ApiKey,
    pub(super) version: i16,
    pub(super) correlation_id: i32,
    pub(super) client_id: StrBytes,
    /// What the connection has gone through.
    pub(super) login: &'a Mutex<Login>,
}

/// What becomes of a request.
#[derive(Debug)]
pub(super) enum Reply<T> {
    Answer(T),
    /// There is no answer: a Produce with `acks=0`.
    Silence,
    /// The connection is closed: all that can be said to a Produce with `acks=0` that failed.
    Close,
}

impl<T> From<T> for Reply<T> {
    fn from(answer: T) -> Self {
        Self::Answer(answer)
    }
}

/// A request that can be answered with an error and nothing else.
trait Refuse: Request {
    /// The answer that has this code wherever it has room for one.
    fn refuse(&self, code: ErrorCode) -> Self::Response;

    /// What is said to it: that answer, if whoever asked waits for one.
    fn refused(&self, code: ErrorCode) -> Reply<Self::Response> {
        Reply::Answer(self.refuse(code))
    }
}

/// Lists the APIs: key, lowest and highest version, module. Each module has an
/// `async fn handle(&Call, Request) -> impl Into<Reply<Response>>`.
macro_rules! apis {
    ($($api:ident($request:ident) $low:literal..=$high:literal $module:ident;)*) => {
        /// The versions that there are; a broker may have fewer.
        fn versions() -> Vec<ApiVersion> {
            vec![$(
                ApiVersion::default()
                    .with_api_key(ApiKey::$api as i16)
                    .with_min_version($low)
                    .with_max_version($high),
            )*]
        }

        /// Handles a request; the answer is a whole frame.
        ///
        /// # Errors
        ///
        /// What can only be met by closing the connection: an API or a version that the broker
        /// does not have, bytes that are not what they say they are.
        pub(super) async fn handle(call: &Call<'_>, body: Bytes) -> io::Result<Reply<Bytes>> {
            match call.api {
                _ if !offered::has(call) => Err(unsupported(call)),
                $(ApiKey::$api if ($low..=$high).contains(&call.version) => {
                    let request = decode(call, body)?;
                    let reply = Box::pin($module::handle(call, request)).await;
                    encode::<<messages::$request as Request>::Response>(call, reply.into())
                })*
                // Whoever asks for a version that is too new is told which there are (KIP-511).
                ApiKey::ApiVersions => api_versions::unsupported(call),
                _ => Err(unsupported(call)),
            }
        }

        /// Answers a request with an error, and does nothing else.
        ///
        /// # Errors
        ///
        /// As [`handle`].
        pub(super) fn refuse(
            call: &Call<'_>,
            body: Bytes,
            code: ErrorCode,
        ) -> io::Result<Reply<Bytes>> {
            match call.api {
                _ if !offered::has(call) => Err(unsupported(call)),
                $(ApiKey::$api if ($low..=$high).contains(&call.version) => {
                    let request: messages::$request = decode(call, body)?;
                    encode(call, request.refused(code))
                })*
                _ => Err(unsupported(call)),
            }
        }
    };
}

apis! {
    AddOffsetsToTxn(AddOffsetsToTxnRequest) 0..=4 add_offsets_to_txn;
    AddPartitionsToTxn(AddPartitionsToTxnRequest) 0..=3 add_partitions_to_txn;
    ApiVersions(ApiVersionsRequest) 0..=4 api_versions;
    ConsumerGroupDescribe(ConsumerGroupDescribeRequest) 0..=1 consumer_group_describe;
    ConsumerGroupHeartbeat(ConsumerGroupHeartbeatRequest) 0..=1 consumer_group_heartbeat;
    CreatePartitions(CreatePartitionsRequest) 0..=3 create_partitions;
    CreateTopics(CreateTopicsRequest) 2..=7 create_topics;
    DeleteGroups(DeleteGroupsRequest) 0..=2 delete_groups;
    DeleteRecords(DeleteRecordsRequest) 0..=2 delete_records;
    DeleteTopics(DeleteTopicsRequest) 1..=6 delete_topics;
    DescribeCluster(DescribeClusterRequest) 0..=2 describe_cluster;
    DescribeConfigs(DescribeConfigsRequest) 1..=4 describe_configs;
    DescribeGroups(DescribeGroupsRequest) 0..=6 describe_groups;
    DescribeProducers(DescribeProducersRequest) 0..=0 describe_producers;
    DescribeTransactions(DescribeTransactionsRequest) 0..=0 describe_transactions;
    EndTxn(EndTxnRequest) 0..=5 end_txn;
    Fetch(FetchRequest) 4..=18 fetch;
    FindCoordinator(FindCoordinatorRequest) 0..=6 find_coordinator;
    Heartbeat(HeartbeatRequest) 0..=4 heartbeat;
    IncrementalAlterConfigs(IncrementalAlterConfigsRequest) 0..=1 incremental_alter_configs;
    InitProducerId(InitProducerIdRequest) 0..=5 init_producer_id;
    JoinGroup(JoinGroupRequest) 0..=9 join_group;
    LeaveGroup(LeaveGroupRequest) 0..=5 leave_group;
    ListGroups(ListGroupsRequest) 0..=5 list_groups;
    ListOffsets(ListOffsetsRequest) 1..=10 list_offsets;
    ListTransactions(ListTransactionsRequest) 0..=1 list_transactions;
    Metadata(MetadataRequest) 0..=13 metadata;
    OffsetCommit(OffsetCommitRequest) 2..=9 offset_commit;
    OffsetDelete(OffsetDeleteRequest) 0..=0 offset_delete;
    OffsetFetch(OffsetFetchRequest) 1..=9 offset_fetch;
    OffsetForLeaderEpoch(OffsetForLeaderEpochRequest) 2..=4 offset_for_leader_epoch;
    Produce(ProduceRequest) 3..=13 produce;
    SaslAuthenticate(SaslAuthenticateRequest) 0..=2 sasl_authenticate;
    SaslHandshake(SaslHandshakeRequest) 0..=1 sasl_handshake;
    SyncGroup(SyncGroupRequest) 0..=5 sync_group;
    TxnOffsetCommit(TxnOffsetCommitRequest) 0..=5 txn_offset_commit;
}

fn decode<R: Request>(call: &Call<'_>, mut body: Bytes) -> io::Result<R> {
    let malformed = |error: &dyn fmt::Display| {
        let text = format!("{:?} version {}: {error}", call.api, call.version);
        io::Error::new(io::ErrorKind::InvalidData, text)
    };
    shape::check_request(R::KEY, call.version, &body).map_err(|error| malformed(&error))?;
    R::decode(&mut body, call.version).map_err(|error| malformed(&error))
}

fn encode<T: Encodable>(call: &Call<'_>, reply: Reply<T>) -> io::Result<Reply<Bytes>> {
    Ok(match reply {
        Reply::Answer(body) => Reply::Answer(frame(call, call.version, &body)?),
        Reply::Silence => Reply::Silence,
        Reply::Close => Reply::Close,
    })
}

/// The answer with its length and header.
fn frame(call: &Call<'_>, version: i16, body: &impl Encodable) -> io::Result<Bytes> {
    let header = ResponseHeader::default().with_correlation_id(call.correlation_id);
    let header_version = call.api.response_header_version(version);
    let mut frame = Draft::begin(&header, header_version).map_err(unencodable)?;
    body.encode(&mut frame.0, version).map_err(unencodable)?;
    frame.finish().map_err(unencodable)
}

fn unsupported(call: &Call<'_>) -> io::Error {
    let text = format!("{:?} version {} is not supported", call.api, call.version);
    io::Error::new(io::ErrorKind::Unsupported, text)
}

fn unencodable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}

#[cfg(test)]
mod tests;
