//! DescribeProducers, version 0: who writes to a partition with sequence numbers, and since when
//! with a transaction (KIP-664). Only the partition's leader answers.

use kafka_protocol::messages::describe_producers_response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use kafka_protocol::messages::{
    DescribeProducersRequest, DescribeProducersResponse, ProducerId, TopicName,
};

use super::led::led;
use super::{Call, Refuse};
use crate::broker::log::ActiveProducer;
use crate::broker::state::State;
use crate::wire::ErrorCode;
use crate::wire::names::text;

pub(super) async fn handle(
    call: &Call<'_>,
    request: DescribeProducersRequest,
) -> DescribeProducersResponse {
    let mut state = call.shared.state();
    each(&request, |topic, index| {
        match describe(call, &mut state, topic, index) {
            Ok(producers) => PartitionResponse::default().with_active_producers(producers),
            Err(code) => refused(code),
        }
    })
}

fn describe(
    call: &Call<'_>,
    state: &mut State,
    topic: &TopicName,
    index: i32,
) -> Result<Vec<ProducerState>, ErrorCode> {
    let (partition, _) = led(call, state, topic, index, -1)?;
    let producers = partition.log.active_producers();
    Ok(producers.iter().map(told).collect())
}

fn told(producer: &ActiveProducer) -> ProducerState {
    ProducerState::default()
        .with_producer_id(ProducerId(producer.id))
        .with_producer_epoch(producer.epoch.into())
        .with_last_sequence(producer.last_sequence.unwrap_or(-1))
        .with_last_timestamp(producer.last_timestamp)
        .with_coordinator_epoch(if producer.has_ended { 0 } else { -1 })
        .with_current_txn_start_offset(producer.open_since.unwrap_or(-1))
}

fn refused(code: ErrorCode) -> PartitionResponse {
    PartitionResponse::default()
        .with_error_code(code.0)
        .with_error_message(Some(text(code.description())))
}

/// The answer that has for each partition what is found for it.
fn each(
    request: &DescribeProducersRequest,
    mut find: impl FnMut(&TopicName, i32) -> PartitionResponse,
) -> DescribeProducersResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partition_indexes.iter();
        let partitions = partitions.map(|index| {
            let found = find(&topic.name, *index);
            found.with_partition_index(*index)
        });
        TopicResponse::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    DescribeProducersResponse::default().with_topics(topics.collect())
}

impl Refuse for DescribeProducersRequest {
    fn refuse(&self, code: ErrorCode) -> DescribeProducersResponse {
        each(self, |_, _| refused(code))
    }
}
