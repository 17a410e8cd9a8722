//! AddPartitionsToTxn, versions 0 to 3: says which partitions a transaction is going to write to
//! (KIP-98): all of them, or none. See [`crate::broker::transactions`].
//!
//! Left out: versions 4 and 5, by which Kafka's brokers ask each other.

use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::{AddPartitionsToTxnRequest, AddPartitionsToTxnResponse};

use super::coordinated::code_of;
use super::transactional::{check_transactional, known_to};
use super::{Call, Refuse};
use crate::broker::state::State;
use crate::broker::transactions::{Place, Producer};
use crate::wire::{ErrorCode, TopicPartition};

/// From this version on a client knows `PRODUCER_FENCED`.
const TELLS_FENCED: i16 = 2;

pub(super) async fn handle(
    call: &Call<'_>,
    request: AddPartitionsToTxnRequest,
) -> AddPartitionsToTxnResponse {
    let mut state = call.shared.state();
    // Whether the partitions are there is looked at first, and by any node.
    let all_are_there = places(&request).iter().all(|place| exists(&state, place));
    let added = if all_are_there {
        add(call, &mut state, &request)
    } else {
        Err(ErrorCode::OPERATION_NOT_ATTEMPTED)
    };
    let added = added.map_err(|code| known_to(call, TELLS_FENCED, code));
    each(&request, |place| {
        if exists(&state, place) {
            added
        } else {
            Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
        }
    })
}

fn add(
    call: &Call<'_>,
    state: &mut State,
    request: &AddPartitionsToTxnRequest,
) -> Result<(), ErrorCode> {
    let id = &request.v3_and_below_transactional_id;
    check_transactional(call, state, id)?;
    let producer = Producer {
        id: request.v3_and_below_producer_id.0,
        epoch: request.v3_and_below_producer_epoch,
    };
    let places = places(request).into_iter().map(Place::Partition);
    let now = call.shared.clock.now();
    let added = state.transactions.add(id, producer, places, now);
    call.shared.settle_transactions(state);
    added
}

fn exists(state: &State, place: &TopicPartition) -> bool {
    let topic = state.topics.get(&place.topic);
    topic.is_some_and(|topic| topic.partition(place.partition).is_some())
}

fn places(request: &AddPartitionsToTxnRequest) -> Vec<TopicPartition> {
    let topics = request.v3_and_below_topics.iter();
    let places = topics.flat_map(|topic| {
        let indexes = topic.partitions.iter();
        indexes.map(|index| TopicPartition::new(&**topic.name, *index))
    });
    places.collect()
}

/// The answer that has for each partition what is found for it.
fn each(
    request: &AddPartitionsToTxnRequest,
    find: impl Fn(&TopicPartition) -> Result<(), ErrorCode>,
) -> AddPartitionsToTxnResponse {
    let topics = request.v3_and_below_topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|index| {
            let found = find(&TopicPartition::new(&**topic.name, *index));
            AddPartitionsToTxnPartitionResult::default()
                .with_partition_index(*index)
                .with_partition_error_code(code_of(found))
        });
        AddPartitionsToTxnTopicResult::default()
            .with_name(topic.name.clone())
            .with_results_by_partition(partitions.collect())
    });
    AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(topics.collect())
}

impl Refuse for AddPartitionsToTxnRequest {
    fn refuse(&self, code: ErrorCode) -> AddPartitionsToTxnResponse {
        each(self, |_| Err(code))
    }
}
