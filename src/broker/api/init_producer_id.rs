//! InitProducerId, versions 0 to 5: an id for an idempotent producer, each time a new one with epoch
//! 0; for a transactional one the id that goes with its transactional id, in its next epoch
//! (KIP-98). See [`crate::broker::transactions`].
//!
//! A transactional producer may name the id and epoch that it has (KIP-360, from version 3). As with
//! Kafka, they are not looked at without a transactional id: such a producer goes on by itself.
//!
//! Left out: two-phase commit (KIP-939), and ids for transactions where the broker has none: those
//! are refused by `UNSUPPORTED_VERSION`, which ends a client's attempt at once.

use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};

use super::coordinated::milliseconds;
use super::transactional::{check_transactional, known_to};
use super::{Call, Refuse};
use crate::broker::transactions::Producer;
use crate::wire::ErrorCode;

/// From this version on a client knows `PRODUCER_FENCED`.
const TELLS_FENCED: i16 = 4;

pub(super) async fn handle(
    call: &Call<'_>,
    request: InitProducerIdRequest,
) -> InitProducerIdResponse {
    match init(call, &request) {
        Ok(producer) => InitProducerIdResponse::default()
            .with_producer_id(ProducerId(producer.id))
            .with_producer_epoch(producer.epoch),
        Err(code) => request.refuse(known_to(call, TELLS_FENCED, code)),
    }
}

fn init(call: &Call<'_>, request: &InitProducerIdRequest) -> Result<Producer, ErrorCode> {
    let expected = match (request.producer_id.0, request.producer_epoch) {
        (-1, -1) => None,
        (-1, _) | (_, -1) => return Err(ErrorCode::INVALID_REQUEST),
        (id, epoch) => Some(Producer { id, epoch }),
    };
    let mut state = call.shared.state();
    let Some(transactional_id) = &request.transactional_id else {
        let id = state.transactions.fresh_producer_id();
        return Ok(Producer { id, epoch: 0 });
    };
    if call.shared.config.transaction_version.is_none() && !transactional_id.is_empty() {
        return Err(ErrorCode::UNSUPPORTED_VERSION);
    }
    check_transactional(call, &state, transactional_id)?;
    let timeout = milliseconds(request.transaction_timeout_ms);
    let now = call.shared.clock.now();
    let made = state
        .transactions
        .init(transactional_id, timeout, expected, now);
    call.shared.settle_transactions(&mut state);
    made
}

impl Refuse for InitProducerIdRequest {
    fn refuse(&self, code: ErrorCode) -> InitProducerIdResponse {
        InitProducerIdResponse::default()
            .with_error_code(code.0)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::testing::{Peer, cluster};
    use crate::broker::{Broker, BrokerConfig};
    use crate::wire::names::text;

    fn request() -> InitProducerIdRequest {
        InitProducerIdRequest::default().with_transactional_id(None)
    }

    #[tokio::test]
    async fn each_producer_has_its_own_id() {
        let broker = cluster(2).await;
        let mut ids = Vec::new();
        for (node, version) in [(1, 0), (2, 3), (1, 5)] {
            let mut peer = Peer::connect(&broker, node).await;
            let answer = peer.ask(version, &request()).await;
            assert_eq!((answer.error_code, answer.producer_epoch), (0, 0));
            ids.push(answer.producer_id);
        }
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 3);
    }

    #[tokio::test]
    async fn half_an_identity_and_ids_for_no_transactions_are_refused() {
        let config = BrokerConfig {
            transaction_version: None,
            ..BrokerConfig::default()
        };
        let broker = Broker::start(config).await.unwrap();
        let mut peer = Peer::connect(&broker, 1).await;
        let transactional = |id| request().with_transactional_id(Some(text(id).into()));
        let refused = [
            (request().with_producer_epoch(1), ErrorCode::INVALID_REQUEST),
            (
                request().with_producer_id(ProducerId(1)),
                ErrorCode::INVALID_REQUEST,
            ),
            (transactional(""), ErrorCode::INVALID_REQUEST),
            (transactional("x"), ErrorCode::UNSUPPORTED_VERSION),
        ];
        for (request, code) in refused {
            let answer = peer.ask(4, &request).await;
            assert_eq!((answer.error_code, answer.producer_id.0), (code.0, -1));
        }
    }
}
