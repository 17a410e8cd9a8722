//! Produce requests: what is refused, and what sequence numbers are for (KIP-98).

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProduceRequest};
use payment_notifier::wire::ErrorCode;

use super::{Node, Table, new_topic};
use crate::support::cluster::Cluster;
use crate::support::connection::topic_name;
use crate::support::now_ms;
use crate::support::record_batch::{Field, encode, patched};
use crate::support::records::Record;

const PRODUCE: i16 = 8;
const INIT_PRODUCER_ID: i16 = 3;

const DAY_MS: i64 = 86_400_000;
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// One batch for partition 0, to be acknowledged by all.
fn produce(topic: &str, batch: Bytes) -> ProduceRequest {
    produce_at(topic, 0, Some(batch))
}

fn produce_at(topic: &str, partition: i32, records: Option<Bytes>) -> ProduceRequest {
    let data = PartitionProduceData::default()
        .with_index(partition)
        .with_records(records);
    let data = TopicProduceData::default()
        .with_name(topic_name(topic))
        .with_partition_data(vec![data]);
    ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(5_000)
        .with_topic_data(vec![data])
}

async fn answer(node: &mut Node, request: &ProduceRequest) -> PartitionProduceResponse {
    let answer = node.ask(PRODUCE, request).await;
    answer.responses[0].partition_responses[0].clone()
}

fn batch() -> Bytes {
    encode(&[Record::new("a").key("k"), Record::new("b").key("k")])
}

pub(super) async fn produce_requests_are_checked() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let mut node = Node::of(cluster).await;
    let topic = &new_topic(cluster, 1, &[("max.message.bytes", "1000")]).await;
    let large = encode(&[Record::new("v".repeat(1000))]);
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    let wrong = [
        (
            "an unknown topic",
            produce("no-such-topic", batch()),
            unknown,
        ),
        (
            "an unknown partition",
            produce_at(topic, 1, Some(batch())),
            unknown,
        ),
        (
            "a negative partition",
            produce_at(topic, -1, Some(batch())),
            unknown,
        ),
        (
            "two acknowledgements",
            produce(topic, batch()).with_acks(2),
            ErrorCode::INVALID_REQUIRED_ACKS,
        ),
        (
            "a batch too large",
            produce(topic, large),
            ErrorCode::MESSAGE_TOO_LARGE,
        ),
    ];
    for (what, request, expected) in wrong {
        table.code(what, answer(&mut node, &request).await.error_code, expected);
    }
    for (what, acks, base) in [("all", -1, 0), ("the leader", 1, 2)] {
        let request = produce(topic, batch()).with_acks(acks);
        let told = answer(&mut node, &request).await;
        table.code(what, told.error_code, ErrorCode::NONE);
        let facts = (
            told.base_offset,
            told.log_append_time_ms,
            told.log_start_offset,
        );
        table.case(what, facts, (base, -1, 0));
    }
    table.case("records", cluster.read(topic).await.len(), 4);
    table.end();
}

pub(super) async fn batches_are_checked() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let mut node = Node::of(cluster).await;
    let topic = &new_topic(cluster, 1, &[]).await;
    let mut damaged = batch().to_vec();
    *damaged.last_mut().expect("it has bytes") ^= 1;
    let cut = batch().slice(..batch().len() - 1);
    let field = |field, value| produce(topic, patched(batch(), field, value));
    let wrong = [
        (
            "a wrong checksum",
            produce(topic, damaged.into()),
            ErrorCode::CORRUPT_MESSAGE,
        ),
        (
            "a batch cut off",
            produce(topic, cut),
            ErrorCode::INVALID_RECORD,
        ),
        (
            "two batches",
            produce(topic, [batch(), batch()].concat().into()),
            ErrorCode::INVALID_RECORD,
        ),
        (
            "no batch",
            produce(topic, Bytes::new()),
            ErrorCode::INVALID_RECORD,
        ),
        (
            "more records than there are",
            field(Field::Count, 3),
            ErrorCode::INVALID_RECORD,
        ),
        (
            "fewer records than there are",
            field(Field::Count, 1),
            ErrorCode::INVALID_RECORD,
        ),
        (
            "another last offset",
            field(Field::LastOffsetDelta, 2),
            ErrorCode::INVALID_RECORD,
        ),
        (
            "an offset of its own",
            field(Field::BaseOffset, 77),
            ErrorCode::INVALID_RECORD,
        ),
        (
            "a control batch",
            field(Field::Attributes, 0b10_0000),
            ErrorCode::INVALID_RECORD,
        ),
        (
            "no such format",
            field(Field::Magic, 3),
            ErrorCode::CORRUPT_MESSAGE,
        ),
        (
            "a time to come",
            produce(
                topic,
                encode(&[Record::new("a").timestamp(now_ms() + DAY_MS)]),
            ),
            ErrorCode::INVALID_TIMESTAMP,
        ),
    ];
    for (what, request, expected) in wrong {
        table.code(what, answer(&mut node, &request).await.error_code, expected);
    }
    table.case("records", cluster.read(topic).await.len(), 0);
    table.end();
}

/// An id for a producer, once there are any to be had.
async fn producer_id(node: &mut Node) -> InitProducerIdResponse {
    let request = InitProducerIdRequest::default().with_transactional_id(None);
    loop {
        let answer = node.ask(INIT_PRODUCER_ID, &request).await;
        match ErrorCode(answer.error_code) {
            ErrorCode::NONE => return answer,
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS => tokio::time::sleep(LOOK_AGAIN).await,
            code => panic!("no id for a producer: {code}"),
        }
    }
}

pub(super) async fn compacted_topics_want_keys() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let mut node = Node::of(cluster).await;
    let compact = [("cleanup.policy", "compact")];
    let topic = &new_topic(cluster, 1, &compact).await;
    let keyless = produce(topic, encode(&[Record::new("a")]));
    let keyless = answer(&mut node, &keyless).await.error_code;
    table.code("no key", keyless, ErrorCode::INVALID_RECORD);
    table.end();
}

pub(super) async fn each_record_is_looked_at() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let mut node = Node::of(cluster).await;
    let topic = &new_topic(cluster, 1, &[]).await;
    let counted = |count: i64| {
        let batch = patched(batch(), Field::LastOffsetDelta, count - 1);
        produce(topic, patched(batch, Field::Count, count))
    };
    let compressed = |codec| produce(topic, patched(batch(), Field::Attributes, codec));
    let (invalid, unknown) = (ErrorCode::INVALID_RECORD, ErrorCode::UNKNOWN_SERVER_ERROR);
    let wrong = [
        ("fewer records than counted", counted(5), invalid),
        (
            "more than there can be",
            counted(i64::from(i32::MAX)),
            invalid,
        ),
        ("more records than counted", counted(1), invalid),
        ("no gzip", compressed(1), unknown),
        ("no snappy", compressed(2), unknown),
        ("no lz4", compressed(3), unknown),
        ("no zstd", compressed(4), unknown),
    ];
    for (what, request, expected) in wrong {
        let told = answer(&mut node, &request).await.error_code;
        table.code(what, told, expected);
    }
    table.case("records", cluster.read(topic).await.len(), 0);
    table.end();
}

pub(crate) async fn sequences_are_checked() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let mut node = Node::of(cluster).await;
    let topic = &new_topic(cluster, 1, &[]).await;
    let [first, second] = [producer_id(&mut node).await, producer_id(&mut node).await];
    table.case("the epoch of it", first.producer_epoch, 0);
    table.case(
        "each is another",
        first.producer_id == second.producer_id,
        false,
    );

    let sent = |epoch, sequence| {
        let batch = patched(batch(), Field::ProducerId, first.producer_id.0);
        let batch = patched(batch, Field::ProducerEpoch, epoch);
        produce(topic, patched(batch, Field::BaseSequence, sequence))
    };
    let none = ErrorCode::NONE;
    let gap = ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER;
    // Each batch has two records.
    let in_order = [
        ("the first", sent(0, 0), none, 0),
        ("a gap", sent(0, 3), gap, -1),
        ("the first again", sent(0, 0), none, 0),
        ("the next", sent(0, 2), none, 2),
        ("the first once more", sent(0, 0), none, 0),
        ("half of one that was", sent(0, 1), gap, -1),
        ("a new epoch, not from its start", sent(1, 4), gap, -1),
        ("a new epoch", sent(1, 0), none, 4),
        (
            "an old epoch",
            sent(0, 4),
            ErrorCode::INVALID_PRODUCER_EPOCH,
            -1,
        ),
        ("the new epoch goes on", sent(1, 2), none, 6),
    ];
    for (what, request, expected, offset) in in_order {
        let told = answer(&mut node, &request).await;
        table.code(what, told.error_code, expected);
        table.case(what, told.base_offset, offset);
    }

    // Only the last five batches are remembered.
    for sequence in (4..=12).step_by(2) {
        assert_eq!(answer(&mut node, &sent(1, sequence)).await.error_code, 0);
    }
    let remembered = answer(&mut node, &sent(1, 4)).await;
    table.code("the fifth last", remembered.error_code, none);
    table.case("the fifth last", remembered.base_offset, 8);
    let forgotten = answer(&mut node, &sent(1, 2)).await;
    table.code("the sixth last", forgotten.error_code, gap);
    table.case("records", cluster.read(topic).await.len(), 18);
    table.end();
}
