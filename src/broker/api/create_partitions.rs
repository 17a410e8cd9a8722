//! CreatePartitions, versions 0 to 3: adds partitions to a topic (KIP-195).
//!
//! Left out: the timeout, as nothing takes time.

use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse};

use super::{Call, Refuse, create_topics};
use crate::broker::state::State;
use crate::broker::topics::spread;
use crate::wire::ErrorCode;
use crate::wire::names::text;

pub(super) async fn handle(
    call: &Call<'_>,
    request: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let mut state = call.shared.state();
    let results = request.topics.iter().map(|topic| {
        let grown = grow(&mut state, topic, request.validate_only);
        result(topic, grown.err().unwrap_or(ErrorCode::NONE))
    });
    let results = results.collect();
    drop(state);
    call.shared.tell_of_change();
    CreatePartitionsResponse::default().with_results(results)
}

fn grow(
    state: &mut State,
    asked: &CreatePartitionsTopic,
    validate_only: bool,
) -> Result<(), ErrorCode> {
    let nodes: Vec<i32> = state.nodes.up().collect();
    let topic = state.topics.get(&asked.name);
    let topic = topic.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    let (count, factor) = (topic.partitions.len(), topic.partitions[0].replicas.len());
    let wanted = usize::try_from(asked.count).ok();
    let more = wanted.and_then(|wanted| wanted.checked_sub(count));
    let more = more
        .filter(|more| *more > 0)
        .ok_or(ErrorCode::INVALID_PARTITIONS)?;
    let replicas = match &asked.assignments {
        None => spread(&nodes, count, more, factor),
        Some(chosen) => {
            let ids = chosen
                .iter()
                .map(|it| it.broker_ids.iter().map(|id| id.0).collect());
            let ids: Vec<Vec<i32>> = ids.collect();
            let is_possible = |ids: &Vec<i32>| create_topics::is_possible(state, ids, factor);
            if ids.len() != more || !ids.iter().all(is_possible) {
                return Err(ErrorCode::INVALID_REPLICA_ASSIGNMENT);
            }
            ids
        }
    };
    match validate_only {
        true => state.topics.check_growth(&asked.name, replicas.len()),
        false => state.topics.grow(&asked.name, replicas),
    }
}

fn result(asked: &CreatePartitionsTopic, code: ErrorCode) -> CreatePartitionsTopicResult {
    CreatePartitionsTopicResult::default()
        .with_name(asked.name.clone())
        .with_error_code(code.0)
        .with_error_message((!code.is_ok()).then(|| text(code.description())))
}

impl Refuse for CreatePartitionsRequest {
    fn refuse(&self, code: ErrorCode) -> CreatePartitionsResponse {
        let results = self.topics.iter().map(|topic| result(topic, code));
        CreatePartitionsResponse::default().with_results(results.collect())
    }
}
