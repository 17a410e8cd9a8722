//! Connections to brokers: one task owns one socket, requests are pipelined, and every call has
//! a deadline counted from its caller.
//!
//! [`pipeline`] is pure: which request an answer belongs to, and which has waited too long.
//! [`connection`] moves the bytes, over whatever stream [`connect`] makes.

pub mod connect;
pub mod connection;
pub mod pipeline;
#[cfg(test)]
pub(crate) mod testing;

pub use connect::{Connect, Connector, Stream};
pub use connection::{Connection, ConnectionConfig};
