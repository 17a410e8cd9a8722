//! Many batches on their way to brokers that go away: each record is in the log once, in order.

use std::cell::Cell;
use std::collections::VecDeque;
use std::time::Duration;

use futures_util::FutureExt;
use payment_notifier::producer::{Acked, ProducerConfig, ProducerRecord};
use payment_notifier::{Client, ClientConfig, Error, Producer};
use tokio::sync::watch;

use crate::support::cluster::{Cluster, ONE_CLUSTER_AT_A_TIME};
use crate::support::runner::{Test, tests};

pub(crate) const TESTS: &[Test] = tests![
    order_is_kept_while_leaders_are_killed(Cluster) within 600,
    order_is_kept_while_a_leader_is_frozen(Cluster) within 600,
];

const PARTITIONS: usize = 3;
/// One by itself and some together; each partition gets its share of both.
const TURN: usize = 2 * PARTITIONS + 1;
/// Several batches of a partition, and several times what is in flight: half are single records,
/// and half all the others of a turn.
const UNDER_WAY: usize = 200;
/// What has to be acknowledged between one fault and the next.
const STRETCH: usize = 3_000;

async fn order_is_kept_while_leaders_are_killed() {
    let _turn = ONE_CLUSTER_AT_A_TIME.lock().await;
    let stage = Stage::set().await;
    let faults = async {
        for partition in 0..PARTITIONS {
            stage.goes_on().await;
            let leader = stage.cluster.leader(&stage.topic, partition).await;
            stage.cluster.kill(leader).await;
            stage.goes_on().await;
            stage.cluster.restart(leader).await;
        }
        stage.goes_on().await;
    };
    stage.play(faults).await;
}

async fn order_is_kept_while_a_leader_is_frozen() {
    let _turn = ONE_CLUSTER_AT_A_TIME.lock().await;
    let stage = Stage::set().await;
    let faults = async {
        for _ in 0..2 {
            stage.goes_on().await;
            let leader = stage.cluster.leader(&stage.topic, 0).await;
            stage.cluster.pause(leader).await;
            stage.goes_on().await;
            stage.cluster.resume(leader).await;
        }
        stage.goes_on().await;
    };
    stage.play(faults).await;
}

/// A cluster of three, and a topic that all of them have.
struct Stage {
    cluster: Cluster,
    topic: String,
    acked: watch::Sender<usize>,
}

impl Stage {
    async fn set() -> Self {
        let cluster = Cluster::start(3, &[]).await;
        let topic = "flights".to_owned();
        let settings = [("min.insync.replicas", "2")];
        cluster.create_topic(&topic, 3, &settings).await;
        Self {
            cluster,
            topic,
            acked: watch::Sender::new(0),
        }
    }

    /// Waits until so many more records are acknowledged that all partitions are at work.
    async fn goes_on(&self) {
        let enough = *self.acked.borrow() + STRETCH;
        let mut acked = self.acked.subscribe();
        let reached = acked.wait_for(|acked| *acked >= enough).await;
        drop(reached.expect("it is sent until this is over"));
    }

    /// Lets the faults happen while records are sent as fast as they go, and looks at the log.
    async fn play(&self, faults: impl Future<Output = ()>) {
        let over = Cell::new(false);
        let faults = async {
            faults.await;
            over.set(true);
        };
        let ((), sent) = tokio::join!(faults, self.send(&over));
        let mut next = [0; PARTITIONS];
        let mut read = 0;
        for record in self.cluster.read(&self.topic).await {
            let (partition, number) = (record.partition as usize, record.text());
            assert_eq!(number, next[partition].to_string(), "of {partition}");
            next[partition] += 1;
            read += 1;
        }
        assert_eq!(read, sent);
    }

    /// Sends until it is over; how many records there were, all acknowledged in order.
    async fn send(&self, over: &Cell<bool>) -> usize {
        let servers = self.cluster.bootstrap().split(',');
        let client = Client::connect(ClientConfig {
            bootstrap_servers: servers.map(str::to_owned).collect(),
            request_timeout: Duration::from_secs(4),
            ..ClientConfig::default()
        });
        let client = client.await.expect("the cluster is up");
        // A few records a batch.
        let config = ProducerConfig {
            batch_bytes: 300,
            ..ProducerConfig::default()
        };
        let producer = Producer::new(&client, config);
        let record = |sent: usize| {
            let (partition, number) = (sent % PARTITIONS, sent / PARTITIONS);
            ProducerRecord {
                partition: Some(partition as i32),
                ..ProducerRecord::new(&*self.topic, None, Some(number.to_string().as_bytes()))
            }
        };
        let mut under_way = VecDeque::new();
        let mut sent = 0;
        while !over.get() {
            // In turn by itself, and several together.
            let delivery = producer.send(&record(sent)).await;
            let delivery = delivery.expect("it has a place in the buffer");
            under_way.push_back(delivery.map(|result| vec![result]).left_future());
            let together: Vec<_> = (sent + 1..sent + TURN).map(record).collect();
            under_way.push_back(producer.send_all(&together).await.right_future());
            sent += TURN;
            while under_way.len() > UNDER_WAY {
                self.acknowledged(under_way.pop_front()).await;
            }
        }
        for deliveries in under_way {
            self.acknowledged(Some(deliveries)).await;
        }
        sent
    }

    async fn acknowledged(
        &self,
        deliveries: Option<impl Future<Output = Vec<Result<Acked, Error>>>>,
    ) {
        if let Some(deliveries) = deliveries {
            for result in deliveries.await {
                result.expect("all replicas have it");
                self.acked.send_modify(|acked| *acked += 1);
            }
        }
    }
}
