mod appending;
mod model;
mod reading;
mod sequences;
mod transactions;

use bytes::Bytes;

use super::{Appended, Incoming, Isolation, Log, Rules, Slice};
use crate::broker::config::BrokerConfig;
use crate::broker::testing::{batch, batch_by};
use crate::broker::topics::TopicSettings;
use crate::wire::ErrorCode;
use crate::wire::compression::Compression;

/// The broker's time in these tests.
const NOW_MS: i64 = 1_700_000_000_000;

fn rules(settings: &[(&str, &str)]) -> Rules {
    let mut own = TopicSettings::default();
    for (name, value) in settings {
        own.set(name, value).unwrap();
    }
    Rules::new(&own, &BrokerConfig::default())
}

fn append(log: &mut Log, records: &Bytes) -> Result<Appended, ErrorCode> {
    append_by(log, records, 0, &rules(&[]))
}

fn append_by(
    log: &mut Log,
    records: &Bytes,
    epoch: i32,
    rules: &Rules,
) -> Result<Appended, ErrorCode> {
    log.append(Incoming::read(records)?, epoch, NOW_MS, rules)
}

/// A log of batches with so many records each; each record's timestamp is its offset.
fn log_of(batches: &[usize]) -> Log {
    let mut log = Log::default();
    for records in batches {
        let records = batch(&vec!["v"; *records], log.end());
        append(&mut log, &records).unwrap();
    }
    log
}

fn read(log: &Log, offset: i64, max_bytes: usize, at_least_one: bool) -> Result<Slice, ErrorCode> {
    log.read(offset, max_bytes, at_least_one, Isolation::Uncommitted)
}
