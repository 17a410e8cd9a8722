//! A look at one record, outside of any group and without a fetch session.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::config::ConsumerConfig;
use super::fetch::{self, Wanted};
use super::session::{FetchPosition, SessionRequest};
use crate::Error;
use crate::cluster::Client;
use crate::wire::{ErrorCode, IsolationLevel, TopicPartition};

/// The session epoch that stands for no session (KIP-227).
const NO_SESSION: i32 = -1;

/// The timestamp of the first record to be seen at this offset or after it, in milliseconds since 1970; none
/// where there is none. The broker sends the batch that has it, whatever its size.
///
/// # Errors
///
/// The broker's code, or why there was no answer by the deadline.
pub(crate) async fn timestamp_at(
    client: &Client,
    tp: &TopicPartition,
    offset: i64,
    isolation_level: IsolationLevel,
    deadline: Instant,
) -> Result<Option<i64>, Error> {
    let metadata = client.metadata();
    let doing = || format!("looking at offset {offset} of {tp}");
    let leader = metadata.leader(tp);
    let leader = leader.ok_or_else(|| Error::broker(ErrorCode::LEADER_NOT_AVAILABLE, doing()))?;
    let position = FetchPosition {
        topic_id: metadata.topic(&tp.topic).map_or([0; 16], |topic| topic.id),
        offset,
        leader_epoch: -1,
        last_epoch: -1,
        max_bytes: 1,
    };
    let wanted: Wanted = BTreeMap::from([(tp.clone(), position)]);
    let session = SessionRequest {
        session_id: 0,
        session_epoch: NO_SESSION,
        fetch: wanted.clone().into_iter().collect(),
        forget: Vec::new(),
    };
    let config = ConsumerConfig {
        fetch_max_wait: Duration::ZERO,
        fetch_max_bytes: 1,
        isolation_level,
        ..ConsumerConfig::default()
    };
    let channel = client.control().clone();
    let answer = fetch::fetch(channel, leader, session, wanted, &config, deadline).await?;
    let refused = |code| Error::broker(code, doing());
    answer.code.ok().map_err(refused)?;
    let Some(partition) = answer.partitions.into_iter().next() else {
        return Ok(None);
    };
    partition.code.ok().map_err(refused)?;
    let mut records = partition.records;
    match records.next() {
        Some(Ok(record)) => Ok(Some(record.timestamp)),
        _ => Ok(None),
    }
}
