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
