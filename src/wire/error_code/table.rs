//! The table: code, name, actions, description.

use super::{ABORT, Actions, COORDINATOR, ErrorCode, FATAL, METADATA, REJOIN, RETRY, Row};

/// Nothing a client does by itself; the caller decides.
const CALLER: Actions = 0;

macro_rules! error_codes {
    ($($code:literal $name:ident $actions:expr, $description:literal;)*) => {
        impl ErrorCode {
            $(
                #[doc = $description]
                pub const $name: Self = Self($code);
            )*
        }

        pub(super) static ROWS: &[Row] = &[
            $(Row {
                code: $code,
                name: stringify!($name),
                actions: $actions,
                description: $description,
            },)*
        ];
    };
}

error_codes! {
    -1 UNKNOWN_SERVER_ERROR ABORT, "The broker met an error that it did not expect; its log says more.";
    0 NONE CALLER, "No error.";
    1 OFFSET_OUT_OF_RANGE CALLER, "The partition does not have this offset, or has it no more.";
    2 CORRUPT_MESSAGE RETRY, "A record fails its checksum, has a wrong size, or has no key in a compacted topic.";
    3 UNKNOWN_TOPIC_OR_PARTITION RETRY | METADATA, "The broker does not have this topic or partition.";
    4 INVALID_FETCH_SIZE CALLER, "The requested fetch size is invalid.";
    5 LEADER_NOT_AVAILABLE RETRY | METADATA, "The partition has no leader at the moment: an election is under way.";
    6 NOT_LEADER_OR_FOLLOWER RETRY | METADATA, "The broker is not the leader of this partition, or not a replica of it.";
    7 REQUEST_TIMED_OUT RETRY, "The broker gave the request up: its time was over.";
    8 BROKER_NOT_AVAILABLE CALLER, "The broker is not available.";
    9 REPLICA_NOT_AVAILABLE RETRY | METADATA, "The replica is not available for this partition.";
    10 MESSAGE_TOO_LARGE ABORT, "A record is larger than the broker or the topic allows (max.message.bytes).";
    11 STALE_CONTROLLER_EPOCH CALLER, "The controller has moved to another broker.";
    12 OFFSET_METADATA_TOO_LARGE ABORT, "The text that goes with a committed offset is too long.";
    13 NETWORK_EXCEPTION RETRY | METADATA, "The connection was lost before an answer came.";
    14 COORDINATOR_LOAD_IN_PROGRESS RETRY, "The coordinator is still loading its state.";
    15 COORDINATOR_NOT_AVAILABLE RETRY | COORDINATOR, "There is no coordinator at the moment.";
    16 NOT_COORDINATOR RETRY | COORDINATOR, "The broker is not the coordinator of this group or transactional id.";
    17 INVALID_TOPIC_EXCEPTION ABORT, "The topic's name is invalid, or the topic does not allow this operation.";
    18 RECORD_LIST_TOO_LARGE ABORT, "The batch is larger than a log segment of the broker.";
    19 NOT_ENOUGH_REPLICAS RETRY, "Fewer replicas are in sync than the topic requires; nothing was written.";
    20 NOT_ENOUGH_REPLICAS_AFTER_APPEND RETRY, "The records were written, but to fewer replicas than the topic requires.";
    21 INVALID_REQUIRED_ACKS FATAL, "The number of acknowledgements asked for is invalid.";
    22 ILLEGAL_GENERATION REJOIN | ABORT, "The group has moved on to another generation.";
    23 INCONSISTENT_GROUP_PROTOCOL FATAL, "The group's other members have no assignor in common with this one, or are of another type.";
    24 INVALID_GROUP_ID FATAL | ABORT, "The group's id is invalid.";
    25 UNKNOWN_MEMBER_ID REJOIN | ABORT, "The coordinator does not know this member, or has removed it.";
    26 INVALID_SESSION_TIMEOUT FATAL, "The session timeout is outside what the broker allows (group.min.session.timeout.ms to group.max.session.timeout.ms).";
    27 REBALANCE_IN_PROGRESS REJOIN | ABORT, "The group is rebalancing.";
    28 INVALID_COMMIT_OFFSET_SIZE ABORT, "The commit is too large for the broker.";
    29 TOPIC_AUTHORIZATION_FAILED FATAL | ABORT, "The client has no right to this topic.";
    30 GROUP_AUTHORIZATION_FAILED FATAL | ABORT, "The client has no right to this group.";
    31 CLUSTER_AUTHORIZATION_FAILED FATAL, "The client has no right to do this to the cluster.";
    32 INVALID_TIMESTAMP ABORT, "A record's timestamp is outside what the topic accepts.";
    33 UNSUPPORTED_SASL_MECHANISM FATAL, "The broker does not offer this SASL mechanism.";
    34 ILLEGAL_SASL_STATE FATAL, "The request does not belong in this step of authentication.";
    35 UNSUPPORTED_VERSION FATAL, "The broker does not have this version of the API.";
    36 TOPIC_ALREADY_EXISTS CALLER, "There is a topic with this name already.";
    37 INVALID_PARTITIONS CALLER, "The number of partitions is invalid.";
    38 INVALID_REPLICATION_FACTOR CALLER, "The replication factor is below 1, or larger than the number of brokers.";
    39 INVALID_REPLICA_ASSIGNMENT CALLER, "The assignment of replicas is invalid.";
    40 INVALID_CONFIG CALLER, "The topic's or broker's setting is invalid.";
    41 NOT_CONTROLLER RETRY | METADATA, "The broker is not the cluster's controller.";
    42 INVALID_REQUEST FATAL, "The broker can make nothing of the request; its log says more.";
    43 UNSUPPORTED_FOR_MESSAGE_FORMAT FATAL, "The topic's message format is too old for this request.";
    44 POLICY_VIOLATION ABORT, "The request breaks a policy of the broker.";
    45 OUT_OF_ORDER_SEQUENCE_NUMBER ABORT, "The batch's sequence number leaves a gap to the one before.";
    46 DUPLICATE_SEQUENCE_NUMBER CALLER, "The batch's sequence number was used before: the records are there already.";
    47 INVALID_PRODUCER_EPOCH ABORT, "The producer's epoch is old: its transaction ended without it, or another took its place.";
    48 INVALID_TXN_STATE ABORT, "The transaction is in a state that does not allow this.";
    49 INVALID_PRODUCER_ID_MAPPING ABORT, "The producer id does not belong to this transactional id any more.";
    50 INVALID_TRANSACTION_TIMEOUT FATAL, "The transaction timeout is longer than the broker allows (transaction.max.timeout.ms).";
    51 CONCURRENT_TRANSACTIONS RETRY, "The transaction before this one is still being completed.";
    52 TRANSACTION_COORDINATOR_FENCED CALLER, "Another broker has become the transaction's coordinator.";
    53 TRANSACTIONAL_ID_AUTHORIZATION_FAILED FATAL, "The client has no right to this transactional id.";
    54 SECURITY_DISABLED FATAL, "The broker's security features are switched off.";
    55 OPERATION_NOT_ATTEMPTED ABORT, "Nothing was done: another part of the same request failed.";
    56 KAFKA_STORAGE_ERROR RETRY | METADATA, "The broker's disk failed.";
    57 LOG_DIR_NOT_FOUND CALLER, "The broker has no such log directory.";
    58 SASL_AUTHENTICATION_FAILED FATAL, "The broker refuses the user name or the password.";
    59 UNKNOWN_PRODUCER_ID ABORT, "The broker has nothing left of this producer: its records have been deleted.";
    60 REASSIGNMENT_IN_PROGRESS CALLER, "The partition is being reassigned.";
    61 DELEGATION_TOKEN_AUTH_DISABLED FATAL, "The broker's delegation tokens are switched off.";
    62 DELEGATION_TOKEN_NOT_FOUND CALLER, "The broker has no such delegation token.";
    63 DELEGATION_TOKEN_OWNER_MISMATCH CALLER, "The delegation token belongs to somebody else.";
    64 DELEGATION_TOKEN_REQUEST_NOT_ALLOWED FATAL, "Delegation tokens are not given on a connection like this one.";
    65 DELEGATION_TOKEN_AUTHORIZATION_FAILED FATAL, "The client has no right to this delegation token.";
    66 DELEGATION_TOKEN_EXPIRED FATAL, "The delegation token has expired.";
    67 INVALID_PRINCIPAL_TYPE CALLER, "The broker does not support this type of principal.";
    68 NON_EMPTY_GROUP CALLER, "The group still has members.";
    69 GROUP_ID_NOT_FOUND ABORT, "There is no group with this id.";
    70 FETCH_SESSION_ID_NOT_FOUND RETRY, "The broker has dropped this fetch session.";
    71 INVALID_FETCH_SESSION_EPOCH RETRY, "The fetch session's epoch is not the one expected.";
    72 LISTENER_NOT_FOUND RETRY | METADATA, "The partition's leader has no listener like the one that was asked.";
    73 TOPIC_DELETION_DISABLED CALLER, "The broker does not allow topics to be deleted.";
    74 FENCED_LEADER_EPOCH RETRY | METADATA, "The request's leader epoch is older than the broker's.";
    75 UNKNOWN_LEADER_EPOCH RETRY | METADATA, "The request's leader epoch is newer than the broker's.";
    76 UNSUPPORTED_COMPRESSION_TYPE FATAL, "The batches are compressed in a way that this version of the API does not have.";
    77 STALE_BROKER_EPOCH CALLER, "The broker's epoch has changed.";
    78 OFFSET_NOT_AVAILABLE RETRY, "The new leader does not know the partition's end yet.";
    79 MEMBER_ID_REQUIRED REJOIN, "The group expects the member to join again with the id it was given (KIP-394).";
    80 PREFERRED_LEADER_NOT_AVAILABLE RETRY | METADATA, "The preferred leader is not available.";
    81 GROUP_MAX_SIZE_REACHED FATAL, "The group has as many members as the broker allows.";
    82 FENCED_INSTANCE_ID FATAL | ABORT, "Another member has joined with the same group.instance.id (KIP-345).";
    83 ELIGIBLE_LEADERS_NOT_AVAILABLE RETRY | METADATA, "No replica that may lead is available.";
    84 ELECTION_NOT_NEEDED RETRY | METADATA, "The partition needs no election.";
    85 NO_REASSIGNMENT_IN_PROGRESS CALLER, "The partition is not being reassigned.";
    86 GROUP_SUBSCRIBED_TO_TOPIC CALLER, "The group is subscribed to this topic: its offsets can't be deleted.";
    87 INVALID_RECORD ABORT, "The broker refuses a record: it does not fit the topic's settings.";
    88 UNSTABLE_OFFSET_COMMIT RETRY, "A transaction that commits offsets of this group is still open (KIP-447).";
    89 THROTTLING_QUOTA_EXCEEDED RETRY, "The client's quota is used up for now.";
    90 PRODUCER_FENCED FATAL, "A newer producer with the same transactional id has taken over.";
    91 RESOURCE_NOT_FOUND CALLER, "The request names something that does not exist.";
    92 DUPLICATE_RESOURCE CALLER, "The request names the same thing twice.";
    93 UNACCEPTABLE_CREDENTIAL CALLER, "The new credential does not meet the broker's rules.";
    94 INCONSISTENT_VOTER_SET CALLER, "The sender or the receiver is not one of the expected voters.";
    95 INVALID_UPDATE_VERSION CALLER, "The version of the update is invalid.";
    96 FEATURE_UPDATE_FAILED CALLER, "The cluster's features could not be changed.";
    97 PRINCIPAL_DESERIALIZATION_FAILURE CALLER, "The brokers could not pass on who sent the request.";
    98 SNAPSHOT_NOT_FOUND CALLER, "There is no such snapshot.";
    99 POSITION_OUT_OF_RANGE CALLER, "The position is outside the snapshot.";
    100 UNKNOWN_TOPIC_ID RETRY | METADATA, "The broker has no topic with this id.";
    101 DUPLICATE_BROKER_REGISTRATION CALLER, "The broker's id is in use already.";
    102 BROKER_ID_NOT_REGISTERED CALLER, "No broker is registered with this id.";
    103 INCONSISTENT_TOPIC_ID RETRY | METADATA, "The topic has another id in the broker's log: it was created anew.";
    104 INCONSISTENT_CLUSTER_ID FATAL, "The broker belongs to another cluster.";
    105 TRANSACTIONAL_ID_NOT_FOUND CALLER, "There is no such transactional id.";
    106 FETCH_SESSION_TOPIC_ID_ERROR RETRY, "The fetch session mixes requests with and without topic ids.";
    107 INELIGIBLE_REPLICA CALLER, "A replica may not be part of the in-sync set.";
    108 NEW_LEADER_ELECTED CALLER, "The partition was changed, and its leader with it.";
    109 OFFSET_MOVED_TO_TIERED_STORAGE CALLER, "The offset has been moved to tiered storage.";
    110 FENCED_MEMBER_EPOCH REJOIN | ABORT, "The coordinator has fenced the member: it must give up its partitions (KIP-848).";
    111 UNRELEASED_INSTANCE_ID FATAL | ABORT, "Another member still has this group.instance.id and must leave first (KIP-848).";
    112 UNSUPPORTED_ASSIGNOR FATAL, "The broker does not have this assignor.";
    113 STALE_MEMBER_EPOCH ABORT, "The member's epoch is old: the next heartbeat brings the new one (KIP-848).";
    114 MISMATCHED_ENDPOINT_TYPE FATAL, "The request was sent to the wrong type of endpoint (broker or controller).";
    115 UNSUPPORTED_ENDPOINT_TYPE FATAL, "The type of endpoint is not supported.";
    116 UNKNOWN_CONTROLLER_ID CALLER, "There is no controller with this id.";
    117 UNKNOWN_SUBSCRIPTION_ID CALLER, "The telemetry subscription is invalid or outdated.";
    118 TELEMETRY_TOO_LARGE CALLER, "The telemetry is larger than the broker accepts.";
    119 INVALID_REGISTRATION CALLER, "The controller refuses the broker's registration.";
    120 TRANSACTION_ABORTABLE ABORT, "The transaction met an error and has to be aborted; the next one may succeed (KIP-890).";
    121 INVALID_RECORD_STATE CALLER, "The record is not in a state in which its delivery can be acknowledged.";
    122 SHARE_SESSION_NOT_FOUND RETRY, "The broker has dropped this share session.";
    123 INVALID_SHARE_SESSION_EPOCH RETRY, "The share session's epoch is not the one expected.";
    124 FENCED_STATE_EPOCH CALLER, "The share group's state epoch is not the one expected.";
    125 INVALID_VOTER_KEY CALLER, "The voter's key is not the receiving replica's.";
    126 DUPLICATE_VOTER CALLER, "The voter is one of the voters already.";
    127 VOTER_NOT_FOUND CALLER, "The voter is not one of the voters.";
    128 INVALID_REGULAR_EXPRESSION FATAL, "The subscription's regular expression is invalid.";
    129 REBOOTSTRAP_REQUIRED METADATA, "The client's metadata is too old: it must start again from its bootstrap servers (KIP-1102).";
    130 STREAMS_INVALID_TOPOLOGY CALLER, "The Streams topology is invalid.";
    131 STREAMS_INVALID_TOPOLOGY_EPOCH CALLER, "The Streams topology's epoch is invalid.";
    132 STREAMS_TOPOLOGY_FENCED CALLER, "The Streams topology's epoch is outdated.";
    133 SHARE_SESSION_LIMIT_REACHED RETRY, "The broker has as many share sessions as it allows.";
}
