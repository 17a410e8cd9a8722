//! Connections to brokers: one task owns one socket, requests are pipelined, and every call has
//! a deadline counted from its caller.
//!
//! [`pipeline`] is pure: which request an answer belongs to, and which has waited too long.
//! [`connection`] moves the bytes.

pub mod connection;
pub mod pipeline;
#[cfg(test)]
pub(crate) mod testing;

pub use connection::{Connection, ConnectionConfig};
