//! Buffers of batches that have ended, for those to come.

use crate::wire::batch::Unstamped;

/// Large buffers that are given back and asked for again cost page faults, and leave holes that
/// the allocator does not fill. As many are kept as were in use at once; none once nothing waits
/// to be sent.
#[derive(Debug, Default)]
pub(super) struct Spares(Vec<Vec<u8>>);

impl Spares {
    /// A buffer for a batch of likely so many bytes, empty.
    pub(super) fn take(&mut self, room: usize) -> Vec<u8> {
        let mut buffer = self.0.pop().unwrap_or_default();
        buffer.reserve(room);
        buffer
    }

    /// Keeps a batch's buffer, unless somebody still has its records.
    pub(super) fn keep(&mut self, records: Unstamped) {
        self.0.extend(records.into_buffer());
    }

    /// Keeps none.
    pub(super) fn clear(&mut self) {
        self.0.clear();
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

    #[test]
    fn a_batch_that_has_ended_lends_its_buffer_to_the_next() {
        let mut spares = Spares::default();
        spares.keep(batch(1_000));
        let buffer = spares.take(10);
        assert!(buffer.is_empty());
        assert!((1_000..2_000).contains(&buffer.capacity()));
        assert!(spares.take(10).capacity() < 1_000, "it was the only one");
    }

    #[test]
    fn records_that_somebody_still_has_are_let_alone() {
        let mut spares = Spares::default();
        let records = batch(1_000);
        let theirs = records.clone();
        spares.keep(records);
        assert!(spares.0.is_empty());
        assert_eq!(theirs, batch(1_000));
    }
}
