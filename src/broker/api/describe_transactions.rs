//! DescribeTransactions, version 0: how the transactions of some ids are (KIP-664). The offsets of
//! groups appear as partitions of `__consumer_offsets`, as with Kafka. See
//! [`crate::broker::transactions`].

use std::collections::BTreeMap;

use kafka_protocol::messages::describe_transactions_response::{TopicData, TransactionState};
use kafka_protocol::messages::{
    DescribeTransactionsRequest, DescribeTransactionsResponse, ProducerId, TransactionalId,
};

use super::transactional::check_transactional;
use super::{Call, Refuse};
use crate::broker::state::State;
use crate::broker::transactions::{Place, Transaction};
use crate::wire::ErrorCode;
use crate::wire::names::{text, topic_name};

/// Where Kafka keeps the offsets of groups, and in how many partitions
/// (`offsets.topic.num.partitions`).
const OFFSETS_TOPIC: &str = "__consumer_offsets";
const OFFSETS_PARTITIONS: i32 = 50;

pub(super) async fn handle(
    call: &Call<'_>,
    request: DescribeTransactionsRequest,
) -> DescribeTransactionsResponse {
    let state = call.shared.state();
    let ids = request.transactional_ids.iter();
    let described = ids.map(|id| {
        let described = describe(call, &state, id).unwrap_or_else(refused);
        described.with_transactional_id(id.clone())
    });
    DescribeTransactionsResponse::default().with_transaction_states(described.collect())
}

fn describe(
    call: &Call<'_>,
    state: &State,
    id: &TransactionalId,
) -> Result<TransactionState, ErrorCode> {
    check_transactional(call, state, id)?;
    let found = state.transactions.look(id);
    let transaction = found.ok_or(ErrorCode::TRANSACTIONAL_ID_NOT_FOUND)?;
    let clock = &call.shared.clock;
    let age_ms = transaction.begun_at().map(|begun| {
        let age = clock.now().saturating_duration_since(begun);
        i64::try_from(age.as_millis()).unwrap_or(i64::MAX)
    });
    let producer = transaction.producer();
    let timeout = transaction.timeout().as_millis();
    Ok(TransactionState::default()
        .with_transaction_state(text(transaction.state().name()))
        .with_transaction_timeout_ms(i32::try_from(timeout).unwrap_or(i32::MAX))
        .with_transaction_start_time_ms(age_ms.map_or(-1, |age| clock.now_ms() - age))
        .with_producer_id(ProducerId(producer.id))
        .with_producer_epoch(producer.epoch)
        .with_topics(topics(transaction)))
}

fn topics(transaction: &Transaction) -> Vec<TopicData> {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for place in transaction.places() {
        let (topic, partition) = match place {
            Place::Partition(place) => (&*place.topic, place.partition),
            Place::Group(group) => (OFFSETS_TOPIC, partition_of(group)),
        };
        let partitions = topics.entry(topic).or_default();
        if !partitions.contains(&partition) {
            partitions.push(partition);
        }
    }
    let topics = topics.into_iter().map(|(topic, partitions)| {
        TopicData::default()
            .with_topic(topic_name(topic))
            .with_partitions(partitions)
    });
    topics.collect()
}

/// The partition that Kafka would keep a group's offsets in, by the hash code of Java's strings.
fn partition_of(group: &str) -> i32 {
    let hash = group.encode_utf16().fold(0_i32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    });
    (hash & i32::MAX) % OFFSETS_PARTITIONS
}

fn refused(code: ErrorCode) -> TransactionState {
    TransactionState::default().with_error_code(code.0)
}

impl Refuse for DescribeTransactionsRequest {
    fn refuse(&self, code: ErrorCode) -> DescribeTransactionsResponse {
        let ids = self.transactional_ids.iter();
        let states = ids.map(|id| refused(code).with_transactional_id(id.clone()));
        DescribeTransactionsResponse::default().with_transaction_states(states.collect())
    }
}
