use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, GroupId, OffsetFetchRequest, TxnOffsetCommitRequest,
};

use super::*;

const COMMIT: i16 = 5;
const OLD_COMMIT: i16 = 3;

fn group() -> GroupId {
    GroupId(text("a group"))
}

async fn commit(
    peer: &mut Peer,
    version: i16,
    producer: Producer,
    (generation, offset): (i32, i64),
) -> ErrorCode {
    let partition = TxnOffsetCommitRequestPartition::default().with_committed_offset(offset);
    let topic = TxnOffsetCommitRequestTopic::default()
        .with_name(topic_name("topic"))
        .with_partitions(vec![partition]);
    let request = TxnOffsetCommitRequest::default()
        .with_transactional_id(transactional_id())
        .with_group_id(group())
        .with_producer_id(ProducerId(producer.id))
        .with_producer_epoch(producer.epoch)
        .with_generation_id(generation)
        .with_topics(vec![topic]);
    let answer = peer.ask(version, &request).await;
    ErrorCode(answer.topics[0].partitions[0].error_code)
}

/// A group's offset, for one who wants stable ones.
async fn stable(peer: &mut Peer) -> Result<i64, ErrorCode> {
    let topic = OffsetFetchRequestTopics::default()
        .with_name(topic_name("topic"))
        .with_partition_indexes(vec![0]);
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(group())
        .with_topics(Some(vec![topic]));
    let request = OffsetFetchRequest::default()
        .with_require_stable(true)
        .with_groups(vec![group]);
    let answer = peer.ask(8, &request).await;
    let told = &answer.groups[0].topics[0].partitions[0];
    ErrorCode(told.error_code)
        .ok()
        .map(|()| told.committed_offset)
}

#[tokio::test]
async fn offsets_count_when_their_transaction_is_committed() {
    let broker = cluster(1).await;
    make_topic(&broker, "topic", 1, &[]);
    let mut peer = Peer::connect(&broker, 1).await;
    let producer = init(&mut peer).await.unwrap();
    let unstable = Err(ErrorCode::UNSTABLE_OFFSET_COMMIT);
    assert_eq!(
        commit(&mut peer, COMMIT, producer, (-1, 5)).await,
        ErrorCode::NONE
    );
    assert_eq!(stable(&mut peer).await, unstable);
    assert_eq!(broker.committed("a group", "topic", 0), None);
    let producer = end(&mut peer, producer, true).await.unwrap();
    assert_eq!(stable(&mut peer).await, Ok(5));

    assert_eq!(
        commit(&mut peer, COMMIT, producer, (-1, 7)).await,
        ErrorCode::NONE
    );
    assert_eq!(stable(&mut peer).await, unstable);
    let producer = end(&mut peer, producer, false).await.unwrap();
    assert_eq!(stable(&mut peer).await, Ok(5));
    // No such generation, and the group is part of the transaction all the same.
    let illegal = ErrorCode::UNKNOWN_MEMBER_ID;
    assert_eq!(commit(&mut peer, COMMIT, producer, (3, 9)).await, illegal);
    assert!(end(&mut peer, producer, true).await.is_ok());
    assert_eq!(stable(&mut peer).await, Ok(5));
}

#[tokio::test]
async fn an_older_client_says_first_whose_offsets_it_commits() {
    let broker = cluster(1).await;
    make_topic(&broker, "topic", 1, &[]);
    let mut peer = Peer::connect(&broker, 1).await;
    let producer = init(&mut peer).await.unwrap();
    let refused = [
        (OLD_COMMIT, ErrorCode::INVALID_TXN_STATE),
        (4, ErrorCode::TRANSACTION_ABORTABLE),
    ];
    for (version, code) in refused {
        assert_eq!(commit(&mut peer, version, producer, (-1, 5)).await, code);
    }
    let request = AddOffsetsToTxnRequest::default()
        .with_transactional_id(transactional_id())
        .with_producer_id(ProducerId(producer.id))
        .with_producer_epoch(producer.epoch)
        .with_group_id(group());
    assert_eq!(peer.ask(4, &request).await.error_code, 0);
    assert_eq!(
        commit(&mut peer, OLD_COMMIT, producer, (-1, 5)).await,
        ErrorCode::NONE
    );
    let answer = end_by(&mut peer, OLD_END, producer, true).await;
    assert_eq!(answer.error_code, 0);
    assert_eq!(stable(&mut peer).await, Ok(5));
}

#[tokio::test]
async fn what_was_committed_later_stays() {
    let broker = cluster(1).await;
    make_topic(&broker, "topic", 1, &[]);
    let mut peer = Peer::connect(&broker, 1).await;
    let producer = init(&mut peer).await.unwrap();
    assert_eq!(
        commit(&mut peer, COMMIT, producer, (-1, 5)).await,
        ErrorCode::NONE
    );
    let place = crate::wire::TopicPartition::new("topic", 0);
    let later = crate::broker::Committed {
        offset: 4,
        leader_epoch: -1,
        metadata: String::new(),
        committed_at_ms: 0,
    };
    let committed = broker.shared.state().groups.commit("a group", place, later);
    committed.unwrap();
    assert!(end(&mut peer, producer, true).await.is_ok());
    assert_eq!(stable(&mut peer).await, Ok(4));
}
