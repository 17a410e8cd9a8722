//! Heartbeat, versions 0 to 4: a member is alive, and learns whether its group rebalances. See
//! [`crate::broker::group`].

use kafka_protocol::messages::{HeartbeatRequest, HeartbeatResponse};

use super::coordinated::{check_coordinator, code_of, identity};
use super::{Call, Refuse};
use crate::wire::ErrorCode;

pub(super) async fn handle(call: &Call<'_>, request: HeartbeatRequest) -> HeartbeatResponse {
    let mut state = call.shared.state();
    let now = call.shared.clock.now();
    let who = identity(&request.member_id, request.group_instance_id.as_ref());
    let beat = check_coordinator(call, &state, &request.group_id).and_then(|()| {
        let generation = request.generation_id;
        state
            .groups
            .heartbeat(&request.group_id, &who, generation, now)
    });
    call.shared.settle_groups(&mut state);
    HeartbeatResponse::default().with_error_code(code_of(beat))
}

impl Refuse for HeartbeatRequest {
    fn refuse(&self, code: ErrorCode) -> HeartbeatResponse {
        HeartbeatResponse::default().with_error_code(code.0)
    }
}
