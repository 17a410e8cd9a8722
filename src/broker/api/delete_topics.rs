//! DeleteTopics, versions 1 to 6: deletes topics with all their records, by name or (from version
//! 6) by id.
//!
//! Left out: the timeout, as nothing takes time.

use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse};

use super::{Call, Refuse};
use crate::broker::state::State;
use crate::wire::ErrorCode;
use crate::wire::names::topic_name;

pub(super) async fn handle(call: &Call<'_>, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
    let mut state = call.shared.state();
    let asked = asked(&request);
    let results = asked.into_iter().map(|topic| delete(&mut state, topic));
    let results = results.collect();
    drop(state);
    call.shared.tell_of_change();
    DeleteTopicsResponse::default().with_responses(results)
}

/// What both forms of the request ask for.
fn asked(request: &DeleteTopicsRequest) -> Vec<DeleteTopicState> {
    let by_name = request.topic_names.iter().cloned();
    let by_name = by_name.map(|name| DeleteTopicState::default().with_name(Some(name)));
    request.topics.iter().cloned().chain(by_name).collect()
}

fn delete(state: &mut State, asked: DeleteTopicState) -> DeletableTopicResult {
    let (name, missing) = match asked.name {
        Some(name) => (Some(name), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        None => {
            let name = state.topics.name(asked.topic_id);
            (name.as_deref().map(topic_name), ErrorCode::UNKNOWN_TOPIC_ID)
        }
    };
    let deleted = name.as_ref().and_then(|name| {
        state.groups.topic_deleted(name);
        state.topics.delete(name)
    });
    let (code, id) = match deleted {
        Some(topic) => (ErrorCode::NONE, topic.id),
        None => (missing, asked.topic_id),
    };
    DeletableTopicResult::default()
        .with_name(name)
        .with_topic_id(id)
        .with_error_code(code.0)
}

impl Refuse for DeleteTopicsRequest {
    fn refuse(&self, code: ErrorCode) -> DeleteTopicsResponse {
        let refused = asked(self).into_iter().map(|topic| {
            DeletableTopicResult::default()
                .with_name(topic.name)
                .with_topic_id(topic.topic_id)
                .with_error_code(code.0)
        });
        DeleteTopicsResponse::default().with_responses(refused.collect())
    }
}
