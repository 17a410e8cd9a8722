//! Logs, as a test wants to see them.

use bytes::Bytes;

use crate::broker::Broker;
use crate::broker::topics::Topic;
use crate::wire::batch::{Record, TimestampType};

/// A record that a broker holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// The record's offset in its partition.
    pub offset: i64,
    /// Milliseconds since 1970; -1 for none.
    pub timestamp_ms: i64,
    /// Where the timestamp comes from.
    pub timestamp_type: TimestampType,
    /// The key.
    pub key: Option<Bytes>,
    /// The value; none is a tombstone.
    pub value: Option<Bytes>,
    /// The headers in their order, duplicates included.
    pub headers: Vec<(Bytes, Option<Bytes>)>,
}

impl Broker {
    /// All records of a partition, those of open and of aborted transactions among them, whatever codec they came in; none where there is no such
    /// partition.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), payment_notifier::Error> {
    /// use payment_notifier::Client;
    /// use payment_notifier::broker::{Broker, BrokerConfig};
    /// use payment_notifier::producer::{Producer, ProducerConfig, ProducerRecord};
    ///
    /// let broker = Broker::start(BrokerConfig::default()).await?;
    /// broker.create_topic("payments", 1)?;
    /// let client = Client::connect(broker.client_config()).await?;
    /// let producer = Producer::new(&client, ProducerConfig::default());
    /// let record = ProducerRecord::new("payments", Some(b"alice"), Some(b"12.50"));
    /// let _delivery = producer.send(&record).await?;
    ///
    /// broker.wait_for_records("payments", 1).await;
    /// let records = broker.records("payments", 0);
    /// assert_eq!(records[0].value.as_deref(), Some(&b"12.50"[..]));
    /// assert_eq!(broker.log_range("payments", 0), Some((0, 1)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn records(&self, topic: &str, partition: i32) -> Vec<StoredRecord> {
        let state = self.shared.state();
        let topic = state.topics.get(topic);
        let partition = topic.and_then(|topic| topic.partition(partition));
        let records = partition.map(|partition| partition.log.records().map(StoredRecord::from));
        records.into_iter().flatten().collect()
    }

    /// The offset of a partition's first record and that of the next one to come; none where
    /// there is no such partition.
    pub fn log_range(&self, topic: &str, partition: i32) -> Option<(i64, i64)> {
        let state = self.shared.state();
        let log = &state.topics.get(topic)?.partition(partition)?.log;
        Some((log.start(), log.end()))
    }

    /// Waits until the partitions of a topic hold this many records in all; the marker at the end of
    /// a transaction counts as one. A topic that is not
    /// there is waited for.
    ///
    /// # Cancel safety
    ///
    /// The future can be dropped at any time.
    pub async fn wait_for_records(&self, topic: &str, count: u64) {
        let held = |topic: &Topic| {
            let logs = topic.partitions.iter().map(|partition| &partition.log);
            logs.map(|log| log.end().abs_diff(log.start())).sum::<u64>()
        };
        let mut changed = self.shared.changed.subscribe();
        while self.shared.state().topics.get(topic).map_or(0, held) < count {
            // The sender lives as long as this broker.
            let _ = changed.changed().await;
        }
    }
}

impl From<Record> for StoredRecord {
    fn from(record: Record) -> Self {
        let bytes = Bytes::copy_from_slice;
        let headers = record.body.headers();
        Self {
            offset: record.offset,
            timestamp_ms: record.timestamp,
            timestamp_type: record.timestamp_type,
            key: record.body.key().map(bytes),
            value: record.body.value().map(bytes),
            headers: headers
                .map(|(key, value)| (bytes(key), value.map(bytes)))
                .collect(),
        }
    }
}
