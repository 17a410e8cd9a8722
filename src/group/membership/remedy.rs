//! What a failed request calls for.

use std::fmt;

use super::effect::RequestError;
use crate::wire::ErrorCode;

/// What helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Find the coordinator again.
    FindCoordinator,
    /// The same again, later.
    Retry,
    /// The group rebalances: join again.
    Rejoin,
    /// The coordinator does not know the member: join as a new one.
    ForgetMember,
    /// The member's generation is over: join again under the same id.
    ForgetGeneration,
    /// Nothing.
    Nothing,
}

impl RequestError {
    pub(super) fn remedy(&self) -> Remedy {
        match self {
            Self::Disconnected | Self::Timeout => Remedy::FindCoordinator,
            Self::MemberIdRequired(_) => Remedy::Rejoin,
            Self::Code(code) | Self::Told(code, _) => match *code {
                ErrorCode::REBALANCE_IN_PROGRESS => Remedy::Rejoin,
                ErrorCode::UNKNOWN_MEMBER_ID => Remedy::ForgetMember,
                ErrorCode::ILLEGAL_GENERATION | ErrorCode::FENCED_MEMBER_EPOCH => {
                    Remedy::ForgetGeneration
                }
                // It is free when the one who has it leaves, or is silent for a session.
                ErrorCode::UNRELEASED_INSTANCE_ID | ErrorCode::STALE_MEMBER_EPOCH => Remedy::Retry,
                // The coordinator's own trouble, like a failing disk, has no better name than this.
                ErrorCode::UNKNOWN_SERVER_ERROR => Remedy::Retry,
                code if code.finds_coordinator_again() => Remedy::FindCoordinator,
                code if code.is_retriable() => Remedy::Retry,
                _ => Remedy::Nothing,
            },
        }
    }

    pub(super) fn is_fatal(&self) -> bool {
        self.remedy() == Remedy::Nothing
    }

    /// The broker's code, where it gave one.
    pub(crate) fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Code(code) | Self::Told(code, _) => Some(*code),
            Self::MemberIdRequired(_) => Some(ErrorCode::MEMBER_ID_REQUIRED),
            Self::Disconnected | Self::Timeout => None,
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => code.fmt(f),
            Self::Told(code, text) => write!(f, "{code} The broker says: {text}"),
            Self::MemberIdRequired(id) => write!(f, "a member id is required: {id}"),
            Self::Disconnected => f.write_str("disconnected"),
            Self::Timeout => f.write_str("no answer in time"),
        }
    }
}
