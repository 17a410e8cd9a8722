//! What is asked before anything else: which versions there are, and who coordinates.

use bytes::{Buf, BufMut, BytesMut};
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, FindCoordinatorRequest, RequestHeader,
};
use kafka_protocol::protocol::{Decodable, Encodable};
use payment_notifier::wire::ErrorCode;

use super::{Node, Table, text};
use crate::support::cluster::Cluster;

const API_VERSIONS: i16 = 3;
const FIND_COORDINATOR: i16 = 4;
/// One key a request.
const FIND_ONE_COORDINATOR: i16 = 3;

const GROUP: i8 = 0;

/// The APIs that a client of consumer groups and topics needs.
const NEEDED: [ApiKey; 13] = [
    ApiKey::Produce,
    ApiKey::Fetch,
    ApiKey::ListOffsets,
    ApiKey::Metadata,
    ApiKey::OffsetCommit,
    ApiKey::OffsetFetch,
    ApiKey::FindCoordinator,
    ApiKey::JoinGroup,
    ApiKey::Heartbeat,
    ApiKey::LeaveGroup,
    ApiKey::SyncGroup,
    ApiKey::CreateTopics,
    ApiKey::InitProducerId,
];

pub(super) async fn unknown_versions_are_refused() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let mut node = Node::of(cluster).await;
    let software = ApiVersionsRequest::default()
        .with_client_software_name(text("tests"))
        .with_client_software_version(text("1.0"));
    let told = node.ask(API_VERSIONS, &software).await;
    table.code("a known version", told.error_code, ErrorCode::NONE);
    for api in NEEDED {
        let api = told.api_keys.iter().filter(|it| it.api_key == api as i16);
        table.case("an API", api.count(), 1);
    }

    // There is no such version any more, but librdkafka compresses nothing without (KAFKA-18659).
    let mut produce = told.api_keys.iter();
    let produce = produce.find(|it| it.api_key == ApiKey::Produce as i16);
    table.case("Produce", produce.map(|it| it.min_version), Some(0));

    // KIP-511: the answer is of version 0, and a client asks again.
    let newest = bytes(ApiKey::ApiVersions, 127, 2);
    let mut answer = node.0.call_bytes(&newest).await.expect("an answer");
    answer.advance(4);
    let answer = ApiVersionsResponse::decode(&mut answer, 0).expect("version 0");
    table.code(
        "a version to come",
        answer.error_code,
        ErrorCode::UNSUPPORTED_VERSION,
    );
    let mut told = answer.api_keys.iter();
    let itself = told.any(|it| it.api_key == ApiKey::ApiVersions as i16);
    table.case("which there are", itself, true);
    let again = node.ask(API_VERSIONS, &software).await;
    table.code("on the same connection", again.error_code, ErrorCode::NONE);

    let nonsense = "Jürgen's client";
    let nonsense = software.with_client_software_name(text(nonsense));
    let answer = node.ask(API_VERSIONS, &nonsense).await;
    table.code(
        "a name that can't be",
        answer.error_code,
        ErrorCode::INVALID_REQUEST,
    );

    // There is no answer that every client could read.
    let mut unknown = bytes(ApiKey::Metadata, 1, 1);
    unknown[..2].copy_from_slice(&999_i16.to_be_bytes());
    let closed = [
        (
            "another API's version to come",
            bytes(ApiKey::Metadata, 127, 2),
        ),
        ("an unknown API", unknown),
        ("no request at all", BytesMut::from(&b"GET "[..])),
    ];
    for (what, request) in closed {
        let answer = Node::of(cluster).await.0.call_bytes(&request).await;
        table.case(what, answer.is_err(), true);
    }
    table.end();
}

/// A request without a body.
fn bytes(api: ApiKey, version: i16, header_version: i16) -> BytesMut {
    let header = RequestHeader::default()
        .with_request_api_key(api as i16)
        .with_request_api_version(version)
        .with_correlation_id(7);
    let mut bytes = BytesMut::new();
    let encoded = header.encode(&mut bytes, header_version);
    encoded.expect("a header has no limits");
    bytes.put_u8(0);
    bytes
}

pub(super) async fn coordinators_are_looked_up() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let mut node = Node::of(cluster).await;
    let group = cluster.unique("looked-up");
    cluster.coordinator(&group).await;
    let of = |kind, keys: &[&str]| {
        FindCoordinatorRequest::default()
            .with_key_type(kind)
            .with_coordinator_keys(keys.iter().map(|key| text(key)).collect())
    };
    let both = node
        .ask(FIND_COORDINATOR, &of(GROUP, &[&group, "another"]))
        .await;
    let told = both.coordinators.iter();
    let told: Vec<_> = told.map(|it| (it.key.to_string(), it.node_id.0)).collect();
    table.case(
        "two groups",
        told,
        vec![(group.clone(), 1), ("another".to_owned(), 1)],
    );
    let addresses = both.coordinators.iter();
    let addresses = addresses.map(|it| format!("{}:{}", it.host, it.port));
    let here = cluster.bootstrap().to_owned();
    table.case("where", addresses.collect(), vec![here.clone(), here]);

    let wrong = node.ask(FIND_COORDINATOR, &of(77, &["any"])).await;
    let code = wrong
        .coordinators
        .first()
        .map_or(wrong.error_code, |it| it.error_code);
    table.code("an unknown kind", code, ErrorCode::INVALID_REQUEST);
    let one = FindCoordinatorRequest::default().with_key(text(&group));
    let one = node.ask(FIND_ONE_COORDINATOR, &one).await;
    table.case("one group", (one.error_code, one.node_id.0), (0, 1));
    table.end();
}
