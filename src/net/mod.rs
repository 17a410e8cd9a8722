//! Connections to brokers: one task owns one socket, requests are pipelined, and every call has
//! a deadline counted from its caller.
//!
//! [`pipeline`] is pure: which request an answer belongs to, and which has waited too long.
//! [`connection`] moves the bytes, over whatever stream [`connect`] makes; [`security`] says
//! whether that is wrapped in TLS, and which login comes first ([`sasl`]).

pub mod connect;
pub mod connection;
pub mod pipeline;
pub mod sasl;
pub mod security;
mod session;
#[cfg(test)]
pub(crate) mod testing;
mod throttle;
pub(crate) mod tls;
mod traffic;

pub use connect::{Connect, Connector, Stream};
pub use connection::{Connection, ConnectionConfig};
pub use security::Security;
pub use traffic::{Traffic, TrafficSums};
