//! What the APIs of groups have in common.

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::protocol::StrBytes;

use super::Call;
use crate::broker::group::Identity;
use crate::broker::state::State;
use crate::wire::ErrorCode;

/// Where all members are, as Kafka writes it.
pub(super) const CLIENT_HOST: &str = "/127.0.0.1";

/// Says whether the node that was asked coordinates the group.
///
/// # Errors
///
/// `NOT_COORDINATOR`.
pub(super) fn check_coordinator(
    call: &Call<'_>,
    state: &State,
    group: &str,
) -> Result<(), ErrorCode> {
    if state.nodes.coordinator(group) == Some(call.node) {
        Ok(())
    } else {
        Err(ErrorCode::NOT_COORDINATOR)
    }
}

/// Who a request speaks of.
pub(super) fn identity(member_id: &StrBytes, instance_id: Option<&StrBytes>) -> Identity {
    Identity {
        member_id: (&**member_id).into(),
        instance_id: instance_id.map(|id| (&**id).into()),
    }
}

/// A text that may be missing.
pub(super) fn shared_text(text: Option<&StrBytes>) -> Option<Arc<str>> {
    text.map(|text| (&**text).into())
}

/// A time in a request; none where it is negative.
pub(super) fn milliseconds(ms: i32) -> Option<Duration> {
    u64::try_from(ms).ok().map(Duration::from_millis)
}

/// The code of a result.
pub(super) fn code_of(result: Result<(), ErrorCode>) -> i16 {
    result.err().unwrap_or(ErrorCode::NONE).0
}
