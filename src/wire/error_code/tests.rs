use std::collections::HashSet;

use kafka_protocol::ResponseError;

use super::ErrorCode;
use super::table::ROWS;

/// `NotLeaderOrFollower` to `NOT_LEADER_OR_FOLLOWER`.
fn screaming(camel: &str) -> String {
    let mut name = String::new();
    for c in camel.chars() {
        if c.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(c.to_ascii_uppercase());
    }
    name
}

fn every_code() -> impl Iterator<Item = ErrorCode> {
    (-1..=133).map(ErrorCode)
}

#[test]
fn every_code_has_a_row_in_order() {
    let codes: Vec<_> = ROWS.iter().map(|row| ErrorCode(row.code)).collect();
    assert_eq!(codes, every_code().collect::<Vec<_>>());
}

#[test]
fn names_and_descriptions_are_unique() {
    let names: HashSet<_> = ROWS.iter().map(|row| row.name).collect();
    let texts: HashSet<_> = ROWS.iter().map(|row| row.description).collect();
    assert_eq!((names.len(), texts.len()), (ROWS.len(), ROWS.len()));
}

#[test]
fn names_and_retriability_are_those_of_the_protocol_guide() {
    for code in every_code().filter(|code| !code.is_ok()) {
        let oracle = ResponseError::try_from_code(code.0).unwrap();
        assert_eq!(code.name(), screaming(&format!("{oracle:?}")));
        // The message crate still has it as final, as Kafka had before 3.x; Kafka's own clients
        // wait and ask again, since it means that the last transaction's markers are being written.
        let retriable = oracle.is_retriable() || code == ErrorCode::CONCURRENT_TRANSACTIONS;
        assert_eq!(code.is_retriable(), retriable, "{code}");
    }
    assert_eq!(
        ResponseError::try_from_code(134),
        Some(ResponseError::Unknown(134)),
        "the message crate has a code that the table lacks",
    );
}

#[test]
fn what_is_fatal_asks_for_nothing_else() {
    for code in every_code().filter(|code| code.is_fatal()) {
        assert!(!code.is_retriable(), "{code}");
        assert!(!code.refreshes_metadata(), "{code}");
        assert!(!code.finds_coordinator_again(), "{code}");
        assert!(!code.rejoins(), "{code}");
    }
}

#[test]
fn actions_of_the_codes_a_consumer_meets_most() {
    let moved = ErrorCode::NOT_LEADER_OR_FOLLOWER;
    assert!(moved.is_retriable() && moved.refreshes_metadata());
    assert!(!moved.finds_coordinator_again() && !moved.rejoins() && !moved.is_fatal());

    let not_coordinator = ErrorCode::NOT_COORDINATOR;
    assert!(not_coordinator.is_retriable() && not_coordinator.finds_coordinator_again());
    assert!(!not_coordinator.refreshes_metadata());

    let loading = ErrorCode::COORDINATOR_LOAD_IN_PROGRESS;
    assert!(loading.is_retriable() && !loading.finds_coordinator_again());

    assert!(ErrorCode::UNKNOWN_MEMBER_ID.rejoins());
    assert!(!ErrorCode::UNKNOWN_MEMBER_ID.is_retriable());
    assert!(ErrorCode::FENCED_INSTANCE_ID.is_fatal());
}

#[test]
fn what_aborts_a_transaction_is_no_reason_to_ask_again_nor_to_end_the_producer() {
    for code in every_code().filter(|code| code.aborts_transaction()) {
        assert!(!code.is_retriable(), "{code}");
    }
    for code in [
        ErrorCode::TRANSACTION_ABORTABLE,
        ErrorCode::ILLEGAL_GENERATION,
        ErrorCode::UNKNOWN_MEMBER_ID,
        ErrorCode::FENCED_MEMBER_EPOCH,
        ErrorCode::STALE_MEMBER_EPOCH,
        ErrorCode::FENCED_INSTANCE_ID,
        ErrorCode::GROUP_AUTHORIZATION_FAILED,
        ErrorCode::INVALID_PRODUCER_EPOCH,
    ] {
        assert!(code.aborts_transaction(), "{code}");
    }
    for code in [
        ErrorCode::PRODUCER_FENCED,
        ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        ErrorCode::CLUSTER_AUTHORIZATION_FAILED,
        ErrorCode::INVALID_TRANSACTION_TIMEOUT,
        ErrorCode::UNSUPPORTED_VERSION,
        ErrorCode(12_345),
    ] {
        assert!(!code.aborts_transaction(), "{code}");
    }
}

#[test]
fn zero_alone_is_ok() {
    assert_eq!(ErrorCode(0).ok(), Ok(()));
    for code in every_code().filter(|code| code.0 != 0) {
        assert_eq!(code.ok(), Err(code));
    }
}

#[test]
fn an_unknown_code_shows_its_number_and_asks_for_nothing() {
    for number in [i16::MIN, -2, 134, i16::MAX] {
        let code = ErrorCode(number);
        assert_eq!(code.name(), "UNKNOWN");
        assert!(
            code.to_string()
                .starts_with(&format!("UNKNOWN ({number}): "))
        );
        assert!(!code.is_ok() && !code.is_retriable() && !code.is_fatal() && !code.rejoins());
    }
}

#[test]
fn display_has_name_number_and_text() {
    assert_eq!(
        ErrorCode::COORDINATOR_NOT_AVAILABLE.to_string(),
        "COORDINATOR_NOT_AVAILABLE (15): There is no coordinator at the moment.",
    );
}
