//! What a host's supervisor asks for by HTTP: whether the service is alive, whether it is ready,
//! and its metrics.
//!
//! | module | | what it holds |
//! |---|---|---|
//! | `health` | P | from a view of the service to whether it is ready, and why not |
//! | `metrics`, `sheet` | P | from a view of the service to the text that Prometheus reads |
//! | `meters` | S | what is counted while messages are sent |
//! | `backlog` | S | how much waits in Kafka |
//! | `site` | S | the answers |
//! | `server` | S | connections |
//!
//! # Invariants
//!
//! - What is answered holds no secret and nothing of any record: names of topics, and numbers.
//! - Nobody who asks holds up the service: requests, connections and the time for each are bounded,
//!   and Kafka is asked no more often than [`backlog`] says.
//! - There are as many series of metrics as there are partitions assigned, APIs, and names of
//!   errors: nothing that comes in makes more of them.

mod backlog;
mod health;
mod meters;
mod metrics;
mod server;
mod sheet;
mod site;

#[cfg(test)]
pub(super) use meters::Measured;
pub(super) use server::Server;
pub(super) use site::Site;
