//! FindCoordinator, versions 0 to 6: which node coordinates a group or a transactional id;
//! several at once from version 4 (KIP-699).
//!
//! Left out: share groups (KIP-932), which are refused with `INVALID_REQUEST`.

use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::{BrokerId, FindCoordinatorRequest, FindCoordinatorResponse};
use kafka_protocol::protocol::StrBytes;

use super::{Call, Refuse};
use crate::broker::state::State;
use crate::wire::ErrorCode;
use crate::wire::names::text;

/// The kinds of keys: groups and transactional ids.
const KEY_TYPES: std::ops::RangeInclusive<i8> = 0..=1;

pub(super) async fn handle(
    call: &Call<'_>,
    request: FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    let state = call.shared.state();
    let keys = keys(call.version, &request);
    let found = keys
        .iter()
        .map(|key| find(call, &state, request.key_type, key));
    answer(call.version, found.collect())
}

/// Up to version 3 there is one key, in a field of its own.
fn keys(version: i16, request: &FindCoordinatorRequest) -> Vec<StrBytes> {
    if version < 4 {
        vec![request.key.clone()]
    } else {
        request.coordinator_keys.clone()
    }
}

fn find(call: &Call<'_>, state: &State, key_type: i8, key: &StrBytes) -> Coordinator {
    if !KEY_TYPES.contains(&key_type) {
        return nowhere(key, ErrorCode::INVALID_REQUEST);
    }
    let node = state.nodes.coordinator(key);
    match node.and_then(|id| Some((id, state.nodes.address(id, call.listener)?))) {
        Some((id, address)) => Coordinator::default()
            .with_key(key.clone())
            .with_node_id(BrokerId(id))
            .with_host(text(&address.ip().to_string()))
            .with_port(i32::from(address.port())),
        None => nowhere(key, ErrorCode::COORDINATOR_NOT_AVAILABLE),
    }
}

fn nowhere(key: &StrBytes, code: ErrorCode) -> Coordinator {
    Coordinator::default()
        .with_key(key.clone())
        .with_error_code(code.0)
        .with_error_message(Some(text(code.description())))
        .with_node_id(BrokerId(-1))
        .with_port(-1)
}

fn answer(version: i16, mut found: Vec<Coordinator>) -> FindCoordinatorResponse {
    if version >= 4 {
        return FindCoordinatorResponse::default().with_coordinators(found);
    }
    let one = found.pop().unwrap_or_default();
    FindCoordinatorResponse::default()
        .with_error_code(one.error_code)
        .with_error_message(one.error_message)
        .with_node_id(one.node_id)
        .with_host(one.host)
        .with_port(one.port)
}

impl Refuse for FindCoordinatorRequest {
    fn refuse(&self, code: ErrorCode) -> FindCoordinatorResponse {
        // Each form has a field that the other does not.
        let version = if self.key.is_empty() { 4 } else { 0 };
        let keys = keys(version, self);
        answer(version, keys.iter().map(|key| nowhere(key, code)).collect())
    }
}
