//! What the APIs of transactions have in common.

use super::Call;
use super::coordinated::check_coordinator;
use crate::broker::state::State;
use crate::broker::transactions::{Place, Producer};
use crate::wire::ErrorCode;

/// From this version of a Produce on a client knows `TRANSACTION_ABORTABLE` (KIP-890).
const PRODUCE_TELLS_ABORTABLE: i16 = 11;
/// … and from this one on it adds what it writes to.
const PRODUCE_ADDS: i16 = 12;
/// The same for a TxnOffsetCommit.
const COMMIT_TELLS_ABORTABLE: i16 = 4;
const COMMIT_ADDS: i16 = 5;

/// Says whether the node that was asked coordinates the transactional id.
///
/// # Errors
///
/// `INVALID_REQUEST` for one that is empty, or `NOT_COORDINATOR`.
pub(super) fn check_transactional(
    call: &Call<'_>,
    state: &State,
    id: &str,
) -> Result<(), ErrorCode> {
    if id.is_empty() {
        return Err(ErrorCode::INVALID_REQUEST);
    }
    check_coordinator(call, state, id)
}

/// Clients that came before `PRODUCER_FENCED` are told what they know (KIP-588). `since` is the
/// API's version that brought it.
pub(super) fn known_to(call: &Call<'_>, since: i16, code: ErrorCode) -> ErrorCode {
    match code {
        ErrorCode::PRODUCER_FENCED if call.version < since => ErrorCode::INVALID_PRODUCER_EPOCH,
        code => code,
    }
}

/// How a write of a client's is made part of its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Means {
    /// It is looked up: the client has said so before.
    Verify { tells_abortable: bool },
    /// By the write itself (KIP-890).
    Add,
}

impl Means {
    pub(super) fn of_produce(version: i16) -> Self {
        Self::by(version >= PRODUCE_ADDS, version >= PRODUCE_TELLS_ABORTABLE)
    }

    pub(super) fn of_commit(version: i16) -> Self {
        Self::by(version >= COMMIT_ADDS, version >= COMMIT_TELLS_ABORTABLE)
    }

    fn by(adds: bool, tells_abortable: bool) -> Self {
        if adds {
            Self::Add
        } else {
            Self::Verify { tells_abortable }
        }
    }
}

/// Makes a write part of a transaction, or says why it can't be. Which node coordinates that makes
/// no difference: the one that is asked would ask it.
pub(super) fn take_part(
    call: &Call<'_>,
    state: &mut State,
    id: &str,
    producer: Producer,
    place: Place,
    means: Means,
) -> Result<(), ErrorCode> {
    if id.is_empty() {
        return Err(ErrorCode::INVALID_REQUEST);
    }
    let taken = match means {
        Means::Add => {
            let now = call.shared.clock.now();
            state.transactions.add(id, producer, [place], now)
        }
        Means::Verify { .. } => state.transactions.verify(id, producer, &place),
    };
    let lacks_abortable = means
        == Means::Verify {
            tells_abortable: false,
        };
    taken.map_err(|code| match code {
        ErrorCode::PRODUCER_FENCED => ErrorCode::INVALID_PRODUCER_EPOCH,
        ErrorCode::TRANSACTION_ABORTABLE if lacks_abortable => ErrorCode::INVALID_TXN_STATE,
        code => code,
    })
}
