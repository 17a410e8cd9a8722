//! EndTxn, versions 0 to 5: commits or aborts a transaction (KIP-98); from version 5 on the answer
//! has the producer's next id and epoch (KIP-890). See [`crate::broker::transactions`].

use kafka_protocol::messages::{EndTxnRequest, EndTxnResponse, ProducerId};

use super::transactional::{check_transactional, known_to};
use super::{Call, Refuse};
use crate::broker::transactions::{Producer, TransactionVersion};
use crate::wire::ErrorCode;

/// From this version on a client knows `PRODUCER_FENCED`.
const TELLS_FENCED: i16 = 2;
/// From this version on each end brings the next epoch.
const BUMPS: i16 = 5;

pub(super) async fn handle(call: &Call<'_>, request: EndTxnRequest) -> EndTxnResponse {
    match end(call, &request) {
        Ok(producer) if call.version >= BUMPS => EndTxnResponse::default()
            .with_producer_id(ProducerId(producer.id))
            .with_producer_epoch(producer.epoch),
        Ok(_) => EndTxnResponse::default(),
        Err(code) => request.refuse(known_to(call, TELLS_FENCED, code)),
    }
}

fn end(call: &Call<'_>, request: &EndTxnRequest) -> Result<Producer, ErrorCode> {
    let mut state = call.shared.state();
    let id = &request.transactional_id;
    check_transactional(call, &state, id)?;
    let producer = Producer {
        id: request.producer_id.0,
        epoch: request.producer_epoch,
    };
    let client = match call.version {
        BUMPS.. => TransactionVersion::V2,
        _ => TransactionVersion::V0,
    };
    let now = call.shared.clock.now();
    let ended = state
        .transactions
        .end(id, producer, request.committed, client, now);
    call.shared.settle_transactions(&mut state);
    ended
}

impl Refuse for EndTxnRequest {
    fn refuse(&self, code: ErrorCode) -> EndTxnResponse {
        EndTxnResponse::default()
            .with_error_code(code.0)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1)
    }
}
