//! Which batches of an answer are of transactions that were aborted (KIP-98).
//!
//! A broker lists the aborted transactions that an answer touches, each by its producer and its
//! first offset. From there on the producer's batches are of that transaction, until the marker
//! that aborts it: a producer has one transaction at a time.

use std::collections::BTreeSet;

use crate::wire::batch::BatchHeader;

/// The aborted transactions of one answer for one partition, while its batches are gone through in
/// order.
#[derive(Debug, Default)]
pub(super) struct Aborted {
    /// First offset and producer of those that have not begun yet, the earliest last.
    ahead: Vec<(i64, i64)>,
    /// The producers of those that have begun and not ended.
    open: BTreeSet<i64>,
}

impl Aborted {
    /// `listed`: first offset and producer of each, in any order.
    pub(super) fn new(listed: impl IntoIterator<Item = (i64, i64)>) -> Self {
        let mut ahead: Vec<_> = listed.into_iter().collect();
        ahead.sort_unstable_by(|a, b| b.cmp(a));
        Self {
            ahead,
            open: BTreeSet::new(),
        }
    }

    /// True where this batch is of an aborted transaction, its marker included.
    pub(super) fn covers(&mut self, header: &BatchHeader) -> bool {
        let begun = |(first, _): &mut (i64, i64)| *first < header.next_offset();
        while let Some((_, producer)) = self.ahead.pop_if(begun) {
            self.open.insert(producer);
        }
        header.attributes.is_transactional() && self.open.contains(&header.producer.id)
    }

    /// The producer's transaction ends with this batch.
    pub(super) fn end(&mut self, header: &BatchHeader) {
        self.open.remove(&header.producer.id);
    }
}
