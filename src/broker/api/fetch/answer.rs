//! What the client is told.

use bytes::Bytes;
use kafka_protocol::messages::fetch_response::{
    AbortedTransaction, EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint,
    PartitionData,
};
use kafka_protocol::messages::{FetchResponse, ProducerId, TopicName};
use uuid::Uuid;

use super::Call;
use super::find::{Finding, is_missing};
use crate::broker::api::led::leader;
use crate::broker::log::Aborted;
use crate::broker::sessions::{Opened, Seen, Topic, Wanted};
use crate::broker::state::State;
use crate::wire::ErrorCode;
use crate::wire::names::topic_name;

/// From this version on a client that asks the wrong node is told the right one (KIP-951).
const TELLS_LEADER: i16 = 16;

/// Ends the request: its session's part, and the bytes.
pub(super) fn answer(
    call: &Call<'_>,
    state: &mut State,
    opened: Opened,
    found: &[Finding],
) -> FetchResponse {
    let wanted = opened.wanted.clone();
    let seen: Vec<Seen> = found.iter().map(see).collect();
    let closed = state.sessions.close(opened, &seen, call.shared.clock.now());
    let mut answer = FetchResponse::default()
        .with_error_code(closed.code.0)
        .with_session_id(closed.id);
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    // As Kafka has it: topics that are not there come last.
    order.sort_by_key(|at| is_missing(&found[*at]));
    for at in order.into_iter().filter(|at| closed.answered[*at]) {
        let (wanted, found) = (&wanted[at], &found[at]);
        let mut partition = data(state, wanted, found);
        if call.version >= TELLS_LEADER {
            tell_leader(
                call,
                state,
                wanted,
                &mut partition,
                &mut answer.node_endpoints,
            );
        }
        push(&mut answer.responses, &wanted.key.topic, partition);
    }
    answer
}

fn see(found: &Finding) -> Seen {
    match found {
        Ok(found) => Seen {
            high_watermark: found.high_watermark,
            log_start: found.log_start,
            has_records: found.slice.size_bytes() > 0,
            is_urgent: found.diverging.is_some(),
        },
        Err(_) => Seen {
            high_watermark: -1,
            log_start: -1,
            has_records: false,
            is_urgent: true,
        },
    }
}

fn data(state: &State, wanted: &Wanted, found: &Finding) -> PartitionData {
    let found = match found {
        Ok(found) => found,
        Err(code) => return error(wanted.key.partition, *code),
    };
    let topic = wanted.name.as_ref().and_then(|name| state.topics.get(name));
    let partition = topic.and_then(|topic| topic.partition(wanted.key.partition));
    let records = partition.map(|partition| partition.log.bytes(&found.slice));
    let mut data = PartitionData::default()
        .with_partition_index(wanted.key.partition)
        .with_high_watermark(found.high_watermark)
        .with_last_stable_offset(found.last_stable)
        .with_log_start_offset(found.log_start)
        .with_aborted_transactions(found.aborted.as_ref().map(|all| told(all)))
        .with_records(Some(records.unwrap_or_default()));
    if let Some((epoch, end)) = found.diverging {
        data.diverging_epoch = EpochEndOffset::default()
            .with_epoch(epoch)
            .with_end_offset(end);
    }
    data
}

fn told(aborted: &[Aborted]) -> Vec<AbortedTransaction> {
    let told = aborted.iter().map(|aborted| {
        AbortedTransaction::default()
            .with_producer_id(ProducerId(aborted.producer_id))
            .with_first_offset(aborted.first_offset)
    });
    told.collect()
}

pub(super) fn error(partition: i32, code: ErrorCode) -> PartitionData {
    PartitionData::default()
        .with_partition_index(partition)
        .with_error_code(code.0)
        .with_high_watermark(-1)
        .with_aborted_transactions(None)
        .with_records(Some(Bytes::new()))
}

/// Says who leads a partition that this node does not (any more), and where to find it.
fn tell_leader(
    call: &Call<'_>,
    state: &State,
    wanted: &Wanted,
    partition: &mut PartitionData,
    endpoints: &mut Vec<NodeEndpoint>,
) {
    if !matches!(
        ErrorCode(partition.error_code),
        ErrorCode::NOT_LEADER_OR_FOLLOWER | ErrorCode::FENCED_LEADER_EPOCH
    ) {
        return;
    }
    let Some(leader) = leader(call, state, wanted.name.as_deref(), wanted.key.partition) else {
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

/// Appends a partition; those of a topic that follow one another become one.
fn push(topics: &mut Vec<FetchableTopicResponse>, topic: &Topic, partition: PartitionData) {
    let (name, id) = match topic {
        Topic::Name(name) => (topic_name(name), Uuid::nil()),
        Topic::Id(id) => (TopicName::default(), *id),
    };
    match topics.last_mut() {
        Some(last) if (&last.topic, last.topic_id) == (&name, id) => {
            last.partitions.push(partition);
        }
        _ => topics.push(
            FetchableTopicResponse::default()
                .with_topic(name)
                .with_topic_id(id)
                .with_partitions(vec![partition]),
        ),
    }
}
