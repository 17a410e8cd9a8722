//! ListTransactions, versions 0 and 1: the transactional ids that the node coordinates (KIP-664),
//! or some of them (KIP-994). See [`crate::broker::transactions`].
//!
//! Left out: version 2 with its pattern (KIP-1152), which Kafka has in the syntax of RE2.

use kafka_protocol::messages::list_transactions_response::TransactionState;
use kafka_protocol::messages::{
    ListTransactionsRequest, ListTransactionsResponse, ProducerId, TransactionalId,
};

use super::{Call, Refuse};
use crate::broker::transactions::{self, Transaction};
use crate::wire::ErrorCode;
use crate::wire::names::text;

pub(super) async fn handle(
    call: &Call<'_>,
    request: ListTransactionsRequest,
) -> ListTransactionsResponse {
    let state = call.shared.state();
    let unknown = request.state_filters.iter();
    let unknown = unknown.filter(|name| transactions::TransactionState::named(name).is_none());
    let own = state.transactions.iter();
    let own = own.filter(|(id, _)| state.nodes.coordinator(id) == Some(call.node));
    let wanted = own.filter(|(_, transaction)| is_wanted(call, &request, transaction));
    let listed = wanted.map(|(id, transaction)| {
        TransactionState::default()
            .with_transactional_id(TransactionalId(text(id)))
            .with_producer_id(ProducerId(transaction.producer().id))
            .with_transaction_state(text(transaction.state().name()))
    });
    ListTransactionsResponse::default()
        .with_unknown_state_filters(unknown.cloned().collect())
        .with_transaction_states(listed.collect())
}

/// Whether all filters pass it; one that says nothing does.
fn is_wanted(call: &Call<'_>, request: &ListTransactionsRequest, found: &Transaction) -> bool {
    let producers = &request.producer_id_filters;
    let states = &request.state_filters;
    let is_long = |at_least_ms: i64| {
        let age = found.begun_at().map(|begun| {
            let now = call.shared.clock.now();
            now.saturating_duration_since(begun).as_millis()
        });
        // Kafka takes one that has not begun for one that did long ago.
        age.is_none_or(|age| age > u128::try_from(at_least_ms).unwrap_or(0))
    };
    (producers.is_empty() || producers.contains(&ProducerId(found.producer().id)))
        && (states.is_empty() || states.iter().any(|name| **name == *found.state().name()))
        && (request.duration_filter < 0 || is_long(request.duration_filter))
}

impl Refuse for ListTransactionsRequest {
    fn refuse(&self, code: ErrorCode) -> ListTransactionsResponse {
        ListTransactionsResponse::default().with_error_code(code.0)
    }
}
