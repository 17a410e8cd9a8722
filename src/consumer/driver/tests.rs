//! The consumer's task and its membership, against scripted brokers.

mod broker;
mod fetching;
mod group;
mod replicas;
mod resets;

use std::time::Duration;

use broker::Brokers;

use crate::cluster::{Client, ClientConfig};
use crate::consumer::{Consumer, ConsumerConfig, Event};
use crate::group::Assignor;
use crate::{Error, wire::TopicPartition};

/// Far beyond what anything here takes.
const LIMIT: Duration = Duration::from_secs(20);

fn client_config(brokers: &Brokers) -> ClientConfig {
    ClientConfig {
        bootstrap_servers: vec![brokers.peers[0].address.to_string()],
        request_timeout: Duration::from_secs(10),
        reconnect_backoff: Duration::from_millis(5),
        reconnect_backoff_max: Duration::from_millis(20),
        retry_backoff: Duration::from_millis(5),
        retry_backoff_max: Duration::from_millis(50),
        ..ClientConfig::default()
    }
}

fn config() -> ConsumerConfig {
    ConsumerConfig {
        group_id: "g".into(),
        topics: vec!["t".into()],
        assignors: vec![Assignor::Range],
        heartbeat_interval: Duration::from_millis(10),
        fetch_max_wait: Duration::from_millis(20),
        ..ConsumerConfig::default()
    }
}

async fn join(brokers: &Brokers, config: ConsumerConfig) -> Consumer {
    let client = Client::connect(client_config(brokers)).await.unwrap();
    Consumer::join(&client, config).unwrap()
}

/// One that has its partitions.
async fn joined(brokers: &Brokers, config: ConsumerConfig) -> Consumer {
    let mut consumer = join(brokers, config).await;
    until(&mut consumer, |event| matches!(event, Event::Assigned(_))).await;
    consumer
}

async fn next(consumer: &mut Consumer) -> Result<Event, Error> {
    let next = tokio::time::timeout(LIMIT, consumer.next());
    next.await.expect("no event in time")
}

/// Takes events up to one that is wanted.
async fn until(consumer: &mut Consumer, wanted: impl Fn(&Event) -> bool) -> Event {
    loop {
        let event = next(consumer).await.unwrap();
        if wanted(&event) {
            return event;
        }
    }
}

/// Takes events up to the end of each of these partitions; the offsets of their records.
async fn read_to_end(consumer: &mut Consumer, partitions: &[i32]) -> Vec<(i32, i64)> {
    let mut left = partitions.to_vec();
    let mut read = Vec::new();
    while !left.is_empty() {
        match next(consumer).await.unwrap() {
            Event::Records(mut records) => {
                let p = records.partition().partition;
                while let Some(record) = records.next() {
                    read.push((p, record.unwrap().offset));
                }
            }
            Event::EndOfPartition(tp, _) => left.retain(|p| *p != tp.partition),
            _ => {}
        }
    }
    read.sort_unstable();
    read
}

fn tp(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}
