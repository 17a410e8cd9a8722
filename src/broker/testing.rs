//! Asking a broker as a client does that knows exactly what it wants to say.

use bytes::BytesMut;
use kafka_protocol::protocol::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::topics::{TopicSettings, spread};
use super::{Broker, BrokerConfig};
use crate::wire::frame;

/// The largest answer that a test expects.
const MAX_ANSWER_BYTES: usize = 200 << 20;

/// A cluster of so many nodes, all else as by default.
pub(super) async fn cluster(nodes: i32) -> Broker {
    let config = BrokerConfig {
        nodes,
        ..BrokerConfig::default()
    };
    Broker::start(config).await.unwrap()
}

/// Makes a topic with a replica on each node; partition 0 is led by node 1, the others by the
/// nodes in turn.
pub(super) fn make_topic(
    broker: &Broker,
    name: &str,
    partitions: usize,
    settings: &[(&str, &str)],
) {
    let mut own = TopicSettings::default();
    for (name, value) in settings {
        own.set(name, value).unwrap();
    }
    let mut state = broker.shared.state();
    let nodes: Vec<i32> = state.nodes.ids().collect();
    let replicas = spread(&nodes, 0, partitions, nodes.len());
    state.topics.create(name, replicas, own).unwrap();
}

/// A connection to one node.
pub(super) struct Peer {
    stream: TcpStream,
    input: BytesMut,
    correlation_id: i32,
}

impl Peer {
    pub(super) async fn connect(broker: &Broker, node: i32) -> Self {
        let address = broker.shared.state().nodes.address(node).unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            input: BytesMut::new(),
            correlation_id: 0,
        }
    }

    /// Sends a request and waits for its answer.
    pub(super) async fn ask<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        self.send(version, request).await;
        self.answer::<R>(version)
            .await
            .expect("the broker has closed the connection")
    }

    /// Sends a request, and waits for nothing.
    pub(super) async fn send<R: Request>(&mut self, version: i16, request: &R) {
        self.correlation_id += 1;
        let frame = frame::request(self.correlation_id, Some("test"), version, request).unwrap();
        self.stream.write_all(&frame).await.unwrap();
    }

    /// The answer to the last request that was sent; none where the connection was closed.
    pub(super) async fn answer<R: Request>(&mut self, version: i16) -> Option<R::Response> {
        loop {
            if let Some(answer) = frame::split(&mut self.input, MAX_ANSWER_BYTES).unwrap() {
                assert_eq!(frame::correlation_id(&answer), Ok(self.correlation_id));
                return Some(frame::decode_response::<R>(answer, version).unwrap());
            }
            match self.stream.read_buf(&mut self.input).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }
}

#[tokio::test]
async fn an_answer_is_that_of_the_request() {
    use kafka_protocol::messages::{ApiVersionsRequest, MetadataRequest};

    let broker = cluster(2).await;
    make_topic(&broker, "payments", 3, &[("retention.ms", "1000")]);
    let mut peer = Peer::connect(&broker, 2).await;
    let all = MetadataRequest::default().with_topics(None);
    let answer = peer.ask(12, &all).await;
    assert_eq!(answer.topics[0].partitions.len(), 3);
    let answer = peer.ask(4, &ApiVersionsRequest::default()).await;
    assert_eq!(answer.error_code, 0);
    // A version that there is not closes the connection.
    peer.send(3, &MetadataRequest::default().with_topics(None))
        .await;
    assert!(peer.answer::<MetadataRequest>(3).await.is_some());
    drop(broker);
    assert!(peer.answer::<MetadataRequest>(3).await.is_none());
}
