//! Records of one partition as they were fetched, read lazily.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::consumer::budget::{Ledger, Loan};
use crate::wire::TopicPartition;
use crate::wire::batch::{BatchError, RecordCursor, RecordRef, Records};

/// Records of one partition, in order. They borrow from the bytes that came from the socket:
/// nothing is copied, or one buffer a batch where it was compressed.
#[derive(Clone, Debug)]
pub struct FetchedRecords {
    partition: TopicPartition,
    next_offset: i64,
    bytes: usize,
    limit: usize,
    batches: VecDeque<(Records, RecordCursor)>,
    /// All parts of what came together share one: they share its memory.
    loan: Option<Arc<Loan>>,
}

impl FetchedRecords {
    /// Puts together what one fetch brought: records before `from_offset` are left out (a batch
    /// is fetched whole), `next_offset` is where the next fetch begins.
    pub fn new(
        partition: TopicPartition,
        from_offset: i64,
        next_offset: i64,
        batches: impl IntoIterator<Item = Records>,
    ) -> Self {
        let mut bytes = 0;
        let batches = batches.into_iter().map(|records| {
            bytes += records.size_bytes();
            let cursor = first_wanted(&records, from_offset);
            (records, cursor)
        });
        let batches = batches.collect();
        Self {
            partition,
            next_offset,
            bytes,
            limit: usize::MAX,
            batches,
            loan: None,
        }
    }

    /// Enters its bytes until the last part of it is dropped.
    pub(super) fn enter(&mut self, ledger: &Ledger) {
        let loan = ledger.lend(self.partition.clone(), self.bytes);
        self.loan = Some(Arc::new(loan));
    }

    /// The partition they are of.
    pub fn partition(&self) -> &TopicPartition {
        &self.partition
    }

    /// The offset after the last of them: what to commit when all are done with.
    pub fn next_offset(&self) -> i64 {
        self.next_offset
    }

    /// The bytes held, whole batches.
    pub fn len_bytes(&self) -> usize {
        self.bytes
    }

    /// How many records are left, at most: those that a compacted batch lacks are not counted.
    pub fn len(&self) -> usize {
        self.batches
            .iter()
            .map(|(_, cursor)| cursor.remaining())
            .sum::<usize>()
            .min(self.limit)
    }

    /// True where no record is left.
    pub fn is_empty(&self) -> bool {
        self.limit == 0
            || self
                .batches
                .iter()
                .all(|(records, cursor)| cursor.is_done(records))
    }

    /// Takes off the first `count` records; the rest stays. What was taken ends where the rest
    /// begins, so that offsets which compaction has removed are between neither.
    #[must_use]
    pub fn split_front(&mut self, count: usize) -> Self {
        let mut front = self.clone();
        if count >= self.len() {
            self.batches.clear();
            return front;
        }
        front.limit = count;
        let mut taken = None;
        for _ in 0..count {
            match self.next() {
                Some(Ok(record)) => taken = Some(record.offset),
                // An unreadable record is reported by the part that holds it.
                _ => break,
            }
        }
        match (self.clone().next(), taken) {
            (Some(Ok(rest)), _) => front.next_offset = rest.offset,
            // Nobody may be led past what can't be read.
            (Some(Err(_)), Some(last)) => front.next_offset = last.saturating_add(1),
            _ => {}
        }
        front
    }

    /// The next record. (Not an `Iterator`: the record borrows from `self`.)
    ///
    /// # Errors
    ///
    /// [`BatchError`] where the bytes are not a record; nothing after it in the batch can be read.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Option<Result<RecordRef<'_>, BatchError>> {
        self.limit = self.limit.checked_sub(1)?;
        while self
            .batches
            .front()
            .is_some_and(|(records, cursor)| cursor.is_done(records))
        {
            self.batches.pop_front();
        }
        let (records, cursor) = self.batches.front_mut()?;
        cursor.next(records)
    }
}

/// Stands before the first record at or after an offset.
fn first_wanted(records: &Records, from_offset: i64) -> RecordCursor {
    let mut wanted = records.cursor();
    let mut ahead = wanted;
    while let Some(Ok(record)) = ahead.next(records) {
        if record.offset >= from_offset {
            break;
        }
        wanted = ahead;
    }
    wanted
}

#[cfg(test)]
mod tests;
