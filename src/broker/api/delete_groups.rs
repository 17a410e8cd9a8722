//! DeleteGroups, versions 0 to 2: removes groups without members, with all they have committed
//! (KIP-229).

use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::{DeleteGroupsRequest, DeleteGroupsResponse};

use super::coordinated::{check_coordinator, code_of};
use super::{Call, Refuse};
use crate::wire::ErrorCode;

pub(super) async fn handle(call: &Call<'_>, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let mut state = call.shared.state();
    let answer = each(&request, |id| {
        check_coordinator(call, &state, id).and_then(|()| state.groups.delete(id))
    });
    call.shared.settle_groups(&mut state);
    answer
}

fn each(
    request: &DeleteGroupsRequest,
    mut delete: impl FnMut(&str) -> Result<(), ErrorCode>,
) -> DeleteGroupsResponse {
    let results = request.groups_names.iter().map(|id| {
        DeletableGroupResult::default()
            .with_group_id(id.clone())
            .with_error_code(code_of(delete(id)))
    });
    DeleteGroupsResponse::default().with_results(results.collect())
}

impl Refuse for DeleteGroupsRequest {
    fn refuse(&self, code: ErrorCode) -> DeleteGroupsResponse {
        each(self, |_| Err(code))
    }
}
