//! This crate's own consumers as members of the broker's groups.

use std::collections::BTreeSet;
use std::time::Duration;

use kafka_protocol::messages::ApiKey;

use super::*;
use crate::Client;
use crate::broker::BrokerConfig;
use crate::broker::testing::{cluster, make_topic};
use crate::consumer::{CommitOffset, Consumer, ConsumerConfig, Event, OffsetReset};
use crate::producer::{Producer, ProducerConfig, ProducerRecord};
use crate::wire::ErrorCode;

const GROUP: &str = "notifier";
const TOPIC: &str = "payments";

fn config() -> ConsumerConfig {
    ConsumerConfig {
        group_id: GROUP.into(),
        topics: vec![TOPIC.into()],
        auto_offset_reset: OffsetReset::Earliest,
        heartbeat_interval: Duration::from_millis(20),
        fetch_max_wait: Duration::from_millis(50),
        ..ConsumerConfig::default()
    }
}

async fn client(broker: &Broker) -> Client {
    Client::connect(broker.client_config()).await.unwrap()
}

async fn publish(broker: &Broker, count: usize) {
    let producer = Producer::new(&client(broker).await, ProducerConfig::default());
    for number in 0..count {
        let value = number.to_string();
        let record = ProducerRecord::new(TOPIC, None, Some(value.as_bytes()));
        producer.send(&record).await.unwrap();
    }
}

/// Answers what the group asks of a member, for ever.
async fn take_part(mut consumer: Consumer) {
    while let Ok(event) = consumer.next().await {
        if let Event::Revoking(partitions) = event {
            consumer.revoked(&partitions);
        }
    }
}

/// Whether there are so many members, and each has a part; no partition is in two of them.
fn is_shared_by(count: usize) -> impl Fn(&GroupView) -> bool {
    move |group| {
        let parts = group.members.iter().filter_map(|m| m.assignment.as_deref());
        let parts: Vec<_> = parts.collect();
        let all: Vec<_> = parts.iter().copied().flatten().collect();
        let distinct: BTreeSet<_> = all.iter().collect();
        assert_eq!(all.len(), distinct.len(), "{group:?}");
        group.state == GroupState::Stable
            && parts.len() == count
            && parts.iter().all(|part| !part.is_empty())
            && all.len() == 4
    }
}

#[tokio::test]
async fn members_share_the_partitions_and_the_last_one_has_all() {
    let broker = cluster(2).await;
    make_topic(&broker, TOPIC, 4, &[]);
    let client = client(&broker).await;
    let first = tokio::spawn(take_part(Consumer::join(&client, config()).unwrap()));
    broker.wait_for_group(GROUP, is_shared_by(1)).await;
    let second = tokio::spawn(take_part(Consumer::join(&client, config()).unwrap()));
    let both = broker.wait_for_group(GROUP, is_shared_by(2)).await;
    // A member that is dropped leaves.
    first.abort();
    let one = broker.wait_for_group(GROUP, is_shared_by(1)).await;
    assert!(one.generation > both.generation);
    assert_eq!(one.leader.as_ref(), Some(&one.members[0].id));
    second.abort();
    let nobody = |group: &GroupView| group.state == GroupState::Empty;
    broker.wait_for_group(GROUP, nobody).await;
}

/// Reads up to an offset of partition 0, and commits it.
async fn read_and_commit(consumer: &mut Consumer, until: i64) -> Vec<i64> {
    let mut seen = Vec::new();
    loop {
        match consumer.next().await.unwrap() {
            Event::Records(mut records) => {
                while let Some(record) = records.next() {
                    seen.push(record.unwrap().offset);
                }
                let partition = records.partition().clone();
                if records.next_offset() >= until {
                    let mut done = CommitOffset::new(partition, until);
                    done.metadata = "so far".into();
                    consumer.commit(vec![done]).await.unwrap();
                    return seen;
                }
            }
            Event::Revoking(partitions) => consumer.revoked(&partitions),
            _ => {}
        }
    }
}

#[tokio::test]
async fn the_next_member_goes_on_from_what_was_committed() {
    let broker = cluster(1).await;
    make_topic(&broker, TOPIC, 1, &[]);
    publish(&broker, 5).await;
    let client = client(&broker).await;
    let mut first = Consumer::join(&client, config()).unwrap();
    let seen = read_and_commit(&mut first, 3).await;
    assert!(seen.starts_with(&[0, 1, 2]));
    let committed = broker.wait_for_committed(GROUP, TOPIC, 0, 3).await;
    assert_eq!((committed.offset, &*committed.metadata), (3, "so far"));
    first.close().await.unwrap();
    let mut second = Consumer::join(&client, config()).unwrap();
    assert_eq!(read_and_commit(&mut second, 5).await, [3, 4]);
    assert_eq!(broker.committed(GROUP, TOPIC, 0).unwrap().offset, 5);
}

#[tokio::test]
async fn a_member_goes_on_at_the_next_coordinator() {
    let broker = cluster(2).await;
    make_topic(&broker, TOPIC, 1, &[]);
    publish(&broker, 2).await;
    broker.move_coordinator(GROUP, 1).unwrap();
    let mut consumer = Consumer::join(&client(&broker).await, config()).unwrap();
    read_and_commit(&mut consumer, 1).await;
    let before = broker.group(GROUP).unwrap();
    broker.move_coordinator(GROUP, 2).unwrap();
    let done = CommitOffset::new(TopicPartition::new(TOPIC, 0), 2);
    consumer.commit(vec![done]).await.unwrap();
    assert_eq!(broker.committed(GROUP, TOPIC, 0).unwrap().offset, 2);
    assert_eq!(broker.group(GROUP).unwrap(), before);
}

#[tokio::test]
async fn a_member_whose_session_is_over_is_fenced_and_joins_again() {
    let broker = Broker::start(BrokerConfig::default()).await.unwrap();
    make_topic(&broker, TOPIC, 1, &[]);
    publish(&broker, 1).await;
    let mut consumer = Consumer::join(&client(&broker).await, config()).unwrap();
    read_and_commit(&mut consumer, 1).await;
    let before = broker.group(GROUP).unwrap();
    // Nothing of it arrives for longer than its session.
    broker.control(ApiKey::Heartbeat).always().drop_before();
    broker.clock().advance(config().session_timeout);
    broker
        .wait_for_group(GROUP, |group| group.members.is_empty())
        .await;
    let done = CommitOffset::new(TopicPartition::new(TOPIC, 0), 1);
    let refused = consumer.commit(vec![done]).await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::UNKNOWN_MEMBER_ID));
    broker.clear_faults();
    tokio::spawn(take_part(consumer));
    let again = broker
        .wait_for_group(GROUP, |group| group.state == GroupState::Stable)
        .await;
    assert_ne!(again.members[0].id, before.members[0].id);
    assert!(again.generation > before.generation);
}
