//! A Kafka retry and dead-letter engine, and the Kafka client in pure Rust that it stands on.
//!
//! # The layers
//!
//! Arrows go down only: a module uses those below it, never those above.
//! **P** is pure (no tokio, no clock, no randomness, no environment: time and seeds are
//! arguments), **S** is shell (it moves bytes and time, and decides nothing).
//!
//! | module | | what it holds |
//! |---|---|---|
//! | [`app`] | S | the only place that wires: configuration, command line, logging, shutdown |
//! | [`engine`] | P, S `run` | one partition's order and commit watermark, retry policy, dead letters, the drain |
//! | [`payment`] | P | the event, its JSON, its text: the one part that is about payments |
//! | [`sink`] | S | what a record is handed to; each answers with a [`Verdict`](sink::Verdict) |
//! | [`broker`] | P, S | a Kafka broker in memory, for demonstrations and tests |
//! | [`tokens`] | S | where access tokens come from |
//! | [`consumer`] | P, S | positions, fetch sessions; the public [`Consumer`] |
//! | [`group`] | P, S | group membership and assignors |
//! | [`producer`] | P, S | batching, sequence numbers, transactions; the public [`Producer`] and [`TransactionalProducer`](producer::TransactionalProducer) |
//! | [`cluster`] | P, S | metadata snapshot, coordinators, the broker pool; [`Client`] and [`Admin`] |
//! | [`net`] | P, S | request pipeline; one task owns one socket |
//! | [`tls`] | S | whom to trust, who we are: for brokers and for HTTP |
//! | [`secret`] | P, S `source` | texts that can't be printed, and the files that have them |
//! | [`wire`] | P | frames, record batches, compression, the error table, API versions |
//!
//! [`broker`] is the other side of the protocol and shares little with the client, which it is
//! there to try: of this crate it uses [`wire`], the streams and logins of [`net`], [`tls`],
//! [`secret`], the settings of [`cluster`] (to tell a client how to connect), and of [`group`] only
//! the pure [`subscription`](group::subscription), which reads what members write for one another.
//! It is used by [`app`] and by tests.
//!
//! # How a record flows
//!
//! socket → one frame ([`bytes::Bytes`]) → record batch view (CRC checked once, records read
//! lazily) → `RecordRef` (borrows) → sink → verdict → commit, or forward: the spans of key, value
//! and headers are copied into the new batch without being decoded.
//!
//! # What must always hold
//!
//! 1. An offset is committed only when its record and all before it in the partition are
//!    delivered, or forwarded and acknowledged; with transactions, by the one that forwards it.
//! 2. Every record ends in exactly one of: delivered, dead letter (waiting), permanent.
//! 3. A forwarded record differs from its source only in the headers we own.
//! 4. Order within a partition is kept on the main path.
//! 5. The attempt count of a record only rises.
//! 6. Every queue, buffer, wait and retry loop has a bound, and every network call a deadline.
//! 7. A member that lost its partition commits nothing and forwards nothing for it.
//! 8. Secrets can't be printed: a type whose `Debug` and `Display` hide them.

pub mod app;
pub mod broker;
mod clock;
pub mod cluster;
pub mod consumer;
pub mod engine;
mod error;
pub mod group;
pub mod net;
pub mod payment;
pub mod producer;
pub mod secret;
pub mod sink;
pub mod tls;
pub mod tokens;
pub mod wire;

pub use cluster::{Admin, Client, ClientConfig};
pub use consumer::Consumer;
pub use error::{Error, ErrorKind};
pub use producer::Producer;
