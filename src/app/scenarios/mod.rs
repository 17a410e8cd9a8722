//! The whole service, on the broker in memory, where time is the subject.
//!
//! Everything but the HTTP call is what `run` runs. The runtime's time is paused and there are no
//! sockets, so an hour takes no time, and what is measured is exact: time goes on only when
//! nothing is left to be done.

mod chaos;
mod drains;
mod retries;
mod stage;
mod stopping;
mod transactions;
mod watching;

/// The same strict reader as the end-to-end tests have.
#[path = "../../../tests/kafka/support/openmetrics.rs"]
mod openmetrics;
