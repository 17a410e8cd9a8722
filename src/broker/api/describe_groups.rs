//! DescribeGroups, versions 0 to 6: the state and the members of a group of the classic protocol.
//! A group that there is not, or that is of the other protocol, is Dead, and from version 6 also
//! `GROUP_ID_NOT_FOUND` (KIP-1043).
//!
//! Left out: authorized operations.

use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::{DescribeGroupsRequest, DescribeGroupsResponse, GroupId};

use super::coordinated::{CLIENT_HOST, check_coordinator};
use super::{Call, Refuse};
use crate::broker::group::{Classic, Group, GroupState, Member};
use crate::broker::state::State;
use crate::wire::ErrorCode;
use crate::wire::names::text;

pub(super) async fn handle(
    call: &Call<'_>,
    request: DescribeGroupsRequest,
) -> DescribeGroupsResponse {
    let state = call.shared.state();
    let groups = request.groups.iter();
    let groups = groups.map(|id| match check_coordinator(call, &state, id) {
        Ok(()) => describe(call, &state, id),
        Err(code) => refused(id, code),
    });
    DescribeGroupsResponse::default().with_groups(groups.collect())
}

fn describe(call: &Call<'_>, state: &State, id: &GroupId) -> DescribedGroup {
    let group = state.groups.get(id);
    if let Some(classic) = group.and_then(Group::classic) {
        return described(id, classic);
    }
    let dead = DescribedGroup::default()
        .with_group_id(id.clone())
        .with_group_state(text(GroupState::Dead.name()));
    if call.version < 6 {
        return dead;
    }
    let what = match group {
        Some(_) => "is not a classic group",
        None => "not found",
    };
    dead.with_error_code(ErrorCode::GROUP_ID_NOT_FOUND.0)
        .with_error_message(Some(text(&format!("Group {} {what}.", id.as_str()))))
}

fn described(id: &GroupId, group: &Classic) -> DescribedGroup {
    // What a protocol is and what members say under it holds as long as the group is stable.
    let protocol = group
        .protocol()
        .filter(|_| group.state() == GroupState::Stable);
    let members = group.members().iter();
    let members = members.map(|member| describe_member(member, protocol));
    DescribedGroup::default()
        .with_group_id(id.clone())
        .with_group_state(text(group.state().name()))
        .with_protocol_type(text(group.protocol_type().unwrap_or_default()))
        .with_protocol_data(text(protocol.unwrap_or_default()))
        .with_members(members.collect())
}

fn describe_member(member: &Member, protocol: Option<&str>) -> DescribedGroupMember {
    let metadata = protocol.map(|protocol| member.metadata(protocol));
    DescribedGroupMember::default()
        .with_member_id(text(member.id()))
        .with_group_instance_id(member.instance_id().map(text))
        .with_client_id(text(member.client_id()))
        .with_client_host(text(CLIENT_HOST))
        .with_member_metadata(metadata.unwrap_or_default())
        .with_member_assignment(member.assignment().clone())
}

fn refused(id: &GroupId, code: ErrorCode) -> DescribedGroup {
    DescribedGroup::default()
        .with_group_id(id.clone())
        .with_error_code(code.0)
}

impl Refuse for DescribeGroupsRequest {
    fn refuse(&self, code: ErrorCode) -> DescribeGroupsResponse {
        let groups = self.groups.iter().map(|id| refused(id, code));
        DescribeGroupsResponse::default().with_groups(groups.collect())
    }
}
