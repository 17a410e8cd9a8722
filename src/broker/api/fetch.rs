//! Fetch, versions 4 to 18: whole batches from an offset on, waited for up to `max_wait_ms` until
//! there are `min_bytes`; topics by id from version 13 (KIP-516), incremental sessions from
//! version 7 (KIP-227), a diverging epoch from version 12 (KIP-595).
//!
//! An error answers at once, but for topics that are not there, as with Kafka. The limits cut
//! between batches; the first batch comes whole in any case (KIP-74).
//!
//! Left out: fetching from followers and being a follower (KIP-392), transactions: what is
//! committed is all there is.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::FetchPartition;
use kafka_protocol::messages::fetch_response::{
    EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint, PartitionData,
};
use kafka_protocol::messages::{BrokerId, FetchRequest, FetchResponse, TopicName};
use uuid::Uuid;

use super::led::led;
use super::{Call, Refuse};
use crate::broker::log::Slice;
use crate::broker::sessions::{Key, Opened, Opening, Seen, Topic, Wanted};
use crate::broker::state::State;
use crate::broker::topics::{Partition, Topics};
use crate::wire::ErrorCode;
use crate::wire::names::{text, topic_name};

/// `fetch.max.bytes` of the broker.
const MAX_BYTES: usize = 55 << 20;
/// From this version on topics go by their ids.
const HAS_IDS: i16 = 13;
/// From this version on a client that asks the wrong node is told the right one (KIP-951).
const TELLS_LEADER: i16 = 16;
/// The isolation level that leaves out what is not committed.
const READ_COMMITTED: i8 = 1;

pub(super) async fn handle(call: &Call<'_>, request: FetchRequest) -> FetchResponse {
    let clock = &call.shared.clock;
    let wait = Duration::from_millis(request.max_wait_ms.max(0).unsigned_abs().into());
    let until = clock.now() + wait;
    let max_bytes = usize::try_from(request.max_bytes)
        .unwrap_or(0)
        .min(MAX_BYTES);
    let min_bytes = usize::try_from(request.min_bytes)
        .unwrap_or(0)
        .min(max_bytes);
    let mut changed = call.shared.changed.subscribe();
    let opened = open(call, &mut call.shared.state(), &request);
    let opened = match opened {
        Ok(opened) => opened,
        Err(code) => return FetchResponse::default().with_error_code(code.0),
    };
    let mut missing = None;
    loop {
        {
            let mut state = call.shared.state();
            let found = find_all(call, &mut state, &opened.wanted, max_bytes);
            let missing = missing.get_or_insert_with(|| missing_ones(&found));
            if is_enough(&found, missing, min_bytes) || clock.now() >= until {
                return respond(call, &mut state, opened, &found, request.isolation_level);
            }
        }
        tokio::select! {
            // The sender lives as long as the broker.
            _ = changed.changed() => {}
            () = clock.sleep_until(until) => {}
        }
    }
}

fn open(call: &Call<'_>, state: &mut State, request: &FetchRequest) -> Result<Opened, ErrorCode> {
    let uses_ids = call.version >= HAS_IDS;
    let mut opening = Opening {
        node: call.node,
        id: request.session_id,
        epoch: request.session_epoch,
        uses_ids,
        wanted: Vec::new(),
        forgotten: Vec::new(),
    };
    for asked in &request.topics {
        let topic = named(uses_ids, &asked.topic, asked.topic_id);
        let name = name_of(&state.topics, &topic);
        let partitions = asked.partitions.iter();
        let partitions = partitions.map(|partition| want(&topic, name.clone(), partition));
        opening.wanted.extend(partitions);
    }
    for forgotten in &request.forgotten_topics_data {
        let topic = named(uses_ids, &forgotten.topic, forgotten.topic_id);
        let keys = forgotten.partitions.iter().map(|partition| Key {
            topic: topic.clone(),
            partition: *partition,
        });
        opening.forgotten.extend(keys);
    }
    let mut opened = state.sessions.open(opening, call.shared.clock.now())?;
    for wanted in &mut opened.wanted {
        if wanted.name.is_none() {
            wanted.name = name_of(&state.topics, &wanted.key.topic);
        }
    }
    Ok(opened)
}

fn named(uses_ids: bool, name: &str, id: Uuid) -> Topic {
    if uses_ids {
        Topic::Id(id)
    } else {
        Topic::Name(name.into())
    }
}

fn name_of(topics: &Topics, topic: &Topic) -> Option<Arc<str>> {
    match topic {
        Topic::Name(name) => Some(name.clone()),
        Topic::Id(id) => topics.name(*id),
    }
}

fn want(topic: &Topic, name: Option<Arc<str>>, asked: &FetchPartition) -> Wanted {
    Wanted {
        key: Key {
            topic: topic.clone(),
            partition: asked.partition,
        },
        name,
        offset: asked.fetch_offset,
        max_bytes: asked.partition_max_bytes,
        current_leader_epoch: asked.current_leader_epoch,
        last_fetched_epoch: asked.last_fetched_epoch,
    }
}

/// What there is of a partition.
struct Found {
    slice: Slice,
    high_watermark: i64,
    log_start: i64,
    /// An epoch and its end, where the client has records that are not in the log.
    diverging: Option<(i32, i64)>,
}

type Finding = Result<Found, ErrorCode>;

fn find_all(
    call: &Call<'_>,
    state: &mut State,
    wanted: &[Wanted],
    max_bytes: usize,
) -> Vec<Finding> {
    let mut left = max_bytes;
    let mut is_first = true;
    let find = |wanted| {
        let found = find(call, state, wanted, left, is_first);
        let bytes = found.as_ref().map_or(0, |found| found.slice.size_bytes());
        left = left.saturating_sub(bytes);
        is_first &= bytes == 0;
        found
    };
    wanted.iter().map(find).collect()
}

fn find(
    call: &Call<'_>,
    state: &mut State,
    wanted: &Wanted,
    max_bytes: usize,
    at_least_one: bool,
) -> Finding {
    let name = wanted.name.as_ref().ok_or(ErrorCode::UNKNOWN_TOPIC_ID)?;
    let id = state.topics.get(name).map(|topic| topic.id);
    let epoch = wanted.current_leader_epoch;
    let (partition, _) = led(call, state, name, wanted.key.partition, epoch)?;
    if let Topic::Id(wanted) = wanted.key.topic
        && id != Some(wanted)
    {
        return Err(ErrorCode::INCONSISTENT_TOPIC_ID);
    }
    let log = &partition.log;
    let diverging = diverging(partition, wanted)?;
    let slice = match diverging {
        Some(_) => Slice::default(),
        None => {
            let own = usize::try_from(wanted.max_bytes).unwrap_or(0);
            log.read(wanted.offset, own.min(max_bytes), at_least_one)?
        }
    };
    Ok(Found {
        slice,
        high_watermark: log.end(),
        log_start: log.start(),
        diverging,
    })
}

fn diverging(partition: &Partition, wanted: &Wanted) -> Result<Option<(i32, i64)>, ErrorCode> {
    let fetched = wanted.last_fetched_epoch;
    if fetched < 0 {
        return Ok(None);
    }
    let end = partition.log.end_of_epoch(fetched, partition.leader_epoch);
    let (epoch, end) = end.ok_or(ErrorCode::OFFSET_OUT_OF_RANGE)?;
    if wanted.offset < partition.log.start() {
        return Err(ErrorCode::OFFSET_OUT_OF_RANGE);
    }
    let diverges = epoch < fetched || end < wanted.offset;
    Ok(diverges.then_some((epoch, end)))
}

/// Which partitions are of topics that are not there: what waits for others goes on waiting.
fn missing_ones(found: &[Finding]) -> Vec<bool> {
    let is_missing = |found: &Finding| {
        matches!(
            found,
            Err(ErrorCode::UNKNOWN_TOPIC_ID | ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
        )
    };
    found.iter().map(is_missing).collect()
}

fn is_enough(found: &[Finding], missing: &[bool], min_bytes: usize) -> bool {
    if missing.iter().all(|missing| *missing) {
        return true;
    }
    let mut bytes = 0;
    for (found, missing) in found.iter().zip(missing) {
        match found {
            Ok(found) if found.diverging.is_some() => return true,
            Ok(found) => bytes += found.slice.available_bytes(),
            Err(_) if *missing => {}
            Err(_) => return true,
        }
    }
    bytes >= min_bytes
}

fn respond(
    call: &Call<'_>,
    state: &mut State,
    opened: Opened,
    found: &[Finding],
    isolation_level: i8,
) -> FetchResponse {
    let wanted = opened.wanted.clone();
    let seen: Vec<Seen> = found.iter().map(see).collect();
    let closed = state.sessions.close(opened, &seen, call.shared.clock.now());
    let mut answer = FetchResponse::default()
        .with_error_code(closed.code.0)
        .with_session_id(closed.id);
    let all = wanted.iter().zip(found).zip(closed.answered);
    for ((wanted, found), _) in all.filter(|(_, is_answered)| *is_answered) {
        let mut partition = data(state, wanted, found, isolation_level);
        if call.version >= TELLS_LEADER {
            tell_leader(state, wanted, &mut partition, &mut answer.node_endpoints);
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

fn data(state: &State, wanted: &Wanted, found: &Finding, isolation_level: i8) -> PartitionData {
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
        .with_last_stable_offset(found.high_watermark)
        .with_log_start_offset(found.log_start)
        .with_aborted_transactions((isolation_level == READ_COMMITTED).then(Vec::new))
        .with_records(Some(records.unwrap_or_default()));
    if let Some((epoch, end)) = found.diverging {
        data.diverging_epoch = EpochEndOffset::default()
            .with_epoch(epoch)
            .with_end_offset(end);
    }
    data
}

fn error(partition: i32, code: ErrorCode) -> PartitionData {
    PartitionData::default()
        .with_partition_index(partition)
        .with_error_code(code.0)
        .with_high_watermark(-1)
        .with_aborted_transactions(None)
        .with_records(Some(Bytes::new()))
}

/// Says who leads a partition that this node does not (any more), and where to find it.
fn tell_leader(
    state: &State,
    wanted: &Wanted,
    partition: &mut PartitionData,
    endpoints: &mut Vec<NodeEndpoint>,
) {
    let code = ErrorCode(partition.error_code);
    let topic = wanted.name.as_ref().and_then(|name| state.topics.get(name));
    let Some(of) = topic.and_then(|topic| topic.partition(wanted.key.partition)) else {
        return;
    };
    if ![
        ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ErrorCode::FENCED_LEADER_EPOCH,
    ]
    .contains(&code)
    {
        return;
    }
    let leader = BrokerId(of.leader.unwrap_or(-1));
    partition.current_leader = LeaderIdAndEpoch::default()
        .with_leader_id(leader)
        .with_leader_epoch(of.leader_epoch);
    let is_new = !endpoints.iter().any(|node| node.node_id == leader);
    if let Some(address) = state.nodes.address(leader.0).filter(|_| is_new) {
        endpoints.push(
            NodeEndpoint::default()
                .with_node_id(leader)
                .with_host(text(&address.ip().to_string()))
                .with_port(i32::from(address.port())),
        );
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

impl Refuse for FetchRequest {
    fn refuse(&self, code: ErrorCode) -> FetchResponse {
        let topics = self.topics.iter().map(|topic| {
            let partitions = topic.partitions.iter();
            let partitions = partitions.map(|asked| error(asked.partition, code));
            FetchableTopicResponse::default()
                .with_topic(topic.topic.clone())
                .with_topic_id(topic.topic_id)
                .with_partitions(partitions.collect())
        });
        FetchResponse::default()
            .with_error_code(code.0)
            .with_responses(topics.collect())
    }
}
