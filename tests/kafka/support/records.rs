//! Writes and reads records byte for byte, for assertions: header keys that are not UTF-8, null
//! values and duplicates included.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{FetchRequest, ProduceRequest};

use super::PATIENCE;
use super::cluster::Cluster;
use super::connection::{Connection, metadata, topic_name};
use super::record_batch::{self, Aborted};

const PRODUCE: i16 = 8;
const FETCH: i16 = 11;
const READ_UNCOMMITTED: i8 = 0;
const READ_COMMITTED: i8 = 1;
/// Between looks at a topic, whose partitions may be on several brokers: no single long poll
/// covers them.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A record as it is in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) partition: i32,
    /// Given by the broker.
    pub(crate) offset: i64,
    /// Milliseconds since 1970; -1 for none.
    pub(crate) timestamp: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Record {
    /// A record with neither key nor headers, for partition 0.
    pub(crate) fn new(value: impl AsRef<[u8]>) -> Self {
        Self {
            partition: 0,
            offset: 0,
            timestamp: 1_735_000_000_000,
            key: None,
            value: Some(value.as_ref().to_vec()),
            headers: Vec::new(),
        }
    }

    /// The same with a null value.
    pub(crate) fn tombstone() -> Self {
        Self {
            value: None,
            ..Self::new("")
        }
    }

    pub(crate) fn at(self, partition: i32) -> Self {
        Self { partition, ..self }
    }

    pub(crate) fn key(self, key: impl AsRef<[u8]>) -> Self {
        let key = Some(key.as_ref().to_vec());
        Self { key, ..self }
    }

    pub(crate) fn timestamp(self, timestamp: i64) -> Self {
        Self { timestamp, ..self }
    }

    pub(crate) fn header(mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        let value = Some(value.as_ref().to_vec());
        self.headers.push((key.as_ref().to_vec(), value));
        self
    }

    pub(crate) fn null_header(mut self, key: impl AsRef<[u8]>) -> Self {
        self.headers.push((key.as_ref().to_vec(), None));
        self
    }

    /// The value of the last header of a name.
    pub(crate) fn get(&self, name: &str) -> Option<&[u8]> {
        let mut named = self.headers.iter().rev();
        let (_, value) = named.find(|(key, _)| key == name.as_bytes())?;
        value.as_deref()
    }

    /// The value as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(self.value.as_deref().unwrap_or_default()).into_owned()
    }
}

impl Cluster {
    /// Appends records at their partitions, in order within each, acknowledged by all replicas.
    pub(crate) async fn produce(&self, topic: &str, records: &[Record]) {
        let mut partitions: Vec<_> = records.iter().map(|record| record.partition).collect();
        partitions.sort_unstable();
        partitions.dedup();
        for partition in partitions {
            let of_partition = records.iter().filter(|r| r.partition == partition);
            let batch: Vec<_> = of_partition.cloned().collect();
            patiently(topic, async || {
                try_produce(self, topic, partition, &batch).await
            })
            .await;
        }
    }

    /// Everything in a topic, by partition and offset; of transactions, what is committed.
    pub(crate) async fn read(&self, topic: &str) -> Vec<Record> {
        patiently(topic, async || try_read(self, topic, READ_COMMITTED).await).await
    }

    /// Everything in a topic, whatever became of its transactions.
    pub(crate) async fn read_uncommitted(&self, topic: &str) -> Vec<Record> {
        patiently(topic, async || {
            try_read(self, topic, READ_UNCOMMITTED).await
        })
        .await
    }

    /// Everything in a topic once it has `count` records.
    pub(crate) async fn wait_for_records(&self, topic: &str, count: usize) -> Vec<Record> {
        self.wait_until_read(topic, |records| records.len() >= count)
            .await
    }

    /// Everything in a topic once it satisfies a condition.
    pub(crate) async fn wait_until_read(
        &self,
        topic: &str,
        enough: impl Fn(&[Record]) -> bool,
    ) -> Vec<Record> {
        patiently(topic, async || {
            let records = try_read(self, topic, READ_COMMITTED).await?;
            if enough(&records) {
                return Ok(records);
            }
            Err(io::Error::other(format!("only {} records", records.len())))
        })
        .await
    }
}

/// Tries again until it succeeds: leaders move while nodes come and go.
pub(crate) async fn patiently<T>(what: &str, attempt: impl AsyncFn() -> io::Result<T>) -> T {
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        match attempt().await {
            Ok(done) => return done,
            Err(error) if tokio::time::Instant::now() > until => panic!("{what}: {error}"),
            Err(_) => tokio::time::sleep(LOOK_AGAIN).await,
        }
    }
}

async fn try_produce(
    cluster: &Cluster,
    topic: &str,
    partition: i32,
    records: &[Record],
) -> io::Result<()> {
    let leaders = leaders(cluster, topic).await?;
    let leader = leaders.iter().find(|(led, _)| *led == partition);
    let (_, address) = leader.ok_or_else(|| io::Error::other("no such partition"))?;
    let data = PartitionProduceData::default()
        .with_index(partition)
        .with_records(Some(record_batch::encode(records)));
    let data = TopicProduceData::default()
        .with_name(topic_name(topic))
        .with_partition_data(vec![data]);
    let request = ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(5_000)
        .with_topic_data(vec![data]);
    let answer = Connection::open(address)
        .await?
        .call(PRODUCE, &request)
        .await?;
    accepted(answer.responses[0].partition_responses[0].error_code)
}

async fn try_read(cluster: &Cluster, topic: &str, isolation: i8) -> io::Result<Vec<Record>> {
    let mut records = Vec::new();
    for (partition, address) in leaders(cluster, topic).await? {
        let mut broker = Connection::open(&address).await?;
        let mut next = 0;
        loop {
            let (mut page, after, end) =
                fetch(&mut broker, topic, partition, next, isolation).await?;
            records.append(&mut page);
            next = after;
            if next >= end {
                break;
            }
        }
    }
    Ok(records)
}

/// The codec and the size of a partition's first batch.
pub(crate) struct FirstBatch {
    pub(crate) codec: i16,
    pub(crate) bytes: usize,
}

impl Cluster {
    /// The codecs of a topic's batches at partition 0, as far as one fetch has them.
    pub(crate) async fn codecs(&self, topic: &str) -> Vec<i16> {
        patiently(topic, async || {
            let leaders = leaders(self, topic).await?;
            let (partition, address) = leaders.first().ok_or(io::ErrorKind::NotFound)?;
            let mut broker = Connection::open(address).await?;
            let (bytes, ..) =
                fetch_bytes(&mut broker, topic, *partition, 0, READ_COMMITTED).await?;
            Ok(record_batch::codecs(bytes))
        })
        .await
    }

    /// How a topic's first batch, at partition 0, was written.
    pub(crate) async fn first_batch(&self, topic: &str) -> FirstBatch {
        patiently(topic, async || {
            let leaders = leaders(self, topic).await?;
            let (partition, address) = leaders.first().ok_or(io::ErrorKind::NotFound)?;
            let mut broker = Connection::open(address).await?;
            let (bytes, ..) =
                fetch_bytes(&mut broker, topic, *partition, 0, READ_COMMITTED).await?;
            let (codec, bytes) = record_batch::first(&bytes).ok_or(io::ErrorKind::NotFound)?;
            Ok(FirstBatch { codec, bytes })
        })
        .await
    }
}

/// One fetch: its records, the offset after them, and the partition's end.
async fn fetch(
    broker: &mut Connection,
    topic: &str,
    partition: i32,
    offset: i64,
    isolation: i8,
) -> io::Result<(Vec<Record>, i64, i64)> {
    let (bytes, end, aborted) = fetch_bytes(broker, topic, partition, offset, isolation).await?;
    let (mut records, next) = record_batch::decode(bytes, partition, aborted);
    records.retain(|record| record.offset >= offset);
    // Where compaction left nothing to return, the end is all there is.
    Ok((records, next.unwrap_or(end), end))
}

/// One fetch: its bytes, the end of what may be read of the partition, and what was aborted.
async fn fetch_bytes(
    broker: &mut Connection,
    topic: &str,
    partition: i32,
    offset: i64,
    isolation: i8,
) -> io::Result<(Bytes, i64, Aborted)> {
    let wanted = FetchPartition::default()
        .with_partition(partition)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(1 << 20);
    let wanted = FetchTopic::default()
        .with_topic(topic_name(topic))
        .with_partitions(vec![wanted]);
    let request = FetchRequest::default()
        .with_max_bytes(1 << 20)
        .with_isolation_level(isolation)
        .with_topics(vec![wanted]);
    let answer = broker.call(FETCH, &request).await?;
    accepted(answer.error_code)?;
    let answer = &answer.responses[0].partitions[0];
    accepted(answer.error_code)?;
    let bytes = answer.records.clone().unwrap_or_default();
    let aborted = answer.aborted_transactions.iter().flatten();
    let aborted = aborted.map(|it| (it.producer_id.0, it.first_offset));
    let end = match isolation {
        READ_COMMITTED => answer.last_stable_offset,
        _ => answer.high_watermark,
    };
    Ok((bytes, end, aborted.collect()))
}

/// Each partition with its leader's address.
pub(super) async fn leaders(cluster: &Cluster, topic: &str) -> io::Result<Vec<(i32, String)>> {
    let answer = metadata(cluster, topic).await?;
    accepted(answer.topics[0].error_code)?;
    let mut leaders = Vec::new();
    for partition in &answer.topics[0].partitions {
        accepted(partition.error_code)?;
        let leader = answer
            .brokers
            .iter()
            .find(|broker| broker.node_id == partition.leader_id);
        let leader = leader.ok_or_else(|| io::Error::other("the leader is gone"))?;
        let address = format!("{}:{}", leader.host, leader.port);
        leaders.push((partition.partition_index, address));
    }
    leaders.sort_unstable();
    Ok(leaders)
}

pub(super) fn accepted(error_code: i16) -> io::Result<()> {
    match error_code {
        0 => Ok(()),
        code => Err(io::Error::other(format!("the broker answers error {code}"))),
    }
}
