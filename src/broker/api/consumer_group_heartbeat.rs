//! ConsumerGroupHeartbeat, versions 0 and 1 (KIP-848): a member of the consumer protocol joins,
//! lives, says what it has, learns what it is to have, and leaves. From version 1 on it makes its
//! id itself (KIP-1082). See [`crate::broker::group`].
//!
//! Left out: subscriptions by regular expression (version 1), which are all refused as
//! `INVALID_REGULAR_EXPRESSION`.

use std::sync::Arc;

use kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions as Owned;
use kafka_protocol::messages::consumer_group_heartbeat_response::{Assignment, TopicPartitions};
use kafka_protocol::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::coordinated::{check_coordinator, identity, milliseconds, shared_text};
use super::{Call, Refuse, Reply};
use crate::broker::group::{
    Beat, Beaten, JOINING, LEAVING, LEAVING_FOR_A_WHILE, Partitions, ServerAssignor,
};
use crate::broker::state::State;
use crate::wire::ErrorCode;
use crate::wire::names::text;

/// From this version on a member makes its id itself.
const MAKES_ID: i16 = 1;
/// The length of a rebalance timeout that is not told.
const NOT_TOLD: i32 = -1;

pub(super) async fn handle(
    call: &Call<'_>,
    request: ConsumerGroupHeartbeatRequest,
) -> Reply<ConsumerGroupHeartbeatResponse> {
    if call.shared.config.group_version == 0 {
        return Reply::Close;
    }
    let mut state = call.shared.state();
    let beaten = check(call.version, &request).and_then(|()| {
        check_coordinator(call, &state, &request.group_id)?;
        let beat = beat(call, &request)?;
        let State { groups, topics, .. } = &mut *state;
        let now = call.shared.clock.now();
        groups.consumer_heartbeat(&request.group_id, &beat, topics, now)
    });
    call.shared.settle_groups(&mut state);
    Reply::Answer(match beaten {
        Ok(beaten) => response(&beaten),
        Err(code) => request.refuse(code),
    })
}

/// Says whether the request makes sense, whatever group there is.
///
/// # Errors
///
/// `INVALID_REQUEST` or `INVALID_REGULAR_EXPRESSION`.
fn check(version: i16, request: &ConsumerGroupHeartbeatRequest) -> Result<(), ErrorCode> {
    let epoch = request.member_epoch;
    let is_empty = |text: &Option<StrBytes>| text.as_ref().is_some_and(|it| it.is_empty());
    let needs_id = version >= MAKES_ID || epoch > JOINING || epoch == LEAVING;
    let is_possible = match epoch {
        JOINING => {
            let has_nothing = request.topic_partitions.as_ref().is_some_and(Vec::is_empty);
            let says_topics = request.subscribed_topic_names.is_some()
                || request.subscribed_topic_regex.is_some();
            request.rebalance_timeout_ms != NOT_TOLD && has_nothing && says_topics
        }
        LEAVING_FOR_A_WHILE => request.instance_id.is_some(),
        epoch => epoch > LEAVING_FOR_A_WHILE,
    };
    if !is_possible
        || needs_id && request.member_id.is_empty()
        || request.group_id.is_empty()
        || is_empty(&request.instance_id)
        || is_empty(&request.rack_id)
    {
        return Err(ErrorCode::INVALID_REQUEST);
    }
    let regex = request.subscribed_topic_regex.as_ref();
    if regex.is_some_and(|it| !it.is_empty()) {
        return Err(ErrorCode::INVALID_REGULAR_EXPRESSION);
    }
    Ok(())
}

fn beat(call: &Call<'_>, request: &ConsumerGroupHeartbeatRequest) -> Result<Beat, ErrorCode> {
    let assignor = request.server_assignor.as_ref();
    let assignor =
        assignor.map(|it| ServerAssignor::named(it).ok_or(ErrorCode::UNSUPPORTED_ASSIGNOR));
    let mut identity = identity(&request.member_id, request.instance_id.as_ref());
    if identity.member_id.is_empty() {
        identity.member_id = Uuid::from_u128(fastrand::u128(..)).to_string().into();
    }
    let topics = request.subscribed_topic_names.as_ref();
    let topics = topics.map(|names| names.iter().map(|name| Arc::from(&***name)).collect());
    Ok(Beat {
        identity,
        epoch: request.member_epoch,
        client_id: (&*call.client_id).into(),
        rack_id: shared_text(request.rack_id.as_ref()),
        rebalance_timeout: milliseconds(request.rebalance_timeout_ms),
        topics,
        assignor: assignor.transpose()?,
        owned: request.topic_partitions.as_deref().map(owned),
    })
}

fn owned(topics: &[Owned]) -> Partitions {
    let mut owned = Partitions::new();
    for topic in topics {
        owned
            .entry(topic.topic_id)
            .or_default()
            .extend(&topic.partitions);
    }
    owned
}

fn response(beaten: &Beaten) -> ConsumerGroupHeartbeatResponse {
    let interval_ms = i32::try_from(beaten.interval.as_millis()).unwrap_or(i32::MAX);
    ConsumerGroupHeartbeatResponse::default()
        .with_member_id(Some(text(&beaten.member_id)))
        .with_member_epoch(beaten.epoch)
        .with_heartbeat_interval_ms(interval_ms)
        .with_assignment(beaten.assignment.as_ref().map(assignment))
}

fn assignment(partitions: &Partitions) -> Assignment {
    let topics = partitions.iter().map(|(id, indexes)| {
        TopicPartitions::default()
            .with_topic_id(*id)
            .with_partitions(indexes.iter().copied().collect())
    });
    Assignment::default().with_topic_partitions(topics.collect())
}

impl Refuse for ConsumerGroupHeartbeatRequest {
    fn refuse(&self, code: ErrorCode) -> ConsumerGroupHeartbeatResponse {
        ConsumerGroupHeartbeatResponse::default()
            .with_error_code(code.0)
            .with_error_message(Some(text(code.description())))
    }
}
