//! Where partitions begin and end: ListOffsets, at each leader.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use futures_util::future::join_all;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{BrokerId, ListOffsetsRequest};
use tokio::time::Instant;

use super::Admin;
use crate::cluster::config::LONGEST;
use crate::cluster::pool::Node;
use crate::wire::names::topic_name;
use crate::wire::{ErrorCode, IsolationLevel, TopicPartition};
use crate::{Error, ErrorKind};

/// The offset of a partition that is asked for (KIP-79).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetAt {
    /// The first offset there is.
    Earliest,
    /// The offset of the next record to come.
    Latest,
    /// The first record whose timestamp is at least this many milliseconds since 1970.
    Timestamp(i64),
}

impl OffsetAt {
    fn on_the_wire(self) -> i64 {
        match self {
            Self::Earliest => -2,
            Self::Latest => -1,
            Self::Timestamp(ms) => ms,
        }
    }
}

impl Admin {
    /// Looks up an offset of each of these partitions at their leaders, and asks again where a
    /// leader has moved. A timestamp later than the last record's gives the end, which is the last
    /// stable offset for [`IsolationLevel::ReadCommitted`].
    ///
    /// # Errors
    ///
    /// The broker's code for a partition, or why there was no answer within the timeout.
    ///
    /// # Cancel safety
    ///
    /// When dropped, nothing is left behind.
    pub async fn offsets(
        &self,
        partitions: &[(TopicPartition, OffsetAt)],
        isolation: IsolationLevel,
        timeout: Duration,
    ) -> Result<BTreeMap<TopicPartition, i64>, Error> {
        let deadline = Instant::now() + timeout.min(LONGEST);
        self.client
            .track(partitions.iter().map(|(tp, _)| &*tp.topic));
        let mut found = BTreeMap::new();
        let mut failures = 0;
        loop {
            let missing: Vec<_> = partitions
                .iter()
                .filter(|(tp, _)| !found.contains_key(tp))
                .cloned()
                .collect();
            if missing.is_empty() {
                return Ok(found);
            }
            let (answers, failure) = self.ask_offsets(&missing, isolation, deadline).await;
            found.extend(answers);
            match failure {
                Some(error) if !error.is_retriable() || Instant::now() >= deadline => {
                    return Err(error);
                }
                Some(_) => {
                    failures += 1;
                    self.client.request_refresh();
                    self.pause(failures, deadline).await;
                }
                None if partitions.iter().all(|(tp, _)| found.contains_key(tp)) => {}
                None => {
                    let text = "an answer leaves out partitions that were asked for";
                    return Err(Error::new(ErrorKind::Protocol, text));
                }
            }
        }
    }

    /// Asks every leader once, all at the same time: one that does not answer keeps nobody from
    /// the others' offsets. What failed comes as the last failure.
    pub(crate) async fn ask_offsets(
        &self,
        partitions: &[(TopicPartition, OffsetAt)],
        isolation: IsolationLevel,
        deadline: Instant,
    ) -> (Vec<(TopicPartition, i64)>, Option<Error>) {
        let metadata = self.client.metadata();
        let mut by_leader: HashMap<i32, Vec<&(TopicPartition, OffsetAt)>> = HashMap::new();
        let mut failure = None;
        for wanted in partitions {
            match metadata.leader(&wanted.0) {
                Some(leader) => by_leader.entry(leader).or_default().push(wanted),
                None => {
                    let doing = format!("offsets of {}", wanted.0);
                    failure = Some(Error::broker(ErrorCode::LEADER_NOT_AVAILABLE, doing));
                }
            }
        }
        let asked = by_leader.iter();
        let asked =
            asked.map(|(leader, wanted)| self.ask_leader(*leader, wanted, isolation, deadline));
        let mut found = Vec::new();
        for answer in join_all(asked).await {
            match answer {
                Ok((answers, refused)) => {
                    found.extend(answers);
                    failure = refused.or(failure);
                }
                Err(error) => failure = Some(error),
            }
        }
        (found, failure)
    }

    async fn ask_leader(
        &self,
        leader: i32,
        wanted: &[&(TopicPartition, OffsetAt)],
        isolation: IsolationLevel,
        deadline: Instant,
    ) -> Result<(Vec<(TopicPartition, i64)>, Option<Error>), Error> {
        let metadata = self.client.metadata();
        let epoch = |tp| {
            metadata
                .partition(tp)
                .map_or(-1, |known| known.leader_epoch)
        };
        let mut topics: BTreeMap<&str, Vec<ListOffsetsPartition>> = BTreeMap::new();
        for (tp, at) in wanted.iter().copied() {
            let partition = ListOffsetsPartition::default()
                .with_partition_index(tp.partition)
                .with_current_leader_epoch(epoch(tp))
                .with_timestamp(at.on_the_wire());
            topics.entry(&*tp.topic).or_default().push(partition);
        }
        let topics = topics.into_iter().map(|(topic, partitions)| {
            ListOffsetsTopic::default()
                .with_name(topic_name(topic))
                .with_partitions(partitions)
        });
        let request = ListOffsetsRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_isolation_level(isolation.on_the_wire())
            .with_topics(topics.collect());
        let answer = self
            .client
            .control()
            .call(Node::Id(leader), &request, deadline)
            .await?;
        let mut found = Vec::new();
        let mut refused = None;
        for topic in answer.topics {
            for partition in topic.partitions {
                let tp = TopicPartition::new(topic.name.as_str(), partition.partition_index);
                match ErrorCode(partition.error_code).ok() {
                    Ok(()) => found.push((tp, partition.offset)),
                    Err(code) => refused = Some(Error::broker(code, format!("offsets of {tp}"))),
                }
            }
        }
        // A timestamp beyond the last record is answered with -1: the end is meant.
        let by_time = |(_, at): &&(TopicPartition, OffsetAt)| matches!(at, OffsetAt::Timestamp(_));
        let (mut known, beyond): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|(_, offset)| *offset >= 0);
        if !beyond.is_empty() && wanted.iter().any(by_time) {
            let ends: Vec<_> = beyond
                .into_iter()
                .map(|(tp, _)| (tp, OffsetAt::Latest))
                .collect();
            let left = deadline.saturating_duration_since(Instant::now());
            known.extend(Box::pin(self.offsets(&ends, isolation, left)).await?);
        }
        Ok((known, refused))
    }
}
