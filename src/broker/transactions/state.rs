//! Where a transaction is in its life.

use std::fmt;

/// A transaction's state, by Kafka's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransactionState {
    /// There was none since the producer began.
    Empty,
    /// It has been written to.
    Ongoing,
    /// It is committed, and its markers are being written.
    PrepareCommit,
    /// It is aborted, and its markers are being written.
    PrepareAbort,
    /// It was committed, and the next one has not begun.
    CompleteCommit,
    /// It was aborted, and the next one has not begun.
    CompleteAbort,
}

impl TransactionState {
    pub(super) const ALL: [Self; 6] = [
        Self::Empty,
        Self::Ongoing,
        Self::PrepareCommit,
        Self::PrepareAbort,
        Self::CompleteCommit,
        Self::CompleteAbort,
    ];

    /// Kafka's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Ongoing => "Ongoing",
            Self::PrepareCommit => "PrepareCommit",
            Self::PrepareAbort => "PrepareAbort",
            Self::CompleteCommit => "CompleteCommit",
            Self::CompleteAbort => "CompleteAbort",
        }
    }

    /// Whether markers are being written.
    pub(super) fn is_ending(self) -> bool {
        matches!(self, Self::PrepareCommit | Self::PrepareAbort)
    }
}

impl fmt::Display for TransactionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
