//! The producer's task against a scripted broker.

mod together;

use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{ApiKey, InitProducerIdResponse, ProduceRequest, ProduceResponse};

use std::time::Duration;

use tokio::sync::mpsc;

use super::*;
use crate::cluster::{Client, ClientConfig};
use crate::net::testing::{Call, Peer, Refusing, Reply, metadata};
use crate::producer::driver::produce::{Encoding, produce};
use crate::producer::{
    Acked, Deliveries, Delivery, Producer, ProducerConfig, ProducerRecord, RequestFailure,
};
use crate::wire::batch::Batches;
use crate::wire::compression::Compression;

const LIMIT: Duration = Duration::from_secs(20);

/// A broker that leads topic `t` of two partitions, and does with produce requests what the
/// script says.
async fn broker(mut produce: impl FnMut(&Call) -> Reply + std::marker::Send + 'static) -> Peer {
    Peer::start(move |call, address| match call.api {
        ApiKey::Metadata => call.answer(&metadata(&[(1, address)], &[("t", &[1, 1]), ("u", &[])])),
        ApiKey::InitProducerId => {
            let answer = InitProducerIdResponse::default();
            call.answer(&answer.with_producer_id(ProducerId(7)))
        }
        _ => produce(call),
    })
    .await
}

/// Takes everything in, each partition's records at its next offset.
#[derive(Default)]
struct Log([i64; 2]);

impl Log {
    fn append(&mut self, call: &Call) -> ProduceResponse {
        let topics = call.read::<ProduceRequest>().topic_data.into_iter();
        let topics = topics.map(|topic| {
            let partitions = topic.partition_data.into_iter().map(|data| {
                let end = &mut self.0[data.index as usize];
                let base = *end;
                for batch in Batches::new(data.records.unwrap()) {
                    *end += i64::from(batch.unwrap().header.record_count);
                }
                PartitionProduceResponse::default()
                    .with_index(data.index)
                    .with_base_offset(base)
                    .with_log_append_time_ms(-1)
            });
            TopicProduceResponse::default()
                .with_name(topic.name)
                .with_partition_responses(partitions.collect())
        });
        ProduceResponse::default().with_responses(topics.collect())
    }
}

async fn client(peer: &Peer) -> Client {
    Client::connect(ClientConfig {
        bootstrap_servers: vec![peer.address.to_string()],
        request_timeout: Duration::from_secs(10),
        reconnect_backoff: Duration::from_millis(5),
        retry_backoff: Duration::from_millis(5),
        ..ClientConfig::default()
    })
    .await
    .unwrap()
}

async fn producer(peer: &Peer, config: ProducerConfig) -> Producer {
    Producer::new(&client(peer).await, config)
}

fn config() -> ProducerConfig {
    ProducerConfig {
        retry_backoff: Duration::from_millis(5),
        retry_backoff_max: Duration::from_millis(20),
        ..ProducerConfig::default()
    }
}

/// There is room for one large record, and each batch has one.
fn one_at_a_time() -> ProducerConfig {
    ProducerConfig {
        buffer_bytes: 200,
        batch_bytes: 1,
        linger: Duration::ZERO,
        ..config()
    }
}

fn record(partition: i32) -> ProducerRecord {
    ProducerRecord {
        partition: Some(partition),
        ..ProducerRecord::new("t", Some(b"k"), Some(b"some value"))
    }
}

async fn ended(delivery: Delivery) -> Result<Acked, Error> {
    tokio::time::timeout(LIMIT, delivery)
        .await
        .expect("no end in time")
}

async fn ended_all(deliveries: Deliveries) -> Vec<Result<Acked, Error>> {
    tokio::time::timeout(LIMIT, deliveries)
        .await
        .expect("no end in time")
}

/// Each record goes to the other of two partitions: one that is asked for twice would not.
#[tokio::test]
async fn a_record_that_waits_for_room_keeps_its_partition() {
    let mut log = Log::default();
    let peer = broker(move |call| call.answer(&log.append(call))).await;
    let producer = producer(&peer, one_at_a_time()).await;
    let large = ProducerRecord::new("t", None, Some(&[0; 150]));
    let mut partitions = Vec::new();
    let mut before = None;
    for _ in 0..6 {
        let delivery = producer.send(&large).await.unwrap();
        if let Some(before) = before.replace(delivery) {
            partitions.push(ended(before).await.unwrap().partition);
        }
    }
    let alternate = partitions.windows(2).all(|two| two[0] != two[1]);
    assert!(alternate, "{partitions:?}");
}

/// The leader is still the leader after its connection broke, and metadata says what it said.
#[tokio::test]
async fn a_broken_connection_to_an_unchanged_leader_is_got_over() {
    let (mut calls, mut log) = (0, Log::default());
    let peer = broker(move |call| {
        calls += 1;
        match calls {
            1 => Reply::Close,
            _ => call.answer(&log.append(call)),
        }
    })
    .await;
    let producer = producer(&peer, config()).await;
    let delivery = producer.send(&record(0)).await.unwrap();
    assert_eq!(ended(delivery).await.unwrap().offset, 0);
}

#[tokio::test]
async fn a_leader_that_says_it_is_none_is_asked_again() {
    let (mut calls, mut log) = (0, Log::default());
    let peer = broker(move |call| {
        calls += 1;
        if calls > 2 {
            return call.answer(&log.append(call));
        }
        let mut answer = Log::default().append(call);
        answer.responses[0].partition_responses[0].error_code = ErrorCode::NOT_LEADER_OR_FOLLOWER.0;
        call.answer(&answer)
    })
    .await;
    let producer = producer(&peer, config()).await;
    let delivery = producer.send(&record(1)).await.unwrap();
    assert_eq!(ended(delivery).await.unwrap().offset, 0);
}

#[tokio::test]
async fn a_full_buffer_holds_records_up_and_loses_none() {
    let mut log = Log::default();
    let peer =
        broker(move |call| call.answer_after(Duration::from_millis(5), &log.append(call))).await;
    let small = ProducerConfig {
        buffer_bytes: 100,
        ..config()
    };
    let producer = producer(&peer, small).await;
    let mut deliveries = Vec::new();
    for _ in 0..20 {
        deliveries.push(producer.send(&record(0)).await.unwrap());
    }
    producer.flush().await.unwrap();
    for (delivery, offset) in deliveries.into_iter().zip(0..) {
        let acked = ended(delivery).await.unwrap();
        assert_eq!(acked.offset, offset);
    }
}

#[tokio::test]
async fn who_finds_no_room_waits_in_line_and_is_not_overtaken() {
    let mut log = Log::default();
    let (go, mut gone) = (Arc::new(tokio::sync::Notify::new()), false);
    let told = go.clone();
    let peer = broker(move |call| {
        if !std::mem::replace(&mut gone, true) {
            told.notify_one();
        }
        call.answer_after(Duration::from_millis(50), &log.append(call))
    })
    .await;
    let small = ProducerConfig {
        buffer_bytes: 200,
        linger: Duration::ZERO,
        ..config()
    };
    let producer = producer(&peer, small).await;
    let large = || ProducerRecord {
        partition: Some(0),
        ..ProducerRecord::new("t", None, Some(&[0; 150]))
    };
    let first = producer.send(&large()).await.unwrap();
    go.notified().await;
    let (large, small) = (large(), record(0));
    let mut second = std::pin::pin!(producer.send(&large));
    assert!(futures_util::poll!(&mut second).is_pending(), "no room");
    let mut third = std::pin::pin!(producer.send(&small));
    assert!(futures_util::poll!(&mut third).is_pending(), "it would fit");
    let (third, second) = tokio::time::timeout(LIMIT, async { tokio::join!(third, second) })
        .await
        .unwrap();
    for (delivery, offset) in [(first, 0), (second.unwrap(), 1), (third.unwrap(), 2)] {
        assert_eq!(ended(delivery).await.unwrap().offset, offset);
    }
}

/// With its runtime, in which nothing is polled any more.
#[test]
fn what_is_on_its_way_when_the_task_ends_is_told_so() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap()
    };
    let theirs = runtime();
    let (producer, delivery) = theirs.block_on(async {
        let peer = broker(|_| Reply::Nothing).await;
        let producer = producer(&peer, config()).await;
        let delivery = producer.send(&record(0)).await.unwrap();
        (producer, delivery)
    });
    drop(theirs);
    runtime().block_on(async {
        let told = ended(delivery).await.unwrap_err();
        assert_eq!(told.kind(), ErrorKind::Closed);
        assert_eq!(
            producer.flush().await.unwrap_err().kind(),
            ErrorKind::Closed
        );
        let refused = producer.send(&record(0)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Closed);
        let refused = ended_all(producer.send_all(&[record(0), record(1)]).await).await;
        let refused = refused.into_iter().map(|it| it.unwrap_err().kind());
        assert_eq!(refused.collect::<Vec<_>>(), [ErrorKind::Closed; 2]);
    });
}

/// What is sent after a flush began, and by others, is not its business.
#[tokio::test]
async fn a_flush_waits_for_what_was_sent_before_it_alone() {
    let mut log = Log::default();
    let peer = broker(move |call| {
        let answer = log.append(call);
        if answer.responses[0].partition_responses[0].index == 1 {
            return Reply::Nothing;
        }
        call.answer_after(Duration::from_millis(100), &answer)
    })
    .await;
    let producer = producer(&peer, config()).await;
    let mut first = producer.send(&record(0)).await.unwrap();
    let flush = producer.flush();
    let mut flush = std::pin::pin!(flush);
    assert!(futures_util::poll!(&mut flush).is_pending());
    let _never = producer.send(&record(1)).await.unwrap();
    tokio::time::timeout(LIMIT, flush).await.unwrap().unwrap();
    let first = std::pin::Pin::new(&mut first);
    assert!(
        futures_util::poll!(first).is_ready(),
        "flushed before it ended"
    );
}

#[tokio::test]
async fn what_was_sent_is_sent_after_the_last_handle_is_gone() {
    let mut log = Log::default();
    let peer = broker(move |call| call.answer(&log.append(call))).await;
    let lingering = ProducerConfig {
        linger: Duration::from_secs(600),
        ..config()
    };
    let producer = producer(&peer, lingering).await;
    let delivery = producer.send(&record(0)).await.unwrap();
    drop(producer);
    assert_eq!(ended(delivery).await.unwrap().offset, 0);
}

/// Small batches are compressed on the spot, large ones elsewhere.
#[tokio::test]
async fn batches_are_compressed_as_configured() {
    for codec in Compression::ALL {
        for bytes in [1_000, 500_000] {
            let (sent, mut written) = mpsc::channel(1);
            let mut log = Log::default();
            let peer = broker(move |call| {
                let answer = call.answer(&log.append(call));
                let mut request = call.read::<ProduceRequest>();
                let data = request.topic_data.remove(0).partition_data.remove(0);
                sent.try_send(data.records.unwrap()).unwrap();
                answer
            })
            .await;
            let compressing = ProducerConfig {
                compression: codec,
                ..config()
            };
            let producer = producer(&peer, compressing).await;
            let value = vec![b'v'; bytes];
            let record = ProducerRecord::new("t", None, Some(&value));
            ended(producer.send(&record).await.unwrap()).await.unwrap();
            let batch = written.recv().await.unwrap();
            assert!(codec == Compression::None || batch.len() < bytes, "{codec}");
            let batch = Batches::new(batch).next().unwrap().unwrap();
            assert_eq!(batch.header.attributes.codec(), Ok(codec));
            let records = batch.decode(1 << 20).unwrap();
            let record = records.cursor().next(&records).unwrap().unwrap();
            assert_eq!(record.value(), Some(&value[..]), "{codec}");
        }
    }
}

#[tokio::test]
async fn what_can_not_be_is_refused_at_once() {
    let peer = broker(|_| Reply::Close).await;
    let producer = producer(&peer, config()).await;
    let missing = producer
        .send(&ProducerRecord::new("u", None, None))
        .await
        .unwrap_err();
    assert_eq!(missing.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    let beyond = producer.send(&record(2)).await.unwrap_err();
    assert_eq!(beyond.kind(), ErrorKind::Usage);
    assert!(beyond.to_string().contains("2 partitions"), "{beyond}");
    let huge = ProducerRecord::new("t", None, Some(&vec![0; 2 << 20]));
    let huge = ended(producer.send(&huge).await.unwrap())
        .await
        .unwrap_err();
    assert_eq!(huge.code(), Some(ErrorCode::MESSAGE_TOO_LARGE));
    assert!(!huge.is_in_doubt());
}

/// What one record comes to where each produce request is treated like that.
async fn failure(produce: impl FnMut(&Call) -> Reply + std::marker::Send + 'static) -> Error {
    let peer = broker(produce).await;
    let short = ProducerConfig {
        delivery_timeout: Duration::from_secs(3),
        ..config()
    };
    let producer = producer(&peer, short).await;
    ended(producer.send(&record(0)).await.unwrap())
        .await
        .unwrap_err()
}

#[tokio::test]
async fn a_record_that_may_have_been_written_is_in_doubt() {
    let (closed, silent, garbage) = tokio::join!(
        failure(|_| Reply::Close),
        failure(|_| Reply::Nothing),
        failure(|_| Reply::Raw("HTTP/1.1 503".into())),
    );
    assert!(closed.is_in_doubt(), "{closed}");
    assert!(silent.is_in_doubt(), "{silent}");
    assert!(garbage.is_in_doubt(), "{garbage}");
}

#[tokio::test]
async fn a_request_that_was_never_sent_is_told_from_one_that_may_have_been() {
    let refusing = Refusing::new();
    let leader = refusing.address;
    let peer = Peer::start(move |call, address| match call.api {
        ApiKey::Metadata => call.answer(&metadata(&[(1, address), (2, leader)], &[])),
        _ => Reply::Close,
    })
    .await;
    let client = client(&peer).await;
    let sent = async |node| {
        let timeout = Duration::from_secs(5);
        let encoding = Encoding::default();
        let turns = Default::default();
        produce(
            &client.channel(),
            node,
            Vec::new(),
            encoding,
            turns,
            timeout,
        )
        .await
    };
    assert_eq!(sent(1).await, Err(RequestFailure::Disconnected));
    assert_eq!(sent(2).await, Err(RequestFailure::NotSent));
}
