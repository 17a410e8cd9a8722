//! JoinGroup, versions 0 to 9: becomes a member of a group, or stays one in its next generation;
//! waits until all have joined. See [`crate::broker::group`].
//!
//! Reasons (KIP-800) are read and go nowhere.

use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::{JoinGroupRequest, JoinGroupResponse};
use kafka_protocol::protocol::StrBytes;

use super::coordinated::{check_coordinator, identity, milliseconds};
use super::{Call, Refuse};
use crate::broker::group::{JoinAnswer, JoinRequest, NotJoined, Protocol};
use crate::broker::state::State;
use crate::wire::ErrorCode;
use crate::wire::names::text;

pub(super) async fn handle(call: &Call<'_>, request: JoinGroupRequest) -> JoinGroupResponse {
    let waiting = {
        let mut state = call.shared.state();
        if let Err(code) = check_coordinator(call, &state, &request.group_id) {
            return request.refuse(code);
        }
        let ticket = state.groups.ticket();
        let waiting = call.shared.waiting.for_join(ticket);
        let join = join_request(call, &request);
        let now = call.shared.clock.now();
        let State { groups, topics, .. } = &mut *state;
        groups.join(&request.group_id, ticket, join, topics, now);
        call.shared.settle_groups(&mut state);
        waiting
    };
    match waiting.await {
        Ok(answer) => response(call.version, answer),
        // The broker ends.
        Err(_) => request.refuse(ErrorCode::COORDINATOR_NOT_AVAILABLE),
    }
}

fn join_request(call: &Call<'_>, request: &JoinGroupRequest) -> JoinRequest {
    let session_timeout = milliseconds(request.session_timeout_ms).unwrap_or_default();
    let protocols = request.protocols.iter().map(|protocol| Protocol {
        name: (&*protocol.name).into(),
        metadata: Bytes::copy_from_slice(&protocol.metadata),
    });
    JoinRequest {
        identity: identity(&request.member_id, request.group_instance_id.as_ref()),
        client_id: (&*call.client_id).into(),
        session_timeout,
        // Version 0 has none.
        rebalance_timeout: milliseconds(request.rebalance_timeout_ms).unwrap_or(session_timeout),
        protocol_type: (&*request.protocol_type).into(),
        protocols: protocols.collect(),
        learns_id_first: call.version >= 4,
        can_skip_assignment: call.version >= 9,
    }
}

fn response(version: i16, answer: JoinAnswer) -> JoinGroupResponse {
    let joined = match answer {
        Ok(joined) => joined,
        Err(refusal) => return refused(version, &refusal),
    };
    let members = joined.members.iter().map(|member| {
        JoinGroupResponseMember::default()
            .with_member_id(text(&member.identity.member_id))
            .with_group_instance_id(member.identity.instance_id.as_deref().map(text))
            .with_metadata(member.metadata.clone())
    });
    JoinGroupResponse::default()
        .with_generation_id(joined.generation)
        .with_protocol_type(joined.protocol_type.as_deref().map(text))
        .with_protocol_name(Some(text(&joined.protocol.unwrap_or_default())))
        .with_leader(text(&joined.leader))
        .with_skip_assignment(joined.skip_assignment)
        .with_member_id(text(&joined.member_id))
        .with_members(members.collect())
}

fn refused(version: i16, refusal: &NotJoined) -> JoinGroupResponse {
    JoinGroupResponse::default()
        .with_error_code(refusal.code.0)
        .with_member_id(text(&refusal.member_id))
        .with_protocol_name((version < 7).then(StrBytes::default))
}

impl Refuse for JoinGroupRequest {
    fn refuse(&self, code: ErrorCode) -> JoinGroupResponse {
        // An empty name can be said in every version.
        refused(0, &NotJoined::new(code, Arc::from("")))
    }
}
