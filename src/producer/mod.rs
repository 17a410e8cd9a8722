//! The idempotent producer (KIP-98, KIP-360): batching, sequence numbers, partitioner.
//!
//! | module | | what it holds |
//! |---|---|---|
//! | [`partitioner`] | P | which partition a record goes to |
//! | [`machine`] | P | what is sent when, and what each answer means |
//! | [`sequence`] | P | a partition's place in the producer's numbering |
//! | [`backoff`] | P | how long to wait before trying again |

pub mod backoff;
pub mod machine;
pub mod partitioner;
pub mod sequence;

pub use machine::{
    Acked, BatchOut, Effect, PartitionAnswer, ProduceFailure, ProducerConfig, ProducerMachine,
    QueuedRecord, RequestFailure, RequestId, SendRefused,
};
pub use partitioner::{StickyPartitioner, partition_for_key};
