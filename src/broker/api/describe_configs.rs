//! DescribeConfigs, versions 1 to 4: what a topic says itself, and the broker's settings that
//! hold where it says nothing.
//!
//! Left out: synonyms, documentation; of the nodes' own settings all but what
//! [`BrokerConfig`](crate::broker::BrokerConfig) has.

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult,
};
use kafka_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};

use super::{Call, Refuse};
use crate::wire::ErrorCode;
use crate::wire::names::text;

/// `resource_type` of a topic.
const TOPIC: i8 = 2;
/// `resource_type` of a node.
const BROKER: i8 = 4;
/// `config_source` of a setting that the topic itself has.
const TOPIC_CONFIG: i8 = 1;
/// `config_source` of a setting of the node.
const STATIC_BROKER_CONFIG: i8 = 4;

pub(super) async fn handle(
    call: &Call<'_>,
    request: DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let results = request.resources.iter().map(|resource| {
        let configs = match resource.resource_type {
            TOPIC => of_topic(call, resource),
            BROKER => Ok(of_broker(call)),
            _ => Err(ErrorCode::INVALID_REQUEST),
        };
        match configs {
            Ok(configs) => result(resource, ErrorCode::NONE).with_configs(only(resource, configs)),
            Err(code) => result(resource, code),
        }
    });
    DescribeConfigsResponse::default().with_results(results.collect())
}

fn of_topic(
    call: &Call<'_>,
    resource: &DescribeConfigsResource,
) -> Result<Vec<DescribeConfigsResourceResult>, ErrorCode> {
    let state = call.shared.state();
    let topic = state.topics.get(&resource.resource_name);
    let settings = &topic.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?.settings;
    let config = &call.shared.config;
    let own = settings
        .iter()
        .map(|(name, value)| setting(name, value, TOPIC_CONFIG));
    let inherited = [
        (
            "max.message.bytes",
            settings.max_message_bytes(config).to_string(),
        ),
        (
            "retention.bytes",
            settings.retention_bytes(config).to_string(),
        ),
        (
            "retention.ms",
            settings.retention_ms(config).unwrap_or(-1).to_string(),
        ),
    ];
    let inherited = inherited
        .iter()
        .filter(|(name, _)| settings.iter().all(|(own, _)| own != *name))
        .map(|(name, value)| setting(name, value, STATIC_BROKER_CONFIG));
    Ok(own.chain(inherited).collect())
}

fn of_broker(call: &Call<'_>) -> Vec<DescribeConfigsResourceResult> {
    let config = &call.shared.config;
    let settings = [
        (
            "auto.create.topics.enable",
            config.auto_create_topics.to_string(),
        ),
        (
            "log.retention.bytes",
            config.log_retention_bytes.to_string(),
        ),
        (
            "log.retention.ms",
            config.log_retention.as_millis().to_string(),
        ),
        ("message.max.bytes", config.message_max_bytes.to_string()),
        ("num.partitions", config.num_partitions.to_string()),
    ];
    let told = settings
        .iter()
        .map(|(name, value)| setting(name, value, STATIC_BROKER_CONFIG));
    told.collect()
}

fn setting(name: &str, value: &str, source: i8) -> DescribeConfigsResourceResult {
    DescribeConfigsResourceResult::default()
        .with_name(text(name))
        .with_value(Some(text(value)))
        .with_config_source(source)
}

/// Those that were asked for; all where none is named.
fn only(
    resource: &DescribeConfigsResource,
    mut configs: Vec<DescribeConfigsResourceResult>,
) -> Vec<DescribeConfigsResourceResult> {
    if let Some(keys) = &resource.configuration_keys {
        configs.retain(|config| keys.contains(&config.name));
    }
    configs
}

fn result(resource: &DescribeConfigsResource, code: ErrorCode) -> DescribeConfigsResult {
    DescribeConfigsResult::default()
        .with_error_code(code.0)
        .with_error_message((!code.is_ok()).then(|| text(code.description())))
        .with_resource_type(resource.resource_type)
        .with_resource_name(resource.resource_name.clone())
}

impl Refuse for DescribeConfigsRequest {
    fn refuse(&self, code: ErrorCode) -> DescribeConfigsResponse {
        let results = self.resources.iter().map(|resource| result(resource, code));
        DescribeConfigsResponse::default().with_results(results.collect())
    }
}
