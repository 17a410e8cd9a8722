//! Reads a topic, puts its values into capitals and writes them to another topic, each exactly
//! once: the records and the offsets behind their sources come to be in one transaction.
//!
//! ```text
//! cargo run --release --example broker
//! cargo run --release --example transactions -- --bootstrap localhost:9092 --from a --to b
//! ```
//!
//! A reader with `isolation.level` `read_committed` never sees a record twice, nor one without
//! its source's offset, however often this is killed and started.

use clap::Parser;
use payment_notifier::consumer::{CommitOffset, ConsumerConfig, Event, FetchedRecords};
use payment_notifier::consumer::{IsolationLevel, OffsetReset};
use payment_notifier::producer::{ProducerRecord, TransactionalConfig, TransactionalProducer};
use payment_notifier::wire::ErrorCode;
use payment_notifier::wire::batch::RecordBody;
use payment_notifier::{Client, ClientConfig, Consumer, Error};

type Failure = Box<dyn std::error::Error>;

/// Puts the values of one topic into capitals in another, each exactly once.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where to ask first: `host:port`, with commas between.
    #[arg(long)]
    bootstrap: String,
    /// The topic to read; it is there already.
    #[arg(long)]
    from: String,
    /// The topic to write to; it is there already.
    #[arg(long)]
    to: String,
    /// The group whose offsets tell how far it has come.
    #[arg(long, default_value = "capitals")]
    group: String,
    /// Names this worker: each that runs at the same time has its own, and keeps it.
    #[arg(long, default_value = "capitals-1")]
    transactional_id: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let servers = arguments.bootstrap.split(',');
    let client = Client::connect(ClientConfig {
        bootstrap_servers: servers.map(str::to_owned).collect(),
        ..ClientConfig::default()
    })
    .await?;
    let mut consumer = Consumer::join(
        &client,
        ConsumerConfig {
            group_id: arguments.group.clone(),
            topics: vec![arguments.from.clone()],
            isolation_level: IsolationLevel::ReadCommitted,
            auto_offset_reset: OffsetReset::Earliest,
            ..ConsumerConfig::default()
        },
    )?;
    let config = TransactionalConfig {
        transactional_id: arguments.transactional_id,
        ..TransactionalConfig::default()
    };
    let producer = TransactionalProducer::new(&client, config)?;
    loop {
        let event = tokio::select! {
            event = consumer.next() => event?,
            _ = tokio::signal::ctrl_c() => break,
        };
        match event {
            Event::Records(records) => {
                pass_on(&consumer, &producer, records, &arguments.to).await?;
            }
            // What was read before has been committed, or has been given up.
            Event::Revoking(partitions) => consumer.revoked(&partitions),
            Event::PartitionFailed(_, error) => return Err(error.into()),
            Event::Assigned(_) | Event::Lost(_) | Event::Reset(..) | Event::EndOfPartition(..) => {}
        }
    }
    consumer.close().await?;
    Ok(())
}

/// Passes records on in one transaction, or none of them: then they are read again.
async fn pass_on(
    consumer: &Consumer,
    producer: &TransactionalProducer,
    mut records: FetchedRecords,
    to: &str,
) -> Result<(), Failure> {
    let partition = records.partition().clone();
    let mut first = None;
    let mut capitals = Vec::new();
    while let Some(record) = records.next() {
        let record = record?;
        first.get_or_insert(record.offset);
        let value = record.value().map(<[u8]>::to_ascii_uppercase);
        capitals.push(ProducerRecord {
            body: RecordBody::new(record.key(), value.as_deref(), &[]),
            ..ProducerRecord::new(to, None, None)
        });
    }
    let done = CommitOffset::new(partition.clone(), records.next_offset());
    match commit(consumer, producer, capitals, done).await {
        // The transaction was aborted: a rebalance came in between, or a broker was lost.
        Err(error) if can_be_done_again(&error) => {
            if let Some(first) = first {
                consumer.seek(partition, first);
            }
            Ok(())
        }
        // Whoever is started next goes on where the group's offsets say.
        outcome => Ok(outcome?),
    }
}

async fn commit(
    consumer: &Consumer,
    producer: &TransactionalProducer,
    records: Vec<ProducerRecord>,
    done: CommitOffset,
) -> Result<(), Error> {
    let transaction = producer.begin().await?;
    for record in records {
        transaction.send(&record).await?;
    }
    let offsets = consumer.stamped(vec![done]).await?;
    transaction.commit_offsets(offsets).await?;
    transaction.commit().await
}

fn can_be_done_again(error: &Error) -> bool {
    let aborts = |code: ErrorCode| code.aborts_transaction() && !code.is_fatal();
    let aborted = error.code().is_some_and(aborts);
    !error.is_fenced() && !error.is_in_doubt() && (aborted || error.is_retriable())
}
