//! Fetches, and fetch sessions (KIP-227).

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::{FetchRequest, FetchResponse};
use payment_notifier::wire::ErrorCode;
use uuid::Uuid;

use super::{Node, Table, new_topic};
use crate::support::cluster::Cluster;
use crate::support::connection::topic_name;
use crate::support::records::Record;

/// Topics by their names.
const FETCH: i16 = 12;
/// Topics by their ids.
const FETCH_BY_ID: i16 = 13;

fn partition(number: i32, offset: i64) -> FetchPartition {
    FetchPartition::default()
        .with_partition(number)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(1 << 20)
}

fn fetch(topic: &str, partitions: Vec<FetchPartition>) -> FetchRequest {
    let topic = FetchTopic::default()
        .with_topic(topic_name(topic))
        .with_partitions(partitions);
    FetchRequest::default().with_topics(vec![topic])
}

/// The partitions of an answer: number, code, whether there are records.
fn told(answer: &FetchResponse) -> Vec<(i32, i16, bool)> {
    let partitions = answer.responses.iter().flat_map(|it| &it.partitions);
    let has_records = |it: &PartitionData| it.records.as_ref().is_some_and(|it| !it.is_empty());
    partitions
        .map(|it| (it.partition_index, it.error_code, has_records(it)))
        .collect()
}

/// A topic of two partitions, with records of three batches at partition 0.
async fn filled(cluster: &Cluster) -> String {
    let topic = new_topic(cluster, 2, &[]).await;
    for value in ["a", "b", "c"] {
        cluster
            .produce(&topic, &[Record::new(value.repeat(100))])
            .await;
    }
    topic
}

pub(super) async fn fetches_are_checked() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let mut node = Node::of(cluster).await;
    let topic = &filled(cluster).await;
    cluster.delete_records(topic, 0, 1).await;
    let of_epoch = |epoch| partition(0, 1).with_current_leader_epoch(epoch);
    let none = ErrorCode::NONE;
    let outside = ErrorCode::OFFSET_OUT_OF_RANGE;
    let cases = [
        ("what is there", topic, partition(0, 1), none, true),
        ("the end", topic, partition(0, 3), none, false),
        ("beyond the end", topic, partition(0, 4), outside, false),
        ("before the start", topic, partition(0, 0), outside, false),
        ("no offset", topic, partition(0, -1), outside, false),
        ("the leader's epoch", topic, of_epoch(0), none, true),
        (
            "an epoch to come",
            topic,
            of_epoch(1),
            ErrorCode::UNKNOWN_LEADER_EPOCH,
            false,
        ),
        (
            "an unknown partition",
            topic,
            partition(2, 0),
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            false,
        ),
        (
            "an unknown topic",
            &"no-such-topic".to_owned(),
            partition(0, 0),
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            false,
        ),
    ];
    for (what, topic, partition, expected, has_records) in cases {
        let number = partition.partition;
        let answer = node.ask(FETCH, &fetch(topic, vec![partition])).await;
        table.code(what, answer.error_code, none);
        let partition = &answer.responses[0].partitions[0];
        table.code(what, partition.error_code, expected);
        table.case(what, told(&answer)[0], (number, expected.0, has_records));
    }
    let answer = node.ask(FETCH, &fetch(topic, vec![partition(0, 3)])).await;
    let at_end = &answer.responses[0].partitions[0];
    let offsets = (
        at_end.log_start_offset,
        at_end.high_watermark,
        at_end.last_stable_offset,
    );
    table.case("the partition's offsets", offsets, (1, 3, 3));
    let answer = node.ask(FETCH, &fetch(topic, vec![partition(0, 4)])).await;
    let outside = &answer.responses[0].partitions[0];
    let offsets = (outside.log_start_offset, outside.high_watermark);
    table.case("those of a wrong offset", offsets, (-1, -1));

    let by_id = FetchTopic::default()
        .with_topic_id(Uuid::from_u128(77))
        .with_partitions(vec![partition(0, 0)]);
    let by_id = FetchRequest::default().with_topics(vec![by_id]);
    let answer = node.ask(FETCH_BY_ID, &by_id).await;
    table.case(
        "an unknown id",
        told(&answer),
        vec![(0, ErrorCode::UNKNOWN_TOPIC_ID.0, false)],
    );
    table.end();
}

pub(super) async fn the_first_batch_comes_whole() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let mut node = Node::of(cluster).await;
    let topic = &filled(cluster).await;
    cluster
        .produce(topic, &[Record::new("d".repeat(100)).at(1)])
        .await;
    let size = |answer: &FetchResponse, at: usize| {
        let partitions = &answer.responses[0].partitions;
        partitions[at].records.as_ref().map_or(0, Bytes::len)
    };
    let both = || vec![partition(0, 0), partition(1, 0)];
    let everything = node.ask(FETCH, &fetch(topic, both())).await;
    let batch = size(&everything, 1);
    table.case("three batches", size(&everything, 0), 3 * batch);
    // KIP-74: a limit that is too small holds nothing up.
    let small = node
        .ask(FETCH, &fetch(topic, both()).with_max_bytes(1))
        .await;
    let sizes = [0, 1].map(|at| size(&small, at));
    table.case("one byte in all", sizes, [batch, 0]);
    let narrow = both().into_iter().map(|it| it.with_partition_max_bytes(1));
    let narrow = node.ask(FETCH, &fetch(topic, narrow.collect())).await;
    let sizes = [0, 1].map(|at| size(&narrow, at));
    table.case("one byte a partition", sizes, [batch, 0]);
    // From the middle of nothing: batches are whole from the one that has the offset.
    let second = node.ask(FETCH, &fetch(topic, vec![partition(0, 1)])).await;
    table.case("from the second", size(&second, 0), 2 * batch);
    table.end();
}

pub(super) async fn fetch_sessions_are_checked() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let mut node = Node::of(cluster).await;
    let topic = &filled(cluster).await;
    let both = || vec![partition(0, 0), partition(1, 0)];

    let without = node.ask(FETCH, &fetch(topic, both())).await;
    table.case("no session", without.session_id, 0);
    let first = fetch(topic, both()).with_session_epoch(0);
    let first = node.ask(FETCH, &first).await;
    let session = first.session_id;
    table.case("a session", session == 0, false);
    table.case("all of it", told(&first), vec![(0, 0, true), (1, 0, false)]);

    let next = |epoch| {
        FetchRequest::default()
            .with_session_id(session)
            .with_session_epoch(epoch)
    };
    let moved_on = fetch(topic, vec![partition(0, 3)]).topics;
    let moved_on = node.ask(FETCH, &next(1).with_topics(moved_on)).await;
    table.case(
        "nothing new",
        (moved_on.session_id, told(&moved_on)),
        (session, vec![]),
    );
    cluster.produce(topic, &[Record::new("d").at(1)]).await;
    let news = node.ask(FETCH, &next(2)).await;
    table.case("what is new", told(&news), vec![(1, 0, true)]);
    let again = node.ask(FETCH, &next(3)).await;
    table.case("still there", told(&again), vec![(1, 0, true)]);

    let wrong = [
        (
            "an old epoch",
            next(3),
            ErrorCode::INVALID_FETCH_SESSION_EPOCH,
        ),
        (
            "an epoch to come",
            next(5),
            ErrorCode::INVALID_FETCH_SESSION_EPOCH,
        ),
        (
            "no such session",
            next(1).with_session_id(session ^ 0x4000_0000),
            ErrorCode::FETCH_SESSION_ID_NOT_FOUND,
        ),
    ];
    for (what, request, expected) in wrong {
        table.code(what, node.ask(FETCH, &request).await.error_code, expected);
    }
    let forgotten = ForgottenTopic::default()
        .with_topic(topic_name(topic))
        .with_partitions(vec![1]);
    let rest = node
        .ask(FETCH, &next(4).with_forgotten_topics_data(vec![forgotten]))
        .await;
    table.case(
        "after one is forgotten",
        (rest.error_code, told(&rest)),
        (0, vec![]),
    );

    let anew = fetch(topic, both())
        .with_session_id(session)
        .with_session_epoch(0);
    let anew = node.ask(FETCH, &anew).await;
    table.case("a session anew", anew.session_id == session, false);
    let closed = next(5)
        .with_session_id(anew.session_id)
        .with_session_epoch(-1);
    let closed = node.ask(FETCH, &closed).await;
    table.case("closed", (closed.error_code, closed.session_id), (0, 0));
    let after = node
        .ask(FETCH, &next(1).with_session_id(anew.session_id))
        .await;
    table.code(
        "after its end",
        after.error_code,
        ErrorCode::FETCH_SESSION_ID_NOT_FOUND,
    );
    table.end();
}
