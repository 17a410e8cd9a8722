//! What becomes of batches that are part of a transaction.

use bytes::Bytes;
use kafka_protocol::messages::ProduceRequest;

use super::{Call, Refused};
use crate::broker::api::led::led;
use crate::broker::api::transactional::{self, Means};
use crate::broker::log::Incoming;
use crate::broker::state::State;
use crate::broker::transactions::{Place, Producer};
use crate::wire::{ErrorCode, TopicPartition};

/// Where a batch says that it is part of a transaction, and by which bit.
const ATTRIBUTES_AT: usize = 22;
const TRANSACTIONAL: u8 = 1 << 4;
/// Where it says whose: an id of eight bytes, and an epoch of two.
const PRODUCER: std::ops::Range<usize> = 43..53;

/// Says whether the batches of a request can be those of one transaction.
///
/// # Errors
///
/// `TRANSACTIONAL_ID_AUTHORIZATION_FAILED` where there is no transactional id for them,
/// `INVALID_PRODUCER_ID_MAPPING` where they are of several producers.
pub(super) fn check(request: &ProduceRequest) -> Result<(), ErrorCode> {
    let topics = request.topic_data.iter();
    let batches = topics
        .flat_map(|topic| &topic.partition_data)
        .flat_map(|partition| &partition.records);
    let mut producers = batches
        .filter(|batch| is_transactional(batch))
        .map(|batch| batch.get(PRODUCER));
    let Some(first) = producers.next() else {
        return Ok(());
    };
    if request.transactional_id.is_none() {
        return Err(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    }
    if producers.all(|producer| producer == first) {
        Ok(())
    } else {
        Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING)
    }
}

fn is_transactional(batch: &Bytes) -> bool {
    let attributes = batch.get(ATTRIBUTES_AT);
    attributes.is_some_and(|bits| bits & TRANSACTIONAL != 0)
}

/// Makes a batch part of its transaction, if it is to be of one. Where the partition has batches of
/// the same transaction already, that goes without saying.
pub(super) fn take_part(
    call: &Call<'_>,
    state: &mut State,
    transactional_id: Option<&str>,
    place: &TopicPartition,
    incoming: &Incoming,
) -> Result<(), Refused> {
    let (Some(id), Some(stamp)) = (transactional_id, incoming.transactional()) else {
        return Ok(());
    };
    let (partition, _) = led(call, state, &place.topic, place.partition, -1)?;
    if !partition.log.begins_transaction(stamp)? {
        return Ok(());
    }
    let is_unknown = !partition.log.remembers(stamp);
    let means = Means::of_produce(call.version);
    let producer = Producer {
        id: stamp.id,
        epoch: stamp.epoch,
    };
    let place = Place::Partition(place.clone());
    let taken = transactional::take_part(call, state, id, producer, place, means);
    call.shared.settle_transactions(state);
    taken.map_err(|code| match code {
        // An older client retries that one, and looks nothing up for it.
        ErrorCode::CONCURRENT_TRANSACTIONS if means != Means::Add => ErrorCode::NOT_ENOUGH_REPLICAS,
        code => code,
    })?;
    // With a new epoch for each transaction, a partition that knows nothing has missed nothing.
    if means == Means::Add && is_unknown && stamp.base_sequence != 0 {
        return Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER.into());
    }
    Ok(())
}
