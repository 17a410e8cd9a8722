//! Offsets that are looked up, and records that are deleted.

use kafka_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use kafka_protocol::messages::{
    DeleteRecordsRequest, ListOffsetsRequest, OffsetForLeaderEpochRequest,
};
use payment_notifier::wire::ErrorCode;

use super::{Node, Table, new_topic};
use crate::support::cluster::Cluster;
use crate::support::connection::topic_name;
use crate::support::records::Record;

const LIST_OFFSETS: i16 = 7;
const DELETE_RECORDS: i16 = 2;
const OFFSET_FOR_LEADER_EPOCH: i16 = 4;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
/// The record with the latest timestamp (KIP-734).
const NEWEST: i64 = -3;

/// A topic with five records at partition 0; their times are 10, 20, 40, 30 and 40.
async fn filled(cluster: &Cluster) -> String {
    let topic = new_topic(cluster, 2, &[]).await;
    let record = |time| Record::new("a").timestamp(time);
    cluster.produce(&topic, &[record(10), record(20)]).await;
    cluster
        .produce(&topic, &[record(40), record(30), record(40)])
        .await;
    topic
}

fn list(topic: &str, partition: i32, at: i64, epoch: i32) -> ListOffsetsRequest {
    let partition = ListOffsetsPartition::default()
        .with_partition_index(partition)
        .with_current_leader_epoch(epoch)
        .with_timestamp(at);
    let topic = ListOffsetsTopic::default()
        .with_name(topic_name(topic))
        .with_partitions(vec![partition]);
    ListOffsetsRequest::default()
        .with_replica_id((-1).into())
        .with_topics(vec![topic])
}

pub(super) async fn offsets_are_looked_up() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let mut node = Node::of(cluster).await;
    let topic = &filled(cluster).await;
    cluster.delete_records(topic, 0, 1).await;
    let found = [
        ("the earliest", list(topic, 0, EARLIEST, -1), (1, -1)),
        ("the latest", list(topic, 0, LATEST, -1), (5, -1)),
        ("the newest", list(topic, 0, NEWEST, -1), (2, 40)),
        ("before all", list(topic, 0, 0, -1), (1, 20)),
        ("a time that is there", list(topic, 0, 20, -1), (1, 20)),
        ("a time between two", list(topic, 0, 21, -1), (2, 40)),
        ("a time out of order", list(topic, 0, 30, -1), (2, 40)),
        ("after all", list(topic, 0, 41, -1), (-1, -1)),
        (
            "the earliest of nothing",
            list(topic, 1, EARLIEST, -1),
            (0, -1),
        ),
        ("the latest of nothing", list(topic, 1, LATEST, -1), (0, -1)),
        (
            "the newest of nothing",
            list(topic, 1, NEWEST, -1),
            (-1, -1),
        ),
        ("any time of nothing", list(topic, 1, 0, -1), (-1, -1)),
        ("the leader's epoch", list(topic, 0, LATEST, 0), (5, -1)),
    ];
    for (what, request, expected) in found {
        let answer = node.ask(LIST_OFFSETS, &request).await;
        let partition = &answer.topics[0].partitions[0];
        table.code(what, partition.error_code, ErrorCode::NONE);
        table.case(what, (partition.offset, partition.timestamp), expected);
    }
    let wrong = [
        (
            "an epoch to come",
            list(topic, 0, LATEST, 1),
            ErrorCode::UNKNOWN_LEADER_EPOCH,
        ),
        (
            "an unknown partition",
            list(topic, 2, LATEST, -1),
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ),
        (
            "an unknown topic",
            list("no-such-topic", 0, LATEST, -1),
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ),
    ];
    for (what, request, expected) in wrong {
        let answer = node.ask(LIST_OFFSETS, &request).await;
        let partition = &answer.topics[0].partitions[0];
        table.code(what, partition.error_code, expected);
        table.case(what, (partition.offset, partition.timestamp), (-1, -1));
    }
    table.end();
}

pub(super) async fn epochs_are_looked_up() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let mut node = Node::of(cluster).await;
    let topic = &filled(cluster).await;
    let asked = |name: &str, current, epoch| {
        let partition = OffsetForLeaderPartition::default()
            .with_partition(0)
            .with_current_leader_epoch(current)
            .with_leader_epoch(epoch);
        let topic = OffsetForLeaderTopic::default()
            .with_topic(topic_name(name))
            .with_partitions(vec![partition]);
        OffsetForLeaderEpochRequest::default()
            .with_replica_id((-1).into())
            .with_topics(vec![topic])
    };
    let cases = [
        ("the epoch", asked(topic, -1, 0), ErrorCode::NONE, (0, 5)),
        (
            "the epoch, and the leader's",
            asked(topic, 0, 0),
            ErrorCode::NONE,
            (0, 5),
        ),
        (
            "an epoch to come",
            asked(topic, -1, 1),
            ErrorCode::NONE,
            (-1, -1),
        ),
        (
            "a leader to come",
            asked(topic, 1, 0),
            ErrorCode::UNKNOWN_LEADER_EPOCH,
            (-1, -1),
        ),
        (
            "an unknown topic",
            asked("no-such-topic", -1, 0),
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            (-1, -1),
        ),
    ];
    for (what, request, code, expected) in cases {
        let answer = node.ask(OFFSET_FOR_LEADER_EPOCH, &request).await;
        let partition = &answer.topics[0].partitions[0];
        table.code(what, partition.error_code, code);
        table.case(
            what,
            (partition.leader_epoch, partition.end_offset),
            expected,
        );
    }
    table.end();
}

pub(super) async fn records_are_deleted() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let mut node = Node::of(cluster).await;
    let topic = &filled(cluster).await;
    let delete = |name: &str, before| {
        let partition = DeleteRecordsPartition::default()
            .with_partition_index(0)
            .with_offset(before);
        let topic = DeleteRecordsTopic::default()
            .with_name(topic_name(name))
            .with_partitions(vec![partition]);
        DeleteRecordsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(5_000)
    };
    let outside = ErrorCode::OFFSET_OUT_OF_RANGE;
    let cases = [
        ("from within a batch", delete(topic, 3), ErrorCode::NONE, 3),
        (
            "what is deleted already",
            delete(topic, 1),
            ErrorCode::NONE,
            3,
        ),
        ("beyond the end", delete(topic, 6), outside, -1),
        ("no offset", delete(topic, -2), outside, -1),
        ("all of it", delete(topic, -1), ErrorCode::NONE, 5),
        (
            "an unknown topic",
            delete("no-such-topic", 0),
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            -1,
        ),
    ];
    for (what, request, code, low_watermark) in cases {
        let answer = node.ask(DELETE_RECORDS, &request).await;
        let partition = &answer.topics[0].partitions[0];
        table.code(what, partition.error_code, code);
        table.case(what, partition.low_watermark, low_watermark);
    }
    table.end();
}
