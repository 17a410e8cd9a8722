//! Consumes as a member of a group and tells what it does in the JSON of Kafka's own system
//! tests, so that this crate's [`Consumer`] can stand in any harness that knows Java's
//! `VerifiableConsumer`.
//!
//! ```text
//! verifiable_consumer --bootstrap-server localhost:9092 --topic numbers --group-id readers
//! ```
//!
//! Events: `startup_complete`, `partitions_assigned`, `partitions_revoked`, `records_consumed`
//! (at most 1,000 records, or those of a second), `offsets_committed`, with `--verbose` also
//! `record_data`, and at the end `shutdown_requested`, `shutdown_complete`. SIGINT and SIGTERM
//! end it in order.
//!
//! # Invariants
//!
//! - Records are told before they are committed, and both come before their partition goes.
//! - What is committed is the offset after the last record told.

#[path = "verifiable/consumer_arguments.rs"]
mod arguments;
#[path = "verifiable/consumer_facts.rs"]
mod facts;
mod verifiable;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::process::ExitCode;

use clap::Parser;
use payment_notifier::Client;
use payment_notifier::consumer::{CommitOffset, Consumer, Event, FetchedRecords};
use payment_notifier::wire::TopicPartition;

use arguments::Arguments;
use facts::Batch;
use verifiable::{Failure, exit_code, note, signals, tell};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    exit_code(run(Arguments::parse()).await)
}

async fn run(mut arguments: Arguments) -> Result<(), Failure> {
    let mut properties = arguments.config.take().unwrap_or_default();
    let client = arguments.place.client(&mut properties)?;
    let settings = arguments.settings(&mut properties)?;
    properties.note_ignored()?;

    let client = Client::connect(client).await?;
    let mut stop = pin!(signals()?);
    tell("startup_complete", ())?;
    let mut member = Member {
        consumer: Consumer::join(&client, settings)?,
        // Negative: no end.
        wanted: u64::try_from(arguments.max_messages).unwrap_or(u64::MAX),
        verbose: arguments.verbose,
        tells_commits: !arguments.enable_autocommit,
        owned: BTreeSet::new(),
        batch: Batch::default(),
        uncommitted: BTreeMap::new(),
    };
    member.consume(stop.as_mut()).await?;
    member.leave().await?;
    Ok(tell("shutdown_complete", ())?)
}

/// A member of the group, and what it has to tell.
struct Member {
    consumer: Consumer,
    /// How many more records.
    wanted: u64,
    verbose: bool,
    tells_commits: bool,
    owned: BTreeSet<TopicPartition>,
    batch: Batch,
    /// The next offset of each partition whose records are told and not committed.
    uncommitted: BTreeMap<TopicPartition, i64>,
}

impl Member {
    /// Consumes until it has enough or is told to stop.
    async fn consume(
        &mut self,
        mut stop: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<(), Failure> {
        while self.wanted > 0 {
            tokio::select! {
                biased;
                () = stop.as_mut() => {
                    tell("shutdown_requested", ())?;
                    break;
                }
                () = self.batch.ripe() => self.finish_batch().await?,
                event = self.consumer.next() => self.handle(event?).await?,
            }
        }
        Ok(())
    }

    /// Leaves the group in order.
    async fn leave(mut self) -> io::Result<()> {
        self.finish_batch().await?;
        tell("partitions_revoked", facts::partitions(&self.owned))?;
        // Where it is not left, the end of the session does the same later.
        let _ = self.consumer.close().await;
        Ok(())
    }

    async fn handle(&mut self, event: Event) -> io::Result<()> {
        match event {
            Event::Assigned(assigned) => {
                tell("partitions_assigned", facts::partitions(&assigned))?;
                self.owned.extend(assigned);
            }
            Event::Revoking(going) => {
                self.finish_batch().await?;
                self.disown(&going)?;
                self.consumer.revoked(&going);
            }
            Event::Lost(lost) => {
                // Too late to commit; what was consumed is told all the same.
                self.tell_batch()?;
                self.disown(&lost)?;
            }
            Event::Reset(partition, _) => {
                self.tell_batch()?;
                self.uncommitted.remove(&partition);
                if self.owned.insert(partition.clone()) {
                    tell("partitions_assigned", facts::partitions([&partition]))?;
                }
            }
            Event::Records(records) => self.take(records).await?,
            Event::EndOfPartition(..) => {}
            Event::PartitionFailed(partition, error) => note(format_args!("{partition}: {error}"))?,
        }
        Ok(())
    }

    fn disown(&mut self, gone: &[TopicPartition]) -> io::Result<()> {
        for partition in gone {
            self.owned.remove(partition);
            self.uncommitted.remove(partition);
        }
        tell("partitions_revoked", facts::partitions(gone))
    }

    async fn take(&mut self, mut records: FetchedRecords) -> io::Result<()> {
        let partition = records.partition().clone();
        while self.wanted > 0 {
            match records.next() {
                Some(Ok(record)) => {
                    if self.verbose {
                        tell("record_data", facts::data(&partition, &record))?;
                    }
                    self.batch.add(&partition, record.offset);
                    self.wanted -= 1;
                }
                // The consumer tells of it by itself, and fetches it again.
                Some(Err(_)) | None => break,
            }
            if self.batch.is_full() {
                self.finish_batch().await?;
            }
        }
        Ok(())
    }

    /// Tells what was consumed, then commits it.
    async fn finish_batch(&mut self) -> io::Result<()> {
        self.tell_batch()?;
        if self.uncommitted.is_empty() {
            return Ok(());
        }
        let offsets = self.uncommitted.iter();
        let offsets = offsets.map(|(tp, next)| CommitOffset::new(tp.clone(), *next));
        let committed = self.consumer.commit(offsets.collect()).await;
        if self.tells_commits {
            tell(
                "offsets_committed",
                facts::commit(&self.uncommitted, committed.as_ref().err()),
            )?;
        }
        if committed.is_ok() {
            self.uncommitted.clear();
        }
        Ok(())
    }

    fn tell_batch(&mut self) -> io::Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.batch);
        self.uncommitted.extend(batch.next_offsets());
        tell("records_consumed", batch.facts())
    }
}
