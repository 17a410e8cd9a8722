//! What of a transaction is seen before it has ended (KIP-98).

/// Which records a reader is given, and where a partition ends for it: `isolation.level`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IsolationLevel {
    /// All there are, those of aborted transactions too, up to the high watermark.
    #[default]
    ReadUncommitted,
    /// Those of no transaction, and of committed ones, up to the last stable offset: the first
    /// record of the oldest transaction that is open.
    ReadCommitted,
}

impl IsolationLevel {
    pub(crate) fn on_the_wire(self) -> i8 {
        match self {
            Self::ReadUncommitted => 0,
            Self::ReadCommitted => 1,
        }
    }
}
