//! Asking a broker as a client does that knows exactly what it wants to say.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{FetchRequest, ProduceRequest};
use kafka_protocol::protocol::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::topics::{TopicSettings, spread};
use super::{Broker, BrokerConfig};
use crate::wire::batch::{BatchBuilder, ProducerStamp, RecordBody};
use crate::wire::compression::Compression;
use crate::wire::frame;
use crate::wire::names::{text, topic_name};

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

/// Begins a new epoch of partition 0, led by node 1.
pub(super) fn begin_epoch(broker: &Broker, topic: &str) {
    let mut state = broker.shared.state();
    let topic = state.topics.get_mut(topic).unwrap();
    topic.partitions[0].lead(Some(1));
}

/// A connection to one node.
pub(super) struct Peer {
    pub(super) stream: TcpStream,
    input: BytesMut,
    correlation_id: i32,
}

impl Peer {
    pub(super) async fn connect(broker: &Broker, node: i32) -> Self {
        let address = broker.shared.state().nodes.address(node, 0).unwrap();
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

    /// Appends a batch to a partition, with `acks` -1.
    pub(super) async fn produce(
        &mut self,
        topic: &str,
        partition: i32,
        batch: Bytes,
    ) -> PartitionProduceResponse {
        let request = produce_request(topic, partition, batch);
        let mut answer = self.ask(9, &request).await;
        answer.responses.remove(0).partition_responses.remove(0)
    }

    /// What a partition has from an offset on, now.
    pub(super) async fn fetch(
        &mut self,
        topic: &str,
        partition: i32,
        offset: i64,
    ) -> PartitionData {
        let request = fetch_request(topic, partition, offset);
        let mut answer = self.ask(12, &request).await;
        answer.responses.remove(0).partitions.remove(0)
    }
}

/// A batch of records with these values; the first has this timestamp, each of the others one more.
pub(super) fn batch(values: &[&str], timestamp: i64) -> Bytes {
    batch_by(values, timestamp, Compression::None, ProducerStamp::NONE)
}

/// A batch in a codec, of some producer.
pub(super) fn batch_by(
    values: &[&str],
    timestamp: i64,
    codec: Compression,
    producer: ProducerStamp,
) -> Bytes {
    let mut builder = BatchBuilder::new(codec);
    for (value, timestamp) in values.iter().zip(timestamp..) {
        let body = RecordBody::new(Some(b"key"), Some(value.as_bytes()), &[(b"h", None)]);
        builder.push(timestamp, &body);
    }
    builder.build(producer, false).unwrap()
}

/// A request to append a batch, with `acks` -1.
pub(super) fn produce_request(topic: &str, partition: i32, batch: Bytes) -> ProduceRequest {
    let data = PartitionProduceData::default()
        .with_index(partition)
        .with_records(Some(batch));
    let topic = TopicProduceData::default()
        .with_name(topic_name(topic))
        .with_partition_data(vec![data]);
    ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(1000)
        .with_topic_data(vec![topic])
}

/// A request for what a partition has from an offset on, that waits for nothing and has no
/// session.
pub(super) fn fetch_request(topic: &str, partition: i32, offset: i64) -> FetchRequest {
    let partition = FetchPartition::default()
        .with_partition(partition)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default()
        .with_topic(topic_name(topic))
        .with_partitions(vec![partition]);
    FetchRequest::default()
        .with_min_bytes(1)
        .with_topics(vec![topic])
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
    let named = ApiVersionsRequest::default()
        .with_client_software_name(text("tests"))
        .with_client_software_version(text("1.0"));
    assert_eq!(peer.ask(4, &named).await.error_code, 0);
    // A version that there is not closes the connection.
    peer.send(3, &MetadataRequest::default().with_topics(None))
        .await;
    assert!(peer.answer::<MetadataRequest>(3).await.is_some());
    drop(broker);
    assert!(peer.answer::<MetadataRequest>(3).await.is_none());
}
