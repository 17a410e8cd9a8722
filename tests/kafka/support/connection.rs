//! A Kafka client for tests, as plain as can be: one request at a time, nothing retried, nothing
//! shared with the client under test but the message crate.

use std::io;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    GroupId, MetadataRequest, MetadataResponse, RequestHeader, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::cluster::Cluster;

/// Paused brokers accept connections and never answer.
const DEADLINE: Duration = Duration::from_secs(10);

const METADATA: i16 = 8;

/// A connection to one broker.
pub(crate) struct Connection {
    stream: TcpStream,
    correlation_id: i32,
}

impl Connection {
    pub(crate) async fn open(address: &str) -> io::Result<Self> {
        Ok(Self {
            stream: TcpStream::connect(address).await?,
            correlation_id: 0,
        })
    }

    /// Sends a request and returns its answer.
    pub(crate) async fn call<R: Request>(
        &mut self,
        version: i16,
        request: &R,
    ) -> io::Result<R::Response> {
        tokio::time::timeout(DEADLINE, self.exchange(version, request))
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    async fn exchange<R: Request>(&mut self, version: i16, request: &R) -> io::Result<R::Response> {
        self.correlation_id += 1;
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation_id)
            .with_client_id(Some(StrBytes::from_static_str("tests")));
        let mut body = BytesMut::new();
        header
            .encode(&mut body, R::header_version(version))
            .map_err(io::Error::other)?;
        request
            .encode(&mut body, version)
            .map_err(io::Error::other)?;
        let mut answer = self.swap(&body).await?;
        ResponseHeader::decode(&mut answer, R::Response::header_version(version))
            .map_err(io::Error::other)?;
        R::Response::decode(&mut answer, version).map_err(io::Error::other)
    }

    /// Sends the bytes of a request, header and all, and returns those of its answer.
    pub(crate) async fn call_bytes(&mut self, request: &[u8]) -> io::Result<Bytes> {
        tokio::time::timeout(DEADLINE, self.swap(request))
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    async fn swap(&mut self, request: &[u8]) -> io::Result<Bytes> {
        let mut frame = BytesMut::new();
        frame.put_u32(u32::try_from(request.len()).map_err(io::Error::other)?);
        frame.put(request);
        self.stream.write_all(&frame).await?;
        let mut answer = vec![0; self.stream.read_u32().await? as usize];
        self.stream.read_exact(&mut answer).await?;
        Ok(Bytes::from(answer))
    }
}

/// Asks the first bootstrap node that answers.
pub(super) async fn ask_any<R: Request>(
    cluster: &Cluster,
    version: i16,
    request: &R,
) -> io::Result<R::Response> {
    let mut last = io::Error::other("no bootstrap address");
    for address in cluster.bootstrap().split(',') {
        let asked = async {
            Connection::open(address)
                .await?
                .call(version, request)
                .await
        };
        match asked.await {
            Ok(answer) => return Ok(answer),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// What the cluster tells of a topic.
pub(super) async fn metadata(cluster: &Cluster, topic: &str) -> io::Result<MetadataResponse> {
    let topic = MetadataRequestTopic::default().with_name(Some(topic_name(topic)));
    let request = MetadataRequest::default()
        .with_topics(Some(vec![topic]))
        .with_allow_auto_topic_creation(false);
    ask_any(cluster, METADATA, &request).await
}

pub(crate) fn group_id(group: &str) -> GroupId {
    GroupId(StrBytes::from_string(group.to_owned()))
}

pub(crate) fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}
