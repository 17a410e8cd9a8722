//! Produce, versions 3 to 13: appends one batch a partition, with `acks` 0, 1 or -1; topics by
//! id from version 13 (KIP-516).
//!
//! Idempotent producers' batches are taken once and in order (KIP-98, KIP-360). Batches are kept in the
//! codec they came in. As replication takes no time, `acks` -1 differs from 1 only where fewer
//! replicas are up than `min.insync.replicas`. A topic that is not there is not made.
//!
//! A transaction's first batch for a partition must be one of those that its coordinator knows of;
//! from version 12 on it is what tells the coordinator (KIP-890).
//!
//! Left out: `compression.type`, and that an answer names the records of a batch that were wrong
//! (KIP-467).

mod transaction;

use bytes::Bytes;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::{
    LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, TopicProduceResponse,
};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse};

use super::led::{leader, led};
use super::{Call, Refuse, Reply};
use crate::broker::log::{Appended, Incoming};
use crate::broker::state::State;
use crate::wire::compression::Compression;
use crate::wire::{ErrorCode, TopicPartition};

/// From this version on a client that asks the wrong node is told the right one (KIP-951).
const TELLS_LEADER: i16 = 10;
/// Before this version the API had no zstd (KIP-110).
const HAS_ZSTD: i16 = 7;
pub(super) async fn handle(call: &Call<'_>, request: ProduceRequest) -> Reply<ProduceResponse> {
    let acks = request.acks;
    let transactional_id = request.transactional_id.clone();
    if let Err(code) = transaction::check(&request) {
        return request.refused(code);
    }
    let mut answer = ProduceResponse::default();
    for topic in request.topic_data {
        append_topic(
            call,
            transactional_id.as_ref().map(|id| &***id),
            topic,
            acks,
            &mut answer,
        );
    }
    let all = answer
        .responses
        .iter()
        .flat_map(|topic| &topic.partition_responses);
    let is_good = |partition: &PartitionProduceResponse| partition.error_code == 0;
    if all.clone().any(is_good) {
        call.shared.tell_of_change();
    }
    match acks {
        0 if all.clone().all(is_good) => Reply::Silence,
        0 => Reply::Close,
        _ => Reply::Answer(answer),
    }
}

fn append_topic(
    call: &Call<'_>,
    transactional_id: Option<&str>,
    topic: TopicProduceData,
    acks: i16,
    answer: &mut ProduceResponse,
) {
    let mut state = call.shared.state();
    let name = if topic.topic_id.is_nil() {
        Some(topic.name.as_str().into())
    } else {
        state.topics.name(topic.topic_id)
    };
    let mut partitions = Vec::with_capacity(topic.partition_data.len());
    for asked in &topic.partition_data {
        let Some(name) = &name else {
            partitions.push(tell(asked.index, Err(ErrorCode::UNKNOWN_TOPIC_ID.into())));
            continue;
        };
        let place = TopicPartition::new(name.clone(), asked.index);
        let appended = incoming(call, &mut state, &place, asked, acks).and_then(|incoming| {
            transaction::take_part(call, &mut state, transactional_id, &place, &incoming)?;
            append(call, &mut state, &place, incoming, acks)
        });
        let mut told = tell(asked.index, appended);
        if call.version >= TELLS_LEADER {
            tell_leader(call, &state, name, &mut told, &mut answer.node_endpoints);
        }
        partitions.push(told);
    }
    answer.responses.push(
        TopicProduceResponse::default()
            .with_partition_responses(partitions)
            .with_name(topic.name)
            .with_topic_id(topic.topic_id),
    );
}

/// Why a batch is refused.
struct Refused {
    code: ErrorCode,
    /// -1 where the refusal has nothing to do with the log.
    log_start: i64,
}

impl From<ErrorCode> for Refused {
    fn from(code: ErrorCode) -> Self {
        Self {
            code,
            log_start: -1,
        }
    }
}

/// The batch for a partition that the node leads.
fn incoming(
    call: &Call<'_>,
    state: &mut State,
    place: &TopicPartition,
    asked: &PartitionProduceData,
    acks: i16,
) -> Result<Incoming, Refused> {
    led(call, state, &place.topic, place.partition, -1)?;
    if !(-1..=1).contains(&acks) {
        return Err(ErrorCode::INVALID_REQUIRED_ACKS.into());
    }
    let incoming = Incoming::read(asked.records.as_ref().unwrap_or(&Bytes::new()))?;
    if call.version < HAS_ZSTD && incoming.codec() == Some(Compression::Zstd) {
        return Err(ErrorCode::UNSUPPORTED_COMPRESSION_TYPE.into());
    }
    Ok(incoming)
}

fn append(
    call: &Call<'_>,
    state: &mut State,
    place: &TopicPartition,
    incoming: Incoming,
    acks: i16,
) -> Result<(Appended, i64), Refused> {
    let in_sync = in_sync(state, &place.topic, place.partition);
    let (partition, rules) = led(call, state, &place.topic, place.partition, -1)?;
    let wanted = rules.min_insync_replicas.min(partition.replicas.len());
    let log = &mut partition.log;
    let appended = if acks == -1 && in_sync < wanted {
        Err(ErrorCode::NOT_ENOUGH_REPLICAS)
    } else {
        let now_ms = call.shared.clock.now_ms();
        log.append(incoming, partition.leader_epoch, now_ms, &rules)
    };
    let appended = appended.map_err(|code| Refused {
        code,
        log_start: match code {
            ErrorCode::MESSAGE_TOO_LARGE => -1,
            _ => log.start(),
        },
    })?;
    Ok((appended, log.start()))
}

/// How many of a partition's replicas are up.
fn in_sync(state: &State, topic: &str, partition: i32) -> usize {
    let topic = state.topics.get(topic);
    let partition = topic.and_then(|topic| topic.partition(partition));
    let replicas = partition
        .into_iter()
        .flat_map(|partition| &partition.replicas);
    replicas.filter(|id| state.nodes.is_up(**id)).count()
}

fn tell(index: i32, appended: Result<(Appended, i64), Refused>) -> PartitionProduceResponse {
    let answer = PartitionProduceResponse::default().with_index(index);
    match appended {
        Ok((appended, log_start)) => answer
            .with_base_offset(appended.base_offset)
            .with_log_append_time_ms(appended.log_append_time_ms)
            .with_log_start_offset(log_start),
        Err(refused) => answer
            .with_error_code(refused.code.0)
            .with_base_offset(-1)
            .with_log_append_time_ms(-1)
            .with_log_start_offset(refused.log_start),
    }
}

/// Says who leads a partition that this node does not (any more), and where to find it.
fn tell_leader(
    call: &Call<'_>,
    state: &State,
    topic: &str,
    partition: &mut PartitionProduceResponse,
    endpoints: &mut Vec<NodeEndpoint>,
) {
    if partition.error_code != ErrorCode::NOT_LEADER_OR_FOLLOWER.0 {
        return;
    }
    let Some(leader) = leader(call, state, Some(topic), partition.index) else {
        return;
    };
    partition.current_leader = LeaderIdAndEpoch::default()
        .with_leader_id(leader.id)
        .with_leader_epoch(leader.epoch);
    let is_new = !endpoints.iter().any(|node| node.node_id == leader.id);
    if let Some((host, port)) = leader.endpoint.filter(|_| is_new) {
        let endpoint = NodeEndpoint::default().with_node_id(leader.id);
        endpoints.push(endpoint.with_host(host).with_port(port));
    }
}

impl Refuse for ProduceRequest {
    fn refuse(&self, code: ErrorCode) -> ProduceResponse {
        let topics = self.topic_data.iter().map(|topic| {
            let partitions = topic.partition_data.iter();
            let partitions = partitions.map(|asked| tell(asked.index, Err(code.into())));
            TopicProduceResponse::default()
                .with_partition_responses(partitions.collect())
                .with_name(topic.name.clone())
                .with_topic_id(topic.topic_id)
        });
        ProduceResponse::default().with_responses(topics.collect())
    }

    fn refused(&self, code: ErrorCode) -> Reply<ProduceResponse> {
        match self.acks {
            0 => Reply::Close,
            _ => Reply::Answer(self.refuse(code)),
        }
    }
}

#[cfg(test)]
mod tests;
