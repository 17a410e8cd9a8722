//! SyncGroup, versions 0 to 5: the leader says who gets what, and each member learns its part;
//! waits for the leader. See [`crate::broker::group`].

use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::{SyncGroupRequest, SyncGroupResponse};

use super::coordinated::{check_coordinator, identity, shared_text};
use super::{Call, Refuse};
use crate::broker::group::{SyncAnswer, SyncRequest};
use crate::wire::ErrorCode;
use crate::wire::names::text;

pub(super) async fn handle(call: &Call<'_>, request: SyncGroupRequest) -> SyncGroupResponse {
    let names_missing = request.protocol_type.is_none() || request.protocol_name.is_none();
    if call.version >= 5 && names_missing {
        return request.refuse(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    }
    let waiting = {
        let mut state = call.shared.state();
        if let Err(code) = check_coordinator(call, &state, &request.group_id) {
            return request.refuse(code);
        }
        let ticket = state.groups.ticket();
        let waiting = call.shared.waiting.for_sync(ticket);
        let sync = sync_request(&request);
        let now = call.shared.clock.now();
        state.groups.sync(&request.group_id, ticket, &sync, now);
        call.shared.settle_groups(&mut state);
        waiting
    };
    // Where there is no answer, the broker ends.
    let answer = waiting.await;
    response(answer.unwrap_or(Err(ErrorCode::COORDINATOR_NOT_AVAILABLE)))
}

fn sync_request(request: &SyncGroupRequest) -> SyncRequest {
    let assignments = request.assignments.iter().map(|part| {
        let member: Arc<str> = (&*part.member_id).into();
        (member, Bytes::copy_from_slice(&part.assignment))
    });
    SyncRequest {
        identity: identity(&request.member_id, request.group_instance_id.as_ref()),
        generation: request.generation_id,
        protocol_type: shared_text(request.protocol_type.as_ref()),
        protocol: shared_text(request.protocol_name.as_ref()),
        assignments: assignments.collect(),
    }
}

fn response(answer: SyncAnswer) -> SyncGroupResponse {
    match answer {
        Ok(synced) => SyncGroupResponse::default()
            .with_protocol_type(synced.protocol_type.as_deref().map(text))
            .with_protocol_name(synced.protocol.as_deref().map(text))
            .with_assignment(synced.assignment),
        Err(code) => SyncGroupResponse::default().with_error_code(code.0),
    }
}

impl Refuse for SyncGroupRequest {
    fn refuse(&self, code: ErrorCode) -> SyncGroupResponse {
        response(Err(code))
    }
}
