//! The engine: what happens to each record between the topic it was read from and its end.
//!
//! [`Engine`] is one pure machine for both [`Path`]s, so that order, the line to the sink and
//! shutdown are decided in one place. The shell calls `handle_…` with what happened and the
//! [`Moment`] it happened at, then executes every [`Effect`] of
//! [`poll_effect`](Engine::poll_effect) in order, and calls
//! [`handle_timeout`](Engine::handle_timeout) at [`poll_timeout`](Engine::poll_timeout).
//!
//! # Invariants
//!
//! 1. An offset is committed only when its record and all before it in the partition are
//!    delivered, or forwarded and acknowledged; with transactions, by the one that forwards it.
//! 2. At most one record of a partition is in flight; a partition's order is kept.
//! 3. A retry count only rises, so every record comes to an end.
//! 4. Nothing is sent while the line is held or stopped, nor faster than its rate. What waits for
//!    the line has not begun: it goes with its partition.
//! 5. What a partition holds is bounded: it is paused while two chunks of records wait.
//! 6. No commit of a partition is under way beside a transaction that commits it.
//! 7. After [`handle_timeout`](Engine::handle_timeout), the next timeout lies in the future.

mod answers;
mod commit;
mod config;
pub mod dead_letter;
mod drain;
mod effect;
mod forward;
mod gate;
pub mod headers;
mod lane;
mod lanes;
mod machine;
mod pace;
mod policy;
mod report;
pub mod run;
mod settle;
mod silence;
mod status;
mod task;
mod timing;
mod words;
mod work;

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use config::{Config, DrainConfig, DrainMode, Forwarding};
pub use effect::{
    CommitFailure, CommitFailureKind, Effect, ForwardFailure, ForwardFailureKind, Outgoing,
};
pub(crate) use forward::MOST_AT_A_TIME;
pub use machine::{Engine, Life};
pub use pace::Rate;
pub use report::{DrainSummary, Report, Totals};
pub use silence::Awaited;
pub use status::{CommitStatus, Line, PartitionStatus, PathStatus, Status};
pub use words::{Destination, Moment, Path, Place, Ticket};

use crate::wire::batch::Record;

/// Records of one partition in order, read lazily: what a consumer hands to the engine.
pub trait RecordSource {
    /// The next record; an error, in words, where the bytes can't be read as records: nothing
    /// can be read after it.
    fn next(&mut self) -> Option<Result<Record, String>>;
}
