//! Forwards that are one transaction with the commit of their offsets.

use std::time::Duration;

use futures_util::future::try_join_all;

use super::producers::{Slot, no_producer};
use super::{Done, Handler, Work};
use crate::consumer::CommitOffset;
use crate::engine::{ForwardFailure, ForwardFailureKind, Outgoing, Path, Ticket};
use crate::group::GroupOffsets;
use crate::producer::{ProducerRecord, TransactionalProducer};
use crate::wire::{ErrorCode, TopicPartition};
use crate::{Error, ErrorKind};

/// Between looks at how a transaction has ended.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A transaction of which nobody has told how it has ended.
pub(super) struct Doubt {
    ticket: Ticket,
    slot: Slot,
    offsets: Vec<(TopicPartition, i64)>,
    written: Vec<i64>,
    error: Error,
}

/// A transaction that failed, and the offsets of its records where all were written.
struct Failed {
    error: Error,
    written: Vec<i64>,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        let written = Vec::new();
        Self { error, written }
    }
}

impl<H: Handler> Work<H> {
    /// Finds out at the start whether there are transactions, before the first one is needed; and
    /// ends what a process of the same name has left open, for which readers would wait.
    pub(super) fn try_transactions(&mut self) {
        let Some(producers) = &mut self.producers else {
            return;
        };
        let mut all = Vec::new();
        if self.service.main.is_some() {
            all.extend(producers.all(Path::Main));
        }
        if self.service.drain.is_some() {
            all.extend(producers.all(Path::Drain));
        }
        for producer in all {
            self.begin(async move {
                let begun = async { producer?.begin().await.map(drop) };
                Done::Tried(begun.await)
            });
        }
    }

    pub(super) fn tried(&mut self, result: Result<(), Error>) {
        if let Err(error) = result
            && !self.without_transactions(&error)
        {
            tracing::warn!(%error, "transactions can't be begun yet");
        }
    }

    /// Writes records and commits offsets, all or nothing.
    pub(super) fn transact(
        &mut self,
        ticket: Ticket,
        path: Path,
        again: bool,
        records: Vec<Outgoing>,
        offsets: Vec<(TopicPartition, i64)>,
    ) {
        let taken = match &mut self.producers {
            Some(producers) => producers.take(path, again),
            None => Err(no_producer()),
        };
        let (slot, producer) = match taken {
            Ok(taken) => taken,
            Err(error) => {
                let result = Err(failure(&error));
                return self.begin(async move { Done::Forwarded(ticket, result) });
            }
        };
        let records: Vec<_> = records.into_iter().map(|it| self.record(it)).collect();
        let commits = offsets.iter().cloned();
        let commits: Vec<_> = commits
            .map(|(tp, next)| CommitOffset::new(tp, next))
            .collect();
        let mut stamped = None;
        self.with_consumer(path, |consumer| stamped = Some(consumer.stamped(commits)));
        self.begin(async move {
            let moved = async {
                let stamped = stamped.ok_or_else(no_consumer)?;
                transact(&producer, records, stamped.await?).await
            };
            match moved.await {
                Ok(written) => Done::Moved(ticket, slot, Ok(written)),
                Err(Failed { error, written }) if error.is_in_doubt() => Done::InDoubt(Doubt {
                    ticket,
                    slot,
                    offsets,
                    written,
                    error,
                }),
                Err(Failed { error, .. }) => Done::Moved(ticket, slot, Err(error)),
            }
        });
    }

    /// Finds out how a transaction has ended of which nobody has told: first waits until it has.
    pub(super) fn in_doubt(&mut self, doubt: Doubt) {
        tracing::warn!(error = %doubt.error, "a transaction may be committed; finding out");
        let producers = self.producers.as_mut();
        let producer = producers.map(|producers| producers.get(doubt.slot));
        self.begin(async move {
            if let Some(Ok(producer)) = producer {
                // The next one begins once the one before has ended.
                while producer
                    .begin()
                    .await
                    .is_err_and(|error| error.is_retriable())
                {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            }
            Done::Settled(doubt)
        });
    }

    /// It has ended: whether it is committed is read off its offsets.
    pub(super) fn settled(&mut self, doubt: Doubt) {
        let partitions = doubt.offsets.iter().map(|(tp, _)| tp.clone()).collect();
        let mut committed = None;
        self.with_consumer(doubt.slot.path, |consumer| {
            committed = Some(consumer.committed(partitions));
        });
        self.begin(async move {
            let committed = match committed {
                Some(committed) => committed.await,
                None => Err(no_consumer()),
            };
            let Doubt { ticket, slot, .. } = doubt;
            match committed {
                Ok(committed) => {
                    let is_there = |(tp, next): &(TopicPartition, i64)| {
                        let found = committed.get(tp).copied().flatten();
                        found.is_some_and(|found| found >= *next)
                    };
                    let result = match doubt.offsets.iter().all(is_there) {
                        true => Ok(doubt.written),
                        false => Err(doubt.error),
                    };
                    Done::Moved(ticket, slot, result)
                }
                Err(error) if error.is_retriable() => {
                    tokio::time::sleep(LOOK_AGAIN).await;
                    Done::Settled(doubt)
                }
                Err(error) => Done::Moved(ticket, slot, Err(error)),
            }
        });
    }

    pub(super) fn moved(&mut self, ticket: Ticket, slot: Slot, result: Result<Vec<i64>, Error>) {
        let fenced = result.as_ref().is_err_and(Error::is_fenced);
        if let Some(producers) = &mut self.producers {
            producers.give_back(slot);
            if fenced {
                // The group decides who owns a partition; a pause that outlasts the transaction
                // timeout puts a producer out too.
                tracing::warn!("a producer was fenced; another takes its place");
                producers.replace(slot);
            }
        }
        if let Err(error) = &result {
            self.without_transactions(error);
        }
        let result = result.map_err(|error| failure(&error));
        self.engine
            .handle_forwarded(ticket, result, super::moment());
    }

    /// True where this error says that there are no transactions to be had.
    fn without_transactions(&mut self, error: &Error) -> bool {
        let code = error.code();
        let forbidden = code == Some(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
        let unknown =
            error.kind() == ErrorKind::Unsupported || code == Some(ErrorCode::UNSUPPORTED_VERSION);
        let without = forbidden || unknown;
        if without {
            self.engine
                .handle_no_transactions(error.to_string(), super::moment());
        }
        without
    }
}

/// One after the other, since a coordinator that is adding partitions or offsets to a transaction
/// has others wait that are to be added (KIP-890); so the records go in as few requests as there
/// are brokers. What keeps one from being written is then told, too, rather than that the
/// transaction can't end.
async fn transact(
    producer: &TransactionalProducer,
    records: Vec<ProducerRecord>,
    offsets: GroupOffsets,
) -> Result<Vec<i64>, Failed> {
    let transaction = producer.begin().await?;
    let mut deliveries = Vec::with_capacity(records.len());
    for record in &records {
        deliveries.push(transaction.send(record).await?);
    }
    transaction.flush().await?;
    let written = try_join_all(deliveries).await?;
    let written = written.iter().map(|acked| acked.offset).collect();
    transaction.commit_offsets(offsets).await?;
    match transaction.commit().await {
        Ok(()) => Ok(written),
        Err(error) => Err(Failed { error, written }),
    }
}

fn no_consumer() -> Error {
    Error::new(ErrorKind::Closed, "there is no such consumer")
}

fn failure(error: &Error) -> ForwardFailure {
    let moved_on = matches!(
        error.code(),
        Some(
            ErrorCode::ILLEGAL_GENERATION
                | ErrorCode::UNKNOWN_MEMBER_ID
                | ErrorCode::REBALANCE_IN_PROGRESS
                | ErrorCode::FENCED_INSTANCE_ID
                | ErrorCode::FENCED_MEMBER_EPOCH
                | ErrorCode::STALE_MEMBER_EPOCH
        )
    );
    ForwardFailure {
        kind: match moved_on {
            true => ForwardFailureKind::Fenced,
            false => ForwardFailureKind::NotWritten,
        },
        message: error.to_string(),
    }
}
