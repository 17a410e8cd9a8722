//! CreateTopics, versions 2 to 7: makes topics, each whole or not at all.
//!
//! Any node makes them, as one of a KRaft cluster would hand the request to its controller. The
//! settings that are told in the answer are those that were asked for.
//!
//! Left out: the timeout, as nothing takes time.

use std::collections::HashSet;

use kafka_protocol::messages::create_topics_request::{CreatableReplicaAssignment, CreatableTopic};
use kafka_protocol::messages::create_topics_response::{
    CreatableTopicConfigs, CreatableTopicResult,
};
use kafka_protocol::messages::{CreateTopicsRequest, CreateTopicsResponse, TopicName};

use super::{Call, Refuse};
use crate::broker::config::BrokerConfig;
use crate::broker::state::State;
use crate::broker::topics::{TopicSettings, spread};
use crate::wire::ErrorCode;
use crate::wire::names::text;

/// `config_source` of a setting that the topic itself has.
const TOPIC_CONFIG: i8 = 1;

pub(super) async fn handle(call: &Call<'_>, request: CreateTopicsRequest) -> CreateTopicsResponse {
    let mut state = call.shared.state();
    let mut seen = HashSet::new();
    let names = request.topics.iter().map(|topic| &topic.name);
    let twice: HashSet<_> = names.filter(|name| !seen.insert(*name)).collect();
    let mut results = Vec::new();
    for topic in &request.topics {
        // A name that comes twice is answered once.
        if !seen.remove(&topic.name) {
            continue;
        }
        let made = match twice.contains(&topic.name) {
            true => Err(ErrorCode::INVALID_REQUEST),
            false => create(
                &call.shared.config,
                &mut state,
                topic,
                request.validate_only,
            ),
        };
        results.push(made.unwrap_or_else(|code| refused(&topic.name, code)));
    }
    drop(state);
    call.shared.tell_of_change();
    CreateTopicsResponse::default().with_topics(results)
}

fn create(
    config: &BrokerConfig,
    state: &mut State,
    asked: &CreatableTopic,
    validate_only: bool,
) -> Result<CreatableTopicResult, ErrorCode> {
    let mut settings = TopicSettings::default();
    for setting in &asked.configs {
        let value = setting.value.as_deref();
        settings.set(&setting.name, value.ok_or(ErrorCode::INVALID_CONFIG)?)?;
    }
    let replicas = match asked.assignments.is_empty() {
        true => assign(config, state, asked)?,
        false => assigned(state, asked)?,
    };
    state.topics.check_new(&asked.name, replicas.len())?;
    let told = settings.iter().map(|(name, value)| {
        CreatableTopicConfigs::default()
            .with_name(text(name))
            .with_value(Some(text(value)))
            .with_config_source(TOPIC_CONFIG)
    });
    let result = CreatableTopicResult::default()
        .with_name(asked.name.clone())
        .with_num_partitions(i32::try_from(replicas.len()).unwrap_or(i32::MAX))
        .with_replication_factor(i16::try_from(replicas[0].len()).unwrap_or(i16::MAX))
        .with_configs(Some(told.collect()));
    if validate_only {
        return Ok(result);
    }
    let topic = state.topics.create(&asked.name, replicas, settings)?;
    Ok(result.with_topic_id(topic.id))
}

/// Spreads the partitions over the nodes.
fn assign(
    config: &BrokerConfig,
    state: &State,
    asked: &CreatableTopic,
) -> Result<Vec<Vec<i32>>, ErrorCode> {
    let partitions = match asked.num_partitions {
        -1 => config.num_partitions,
        count => count,
    };
    let partitions = usize::try_from(partitions).ok().filter(|count| *count > 0);
    let partitions = partitions.ok_or(ErrorCode::INVALID_PARTITIONS)?;
    let nodes: Vec<i32> = state.nodes.up().collect();
    let factor = match asked.replication_factor {
        -1 => config.default_replication_factor,
        factor => usize::try_from(factor).unwrap_or(0),
    };
    if factor == 0 || factor > nodes.len() {
        return Err(ErrorCode::INVALID_REPLICATION_FACTOR);
    }
    Ok(spread(&nodes, 0, partitions, factor))
}

/// Takes the nodes that the client has chosen.
fn assigned(state: &State, asked: &CreatableTopic) -> Result<Vec<Vec<i32>>, ErrorCode> {
    if asked.num_partitions != -1 || asked.replication_factor != -1 {
        return Err(ErrorCode::INVALID_REQUEST);
    }
    let mut assignments: Vec<&CreatableReplicaAssignment> = asked.assignments.iter().collect();
    assignments.sort_by_key(|assignment| assignment.partition_index);
    let in_order = (0..).zip(&assignments);
    let is_whole = in_order
        .clone()
        .all(|(index, it)| it.partition_index == index);
    let replicas: Vec<Vec<i32>> = in_order
        .map(|(_, it)| it.broker_ids.iter().map(|id| id.0).collect())
        .collect();
    let is_possible = replicas
        .iter()
        .all(|ids| is_possible(state, ids, replicas[0].len()));
    if is_whole && is_possible {
        Ok(replicas)
    } else {
        Err(ErrorCode::INVALID_REPLICA_ASSIGNMENT)
    }
}

/// True for nodes that there are, each once, and as many as of the first partition.
pub(super) fn is_possible(state: &State, ids: &[i32], count: usize) -> bool {
    let distinct: HashSet<_> = ids.iter().collect();
    !ids.is_empty()
        && ids.len() == count
        && distinct.len() == count
        && ids.iter().all(|id| !state.nodes.addresses(*id).is_empty())
}

fn refused(name: &TopicName, code: ErrorCode) -> CreatableTopicResult {
    CreatableTopicResult::default()
        .with_name(name.clone())
        .with_error_code(code.0)
        .with_error_message(Some(text(code.description())))
        .with_num_partitions(-1)
        .with_replication_factor(-1)
}

impl Refuse for CreateTopicsRequest {
    fn refuse(&self, code: ErrorCode) -> CreateTopicsResponse {
        let topics = self.topics.iter().map(|topic| refused(&topic.name, code));
        CreateTopicsResponse::default().with_topics(topics.collect())
    }
}
