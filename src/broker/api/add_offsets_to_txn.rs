//! AddOffsetsToTxn, versions 0 to 4: says that a transaction commits offsets of a group (KIP-98).
//! See [`crate::broker::transactions`].

use kafka_protocol::messages::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};

use super::coordinated::code_of;
use super::transactional::{check_transactional, known_to};
use super::{Call, Refuse};
use crate::broker::transactions::{Place, Producer};
use crate::wire::ErrorCode;

/// From this version on a client knows `PRODUCER_FENCED`.
const TELLS_FENCED: i16 = 2;

pub(super) async fn handle(
    call: &Call<'_>,
    request: AddOffsetsToTxnRequest,
) -> AddOffsetsToTxnResponse {
    let added = add(call, &request);
    let added = added.map_err(|code| known_to(call, TELLS_FENCED, code));
    AddOffsetsToTxnResponse::default().with_error_code(code_of(added))
}

fn add(call: &Call<'_>, request: &AddOffsetsToTxnRequest) -> Result<(), ErrorCode> {
    let mut state = call.shared.state();
    let id = &request.transactional_id;
    check_transactional(call, &state, id)?;
    let producer = Producer {
        id: request.producer_id.0,
        epoch: request.producer_epoch,
    };
    let group = Place::Group((&**request.group_id).into());
    let now = call.shared.clock.now();
    let added = state.transactions.add(id, producer, [group], now);
    call.shared.settle_transactions(&mut state);
    added
}

impl Refuse for AddOffsetsToTxnRequest {
    fn refuse(&self, code: ErrorCode) -> AddOffsetsToTxnResponse {
        AddOffsetsToTxnResponse::default().with_error_code(code.0)
    }
}
