//! Offsets that are committed as part of a transaction (KIP-98, KIP-447).

use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, OffsetCommitRequest, OffsetFetchRequest, ProducerId,
    TxnOffsetCommitRequest,
};
use payment_notifier::wire::ErrorCode;

use super::groups::{found, new_group};
use super::transactional::{END, OLD_END, Stamp, Transactional};
use super::{Node, Table, new_topic, text};
use crate::support::cluster::Cluster;
use crate::support::connection::{group_id, topic_name};

/// Adds the group by itself (KIP-890).
const COMMIT: i16 = 5;
/// Wants that said before.
const OLD_COMMIT: i16 = 3;
const ADD_OFFSETS: i16 = 3;
const OFFSET_FETCH: i16 = 7;
const OFFSET_COMMIT: i16 = 7;
/// `offset.metadata.max.bytes`
const METADATA_LIMIT: usize = 4096;

/// A commit of an offset of partition 0 by nobody in particular.
fn commit(it: &Transactional, who: Stamp, group: &str, at: (&str, i64)) -> TxnOffsetCommitRequest {
    TxnOffsetCommitRequest::default()
        .with_transactional_id(it.id.clone())
        .with_group_id(group_id(group))
        .with_producer_id(ProducerId(who.0))
        .with_producer_epoch(who.1)
        .with_generation_id(-1)
        .with_topics(vec![committed_at(at, 0, "")])
}

fn committed_at(
    (topic, offset): (&str, i64),
    partition: i32,
    metadata: &str,
) -> TxnOffsetCommitRequestTopic {
    let partition = TxnOffsetCommitRequestPartition::default()
        .with_partition_index(partition)
        .with_committed_offset(offset)
        .with_committed_leader_epoch(-1)
        .with_committed_metadata(Some(text(metadata)));
    TxnOffsetCommitRequestTopic::default()
        .with_name(topic_name(topic))
        .with_partitions(vec![partition])
}

async fn code(node: &mut Node, version: i16, request: &TxnOffsetCommitRequest) -> i16 {
    let answer = node.ask(version, request).await;
    answer.topics[0].partitions[0].error_code
}

/// Partition 0's offset and its code.
async fn offset(node: &mut Node, group: &str, topic: &str, stable: bool) -> (i64, i16) {
    let asked = OffsetFetchRequestTopic::default()
        .with_name(topic_name(topic))
        .with_partition_indexes(vec![0]);
    let request = OffsetFetchRequest::default()
        .with_group_id(group_id(group))
        .with_topics(Some(vec![asked]))
        .with_require_stable(stable);
    let answer = node.ask(OFFSET_FETCH, &request).await;
    let told = &answer.topics[0].partitions[0];
    (told.committed_offset, told.error_code)
}

pub(super) async fn offsets_come_with_their_transaction() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let topic = &new_topic(cluster, 1, &[]).await;
    let group = &new_group(cluster).await;
    let mut it = Transactional::new(cluster).await;
    let mut who = it.begin().await;
    let unstable = (-1, ErrorCode::UNSTABLE_OFFSET_COMMIT.0);
    for (what, committed, commits, before, after) in [
        ("aborted", 5, false, -1, -1),
        ("committed", 6, true, -1, 6),
        ("aborted again", 7, false, 6, 6),
    ] {
        let request = commit(&it, who, group, (topic, committed));
        let told = code(&mut it.node, COMMIT, &request).await;
        table.code(what, told, ErrorCode::NONE);
        let pending = offset(&mut it.node, group, topic, true).await;
        table.case("while it is open", pending, unstable);
        let pending = offset(&mut it.node, group, topic, false).await;
        table.case("for who does not mind", pending, (before, 0));
        let (ended, next) = it.end(END, who, commits).await;
        table.code(what, ended, ErrorCode::NONE);
        it.settled().await;
        let decided = offset(&mut it.node, group, topic, true).await;
        table.case(what, decided, (after, 0));
        who = next;
    }

    // What is committed meanwhile is later than what the transaction has.
    let request = commit(&it, who, group, (topic, 8));
    let told = code(&mut it.node, COMMIT, &request).await;
    table.code("in a transaction", told, ErrorCode::NONE);
    let partition = OffsetCommitRequestPartition::default().with_committed_offset(3);
    let other = OffsetCommitRequestTopic::default()
        .with_name(topic_name(topic))
        .with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default()
        .with_group_id(group_id(group))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![other]);
    let answer = it.node.ask(OFFSET_COMMIT, &request).await;
    let told = answer.topics[0].partitions[0].error_code;
    table.code("in none", told, ErrorCode::NONE);
    let (ended, _) = it.end(END, who, true).await;
    table.code("its end", ended, ErrorCode::NONE);
    it.settled().await;
    let decided = offset(&mut it.node, group, topic, true).await;
    table.case("the later one stays", decided, (3, 0));
    table.end();
}

pub(super) async fn transactional_commits_are_checked() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let topic = &new_topic(cluster, 1, &[]).await;
    let group = &new_group(cluster).await;
    let mut it = Transactional::new(cluster).await;
    let who = it.begin().await;
    let good = commit(&it, who, group, (topic, 5));
    let stranger = ProducerId(who.0 + 1_000_000);
    let later = good.clone().with_producer_epoch(who.1 + 1);
    let unmapped = ErrorCode::INVALID_PRODUCER_ID_MAPPING;
    let fenced = ErrorCode::INVALID_PRODUCER_EPOCH;
    let not_added = [
        (
            "before it is said",
            OLD_COMMIT,
            good.clone(),
            ErrorCode::INVALID_TXN_STATE,
        ),
        (
            "the same, later",
            4,
            good.clone(),
            ErrorCode::TRANSACTION_ABORTABLE,
        ),
        (
            "a stranger",
            OLD_COMMIT,
            good.clone().with_producer_id(stranger),
            unmapped,
        ),
        (
            "a stranger who adds",
            COMMIT,
            good.clone().with_producer_id(stranger),
            unmapped,
        ),
        ("an epoch to come", OLD_COMMIT, later.clone(), fenced),
        ("an epoch to come that adds", COMMIT, later, fenced),
        (
            "no group",
            COMMIT,
            good.clone().with_group_id(group_id("")),
            ErrorCode::INVALID_GROUP_ID,
        ),
    ];
    for (what, version, request, expected) in not_added {
        let told = code(&mut it.node, version, &request).await;
        table.code(what, told, expected);
    }
    let add = AddOffsetsToTxnRequest::default()
        .with_transactional_id(it.id.clone())
        .with_producer_id(ProducerId(who.0))
        .with_producer_epoch(who.1)
        .with_group_id(group_id(group));
    let adds = [
        (
            "adding as a stranger",
            ADD_OFFSETS,
            add.clone().with_producer_id(stranger),
            unmapped,
        ),
        (
            "adding too early",
            ADD_OFFSETS,
            add.clone().with_producer_epoch(who.1 + 1),
            ErrorCode::PRODUCER_FENCED,
        ),
        (
            "the same, of old",
            1,
            add.clone().with_producer_epoch(who.1 + 1),
            fenced,
        ),
        ("adding", ADD_OFFSETS, add.clone(), ErrorCode::NONE),
        ("adding again", ADD_OFFSETS, add, ErrorCode::NONE),
    ];
    for (what, version, request, expected) in adds {
        let told = it.node.ask(version, &request).await.error_code;
        table.code(what, told, expected);
    }
    let long = "m".repeat(METADATA_LIMIT + 1);
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    let with = |topics| good.clone().with_topics(vec![topics]);
    let commits = [
        ("by nobody", good.clone(), ErrorCode::NONE),
        (
            "an unknown topic",
            with(committed_at(("no-such-topic", 5), 0, "")),
            unknown,
        ),
        (
            "an unknown partition",
            with(committed_at((topic, 5), 1, "")),
            unknown,
        ),
        (
            "metadata without end",
            with(committed_at((topic, 5), 0, &long)),
            ErrorCode::OFFSET_METADATA_TOO_LARGE,
        ),
        (
            "of a generation that there was not",
            good.clone()
                .with_generation_id(1)
                .with_member_id(text("nobody")),
            ErrorCode::UNKNOWN_MEMBER_ID,
        ),
    ];
    for (what, request, expected) in commits {
        let told = code(&mut it.node, OLD_COMMIT, &request).await;
        table.code(what, told, expected);
    }
    let (ended, _) = it.end(OLD_END, who, true).await;
    table.code("its end", ended, ErrorCode::NONE);
    it.settled().await;
    table.case(
        "what counts",
        offset(&mut it.node, group, topic, true).await,
        (5, 0),
    );
    table.end();
}

pub(super) async fn members_commit_in_their_generation() {
    let cluster = Cluster::shared().await;
    let mut table = Table::default();
    let topic = &new_topic(cluster, 1, &[]).await;
    let group = &new_group(cluster).await;
    let mut it = Transactional::new(cluster).await;
    let who = it.begin().await;
    let joined = found(&mut it.node, group).await;
    let good = commit(&it, who, group, (topic, 5))
        .with_member_id(joined.member_id.clone())
        .with_generation_id(joined.generation_id);
    let nobody = commit(&it, who, "no such group", (topic, 5));
    let instance = Some(text("an instance"));
    let commits = [
        ("a member", good.clone(), ErrorCode::NONE),
        (
            "of another generation",
            good.clone().with_generation_id(joined.generation_id + 1),
            ErrorCode::ILLEGAL_GENERATION,
        ),
        (
            "of no generation",
            good.clone().with_generation_id(-1),
            ErrorCode::ILLEGAL_GENERATION,
        ),
        (
            "a stranger",
            good.clone().with_member_id(text("nobody")),
            ErrorCode::UNKNOWN_MEMBER_ID,
        ),
        (
            "another instance",
            good.clone().with_group_instance_id(instance),
            ErrorCode::UNKNOWN_MEMBER_ID,
        ),
        (
            "who says nothing",
            commit(&it, who, group, (topic, 6)),
            ErrorCode::NONE,
        ),
        (
            "of nobody's group",
            nobody.with_generation_id(1).with_member_id(text("nobody")),
            ErrorCode::ILLEGAL_GENERATION,
        ),
    ];
    for (what, request, expected) in commits {
        let told = code(&mut it.node, COMMIT, &request).await;
        table.code(what, told, expected);
    }
    let (ended, _) = it.end(END, who, true).await;
    table.code("its end", ended, ErrorCode::NONE);
    it.settled().await;
    table.case(
        "the last one counts",
        offset(&mut it.node, group, topic, true).await,
        (6, 0),
    );
    table.end();
}
