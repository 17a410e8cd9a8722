//! Metadata, versions 0 to 13: the nodes that are up, topics, their partitions and leaders.
//!
//! Topics are asked for by name, by id (KIP-516) or all at once; one that is asked for by name
//! and missing is made where both the client and the broker's settings want it.
//!
//! Left out: authorized operations, racks.

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{BrokerId, MetadataRequest, MetadataResponse};
use uuid::Uuid;

use super::{Call, Refuse};
use crate::broker::state::State;
use crate::broker::topics::{Topic, TopicSettings, spread};
use crate::wire::ErrorCode;
use crate::wire::names::{text, topic_name};

pub(super) async fn handle(call: &Call<'_>, request: MetadataRequest) -> MetadataResponse {
    let mut state = call.shared.state();
    let topics = match wanted(call.version, request.topics) {
        None => {
            let all = state.topics.iter();
            all.map(|(name, topic)| describe(call, &state, name, topic))
                .collect()
        }
        Some(topics) => {
            let makes = request.allow_auto_topic_creation || call.version < 4;
            let makes = makes && call.shared.config.auto_create_topics;
            topics
                .iter()
                .map(|topic| answer(call, &mut state, topic, makes))
                .collect()
        }
    };
    let brokers = state.nodes.reachable(call.listener).map(|(id, address)| {
        MetadataResponseBroker::default()
            .with_node_id(BrokerId(id))
            .with_host(text(&address.ip().to_string()))
            .with_port(i32::from(address.port()))
    });
    MetadataResponse::default()
        .with_brokers(brokers.collect())
        .with_cluster_id(Some(text(crate::broker::CLUSTER_ID)))
        .with_controller_id(BrokerId(state.nodes.controller().unwrap_or(-1)))
        .with_topics(topics)
}

/// None for all topics. Version 0 asks for all by naming none.
fn wanted(
    version: i16,
    topics: Option<Vec<MetadataRequestTopic>>,
) -> Option<Vec<MetadataRequestTopic>> {
    topics.filter(|topics| version > 0 || !topics.is_empty())
}

fn answer(
    call: &Call<'_>,
    state: &mut State,
    asked: &MetadataRequestTopic,
    makes: bool,
) -> MetadataResponseTopic {
    let Some(name) = &asked.name else {
        let name = state.topics.name(asked.topic_id);
        let found = name.and_then(|name| Some((state.topics.get(&name)?, name)));
        return match found {
            Some((topic, name)) => describe(call, state, &name, topic),
            None => MetadataResponseTopic::default()
                .with_error_code(ErrorCode::UNKNOWN_TOPIC_ID.0)
                .with_topic_id(asked.topic_id),
        };
    };
    let wrong = |code: ErrorCode| {
        MetadataResponseTopic::default()
            .with_error_code(code.0)
            .with_name(Some(name.clone()))
    };
    if state.topics.get(name).is_none() {
        let nodes: Vec<i32> = state.nodes.up().collect();
        let partitions = usize::try_from(call.shared.config.num_partitions).unwrap_or(0);
        if let Err(code) = state.topics.check_new(name, partitions) {
            return wrong(code);
        }
        if !makes {
            return wrong(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        }
        let factor = call.shared.config.default_replication_factor;
        let replicas = spread(&nodes, 0, partitions, factor);
        if let Err(code) = state
            .topics
            .create(name, replicas, TopicSettings::default())
        {
            return wrong(code);
        }
    }
    match state.topics.get(name) {
        Some(topic) => describe(call, state, name, topic),
        None => wrong(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
    }
}

fn describe(call: &Call<'_>, state: &State, name: &str, topic: &Topic) -> MetadataResponseTopic {
    let ids = |ids: Vec<i32>| ids.into_iter().map(BrokerId).collect::<Vec<_>>();
    let partitions = topic.partitions.iter().zip(0..).map(|(partition, index)| {
        let replicas = partition.replicas.iter().copied();
        let (up, down) = replicas.partition(|id| state.nodes.is_up(*id));
        let code = match partition.leader {
            Some(_) => ErrorCode::NONE,
            None => ErrorCode::LEADER_NOT_AVAILABLE,
        };
        MetadataResponsePartition::default()
            .with_error_code(code.0)
            .with_partition_index(index)
            .with_leader_id(BrokerId(partition.leader.unwrap_or(-1)))
            .with_leader_epoch(partition.leader_epoch)
            .with_replica_nodes(ids(partition.replicas.clone()))
            .with_isr_nodes(ids(up))
            .with_offline_replicas(ids(down))
    });
    MetadataResponseTopic::default()
        .with_name(Some(topic_name(name)))
        .with_topic_id(if call.version < 10 {
            Uuid::nil()
        } else {
            topic.id
        })
        .with_partitions(partitions.collect())
}

impl Refuse for MetadataRequest {
    fn refuse(&self, code: ErrorCode) -> MetadataResponse {
        let topics = self.topics.iter().flatten().map(|topic| {
            MetadataResponseTopic::default()
                .with_error_code(code.0)
                .with_name(topic.name.clone())
                .with_topic_id(topic.topic_id)
        });
        MetadataResponse::default().with_topics(topics.collect())
    }
}
