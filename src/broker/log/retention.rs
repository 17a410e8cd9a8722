//! What is old or too much goes, whole batches from the front: a batch is what a segment is to
//! Kafka.

use super::{Log, Rules, Stored};

/// `log.retention.check.interval.ms`: how often Kafka looks at which records are too old.
const CHECK_INTERVAL_MS: i64 = 300_000;

impl Log {
    /// Has the log keep no more than `retention.bytes` and a batch, so that memory is bounded.
    pub(super) fn retain_bytes(&mut self, rules: &Rules) {
        let held = |log: &Self| {
            let first = log.batches.front();
            first.map_or(0, |first| log.appended_bytes - first.position)
        };
        while let Some(first) = self.batches.front()
            && held(self) - first.bytes.len() as u64 >= rules.retention_bytes
        {
            self.start_at(first.next_offset);
        }
    }

    /// Has what is older than `retention.ms` go, if it is time for a look. To be called before a
    /// log is read.
    pub(in crate::broker) fn retain_time(&mut self, now_ms: i64, rules: &Rules) {
        let is_due = |at_ms: i64| now_ms.saturating_sub(at_ms) >= CHECK_INTERVAL_MS;
        if !self.retained_at_ms.is_some_and(is_due) {
            return;
        }
        self.retained_at_ms = Some(now_ms);
        let Some(retention_ms) = rules.retention_ms else {
            return;
        };
        while let Some(first) = self.batches.front()
            && now_ms.saturating_sub(first.dated_ms()) > retention_ms
        {
            self.start_at(first.next_offset);
        }
    }
}

impl Stored {
    /// Records without a timestamp are as old as their append.
    fn dated_ms(&self) -> i64 {
        if self.max_timestamp < 0 {
            self.appended_at_ms
        } else {
            self.max_timestamp
        }
    }
}
