//! Brokers that die, freeze or give a transaction up while it is open: what is told of it is what
//! became of it.

use std::collections::BTreeMap;
use std::time::Duration;

use payment_notifier::consumer::{ConsumerConfig, Event};
use payment_notifier::producer::{ProducerRecord, TransactionalConfig, TransactionalProducer};
use payment_notifier::{Client, ClientConfig, Consumer, Error};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::{Records, Stage, next_records};
use crate::support::cluster::{Cluster, ONE_CLUSTER_AT_A_TIME};
use crate::support::records::Record;
use crate::support::runner::{Test, tests};
use crate::support::stream::publish_during;

pub(crate) const TESTS: &[Test] = tests![
    nodes_die_while_records_are_passed_on(Cluster) within 600,
    the_coordinator_dies_between_any_two_steps(Cluster) within 600,
    a_frozen_coordinator_leaves_no_doubt(Cluster) within 600,
    a_transaction_that_is_open_for_too_long_is_aborted_by_its_coordinator(Cluster),
];

/// Of the source, and of what is passed on.
const PARTITIONS: i32 = 3;
/// How long records are gathered for one transaction.
const LINGER: Duration = Duration::from_millis(100);

/// A client that does not wait for a silent broker for long.
async fn impatient(cluster: &Cluster) -> Client {
    let servers = cluster.bootstrap().split(',');
    let config = ClientConfig {
        bootstrap_servers: servers.map(str::to_owned).collect(),
        request_timeout: Duration::from_secs(4),
        ..ClientConfig::default()
    };
    Client::connect(config).await.expect("the cluster is up")
}

/// Each record is passed on once, with its offset, whatever node dies meanwhile.
async fn nodes_die_while_records_are_passed_on() {
    let _turn = ONE_CLUSTER_AT_A_TIME.lock().await;
    let cluster = Cluster::start(3, &[]).await;
    let stage = Stage {
        client: impatient(&cluster).await,
        ..Stage::set(&cluster, PARTITIONS).await
    };
    let source = cluster.unique("source");
    cluster.create_topic(&source, PARTITIONS, &[]).await;
    let config = ConsumerConfig {
        group_id: cluster.unique("group"),
        topics: vec![source.clone()],
        max_poll_records: 20,
        ..ConsumerConfig::default()
    };
    let group = config.group_id.clone();
    let consumer = Consumer::join(&stage.client, config).expect("settings in order");
    let (committed, progress) = watch::channel(0);
    let passing_on = pass_on(consumer, &stage, &committed);

    let faults = async {
        for node in 1..=3 {
            advance(&progress).await;
            cluster.kill(node).await;
            advance(&progress).await;
            cluster.restart(node).await;
        }
        advance(&progress).await;
    };
    let published = async {
        publish_during(&cluster, &source, PARTITIONS as usize, faults).await;
        // Where a node died, the publisher may have written a record twice.
        let records = cluster.read(&source).await;
        cluster
            .wait_for_commits(&group, &source, records.len())
            .await;
        records
    };
    let published = tokio::select! {
        published = published => published,
        never = passing_on => match never {},
    };
    let mut published: Vec<_> = published.iter().map(Record::text).collect();
    published.sort_unstable();
    let committed = stage.committed(&cluster, published.len()).await;
    assert_eq!(committed, published);
}

/// Waits for some more transactions.
async fn advance(progress: &watch::Receiver<usize>) {
    let mut progress = progress.clone();
    let goal = *progress.borrow() + 8;
    let reached = progress.wait_for(|committed| *committed >= goal);
    drop(reached.await.expect("records are passed on"));
}

/// Passes records on, those that come within a while in one transaction; what is aborted is read and done
/// again.
async fn pass_on(
    mut consumer: Consumer,
    stage: &Stage,
    committed: &watch::Sender<usize>,
) -> std::convert::Infallible {
    let producer = stage.producer("passing-on");
    loop {
        let mut batches = Vec::new();
        let mut event = consumer.next().await;
        let until = Instant::now() + LINGER;
        loop {
            match event.expect("a member in order") {
                Event::Records(records) => batches.push(Records::of(records)),
                Event::Revoking(partitions) => consumer.revoked(&partitions),
                _ => {}
            }
            match timeout_at(until, consumer.next()).await {
                Ok(next) => event = next,
                Err(_) => break,
            }
        }
        match pass_some_on(&consumer, stage, &producer, &batches).await {
            Ok(()) => committed.send_modify(|committed| *committed += 1),
            Err(error) => {
                assert!(!error.is_fenced() && !error.is_in_doubt(), "{error:?}");
                // Back to the first of each partition: the last to be named.
                for records in batches.into_iter().rev() {
                    consumer.seek(records.next.partition, records.first);
                }
            }
        }
    }
}

async fn pass_some_on(
    consumer: &Consumer,
    stage: &Stage,
    producer: &TransactionalProducer,
    batches: &[Records],
) -> Result<(), Error> {
    let transaction = producer.begin().await?;
    let texts = batches.iter().flat_map(|records| &records.texts);
    for (text, number) in texts.zip(0..) {
        let record = ProducerRecord {
            partition: Some(number % PARTITIONS),
            ..ProducerRecord::new(&*stage.topic, None, Some(text.as_bytes()))
        };
        drop(transaction.send(&record).await?);
    }
    let mut offsets = BTreeMap::new();
    for records in batches {
        let next = records.next.clone();
        offsets.insert(next.partition.clone(), next);
    }
    let offsets = consumer.stamped(offsets.into_values().collect()).await?;
    transaction.commit_offsets(offsets).await?;
    transaction.commit().await
}

async fn the_coordinator_dies_between_any_two_steps() {
    let _turn = ONE_CLUSTER_AT_A_TIME.lock().await;
    let cluster = Cluster::start(3, &[]).await;
    let stage = Stage {
        client: impatient(&cluster).await,
        ..Stage::set(&cluster, PARTITIONS).await
    };
    let source = cluster.unique("source");
    cluster.create_topic(&source, 1, &[]).await;
    let config = ConsumerConfig {
        group_id: cluster.unique("group"),
        topics: vec![source.clone()],
        ..ConsumerConfig::default()
    };
    let group = config.group_id.clone();
    let mut consumer = Consumer::join(&stage.client, config).expect("settings in order");
    let id = cluster.unique("id");
    let producer = stage.producer(&id);
    // The one of the transaction, which may be the group's, too.
    let kill = async || {
        let deadline = Instant::now() + Duration::from_secs(30);
        let found = stage.client.find_transaction_coordinator(&id, deadline);
        let node = usize::try_from(found.await.expect("there is one")).expect("a node");
        cluster.kill(node).await;
        node
    };
    let mut expected = Vec::new();
    for step in 0..4 {
        let text = format!("step {step}");
        cluster.produce(&source, &[Record::new(&text)]).await;
        let (texts, offset) = next_records(&mut consumer).await;
        assert_eq!(texts, [&*text]);
        let mut killed = Vec::new();
        let transaction = producer.begin().await.expect("a transaction");
        if step == 0 {
            killed.push(kill().await);
        }
        stage.send(&transaction, PARTITIONS, &[&text, &text]).await;
        if step == 1 {
            killed.push(kill().await);
        }
        let offsets = consumer.stamped(vec![offset]).await.expect("a member");
        transaction.commit_offsets(offsets).await.expect("taken");
        if step == 2 {
            killed.push(kill().await);
        }
        let commit = transaction.commit();
        if step == 3 {
            let (committed, node) = tokio::join!(commit, kill());
            committed.expect("committed");
            killed.push(node);
        } else {
            commit.await.expect("committed");
        }
        for node in killed {
            cluster.restart(node).await;
        }
        cluster
            .wait_for_committed(&group, &source, &[(0, step + 1)])
            .await;
        expected.extend([text.clone(), text]);
    }
    assert_eq!(stage.committed(&cluster, expected.len()).await, expected);
}

/// It has been asked to commit, and may have: whoever comes after it tells.
async fn a_frozen_coordinator_leaves_no_doubt() {
    let _turn = ONE_CLUSTER_AT_A_TIME.lock().await;
    let cluster = Cluster::start(3, &[]).await;
    let stage = Stage {
        client: impatient(&cluster).await,
        ..Stage::set(&cluster, PARTITIONS).await
    };
    let id = cluster.unique("id");
    let producer = stage.producer(&id);
    for text in ["a", "b"] {
        let transaction = producer.begin().await.expect("a transaction");
        stage.send(&transaction, PARTITIONS, &[text]).await;
        let deadline = Instant::now() + Duration::from_secs(30);
        let found = stage.client.find_transaction_coordinator(&id, deadline);
        let node = usize::try_from(found.await.expect("there is one")).expect("a node");
        cluster.pause(node).await;
        transaction.commit().await.expect("committed");
        cluster.resume(node).await;
    }
    assert_eq!(stage.committed(&cluster, 2).await, ["a", "b"]);
}

async fn a_transaction_that_is_open_for_too_long_is_aborted_by_its_coordinator() {
    let soon = "transaction.abort.timed.out.transaction.cleanup.interval.ms";
    let cluster = Cluster::start(1, &[(soon, "200")]).await;
    let stage = Stage::set(&cluster, 1).await;
    let config = TransactionalConfig {
        transactional_id: "id".into(),
        transaction_timeout: Duration::from_secs(1),
        ..TransactionalConfig::default()
    };
    let producer = TransactionalProducer::new(&stage.client, config).expect("settings in order");
    let open = producer.begin().await.expect("a transaction");
    // In the log before what is committed: that is not seen until this has ended.
    let record = ProducerRecord::new(&*stage.topic, None, Some(b"never"));
    let written = open
        .send(&record)
        .await
        .expect("it has a place in the buffer");
    written.await.expect("written");
    let other = stage.producer("other");
    let behind = other.begin().await.expect("a transaction");
    stage.send(&behind, 1, &["a"]).await;
    behind.commit().await.expect("committed");
    // Seen once nothing before it is open any more.
    assert_eq!(stage.committed(&cluster, 1).await, ["a"]);

    let error = open.commit().await.expect_err("it was aborted");
    assert!(!error.is_in_doubt() && !error.is_fenced(), "{error:?}");
    // It is told from a newer producer, as each transaction has its own epoch (KIP-890).
    let next = producer.begin().await.expect("a transaction");
    stage.send(&next, 1, &["b"]).await;
    next.commit().await.expect("committed");
    assert_eq!(stage.committed(&cluster, 2).await, ["a", "b"]);
}
