//! The cluster as a client sees it: brokers, topics and leaders, coordinators, and the
//! connections to all of them.
//!
//! [`metadata`] is pure: a snapshot and how an answer changes it. [`pool`] makes and keeps
//! connections, [`client`] keeps the snapshot fresh, [`admin`] creates topics.

pub mod admin;
mod any;
pub mod client;
mod config;
pub mod metadata;
pub mod pool;

pub use admin::{Admin, NewTopic, OffsetAt, TopicOutcome};
pub use client::Client;
pub use config::ClientConfig;
pub(crate) use config::LONGEST;
pub use metadata::{Broker, Metadata, Topic};
pub use pool::{Channel, Node};
