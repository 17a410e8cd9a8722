//! Transactions of our producer: what others see of them, and what becomes of them when producers,
//! members and brokers go.

pub(crate) mod faults;

use std::time::Duration;

use payment_notifier::consumer::{
    CommitOffset, ConsumerConfig, Event, FetchedRecords, IsolationLevel,
};
use payment_notifier::producer::{
    ProducerConfig, ProducerRecord, Transaction, TransactionalConfig, TransactionalProducer,
};
use payment_notifier::wire::ErrorCode;
use payment_notifier::{Client, Consumer};

use crate::support::cluster::Cluster;
use crate::support::coordinator::{Operation, Resource};
use crate::support::ours::{connect, consume};
use crate::support::records::Record;
use crate::support::runner::{Test, tests};

pub(crate) const TESTS: &[Test] = tests![
    what_is_committed_is_seen_and_what_is_aborted_is_not(Cluster),
    java_and_librdkafka_see_what_is_committed(Cluster, Kcat),
    the_newest_producer_of_a_name_fences_those_before_it(Cluster),
    offsets_are_committed_with_the_records_or_not_at_all(Cluster),
    a_cluster_that_announces_partitions_is_spoken_to_in_its_way(Cluster) within 240,
    who_has_no_right_to_the_transactional_id_is_told_so(Kafka),
];

/// What a transaction is tried with.
struct Stage {
    topic: String,
    client: Client,
}

impl Stage {
    async fn set(cluster: &Cluster, partitions: i32) -> Self {
        let topic = cluster.unique("transactions");
        cluster.create_topic(&topic, partitions, &[]).await;
        let client = connect(cluster).await;
        Self { topic, client }
    }

    fn producer(&self, transactional_id: &str) -> TransactionalProducer {
        let config = TransactionalConfig {
            transactional_id: transactional_id.to_owned(),
            producer: ProducerConfig {
                delivery_timeout: Duration::from_secs(40),
                ..ProducerConfig::default()
            },
            ..TransactionalConfig::default()
        };
        TransactionalProducer::new(&self.client, config).expect("settings in order")
    }

    /// Sends one record with each text, in turn to each of the partitions.
    async fn send(&self, transaction: &Transaction, partitions: i32, texts: &[&str]) {
        let records = texts.iter().zip(0..).map(|(text, number)| ProducerRecord {
            partition: Some(number % partitions),
            ..ProducerRecord::new(&*self.topic, None, Some(text.as_bytes()))
        });
        let records: Vec<_> = records.collect();
        drop(transaction.send_all(&records).await);
    }

    /// The texts of so many records that are committed, sorted.
    async fn committed(&self, cluster: &Cluster, count: usize) -> Vec<String> {
        let config = ConsumerConfig {
            isolation_level: IsolationLevel::ReadCommitted,
            ..ConsumerConfig::default()
        };
        let records = consume(cluster, &self.topic, count, config).await;
        let mut texts: Vec<_> = records.iter().map(Record::text).collect();
        texts.sort_unstable();
        texts
    }
}

/// Commits, aborts and drops transactions; then a last commit, behind which there is nothing.
async fn tell_apart(stage: &Stage, cluster: &Cluster, producer: &TransactionalProducer) {
    let begin = async || producer.begin().await.expect("a transaction");
    let first = begin().await;
    stage.send(&first, 3, &["a", "b", "c", "d"]).await;
    first.commit().await.expect("committed");
    let second = begin().await;
    stage.send(&second, 3, &["never 1", "never 2"]).await;
    second.abort().await.expect("aborted");
    let third = begin().await;
    stage
        .send(&third, 3, &["never 3", "never 4", "never 5"])
        .await;
    drop(third);
    // Nothing in it: the coordinator never hears of them.
    begin().await.commit().await.expect("committed");
    begin().await.abort().await.expect("aborted");
    for round in 0..3 {
        let transaction = begin().await;
        let texts = [
            format!("x{round}"),
            format!("y{round}"),
            format!("z{round}"),
        ];
        let texts: Vec<_> = texts.iter().map(String::as_str).collect();
        stage.send(&transaction, 3, &texts).await;
        transaction.commit().await.expect("committed");
    }
    let expected = [
        "a", "b", "c", "d", "x0", "x1", "x2", "y0", "y1", "y2", "z0", "z1", "z2",
    ];
    assert_eq!(stage.committed(cluster, expected.len()).await, expected);
}

async fn what_is_committed_is_seen_and_what_is_aborted_is_not() {
    let cluster = Cluster::shared().await;
    let stage = Stage::set(cluster, 3).await;
    let producer = stage.producer(&cluster.unique("id"));
    tell_apart(&stage, cluster, &producer).await;
}

async fn a_cluster_that_announces_partitions_is_spoken_to_in_its_way() {
    let cluster = Cluster::start(1, &[("transaction.version", "0")]).await;
    cluster.turn_off_feature("transaction.version").await;
    let stage = Stage::set(&cluster, 3).await;
    let producer = stage.producer("id");
    tell_apart(&stage, &cluster, &producer).await;
}

async fn java_and_librdkafka_see_what_is_committed() {
    let cluster = Cluster::shared().await;
    let stage = Stage::set(cluster, 1).await;
    let producer = stage.producer(&cluster.unique("id"));
    for (texts, commits) in [(["a", "b"], true), (["c", "d"], false), (["e", "f"], true)] {
        let transaction = producer.begin().await.expect("a transaction");
        stage.send(&transaction, 1, &texts).await;
        match commits {
            true => transaction.commit().await.expect("committed"),
            false => transaction.abort().await.expect("aborted"),
        }
    }
    // One that stays open: what is behind it is not stable.
    let open = producer.begin().await.expect("a transaction");
    stage.send(&open, 1, &["g"]).await;

    let topic = &stage.topic;
    let java = ["--topic", topic, "--from-beginning", "--max-messages", "4"];
    let isolated = [&java[..], &["--isolation-level", "read_committed"]].concat();
    let read = cluster.tool("kafka-console-consumer", &isolated).await;
    assert_eq!(read.lines().collect::<Vec<_>>(), ["a", "b", "e", "f"]);
    let isolated = ["-X", "isolation.level=read_committed"];
    let arguments = [
        &["-C", "-t", topic, "-o", "beginning", "-e", "-q"],
        &isolated[..],
    ]
    .concat();
    let read = cluster.kcat(&arguments).await;
    assert_eq!(read.lines().collect::<Vec<_>>(), ["a", "b", "e", "f"]);
    open.abort().await.expect("aborted");
}

async fn the_newest_producer_of_a_name_fences_those_before_it() {
    let cluster = Cluster::shared().await;
    let stage = Stage::set(cluster, 2).await;
    let id = cluster.unique("id");
    let (first, second) = (stage.producer(&id), stage.producer(&id));
    let committed = first.begin().await.expect("a transaction");
    stage.send(&committed, 2, &["a", "b"]).await;
    committed.commit().await.expect("committed");
    let fenced = first.begin().await.expect("a transaction");
    // A write that is still to come could be refused first, and says less.
    let never = ProducerRecord::new(&*stage.topic, None, Some(b"never"));
    let never = fenced.send(&never).await.expect("it has a place");
    never.await.expect("it is written");

    let newer = second.begin().await.expect("a transaction");
    stage.send(&newer, 2, &["c", "d"]).await;
    newer.commit().await.expect("committed");

    let error = fenced.commit().await.expect_err("there is a newer one");
    assert!(error.is_fenced() && !error.is_retriable(), "{error:?}");
    let error = first.begin().await.expect_err("it has ended for good");
    assert!(error.is_fenced(), "{error:?}");
    assert_eq!(stage.committed(cluster, 4).await, ["a", "b", "c", "d"]);
}

async fn who_has_no_right_to_the_transactional_id_is_told_so() {
    let cluster = Cluster::shared().await;
    let stage = Stage::set(cluster, 1).await;
    let id = cluster.unique("id");
    let of_alice = Resource::TransactionalId(&id);
    cluster.allow("alice", Operation::All, of_alice).await;
    let producer = stage.producer(&id);
    for _ in 0..2 {
        let error = producer.begin().await.expect_err("it is another's");
        let code = ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
        assert_eq!(error.code(), Some(code), "{error:?}");
        assert!(!error.is_fenced() && !error.is_retriable(), "{error:?}");
    }
}

/// Consumes, transforms and produces: a transaction that is aborted is done again.
async fn offsets_are_committed_with_the_records_or_not_at_all() {
    let cluster = Cluster::shared().await;
    let stage = Stage::set(cluster, 1).await;
    let source = cluster.unique("source");
    cluster.create_topic(&source, 1, &[]).await;
    let texts = ["1", "2", "3", "4"].map(Record::new);
    cluster.produce(&source, &texts).await;
    let producer = stage.producer(&cluster.unique("id"));
    let config = ConsumerConfig {
        group_id: cluster.unique("group"),
        topics: vec![source.clone()],
        max_poll_records: 2,
        ..ConsumerConfig::default()
    };
    let group = config.group_id.clone();

    let mut consumer = Consumer::join(&stage.client, config.clone()).expect("settings in order");
    let (texts, offsets) = next_records(&mut consumer).await;
    assert_eq!(texts, ["1", "2"]);
    let transaction = producer.begin().await.expect("a transaction");
    stage.send(&transaction, 1, &["never"]).await;
    let stamped = consumer.stamped(vec![offsets]).await.expect("a member");
    transaction
        .commit_offsets(stamped.clone())
        .await
        .expect("taken");
    transaction.abort().await.expect("aborted");
    assert_eq!(cluster.committed(&group, &source).await, [].into());
    consumer.close().await.expect("left");

    // A member that has gone can commit nothing any more; the next transaction can.
    let transaction = producer.begin().await.expect("a transaction");
    stage.send(&transaction, 1, &["never"]).await;
    let refused = transaction
        .commit_offsets(stamped)
        .await
        .expect_err("it has left");
    assert_eq!(
        refused.code(),
        Some(ErrorCode::UNKNOWN_MEMBER_ID),
        "{refused:?}"
    );
    let refused = transaction.commit().await.expect_err("it has failed");
    assert!(
        !refused.is_fenced() && !refused.is_in_doubt(),
        "{refused:?}"
    );

    let mut consumer = Consumer::join(&stage.client, config).expect("settings in order");
    for (expected, committed) in [(["1", "2"], 2), (["3", "4"], 4)] {
        let (texts, offsets) = next_records(&mut consumer).await;
        assert_eq!(texts, expected);
        let transaction = producer.begin().await.expect("a transaction");
        let texts: Vec<_> = texts.iter().map(String::as_str).collect();
        stage.send(&transaction, 1, &texts).await;
        let stamped = consumer.stamped(vec![offsets]).await.expect("a member");
        transaction.commit_offsets(stamped).await.expect("taken");
        transaction.commit().await.expect("committed");
        cluster
            .wait_for_committed(&group, &source, &[(0, committed)])
            .await;
    }
    assert_eq!(stage.committed(cluster, 4).await, ["1", "2", "3", "4"]);
}

/// The texts of the next records, and the offset behind them.
async fn next_records(consumer: &mut Consumer) -> (Vec<String>, CommitOffset) {
    loop {
        let event = consumer.next().await.expect("a member in order");
        if let Event::Records(records) = event {
            let records = Records::of(records);
            return (records.texts, records.next);
        }
    }
}

/// Records of one partition, read.
struct Records {
    texts: Vec<String>,
    first: i64,
    next: CommitOffset,
}

impl Records {
    fn of(mut records: FetchedRecords) -> Self {
        let mut texts = Vec::new();
        let mut first = None;
        while let Some(record) = records.next() {
            let record = record.expect("readable bytes");
            first.get_or_insert(record.offset);
            let value = record.value().map(<[u8]>::to_vec).unwrap_or_default();
            texts.push(String::from_utf8(value).expect("text"));
        }
        Self {
            texts,
            first: first.expect("a record"),
            next: CommitOffset::new(records.partition().clone(), records.next_offset()),
        }
    }
}
