//! What readers of committed records see while transactions come and go (KIP-98).

use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{BrokerId, FetchRequest, ListOffsetsRequest};
use payment_notifier::wire::ErrorCode;
use payment_notifier::wire::batch::Batches;

use super::transactional::{END, PRODUCE, Transactional, plain_record, record};
use super::{Node, Table, new_topic};
use crate::support::cluster::Cluster;
use crate::support::connection::topic_name;

const FETCH: i16 = 12;
const LIST_OFFSETS: i16 = 7;
const UNCOMMITTED: i8 = 0;
const COMMITTED: i8 = 1;
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const LARGEST: i64 = -3;

async fn fetched(node: &mut Node, topic: &str, offset: i64, isolation: i8) -> PartitionData {
    let partition = FetchPartition::default()
        .with_fetch_offset(offset)
        .with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default()
        .with_topic(topic_name(topic))
        .with_partitions(vec![partition]);
    let request = FetchRequest::default()
        .with_isolation_level(isolation)
        .with_topics(vec![topic]);
    let mut answer = node.ask(FETCH, &request).await;
    answer.responses.remove(0).partitions.remove(0)
}

/// The last stable offset, the offset after the last batch, and the aborted transactions: producer
/// and first offset.
type Seen = (i64, i64, Option<Vec<(i64, i64)>>);

async fn seen(node: &mut Node, topic: &str, offset: i64, isolation: i8) -> Seen {
    let told = fetched(node, topic, offset, isolation).await;
    assert_eq!(told.error_code, 0, "{told:?}");
    let batches = Batches::new(told.records.unwrap_or_default());
    let end = batches.map(|batch| batch.expect("a whole batch").header.next_offset());
    let aborted = told.aborted_transactions.map(|all| {
        let mut all: Vec<_> = all
            .iter()
            .map(|it| (it.producer_id.0, it.first_offset))
            .collect();
        all.sort_by_key(|(_, first)| *first);
        all
    });
    (
        told.last_stable_offset,
        end.last().unwrap_or(offset),
        aborted,
    )
}

async fn offset(node: &mut Node, topic: &str, timestamp: i64, isolation: i8) -> i64 {
    let partition = ListOffsetsPartition::default()
        .with_timestamp(timestamp)
        .with_current_leader_epoch(-1);
    let topic = ListOffsetsTopic::default()
        .with_name(topic_name(topic))
        .with_partitions(vec![partition]);
    let request = ListOffsetsRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_isolation_level(isolation)
        .with_topics(vec![topic]);
    let answer = node.ask(LIST_OFFSETS, &request).await;
    answer.topics[0].partitions[0].offset
}

pub(super) async fn readers_stop_at_the_last_stable_offset() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let topic = &new_topic(cluster, 1, &[]).await;
    let mut node = Node::of(cluster).await;
    let (mut one, mut two) = (
        Transactional::new(cluster).await,
        Transactional::new(cluster).await,
    );
    let (first, second) = (one.begin().await, two.begin().await);
    // A record of nobody's, one of each transaction, and another of nobody's.
    let batches = [
        ("nobody's", plain_record((-1, -1), -1, "a")),
        ("the first's", record(first, 0, "b")),
        ("the second's", record(second, 0, "c")),
        ("nobody's, later", plain_record((-1, -1), -1, "d")),
    ];
    for (what, batch) in batches {
        let writer = if what == "the second's" {
            &mut two
        } else {
            &mut one
        };
        let told = writer.write(PRODUCE, topic, batch).await;
        table.code(what, told, ErrorCode::NONE);
    }
    let uncommitted = seen(&mut node, topic, 0, UNCOMMITTED).await;
    table.case("all", uncommitted, (1, 4, None));
    let committed = seen(&mut node, topic, 1, COMMITTED).await;
    table.case("nothing past it", committed, (1, 1, Some(vec![])));
    for (what, timestamp, isolation, expected) in [
        ("the end", LATEST, UNCOMMITTED, 4),
        ("the stable end", LATEST, COMMITTED, 1),
        ("the start", EARLIEST, COMMITTED, 0),
        ("the largest", LARGEST, COMMITTED, -1),
        ("one by time", 0, COMMITTED, 0),
    ] {
        let found = offset(&mut node, topic, timestamp, isolation).await;
        if what == "the largest" {
            // The first or the last of several alike: not before the stable end in any case.
            table.case(what, found == -1 || found == 0, true);
        } else {
            table.case(what, found, expected);
        }
    }

    table.code(
        "the second's end",
        two.end(END, second, false).await.0,
        ErrorCode::NONE,
    );
    two.settled().await;
    let committed = seen(&mut node, topic, 1, COMMITTED).await;
    table.case("the first's is open", committed, (1, 1, Some(vec![])));
    table.code(
        "the first's end",
        one.end(END, first, true).await.0,
        ErrorCode::NONE,
    );
    one.settled().await;
    // Two markers.
    let aborted = Some(vec![(second.0, 2)]);
    let committed = seen(&mut node, topic, 0, COMMITTED).await;
    table.case("all is decided", committed, (6, 6, aborted.clone()));
    let committed = seen(&mut node, topic, 4, COMMITTED).await;
    table.case("up to its marker", committed, (6, 6, aborted));
    let committed = seen(&mut node, topic, 5, COMMITTED).await;
    table.case("and not after it", committed, (6, 6, Some(vec![])));
    let uncommitted = seen(&mut node, topic, 0, UNCOMMITTED).await;
    table.case("who reads all is told nothing", uncommitted, (6, 6, None));
    table.case(
        "the stable end",
        offset(&mut node, topic, LATEST, COMMITTED).await,
        6,
    );
    table.end();
}

pub(super) async fn markers_are_kafkas_own_batches() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let topic = &new_topic(cluster, 1, &[]).await;
    let mut it = Transactional::new(cluster).await;
    let first = it.begin().await;
    let mut who = first;
    for (offset, commits, kind) in [(1, true, 1), (3, false, 0)] {
        let written = it.write(PRODUCE, topic, record(who, 0, "a")).await;
        table.code("a record", written, ErrorCode::NONE);
        who = it.end(END, who, commits).await.1;
        it.settled().await;
        let told = fetched(&mut it.node, topic, offset, COMMITTED).await;
        let batch = Batches::new(told.records.unwrap_or_default()).next();
        let batch = batch.expect("a batch").expect("a whole one");
        let header = &batch.header;
        let attributes = header.attributes;
        let kinds = (attributes.is_control(), attributes.is_transactional());
        table.case("what it is", kinds, (true, true));
        let producer = header.producer;
        let stamp = (producer.id, producer.epoch, producer.base_sequence);
        table.case("whose it is", stamp, (who.0, who.1, -1));
        let place = (header.base_offset, header.record_count);
        table.case("where it is", place, (offset, 1));
        let records = batch.decode(1 << 20).expect("it is not compressed");
        let marker = records.iter().next().expect("one record");
        let marker = marker.expect("a whole one");
        table.case("its key", marker.key(), Some(&[0, 0, 0, kind][..]));
        let version = marker
            .value()
            .map(|value| (value.len(), value[..2].to_vec()));
        table.case("its value", version, Some((6, vec![0, 0])));
    }
    table.end();
}
