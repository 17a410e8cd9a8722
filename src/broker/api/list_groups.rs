//! ListGroups, versions 0 to 5: the groups that this node coordinates; by state from version 4
//! (KIP-518), by type, which is `classic` or `consumer`, from version 5 (KIP-848).

use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{ListGroupsRequest, ListGroupsResponse};
use kafka_protocol::protocol::StrBytes;

use super::coordinated::check_coordinator;
use super::{Call, Refuse};
use crate::broker::group::Group;
use crate::wire::ErrorCode;
use crate::wire::names::{group_id, text};

pub(super) async fn handle(call: &Call<'_>, request: ListGroupsRequest) -> ListGroupsResponse {
    let state = call.shared.state();
    let groups = state.groups.iter().filter(|(id, group)| {
        check_coordinator(call, &state, id).is_ok()
            && is_wanted(&request.states_filter, group.state().name())
            && is_wanted(&request.types_filter, type_of(group))
    });
    let groups = groups.map(|(id, group)| {
        ListedGroup::default()
            .with_group_id(group_id(id))
            .with_protocol_type(text(group.protocol_type().unwrap_or_default()))
            .with_group_state(text(group.state().name()))
            .with_group_type(text(type_of(group)))
    });
    ListGroupsResponse::default().with_groups(groups.collect())
}

fn type_of(group: &Group) -> &'static str {
    match group.consumer() {
        Some(_) => "consumer",
        None => "classic",
    }
}

/// A filter without entries lets all through.
fn is_wanted(filter: &[StrBytes], name: &str) -> bool {
    let is_name = |wanted: &StrBytes| wanted.trim().eq_ignore_ascii_case(name);
    filter.is_empty() || filter.iter().any(is_name)
}

impl Refuse for ListGroupsRequest {
    fn refuse(&self, code: ErrorCode) -> ListGroupsResponse {
        ListGroupsResponse::default().with_error_code(code.0)
    }
}
