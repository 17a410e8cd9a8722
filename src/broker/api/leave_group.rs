//! LeaveGroup, versions 0 to 5: takes members out of a group; several at once from version 3, and
//! static ones by their instance alone (KIP-345). See [`crate::broker::group`].

use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::{LeaveGroupRequest, LeaveGroupResponse};

use super::coordinated::{check_coordinator, code_of, identity};
use super::{Call, Refuse};
use crate::broker::group::Identity;
use crate::wire::ErrorCode;

pub(super) async fn handle(call: &Call<'_>, request: LeaveGroupRequest) -> LeaveGroupResponse {
    let mut state = call.shared.state();
    if let Err(code) = check_coordinator(call, &state, &request.group_id) {
        return request.refuse(code);
    }
    let who = if call.version < 3 {
        vec![identity(&request.member_id, None)]
    } else {
        request.members.iter().map(identity_of).collect()
    };
    let now = call.shared.clock.now();
    let left = state.groups.leave(&request.group_id, &who, now);
    call.shared.settle_groups(&mut state);
    match left {
        Err(code) => request.refuse(code),
        Ok(results) if call.version < 3 => {
            let code = results.into_iter().find_map(Result::err);
            request.refuse(code.unwrap_or(ErrorCode::NONE))
        }
        Ok(results) => {
            let members = request.members.iter().zip(results);
            let members = members.map(|(member, result)| {
                MemberResponse::default()
                    .with_member_id(member.member_id.clone())
                    .with_group_instance_id(member.group_instance_id.clone())
                    .with_error_code(code_of(result))
            });
            LeaveGroupResponse::default().with_members(members.collect())
        }
    }
}

fn identity_of(member: &MemberIdentity) -> Identity {
    identity(&member.member_id, member.group_instance_id.as_ref())
}

impl Refuse for LeaveGroupRequest {
    fn refuse(&self, code: ErrorCode) -> LeaveGroupResponse {
        LeaveGroupResponse::default().with_error_code(code.0)
    }
}
