//! Buffers of batches that have ended, for those to come.

use crate::wire::batch::Unstamped;

/// Large buffers that are given back and asked for again cost page faults, and leave holes that
/// the allocator does not fill.
///
/// Any batch is given any of them, and so each may become as large as the largest batch. None is
/// kept that could, with as many for all batches there are, be more than `buffer.memory`; nor any
/// once there is no batch.
#[derive(Debug, Default)]
pub(super) struct Spares {
    pub(super) buffers: Vec<Vec<u8>>,
    /// How many batches there are.
    batches: usize,
}

impl Spares {
    /// There is another batch.
    pub(super) fn note_batch(&mut self) {
        self.batches += 1;
    }

    /// A batch has ended, or was divided.
    pub(super) fn note_end(&mut self) {
        self.batches -= 1;
        if self.batches == 0 {
            self.buffers = Vec::new();
        }
    }

    /// An empty buffer for a batch of likely so many bytes.
    pub(super) fn take(&mut self, room: usize) -> Vec<u8> {
        let mut buffer = self.buffers.pop().unwrap_or_default();
        buffer.reserve(room);
        buffer
    }

    /// Keeps the buffer of a batch that has ended, unless somebody still has its records.
    pub(super) fn keep(&mut self, records: Unstamped, buffer_bytes: usize) {
        let Some(buffer) = records.into_buffer() else {
            return;
        };
        let count = self.batches + self.buffers.len() + 1;
        if self.batches > 0 && count.saturating_mul(buffer.capacity()) <= buffer_bytes {
            self.buffers.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::batch::{BatchBuilder, RecordBody};
    use crate::wire::compression::Compression;

    fn batch(bytes: usize) -> Unstamped {
        let mut builder =
            BatchBuilder::new(Compression::None).with_buffer(Vec::with_capacity(bytes));
        builder.push(0, &RecordBody::new(None, Some(b"v"), &[]));
        builder.take()
    }

    /// With so many batches elsewhere.
    fn spares(batches: usize) -> Spares {
        Spares {
            buffers: Vec::new(),
            batches,
        }
    }

    #[test]
    fn a_batch_that_has_ended_lends_its_buffer_to_the_next() {
        let mut spares = spares(1);
        spares.keep(batch(1_000), 5_000);
        let buffer = spares.take(10);
        assert!(buffer.is_empty());
        assert_eq!(buffer.capacity(), 1_000);
        assert!(spares.take(10).capacity() < 1_000, "it was the only one");
    }

    #[test]
    fn records_that_somebody_still_has_are_let_alone() {
        let mut spares = spares(1);
        let records = batch(1_000);
        let theirs = records.clone();
        spares.keep(records, 5_000);
        assert!(spares.buffers.is_empty());
        assert_eq!(theirs, batch(1_000));
    }

    #[test]
    fn were_all_buffers_as_large_they_would_be_no_more_than_is_allowed() {
        for (batches, kept) in [(1, 4), (3, 2), (4, 1), (5, 0)] {
            let mut spares = spares(batches);
            for _ in 0..10 {
                spares.keep(batch(1_000), 5_999);
            }
            assert_eq!(spares.buffers.len(), kept, "beside {batches} batches");
        }
    }

    #[test]
    fn without_a_batch_none_is_kept() {
        let mut spares = spares(0);
        spares.note_batch();
        spares.keep(batch(1_000), 5_000);
        assert_eq!(spares.buffers.len(), 1);
        spares.note_end();
        assert!(spares.buffers.is_empty());
        spares.keep(batch(1_000), 5_000);
        assert!(spares.buffers.is_empty());
    }
}
