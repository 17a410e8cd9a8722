//! Control batches: what Kafka itself writes between the records.

use super::{BatchError, RecordBatch};

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// Its records count.
    Commit,
    /// Its records are as if they had never been.
    Abort,
}

impl RecordBatch {
    /// The marker in a control batch. `None` where it is something else of Kafka's own, or where
    /// compaction has removed it.
    ///
    /// # Errors
    ///
    /// As [`decode`](Self::decode), or [`BatchError::MalformedRecord`] where it has no type.
    pub fn marker(&self, max_decompressed_bytes: usize) -> Result<Option<Marker>, BatchError> {
        let records = self.decode(max_decompressed_bytes)?;
        let Some(record) = records.iter().next().transpose()? else {
            return Ok(None);
        };
        // A version, which may grow, and the type.
        let Some([_, _, kind @ ..]) = record.key().and_then(<[u8]>::first_chunk::<4>) else {
            return Err(BatchError::MalformedRecord {
                at: 0,
                what: "a control record has no type",
            });
        };
        Ok(match i16::from_be_bytes(*kind) {
            0 => Some(Marker::Abort),
            1 => Some(Marker::Commit),
            _ => None,
        })
    }
}
