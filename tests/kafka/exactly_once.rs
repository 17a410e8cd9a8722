//! A record leaves one place and arrives in the next in one transaction: whatever dies on the way,
//! it is in one place at a time, once, with all its bytes.
//!
//! `KILLS` sets how often the service is killed (see `tests/kafka/long`).

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use payment_notifier::Producer;
use payment_notifier::producer::{ProducerConfig, ProducerRecord};
use payment_notifier::wire::batch::RecordBody;

use crate::support::cluster::{Cluster, ONE_CLUSTER_AT_A_TIME};
use crate::support::notifier::{Notifier, Setup};
use crate::support::ours::connect;
use crate::support::payments::{payment, record};
use crate::support::records::Record;
use crate::support::runner::{Test, tests};
use crate::support::telegram::{Answer, Sent, Telegram};

pub(crate) const TESTS: &[Test] = tests![
    a_service_killed_at_any_point_leaves_each_record_in_one_place(Cluster) within 4000,
    a_member_of_the_consumer_protocol_killed_leaves_each_record_in_one_place(Cluster) within 600,
    a_consumer_of_java_sees_each_record_once(Kafka, Java) within 300,
    a_frozen_service_that_wakes_up_moves_nothing(Cluster) within 600,
    a_frozen_member_of_the_consumer_protocol_moves_nothing(Cluster) within 600,
    nodes_that_die_make_no_second_dead_letter(Cluster) within 600,
    what_a_crash_left_open_is_over_soon(Cluster) within 300,
];

/// Kills of one test run, after which all is looked at; a hundred in a long one.
const KILLS: usize = 8;
/// The longest that a service works before it is killed, in milliseconds.
const LONGEST_LIFE: u64 = 1_500;

async fn a_service_killed_at_any_point_leaves_each_record_in_one_place() {
    let kills = std::env::var("KILLS").ok();
    let kills = kills.map_or(KILLS, |kills| kills.parse().expect("a number"));
    let play = Play::on(Cluster::shared().await).await;
    for kill in 1..=kills {
        play.publish(9).await;
        let mut notifier = play.setup.run();
        notifier.wait_for_log("drain started").await;
        // Any point is as good as any other.
        let life = Duration::from_millis(fastrand::u64(..LONGEST_LIFE));
        tokio::time::sleep(life).await;
        notifier.kill().await;
        if kill % KILLS == 0 || kill == kills {
            let mut notifier = play.running().await;
            play.all_is_over().await;
            assert!(notifier.shut_down().await.success());
            play.check().await;
        }
    }
}

/// Its session is the broker's to set: ten seconds here.
async fn a_member_of_the_consumer_protocol_killed_leaves_each_record_in_one_place() {
    let play = Play::of("consumer", Cluster::shared().await).await;
    for _ in 0..3 {
        play.publish(18).await;
        let mut notifier = play.setup.run();
        let more = play.telegram.sent().len() + 8;
        play.telegram.wait_for(more).await;
        notifier.kill().await;
    }
    let mut notifier = play.running().await;
    play.all_is_over().await;
    assert!(notifier.shut_down().await.success());
    play.check().await;
}

async fn a_consumer_of_java_sees_each_record_once() {
    let play = Play::on(Cluster::shared().await).await;
    play.publish(18).await;
    for _ in 0..3 {
        let mut notifier = play.setup.run();
        let more = play.telegram.sent().len() + 8;
        play.telegram.wait_for(more).await;
        notifier.kill().await;
    }
    let mut notifier = play.running().await;
    play.all_is_over().await;
    assert!(notifier.shut_down().await.success());
    play.check().await;
    let seen = async |topic: &str, count: usize| {
        let count = count.to_string();
        let arguments = [
            "--topic",
            topic,
            "--from-beginning",
            "--isolation-level",
            "read_committed",
            "--timeout-ms",
            "20000",
            "--max-messages",
            &count,
        ];
        let tool = play.cluster.tool("kafka-console-consumer", &arguments);
        let mut lines: Vec<_> = tool.await.lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    let mut permanent: Vec<_> = play.failing().map(payment).collect();
    permanent.sort_unstable();
    // One more than there may be is asked for, so that a second one would be seen.
    let asked = permanent.len() + 1;
    assert_eq!(seen(&play.setup.permanent, asked).await, permanent);
}

async fn a_frozen_service_that_wakes_up_moves_nothing() {
    freeze(Play::on(Cluster::shared().await).await, 3).await;
}

async fn a_frozen_member_of_the_consumer_protocol_moves_nothing() {
    freeze(Play::of("consumer", Cluster::shared().await).await, 2).await;
}

async fn freeze(play: Play<'_>, times: usize) {
    for _ in 0..times {
        play.publish(18).await;
        let mut frozen = play.setup.run();
        let more = play.telegram.sent().len() + 5;
        play.telegram.wait_for(more).await;
        frozen.process().pause();
        // Another takes its partitions over, once its session has ended.
        let mut other = play.setup.run();
        other.wait_for_log("owned=3").await;
        frozen.process().resume();
        play.all_is_over().await;
        for notifier in [&mut frozen, &mut other] {
            assert!(notifier.shut_down().await.success());
        }
    }
    play.check().await;
}

async fn nodes_that_die_make_no_second_dead_letter() {
    let _turn = ONE_CLUSTER_AT_A_TIME.lock().await;
    let cluster = Cluster::start(3, &[]).await;
    let play = Play::on(&cluster).await;
    let mut notifier = play.setup.run();
    for node in 1..=3 {
        play.publish(18).await;
        play.working().await;
        cluster.kill(node).await;
        play.publish(9).await;
        play.working().await;
        cluster.restart(node).await;
    }
    play.all_is_over().await;
    assert!(notifier.shut_down().await.success());
    play.check().await;
}

/// The transaction of a service that was killed holds up those who read only what is committed,
/// and no longer than `transaction.timeout.ms`.
async fn what_a_crash_left_open_is_over_soon() {
    let play = Play::on(Cluster::shared().await).await;
    for _ in 0..3 {
        play.publish(9).await;
        let mut notifier = play.setup.run();
        let dead = play.cluster.read(&play.setup.dead_letter).await.len();
        play.cluster
            .wait_for_records(&play.setup.dead_letter, dead + 1)
            .await;
        notifier.kill().await;
    }
    let mut notifier = play.running().await;
    let began = std::time::Instant::now();
    play.all_is_over().await;
    assert!(
        began.elapsed() < Duration::from_secs(60),
        "{:?}",
        began.elapsed()
    );
    assert!(notifier.shut_down().await.success());
    play.check().await;
}

/// Payments of which a third is sent, a third is busy for ever, and a third refused.
struct Play<'a> {
    cluster: &'a Cluster,
    telegram: Telegram,
    setup: Setup,
    /// Idempotent, as a payment that is published twice would be in two places.
    producer: Producer,
    published: Cell<usize>,
}

impl<'a> Play<'a> {
    async fn on(cluster: &'a Cluster) -> Self {
        let play = Self::of("classic", cluster).await;
        let setup = play
            .setup
            .set("NOTIFIER_KAFKA_SESSION_TIMEOUT_MS", "3000")
            .set("NOTIFIER_KAFKA_HEARTBEAT_INTERVAL_MS", "500");
        Self { setup, ..play }
    }

    /// On which the service is a member by this protocol.
    async fn of(protocol: &str, cluster: &'a Cluster) -> Self {
        let telegram = Telegram::start().await;
        let number = |call: &Sent| {
            let (_, rest) = call.text.split_once(" user").expect("a payment's text");
            let (number, _) = rest.split_once('@').expect("an address");
            number.parse::<usize>().expect("a number")
        };
        let busy = Answer::error(503, "Service Unavailable");
        telegram.answer(move |call| number(call) % 3 == 0, busy);
        let refused = Answer::error(403, "Forbidden");
        telegram.answer(move |call| number(call) % 3 == 1, refused);
        let setup = Setup::new(cluster, &telegram)
            .set("NOTIFIER_RETRY_BACKOFF", "10ms")
            .set("NOTIFIER_CONSUMER_CONCURRENCY", "3")
            .set("NOTIFIER_DRAIN_INTERVAL", "100ms")
            .set("NOTIFIER_KAFKA_GROUP_PROTOCOL", protocol)
            .set("NOTIFIER_KAFKA_TRANSACTION_TIMEOUT_MS", "2000");
        for topic in setup.topics() {
            cluster.create_topic(topic, 3, &[]).await;
        }
        let client = connect(cluster).await;
        Self {
            cluster,
            telegram,
            setup,
            producer: Producer::new(&client, ProducerConfig::default()),
            published: Cell::new(0),
        }
    }

    async fn publish(&self, count: usize) {
        let first = self.published.get();
        self.published.set(first + count);
        for n in first..first + count {
            let Record {
                key,
                value,
                headers,
                ..
            } = record(n);
            let headers = headers.iter();
            let headers: Vec<_> = headers
                .map(|(key, value)| (&key[..], value.as_deref()))
                .collect();
            let record = ProducerRecord {
                topic: self.setup.source.as_str().into(),
                partition: Some(partition_of(n)),
                timestamp_ms: None,
                body: RecordBody::new(key.as_deref(), value.as_deref(), &headers),
            };
            let sent = self.producer.send(&record).await;
            let _delivery = sent.expect("the topic is there");
        }
        self.producer.flush().await.expect("the cluster takes them");
    }

    /// A service that has joined: whoever ends sooner has not heard of signals yet.
    async fn running(&self) -> Notifier {
        let notifier = self.setup.run();
        notifier.wait_for_log("drain started").await;
        notifier
    }

    /// The numbers of the payments that can't be sent.
    fn failing(&self) -> impl Iterator<Item = usize> {
        (0..self.published.get()).filter(|n| n % 3 != 2)
    }

    /// Waits until the service has moved something more.
    async fn working(&self) {
        let dead = self.cluster.read(&self.setup.dead_letter).await.len();
        self.cluster
            .wait_for_records(&self.setup.dead_letter, dead + 1)
            .await;
    }

    /// Waits until every payment has come to its end.
    async fn all_is_over(&self) {
        let sent = |sent: &[Sent]| {
            let is_sent = |n: &usize| {
                let name = format!(" user{n}@");
                sent.iter().any(|call| call.text.contains(&name))
            };
            let mut good = (0..self.published.get()).filter(|n| n % 3 == 2);
            good.all(|n| is_sent(&n)).then_some(())
        };
        self.telegram.wait_until("all good ones", sent).await;
        let count = self.failing().count();
        self.cluster
            .wait_for_records(&self.setup.permanent, count)
            .await;
        let per_partition = |partition| {
            let of_partition = |n: &usize| partition_of(*n) == partition;
            (0..self.published.get()).filter(of_partition).count()
        };
        let wanted: Vec<_> = (0..3)
            .map(|n| (n, per_partition(n)))
            .filter(|(_, count)| *count > 0)
            .map(|(n, count)| (n, i64::try_from(count).expect("small")))
            .collect();
        let (group, topic) = (&self.setup.group, &self.setup.source);
        self.cluster.wait_for_committed(group, topic, &wanted).await;
    }

    /// Each failing payment is in the permanent topic once, as it was; and a busy one was a dead
    /// letter once with each count.
    async fn check(&self) {
        let permanent = self.cluster.read(&self.setup.permanent).await;
        let dead = self.cluster.read(&self.setup.dead_letter).await;
        let mut parked: BTreeMap<String, usize> = BTreeMap::new();
        for it in &permanent {
            *parked.entry(it.text()).or_default() += 1;
        }
        let expected: BTreeMap<_, _> = self.failing().map(|n| (payment(n), 1)).collect();
        assert_eq!(parked, expected);
        let mut counts: BTreeMap<(String, Option<Vec<u8>>), usize> = BTreeMap::new();
        for it in &dead {
            let count = it.get("retry-count").map(<[u8]>::to_vec);
            *counts.entry((it.text(), count)).or_default() += 1;
        }
        let busy = self.failing().filter(|n| n % 3 == 0);
        let expected = busy.flat_map(|n| {
            let counts = [None, Some("1"), Some("2"), Some("3")];
            counts.map(|count| ((payment(n), count.map(|it| it.as_bytes().to_vec())), 1))
        });
        assert_eq!(counts, expected.collect());
        for it in permanent.iter().chain(&dead) {
            self.check_bytes(it);
        }
    }

    /// Key, headers of the source and partition are as they were published.
    fn check_bytes(&self, moved: &Record) {
        let number = (0..self.published.get()).find(|n| payment(*n) == moved.text());
        let number = number.unwrap_or_else(|| panic!("nobody published {moved:?}"));
        let source = record(number);
        assert_eq!(moved.key, source.key);
        assert_eq!(moved.headers[..source.headers.len()], source.headers);
        assert_eq!(moved.partition, partition_of(number));
    }
}

/// Each partition gets payments of every kind.
fn partition_of(n: usize) -> i32 {
    i32::try_from(n / 3 % 3).expect("a small number")
}
