//! The producers whose transactions forward: two of a path in turn, and one for what failed before.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use futures_util::future::join_all;

use crate::cluster::Client;
use crate::engine::{MOST_AT_A_TIME, Path};
use crate::producer::{ProducerConfig, TransactionalConfig, TransactionalProducer};
use crate::{Error, ErrorKind};

/// How long the end of a service waits for transactions that it gave up to be aborted.
const LAST_ABORT: Duration = Duration::from_secs(5);

/// How records are forwarded in transactions.
#[derive(Clone, Debug)]
pub struct Transactions {
    /// What the transactional ids begin with. What follows names the path: no two services that
    /// run at a time may have the same prefix, as the newer would put out the older.
    pub id_prefix: String,
    /// `transaction.timeout.ms`: shorter than the group's session timeout, so that a transaction
    /// is over before its partitions are another's.
    pub timeout: Duration,
    /// How records are written.
    pub producer: ProducerConfig,
}

/// Which producer, of those of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Slot {
    pub(super) path: Path,
    /// For what could not be forwarded before: a topic which refuses a record keeps no other waiting.
    again: bool,
    number: usize,
}

/// The producers of both paths, each made at its first use.
pub(super) struct Producers {
    client: Client,
    settings: Transactions,
    made: HashMap<Slot, TransactionalProducer>,
    /// Those that no transaction has. First comes the one whose last is over the longest, and so
    /// marked in its partitions.
    idle: VecDeque<Slot>,
}

impl Producers {
    pub(super) fn new(client: Client, settings: Transactions) -> Self {
        let numbers = 0..MOST_AT_A_TIME;
        let kinds = numbers.map(|number| (false, number)).chain([(true, 0)]);
        let slots = kinds.flat_map(|(again, number)| {
            [Path::Main, Path::Drain].map(|path| Slot {
                path,
                again,
                number,
            })
        });
        Self {
            client,
            settings,
            made: HashMap::new(),
            idle: slots.collect(),
        }
    }

    /// Takes a producer for one transaction, after which its slot is to be given back.
    ///
    /// # Errors
    ///
    /// As [`TransactionalProducer::new`]; [`ErrorKind::Closed`] where all are taken: the engine
    /// has no more under way than there are.
    pub(super) fn take(
        &mut self,
        path: Path,
        again: bool,
    ) -> Result<(Slot, TransactionalProducer), Error> {
        let mut idle = self.idle.iter();
        let at = idle.position(|slot| (slot.path, slot.again) == (path, again));
        let slot = at.and_then(|at| self.idle.remove(at));
        let slot = slot.ok_or_else(no_producer)?;
        let producer = self.get(slot);
        if producer.is_err() {
            self.give_back(slot);
        }
        Ok((slot, producer?))
    }

    /// The transaction is over.
    pub(super) fn give_back(&mut self, slot: Slot) {
        self.idle.push_back(slot);
    }

    /// The producer of a slot.
    ///
    /// # Errors
    ///
    /// As [`TransactionalProducer::new`].
    pub(super) fn get(&mut self, slot: Slot) -> Result<TransactionalProducer, Error> {
        if let Some(producer) = self.made.get(&slot) {
            return Ok(producer.clone());
        }
        let name = match slot.again {
            true => format!("{}-again", slot.path),
            false => format!("{}-{}", slot.path, slot.number),
        };
        let config = TransactionalConfig {
            transactional_id: format!("{}{name}", self.settings.id_prefix),
            transaction_timeout: self.settings.timeout,
            producer: self.settings.producer.clone(),
        };
        let producer = TransactionalProducer::new(&self.client, config)?;
        self.made.insert(slot, producer.clone());
        Ok(producer)
    }

    /// All of a path that no transaction has.
    pub(super) fn all(&mut self, path: Path) -> Vec<Result<TransactionalProducer, Error>> {
        let slots = self.idle.iter().filter(|slot| slot.path == path);
        let slots: Vec<_> = slots.copied().collect();
        slots.into_iter().map(|slot| self.get(slot)).collect()
    }

    /// Has another take the place of one that can't go on.
    pub(super) fn replace(&mut self, slot: Slot) {
        self.made.remove(&slot);
    }

    /// Waits, not for ever, until nothing of theirs is open: what others read may wait for it.
    pub(super) async fn finish(producers: Option<Self>) {
        let made = producers.into_iter().flat_map(|producers| producers.made);
        let ends = made.map(|(_, producer)| producer);
        let ends = ends.map(|producer| async move {
            // One that can't begin has nothing open, or nobody to tell.
            let _ = producer.begin().await;
        });
        let _ = tokio::time::timeout(LAST_ABORT, join_all(ends)).await;
    }
}

pub(super) fn no_producer() -> Error {
    Error::new(ErrorKind::Closed, "there is no producer for it")
}
