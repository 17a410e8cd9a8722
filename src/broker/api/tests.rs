use bytes::{BufMut, BytesMut};
use kafka_protocol::messages::{ApiKey, MetadataRequest, RequestHeader};
use kafka_protocol::protocol::Encodable;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::super::testing::{Peer, cluster};
use super::versions;
use crate::wire::shape::{Refused, check_request};

#[test]
fn whatever_is_asked_can_be_checked() {
    for api in versions() {
        let checked = check_request(api.api_key, api.min_version, b"");
        assert!(!matches!(checked, Err(Refused::Unknown(_))), "{api:?}");
    }
}

#[tokio::test]
async fn a_request_that_claims_too_much_costs_its_connection() {
    let broker = cluster(1).await;
    let header = RequestHeader::default()
        .with_request_api_key(ApiKey::Metadata as i16)
        .with_request_api_version(4);
    let mut request = BytesMut::new();
    header.encode(&mut request, 1).unwrap();
    // Two thousand million topics.
    request.put_i32(i32::MAX);
    let address = broker.shared.state().nodes.address(1, 0).unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_u32(request.len() as u32).await.unwrap();
    stream.write_all(&request).await.unwrap();
    assert_eq!(
        stream.read_u8().await.map_err(|error| error.kind()),
        Err(std::io::ErrorKind::UnexpectedEof)
    );

    let mut other = Peer::connect(&broker, 1).await;
    let answer = other.ask(4, &MetadataRequest::default()).await;
    assert_eq!(answer.brokers.len(), 1);
}
