//! What a partition's error code means for its batch.

use crate::wire::ErrorCode;

/// What to do with a batch that was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ruling {
    /// It is in the log.
    Stored,
    /// Send it again, as it is.
    Retry,
    /// Not written: the broker expects another sequence number.
    SequenceLost,
    /// Not written: the broker doesn't take this producer id and epoch.
    IdentityLost,
    /// Not written: fewer records at a time may be.
    TooLarge,
    /// Not written, and never will be.
    Rejected,
    /// The producer as a whole can't go on.
    Fatal,
}

impl Ruling {
    pub(super) fn of(code: ErrorCode) -> Self {
        match code {
            // The broker has it from an earlier attempt (KIP-98).
            ErrorCode::NONE | ErrorCode::DUPLICATE_SEQUENCE_NUMBER => Self::Stored,
            ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER | ErrorCode::UNKNOWN_PRODUCER_ID => {
                Self::SequenceLost
            }
            ErrorCode::INVALID_PRODUCER_EPOCH | ErrorCode::INVALID_PRODUCER_ID_MAPPING => {
                Self::IdentityLost
            }
            ErrorCode::MESSAGE_TOO_LARGE | ErrorCode::RECORD_LIST_TOO_LARGE => Self::TooLarge,
            ErrorCode::PRODUCER_FENCED
            | ErrorCode::CLUSTER_AUTHORIZATION_FAILED
            | ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED
            | ErrorCode::UNSUPPORTED_VERSION => Self::Fatal,
            code if code.is_retriable() => Self::Retry,
            _ => Self::Rejected,
        }
    }
}

/// True where the broker may have answered so after it had written the batch.
///
/// Most retriable codes can also come from waiting for the other replicas: the leader changed,
/// the partition moved away, the disk failed or time was up with the batch already in the log.
/// Only what is checked before the log is touched is certain.
pub(super) fn may_have_written(code: ErrorCode) -> bool {
    match code {
        ErrorCode::UNKNOWN_SERVER_ERROR => true,
        ErrorCode::CORRUPT_MESSAGE
        | ErrorCode::NOT_ENOUGH_REPLICAS
        | ErrorCode::CONCURRENT_TRANSACTIONS
        | ErrorCode::THROTTLING_QUOTA_EXCEEDED => false,
        code => code.is_retriable(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_checks_before_the_append_are_certain() {
        for (code, expected) in [
            (ErrorCode::NOT_LEADER_OR_FOLLOWER, true),
            (ErrorCode::REQUEST_TIMED_OUT, true),
            (ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND, true),
            (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, true),
            (ErrorCode::UNKNOWN_SERVER_ERROR, true),
            (ErrorCode::NOT_ENOUGH_REPLICAS, false),
            (ErrorCode::CONCURRENT_TRANSACTIONS, false),
            (ErrorCode::MESSAGE_TOO_LARGE, false),
            (ErrorCode::TOPIC_AUTHORIZATION_FAILED, false),
        ] {
            assert_eq!(may_have_written(code), expected, "{code}");
        }
    }

    #[test]
    fn rules_by_code() {
        for (code, expected) in [
            (ErrorCode::NONE, Ruling::Stored),
            (ErrorCode::DUPLICATE_SEQUENCE_NUMBER, Ruling::Stored),
            (ErrorCode::NOT_ENOUGH_REPLICAS, Ruling::Retry),
            (ErrorCode::UNKNOWN_PRODUCER_ID, Ruling::SequenceLost),
            (ErrorCode::INVALID_PRODUCER_EPOCH, Ruling::IdentityLost),
            (ErrorCode::RECORD_LIST_TOO_LARGE, Ruling::TooLarge),
            (ErrorCode::INVALID_RECORD, Ruling::Rejected),
            (ErrorCode::TOPIC_AUTHORIZATION_FAILED, Ruling::Rejected),
            (ErrorCode::PRODUCER_FENCED, Ruling::Fatal),
            (ErrorCode(12_345), Ruling::Rejected),
        ] {
            assert_eq!(Ruling::of(code), expected, "{code}");
        }
    }
}
