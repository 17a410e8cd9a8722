//! Records that are handed in together.

use std::collections::HashMap;

use super::*;
use crate::broker::{Broker, BrokerConfig};
use crate::clock::wall_clock_ms;
use crate::cluster::Client;
use crate::producer::{ProducerRecordRef, partition_for_key};

#[tokio::test]
async fn records_sent_together_wait_for_room_and_keep_their_order() {
    let mut log = Log::default();
    let peer = broker(move |call| call.answer(&log.append(call))).await;
    let producer = producer(&peer, one_at_a_time()).await;
    let large = ProducerRecord::new("t", None, Some(&[0; 150]));
    let records: Vec<_> = (0..12)
        .flat_map(|_| [record(0), large.clone(), record(1)])
        .collect();
    let results = ended_all(producer.send_all(&records).await).await;
    assert_eq!(results.len(), records.len());
    let mut next = [0; 2];
    let mut without_key = Vec::new();
    for (record, result) in records.iter().zip(results) {
        let acked = result.unwrap();
        let next = &mut next[acked.partition as usize];
        assert_eq!(acked.offset, *next);
        *next += 1;
        match record.partition {
            Some(partition) => assert_eq!(acked.partition, partition),
            None => without_key.push(acked.partition),
        }
    }
    // One that is asked twice where it goes would not go to the other of two.
    let alternate = without_key.windows(2).all(|two| two[0] != two[1]);
    assert!(alternate, "{without_key:?}");
}

#[tokio::test]
async fn records_that_are_made_while_they_are_sent_may_be_sent_by_another_task() {
    let mut log = Log::default();
    let peer = broker(move |call| call.answer(&log.append(call))).await;
    let producer = producer(&peer, config()).await;
    let task = tokio::spawn(async move {
        let (topic, values) = ("t".into(), ["a", "b"]);
        let records = values
            .iter()
            .map(|value| ProducerRecordRef::new(&topic, Some(b"k"), Some(value.as_bytes())));
        producer.send_all(records).await.await
    });
    let results = tokio::time::timeout(LIMIT, task).await.unwrap().unwrap();
    let offsets = results.into_iter().map(|result| result.unwrap().offset);
    assert_eq!(offsets.collect::<Vec<_>>(), [0, 1]);
}

#[tokio::test]
async fn several_who_send_together_find_room_in_turn() {
    let mut log = Log::default();
    let peer = broker(move |call| call.answer(&log.append(call))).await;
    let small = ProducerConfig {
        buffer_bytes: 1_000,
        linger: Duration::ZERO,
        ..config()
    };
    let producer = producer(&peer, small).await;
    let records: Vec<_> = (0..500).map(|number| record(number % 2)).collect();
    let all = async || ended_all(producer.send_all(&records).await).await;
    let (one, other) = tokio::join!(all(), all());
    let mut stored = [Vec::new(), Vec::new()];
    for results in [one, other] {
        let mut before = [-1; 2];
        for (result, record) in results.into_iter().zip(&records) {
            let acked = result.unwrap();
            assert_eq!(Some(acked.partition), record.partition);
            let before = &mut before[acked.partition as usize];
            assert!(acked.offset > *before, "{} after {before}", acked.offset);
            *before = acked.offset;
            stored[acked.partition as usize].push(acked.offset);
        }
    }
    for mut offsets in stored {
        offsets.sort_unstable();
        assert_eq!(offsets, (0..500).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn one_that_can_not_be_sent_keeps_back_none_that_was_sent_with_it() {
    let mut log = Log::default();
    let peer = broker(move |call| call.answer(&log.append(call))).await;
    let producer = producer(&peer, config()).await;
    let huge = ProducerRecord::new("t", None, Some(&vec![0; 2 << 20]));
    let missing = ProducerRecord::new("u", None, None);
    let timed = |timestamp_ms| ProducerRecord {
        timestamp_ms: Some(timestamp_ms),
        ..record(0)
    };
    let records = [
        timed(5),
        missing.clone(),
        missing,
        timed(4),
        huge,
        record(2),
        ProducerRecord::new("u", None, None),
        record(2),
        timed(7),
    ];
    let results = ended_all(producer.send_all(&records).await).await;
    let told = results.into_iter().map(|result| match result {
        Ok(acked) => Ok((acked.partition, acked.offset, acked.timestamp)),
        Err(error) => Err((error.kind(), error.code())),
    });
    let unknown = Err((
        ErrorKind::Broker,
        Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
    ));
    let expected = [
        Ok((0, 0, 5)),
        unknown,
        unknown,
        Ok((0, 1, 4)),
        Err((ErrorKind::Broker, Some(ErrorCode::MESSAGE_TOO_LARGE))),
        Err((ErrorKind::Usage, None)),
        unknown,
        Err((ErrorKind::Usage, None)),
        Ok((0, 2, 7)),
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    assert!(ended_all(producer.send_all(&[]).await).await.is_empty());
}

/// Many times what is taken in under one lock; the time of those without one is that of sending.
#[tokio::test]
async fn thousands_may_be_sent_together() {
    let mut log = Log::default();
    let peer = broker(move |call| call.answer(&log.append(call))).await;
    let producer = producer(&peer, config()).await;
    let before = wall_clock_ms();
    let records = vec![record(1); 5_000];
    let deliveries = producer.send_all(&records).await;
    let after = wall_clock_ms();
    let results = ended_all(deliveries).await;
    assert_eq!(results.len(), records.len());
    for (result, offset) in results.into_iter().zip(0..) {
        let acked = result.unwrap();
        assert_eq!((acked.partition, acked.offset), (1, offset));
        assert!((before..=after).contains(&acked.timestamp));
    }
}

/// Of any mixture of keys, chosen partitions, times and topics.
#[tokio::test]
async fn each_record_that_is_sent_with_others_is_where_it_is_told_to_be() {
    let broker = Broker::start(BrokerConfig::default()).await.unwrap();
    let topics = [("one", 3), ("other", 2)];
    for (topic, partitions) in topics {
        broker.create_topic(topic, partitions).unwrap();
    }
    let client = Client::connect(broker.in_memory_client_config()).await;
    let batch_bytes = 700;
    let small = ProducerConfig {
        batch_bytes,
        buffer_bytes: 5_000,
        ..config()
    };
    let producer = Producer::new(&client.unwrap(), small);
    let mut rng = fastrand::Rng::with_seed(1);
    // Some of a kind follow one another, as a rule.
    let mut kind = (0, None, None, None);
    let records = std::iter::repeat_with(|| {
        if rng.u8(..4) == 0 {
            let key = Some(rng.u8(..4)).filter(|key| *key > 0);
            let partition = Some(rng.i32(0..2)).filter(|_| rng.u8(..4) == 0);
            let time = Some(rng.i64(1..4)).filter(|_| rng.u8(..4) == 0);
            kind = (rng.usize(..2), key, partition, time);
        }
        let (topic, key, partition, timestamp_ms) = kind;
        let value = vec![b'v'; rng.usize(..90)];
        let key = key.map(|key| [key]);
        ProducerRecord {
            partition,
            timestamp_ms,
            ..ProducerRecord::new(
                topics[topic].0,
                key.as_ref().map(|it| &it[..]),
                Some(&value),
            )
        }
    });
    let records: Vec<_> = records.take(3_000).collect();
    let results = ended_all(producer.send_all(&records).await).await;
    assert_eq!(results.len(), records.len());
    let mut logs = HashMap::new();
    // Where those without a key go, how many bytes have, and how often that was somewhere else.
    let mut stays = [(-1, usize::MAX, 0); 2];
    for (record, result) in records.iter().zip(results) {
        let acked = result.unwrap();
        let topic = usize::from(*record.topic == *topics[1].0);
        let (key, count) = (record.body.key(), topics[topic].1 as i32);
        let chosen = key.map(|key| partition_for_key(key, count));
        if let Some(partition) = record.partition.or(chosen) {
            assert_eq!(acked.partition, partition);
        } else {
            let (stay, bytes, moves) = &mut stays[topic];
            let is_full = *bytes >= batch_bytes;
            assert_eq!(is_full, acked.partition != *stay, "{bytes} in {stay}");
            if is_full {
                (*stay, *bytes) = (acked.partition, 0);
                *moves += 1;
            }
            *bytes += record.body.encoded_len();
        }
        let stored = logs.entry((topic, acked.partition)).or_insert_with(|| {
            let stored = broker.records(&record.topic, acked.partition);
            stored.into_iter()
        });
        let stored = stored.next().expect("as many as were acknowledged");
        assert_eq!(stored.offset, acked.offset);
        assert_eq!(stored.key.as_deref(), key);
        assert_eq!(stored.value.as_deref(), record.body.value());
        assert_eq!(stored.timestamp_ms, acked.timestamp);
        assert!(
            record
                .timestamp_ms
                .is_none_or(|time| time == acked.timestamp)
        );
    }
    assert!(stays.iter().all(|(_, _, moves)| *moves > 10), "{stays:?}");
}
