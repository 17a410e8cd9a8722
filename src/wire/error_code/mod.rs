//! Error codes of the Kafka protocol, and what a client does about each.
//!
//! One table (`table.rs`), one row a code: it is the only place that says which errors are worth
//! another attempt and what has to be done before it.
//!
//! # Invariants
//!
//! - The table is sorted by code: a lookup is a binary search. A test holds this.
//! - A code that the table does not have is not retriable, as Kafka's clients have it: a broker
//!   translates new codes to old ones where a retry is meant.

mod table;
#[cfg(test)]
mod tests;

use std::fmt;

/// An error code of the Kafka protocol, as it is on the wire. Zero is success.
///
/// Names and retriability are those of Kafka 4.1's
/// [protocol guide](https://kafka.apache.org/protocol#protocol_error_codes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ErrorCode(pub i16);

/// What a client does about an error: bits that the table's rows combine.
type Actions = u8;

/// The same request may succeed later.
const RETRY: Actions = 1;
/// Metadata is stale: fetch it before the next attempt.
const METADATA: Actions = 1 << 1;
/// The coordinator is another broker, or none: look it up before the next attempt.
const COORDINATOR: Actions = 1 << 2;
/// The member has to join its group again.
const REJOIN: Actions = 1 << 3;
/// No attempt of this client as it is can succeed.
const FATAL: Actions = 1 << 4;
/// The transaction can't be committed any more; once it is aborted, the next one may succeed.
const ABORT: Actions = 1 << 5;

struct Row {
    code: i16,
    name: &'static str,
    actions: Actions,
    description: &'static str,
}

impl ErrorCode {
    /// Kafka's name of the code; `UNKNOWN` where the table has none.
    pub fn name(self) -> &'static str {
        self.row().map_or("UNKNOWN", |row| row.name)
    }

    /// What happened, for a person.
    pub fn description(self) -> &'static str {
        self.row().map_or(
            "The broker answered with an error code that this client does not know.",
            |row| row.description,
        )
    }

    /// True for zero.
    pub fn is_ok(self) -> bool {
        self == Self::NONE
    }

    /// Turns the code into a result, for use with `?`.
    ///
    /// # Errors
    ///
    /// The code itself, unless it is zero.
    pub fn ok(self) -> Result<(), Self> {
        if self.is_ok() { Ok(()) } else { Err(self) }
    }

    /// True where the same request may succeed later, once what the other methods ask for is done.
    pub fn is_retriable(self) -> bool {
        self.asks_for(RETRY)
    }

    /// True where the metadata that the request was based on is stale.
    pub fn refreshes_metadata(self) -> bool {
        self.asks_for(METADATA)
    }

    /// True where the coordinator has to be looked up before the next attempt.
    pub fn finds_coordinator_again(self) -> bool {
        self.asks_for(COORDINATOR)
    }

    /// True where the member has to join its group again (KIP-848: with epoch 0).
    pub fn rejoins(self) -> bool {
        self.asks_for(REJOIN)
    }

    /// True where no attempt of this client as it is can succeed: somebody has to change rights or
    /// settings, or another client has taken its place.
    pub fn is_fatal(self) -> bool {
        self.asks_for(FATAL)
    }

    /// True where the transaction that was asked about can only be aborted, and the next one may
    /// succeed. What is neither this nor retriable ends a transactional producer.
    pub fn aborts_transaction(self) -> bool {
        self.asks_for(ABORT)
    }

    fn asks_for(self, action: Actions) -> bool {
        self.row().is_some_and(|row| row.actions & action != 0)
    }

    fn row(self) -> Option<&'static Row> {
        let found = table::ROWS.binary_search_by_key(&self.0, |row| row.code);
        found.ok().map(|index| &table::ROWS[index])
    }
}

/// `NOT_LEADER_OR_FOLLOWER (6): The broker is not …`.
impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.name(), self.0, self.description())
    }
}

impl std::error::Error for ErrorCode {}
