//! IncrementalAlterConfigs, versions 0 and 1: sets what a topic says itself, or takes it back; of
//! one topic all or nothing (KIP-339).
//!
//! Left out: settings of nodes, adding to a list and taking from it.

use std::collections::HashSet;

use kafka_protocol::messages::incremental_alter_configs_request::AlterConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};

use super::{Call, Refuse};
use crate::broker::state::State;
use crate::wire::ErrorCode;
use crate::wire::names::text;

/// `resource_type` of a topic.
const TOPIC: i8 = 2;
/// `config_operation`
const SET: i8 = 0;
const DELETE: i8 = 1;

pub(super) async fn handle(
    call: &Call<'_>,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let mut state = call.shared.state();
    let results = request.resources.iter().map(|resource| {
        let altered = alter(&mut state, resource, request.validate_only);
        result(resource, altered.err().unwrap_or(ErrorCode::NONE))
    });
    let results = results.collect();
    IncrementalAlterConfigsResponse::default().with_responses(results)
}

fn alter(
    state: &mut State,
    resource: &AlterConfigsResource,
    validate_only: bool,
) -> Result<(), ErrorCode> {
    let mut seen = HashSet::new();
    let is_clear = resource
        .configs
        .iter()
        .all(|config| seen.insert(&config.name));
    if resource.resource_type != TOPIC || !is_clear {
        return Err(ErrorCode::INVALID_REQUEST);
    }
    let topic = state.topics.get_mut(&resource.resource_name);
    let topic = topic.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    let mut settings = topic.settings.clone();
    for config in &resource.configs {
        match (config.config_operation, &config.value) {
            (SET, Some(value)) => settings.set(&config.name, value)?,
            (SET, None) => return Err(ErrorCode::INVALID_REQUEST),
            (DELETE, _) => settings.unset(&config.name),
            _ => return Err(ErrorCode::INVALID_CONFIG),
        }
    }
    if !validate_only {
        topic.settings = settings;
    }
    Ok(())
}

fn result(resource: &AlterConfigsResource, code: ErrorCode) -> AlterConfigsResourceResponse {
    AlterConfigsResourceResponse::default()
        .with_error_code(code.0)
        .with_error_message((!code.is_ok()).then(|| text(code.description())))
        .with_resource_type(resource.resource_type)
        .with_resource_name(resource.resource_name.clone())
}

impl Refuse for IncrementalAlterConfigsRequest {
    fn refuse(&self, code: ErrorCode) -> IncrementalAlterConfigsResponse {
        let results = self.resources.iter().map(|resource| result(resource, code));
        IncrementalAlterConfigsResponse::default().with_responses(results.collect())
    }
}
