//! What the machine is told, and what it asks for.

use std::sync::Arc;
use std::time::Duration;

use crate::group::GroupOffsets;
use crate::producer::{self, ProduceFailure, ProducerConfig};
use crate::wire::{ErrorCode, TopicPartition};

/// What a transactional producer is set up with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionalConfig {
    /// `transactional.id`: names the producer to the cluster beyond its own life. The newest
    /// producer of a name fences those before it.
    pub transactional_id: String,
    /// `transaction.timeout.ms`: a transaction that is open for longer is aborted by the
    /// coordinator. Where each transaction has an epoch of its own (KIP-890) the next one may
    /// succeed; elsewhere the coordinator has no other means than to fence the producer.
    pub transaction_timeout: Duration,
    /// How records are sent. `delivery.timeout.ms` also bounds how long anything else of a
    /// transaction is waited for.
    pub producer: ProducerConfig,
}

/// Kafka's own defaults; the transactional id is empty and has to be set.
impl Default for TransactionalConfig {
    fn default() -> Self {
        Self {
            transactional_id: String::new(),
            transaction_timeout: Duration::from_secs(60),
            producer: ProducerConfig::default(),
        }
    }
}

/// Names one request, so that an answer that comes too late can be told from the one awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt(pub(super) u64);

/// A producer id and its epoch, as the coordinator gave them out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerEpoch {
    /// The producer's id.
    pub id: i64,
    /// How many producers, or transactions, this id has had before.
    pub epoch: i16,
}

/// How transactions are spoken with a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Partitions and groups are announced to the coordinator before they are written to, and an
    /// epoch lasts for many transactions (KIP-98, KIP-360).
    Announced,
    /// Whoever is written to tells the coordinator, and each transaction has an epoch of its own
    /// (KIP-890; `transaction.version` 2).
    EpochEach,
}

/// Whom a question is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Coordinator {
    /// The coordinator of the transactional id.
    Transaction,
    /// The coordinator of this group.
    Group(Arc<str>),
}

/// What a coordinator is asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// Give a producer id or, to one that has an id already, the next epoch.
    InitProducerId(Option<ProducerEpoch>),
    /// Take these partitions into the transaction.
    AddPartitions(ProducerEpoch, Vec<TopicPartition>),
    /// Take this group's offsets into the transaction.
    AddOffsets(ProducerEpoch, Arc<str>),
    /// Commit these offsets with the transaction.
    CommitOffsets(ProducerEpoch, GroupOffsets, Protocol),
    /// Commit the transaction, or abort it.
    EndTxn {
        /// Whose transaction.
        producer: ProducerEpoch,
        /// False to abort it.
        commit: bool,
        /// In whose version it is asked.
        protocol: Protocol,
    },
}

/// A coordinator's good answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done.
    Done,
    /// A producer id and epoch to go on with, and how this cluster wants transactions spoken.
    Producer(ProducerEpoch, Protocol),
}

/// Why a question has no good answer. The texts are for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AskFailure {
    /// The coordinator answered with this code; of several codes, one that is not retriable.
    Code(ErrorCode),
    /// The broker can't be asked: it has no transactions, or not in a version that we speak.
    Unsupported(Arc<str>),
    /// Nothing of it was sent.
    NotSent(Arc<str>),
    /// There is no answer that can be read: it may have been done all the same.
    Silent(Arc<str>),
}

/// Something for the shell to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// What the machine of the records asks for; its answers go to
    /// [`records`](super::TransactionMachine::records).
    Records(producer::Effect),
    /// Find a coordinator: [`handle_coordinator`](super::TransactionMachine::handle_coordinator).
    FindCoordinator(Attempt, Coordinator),
    /// Ask a coordinator, the one last found:
    /// [`handle_answer`](super::TransactionMachine::handle_answer).
    Ask(Attempt, Question),
    /// A transaction is open, or none can be opened: after
    /// [`handle_begin`](super::TransactionMachine::handle_begin).
    Begun(Result<(), ProduceFailure>),
    /// What became of offsets, once for each
    /// [`handle_offsets`](super::TransactionMachine::handle_offsets).
    OffsetsDone {
        /// The caller's name for them.
        token: u64,
        /// Whether they go with the transaction.
        result: Result<(), ProduceFailure>,
    },
    /// The transaction has ended as asked, or otherwise. An error that is not in doubt says that
    /// nothing of it is committed or will be. One that is in doubt is followed by another `Ended`
    /// once the coordinator has told.
    Ended(Result<(), ProduceFailure>),
}
