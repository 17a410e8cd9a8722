//! InitProducerId, versions 0 to 5: an id for an idempotent producer (KIP-98), each time a new
//! one with epoch 0. As with Kafka, an id and epoch that the producer has already are not looked at:
//! without a transactional id it goes on by itself (KIP-360).
//!
//! Left out: transactions. A transactional id is refused by `UNSUPPORTED_VERSION`, which ends a
//! client's attempt at once.

use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};

use super::{Call, Refuse};
use crate::wire::ErrorCode;

pub(super) async fn handle(
    call: &Call<'_>,
    request: InitProducerIdRequest,
) -> InitProducerIdResponse {
    if (request.producer_id.0 == -1) != (request.producer_epoch == -1) {
        return request.refuse(ErrorCode::INVALID_REQUEST);
    }
    match &request.transactional_id {
        Some(id) if id.is_empty() => return request.refuse(ErrorCode::INVALID_REQUEST),
        Some(_) => return request.refuse(ErrorCode::UNSUPPORTED_VERSION),
        None => {}
    }
    let mut state = call.shared.state();
    let id = state.next_producer_id;
    state.next_producer_id += 1;
    InitProducerIdResponse::default()
        .with_producer_id(ProducerId(id))
        .with_producer_epoch(0)
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
    async fn half_an_identity_and_a_transactional_id_are_refused() {
        let broker = cluster(1).await;
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
