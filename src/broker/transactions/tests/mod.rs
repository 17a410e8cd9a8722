mod beginning;
mod ending;

use std::time::{Duration, Instant};

use super::{Marker, Place, Producer, TransactionState, TransactionVersion, Transactions};
use crate::broker::BrokerConfig;
use crate::wire::{ErrorCode, TopicPartition};

const ID: &str = "an id";
const TIMEOUT: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

/// The coordinator and its time.
struct Rig {
    transactions: Transactions,
    now: Instant,
}

impl Rig {
    fn of(version: TransactionVersion) -> Self {
        let config = BrokerConfig {
            transaction_version: Some(version),
            ..BrokerConfig::default()
        };
        Self {
            transactions: Transactions::new(&config),
            now: Instant::now(),
        }
    }

    fn init(&mut self, expected: Option<Producer>) -> Result<Producer, ErrorCode> {
        self.transactions
            .init(ID, Some(TIMEOUT), expected, self.now)
    }

    /// A producer, once the transaction of the one before is over.
    fn begin(&mut self) -> Producer {
        let begun = self.init(None);
        self.mark_all();
        begun.or_else(|_| self.init(None)).unwrap()
    }

    fn add(&mut self, producer: Producer, partition: i32) -> Result<(), ErrorCode> {
        let places = [place(partition)];
        self.transactions.add(ID, producer, places, self.now)
    }

    fn end(
        &mut self,
        producer: Producer,
        commits: bool,
        client: TransactionVersion,
    ) -> Result<Producer, ErrorCode> {
        self.transactions
            .end(ID, producer, commits, client, self.now)
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.transactions.handle_timeout(self.now);
    }

    /// Writes all markers, and returns them.
    fn mark_all(&mut self) -> Vec<Marker> {
        let markers = self.transactions.markers();
        for marker in &markers {
            self.transactions.marked(marker, self.now);
        }
        markers
    }

    fn state(&self) -> TransactionState {
        self.transactions.look(ID).unwrap().state()
    }
}

fn place(partition: i32) -> Place {
    Place::Partition(TopicPartition::new("topic", partition))
}

fn at(producer: Producer, epoch: i16) -> Producer {
    Producer { epoch, ..producer }
}
