//! Transactions that others commit, abort and leave open, as our consumer and service see them.

use std::io;
use std::time::Duration;

use payment_notifier::Consumer;
use payment_notifier::cluster::OffsetAt;
use payment_notifier::consumer::{ConsumerConfig, Event, IsolationLevel};
use payment_notifier::wire::TopicPartition;

use crate::support::cluster::Cluster;
use crate::support::ours::connect;
use crate::support::payments::{payment, retry_text, texts};
use crate::support::records::patiently;
use crate::support::runner::{Test, tests};
use crate::support::stage::Stage;
use crate::support::transactions::Transactions;

pub(crate) const TESTS: &[Test] = tests![
    what_was_aborted_is_left_out_as_others_leave_it_out(Cluster, Kcat, ConfluentKafka),
    an_open_transaction_holds_the_end_back(Cluster, ConfluentKafka),
    an_offset_in_an_open_transaction_is_waited_for(Cluster, ConfluentKafka),
    a_dead_letter_that_was_aborted_is_not_drained(Cluster, ConfluentKafka),
];

/// Two producers that take turns, in two partitions.
async fn what_was_aborted_is_left_out_as_others_leave_it_out() {
    let cluster = Cluster::shared().await;
    let topic = cluster.unique("interleaved");
    cluster.create_topic(&topic, 2, &[]).await;
    let [a, b] = ["a", "b"].map(|name| format!("{topic}-{name}"));
    let mut producers = Transactions::start(cluster);
    let (mut committed, mut all) = (Vec::new(), Vec::new());
    for round in 0..6 {
        // Each way in which the two can end, and either begins first.
        let (first, second) = if round % 2 == 0 { (&a, &b) } else { (&b, &a) };
        let ends = [round % 3 == 0, round % 4 < 2];
        for (step, id) in [first, second, first, second, second]
            .into_iter()
            .enumerate()
        {
            let is_committed = ends[usize::from(id == second)];
            for partition in 0..2 {
                let texts = [1, 2].map(|n| format!("{partition} {round} {step} {n}"));
                let values = texts.each_ref().map(String::as_str);
                producers.write(id, &topic, partition, &values).await;
                all.extend(texts.clone());
                committed.extend(texts.into_iter().filter(|_| is_committed));
            }
        }
        for (id, is_committed) in [first, second].into_iter().zip(ends) {
            match is_committed {
                true => producers.commit(id).await,
                false => producers.abort(id).await,
            }
        }
    }
    assert!(!committed.is_empty() && committed.len() < all.len());
    let written = i64::try_from(all.len() / 2 + 6 * 2).expect("it is not many");
    for partition in 0..2 {
        let level = IsolationLevel::ReadCommitted;
        wait_for_end(cluster, &topic, partition, level, written).await;
    }
    for (level, name, mut expected) in [
        (IsolationLevel::ReadCommitted, "read_committed", committed),
        (IsolationLevel::ReadUncommitted, "read_uncommitted", all),
    ] {
        expected.sort();
        let mut consumer = join(cluster, &topic, &cluster.unique("readers"), level).await;
        assert_eq!(read_to_end(&mut consumer, 2).await.0, expected, "{name}");
        let setting = format!("isolation.level={name}");
        let arguments = ["-C", "-t", &topic, "-e", "-q", "-X", &setting];
        let kcat = cluster.kcat(&arguments).await;
        let mut kcat: Vec<_> = kcat.lines().map(str::to_owned).collect();
        kcat.sort();
        assert_eq!(kcat, expected, "{name}");
    }
}

async fn an_open_transaction_holds_the_end_back() {
    let cluster = Cluster::shared().await;
    let topic = cluster.unique("open");
    cluster.create_topic(&topic, 1, &[]).await;
    let mut producers = Transactions::start(cluster);
    let [open, other] = ["open", "other"].map(|name| format!("{topic}-{name}"));
    producers.write(&other, &topic, 0, &["before"]).await;
    producers.commit(&other).await;
    let [level, all] = [
        IsolationLevel::ReadCommitted,
        IsolationLevel::ReadUncommitted,
    ];
    wait_for_end(cluster, &topic, 0, level, 2).await;
    producers.write(&open, &topic, 0, &["open"]).await;
    producers.write(&other, &topic, 0, &["behind"]).await;
    producers.commit(&other).await;

    wait_for_end(cluster, &topic, 0, all, 5).await;
    wait_for_end(cluster, &topic, 0, level, 2).await;
    let mut consumer = join(cluster, &topic, &cluster.unique("readers"), level).await;
    // A marker is behind the first record and the last one.
    assert_eq!(
        read_to_end(&mut consumer, 1).await,
        (vec!["before".to_owned()], 2)
    );
    producers.commit(&open).await;
    let rest = ["behind", "open"].map(str::to_owned).to_vec();
    assert_eq!(read_to_end(&mut consumer, 1).await, (rest, 6));
    wait_for_end(cluster, &topic, 0, level, 6).await;
}

/// `RequireStable` (KIP-447): to begin at the offset before would handle its records twice.
async fn an_offset_in_an_open_transaction_is_waited_for() {
    let cluster = Cluster::shared().await;
    let topic = cluster.unique("unstable");
    cluster.create_topic(&topic, 1, &[]).await;
    let group = cluster.unique("unstable");
    let mut producers = Transactions::start(cluster);
    producers.write(&topic, &topic, 0, &["0", "1", "2"]).await;
    producers.commit(&topic).await;
    producers.offset(&topic, &group, &topic, 2).await;

    let mut consumer = join(cluster, &topic, &group, IsolationLevel::ReadCommitted).await;
    let assigned = async { while !matches!(consumer.next().await, Ok(Event::Assigned(_))) {} };
    assigned.await;
    let early = tokio::time::timeout(Duration::from_secs(2), consumer.next()).await;
    assert!(early.is_err(), "{early:?}");
    producers.commit(&topic).await;
    assert_eq!(
        read_to_end(&mut consumer, 1).await,
        (vec!["2".to_owned()], 4)
    );
}

/// Its source is still to be handled, and will be a dead letter again.
async fn a_dead_letter_that_was_aborted_is_not_drained() {
    let stage = Stage::new().await;
    let topic = &stage.setup.dead_letter;
    let mut producers = Transactions::start(stage.cluster);
    let letters: Vec<_> = (0..4).map(payment).collect();
    for (n, letter) in letters.iter().enumerate() {
        producers.write(topic, topic, 0, &[letter]).await;
        match n {
            0 | 2 => producers.commit(topic).await,
            1 => producers.abort(topic).await,
            // Left open: the pass ends before it.
            _ => {}
        }
    }
    assert_eq!(stage.drain().await["delivered"], 2);
    let retried: Vec<_> = [0, 2].map(|n| retry_text(n, 1)).into();
    assert_eq!(texts(&stage.sent(2)), retried);
    producers.commit(topic).await;
    wait_for_end(stage.cluster, topic, 0, IsolationLevel::ReadCommitted, 8).await;
    assert_eq!(stage.drain().await["delivered"], 1);
    stage.sent(3);
}

async fn join(cluster: &Cluster, topic: &str, group: &str, level: IsolationLevel) -> Consumer {
    let config = ConsumerConfig {
        group_id: group.to_owned(),
        topics: vec![topic.to_owned()],
        isolation_level: level,
        ..ConsumerConfig::default()
    };
    Consumer::join(&connect(cluster).await, config).expect("settings in order")
}

/// The values up to the end of so many partitions, in the order of their text, and the last end.
async fn read_to_end(consumer: &mut Consumer, partitions: usize) -> (Vec<String>, i64) {
    let (mut values, mut ended, mut last) = (Vec::new(), 0, 0);
    while ended < partitions {
        match consumer.next().await.expect("a member in order") {
            Event::Records(mut records) => {
                while let Some(record) = records.next() {
                    let value = record.expect("readable bytes").value();
                    let text = String::from_utf8_lossy(value.unwrap_or_default());
                    values.push(text.into_owned());
                }
            }
            Event::EndOfPartition(_, offset) => {
                ended += 1;
                last = offset;
            }
            _ => {}
        }
    }
    values.sort();
    (values, last)
}

/// Waits until a partition ends here: markers are written after a producer has its answer.
async fn wait_for_end(
    cluster: &Cluster,
    topic: &str,
    partition: i32,
    level: IsolationLevel,
    wanted: i64,
) {
    let admin = connect(cluster).await.admin();
    let asked = [(TopicPartition::new(topic, partition), OffsetAt::Latest)];
    patiently(topic, async || {
        let ends = admin.offsets(&asked, level, Duration::from_secs(10)).await;
        match ends.map_err(io::Error::other)?[&asked[0].0] {
            end if end == wanted => Ok(()),
            end => Err(io::Error::other(format!("{level:?}: it ends at {end}"))),
        }
    })
    .await;
}
