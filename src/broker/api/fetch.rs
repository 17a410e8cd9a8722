//! Fetch, versions 4 to 18: whole batches from an offset on, waited for up to `max_wait_ms` until
//! there are `min_bytes`; topics by id from version 13 (KIP-516), incremental sessions from
//! version 7 (KIP-227), a diverging epoch from version 12 (KIP-595).
//!
//! An error answers at once, but for topics that are not there, as with Kafka. The limits cut
//! between batches; the first batch comes whole in any case (KIP-74).
//!
//! With the isolation level `READ_COMMITTED` there is nothing past the last stable offset, and the
//! aborted transactions are told of whose records are among those returned (KIP-98); Kafka names
//! some more.
//!
//! Left out: fetching from followers and being a follower (KIP-392).

mod answer;
mod find;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::messages::fetch_request::FetchPartition;
use kafka_protocol::messages::fetch_response::FetchableTopicResponse;
use kafka_protocol::messages::{FetchRequest, FetchResponse};
use uuid::Uuid;

use super::{Call, Refuse};
use crate::broker::log::Isolation;
use crate::broker::sessions::{Key, Opened, Opening, Topic, Wanted};
use crate::broker::state::State;
use crate::broker::topics::Topics;
use crate::wire::ErrorCode;

/// `fetch.max.bytes` of the broker.
const MAX_BYTES: usize = 55 << 20;
/// From this version on topics go by their ids.
const HAS_IDS: i16 = 13;
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
    let isolation = Isolation::numbered(request.isolation_level);
    let mut changed = call.shared.changed.subscribe();
    let opened = open(call, &mut call.shared.state(), &request);
    let opened = match opened {
        Ok(opened) => opened,
        Err(code) => return FetchResponse::default().with_error_code(code.0),
    };
    let mut missing: Option<Vec<bool>> = None;
    loop {
        {
            let mut state = call.shared.state();
            let found = find::all(call, &mut state, &opened.wanted, max_bytes, isolation);
            let missing =
                missing.get_or_insert_with(|| found.iter().map(find::is_missing).collect());
            if find::is_enough(&found, missing, min_bytes) || clock.now() >= until {
                return answer::answer(call, &mut state, opened, &found);
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

impl Refuse for FetchRequest {
    fn refuse(&self, code: ErrorCode) -> FetchResponse {
        let topics = self.topics.iter().map(|topic| {
            let partitions = topic.partitions.iter();
            let partitions = partitions.map(|asked| answer::error(asked.partition, code));
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
