//! How records come in.

use std::time::Instant;

use super::ProducerMachine;
use super::batch::{Batch, most_bytes};
use super::vocabulary::{BatchId, SendRefused, Taken};
use crate::wire::TopicPartition;
use crate::wire::batch::{BodyRef, HEADER_BYTES};

impl ProducerMachine {
    /// Takes a record in for a partition. `timestamp` is in milliseconds since 1970. Its end is
    /// told by an [`Effect::Done`](super::Effect::Done).
    ///
    /// # Errors
    /// [`SendRefused`] where the record can't be taken, now or ever.
    pub fn handle_send<'a>(
        &mut self,
        partition: &TopicPartition,
        body: impl Into<BodyRef<'a>>,
        timestamp: i64,
        now: Instant,
    ) -> Result<Taken, SendRefused> {
        let body = &body.into();
        self.observe(now);
        self.admit(body)?;
        let index = self.index_of(partition);
        if let Some(taken) = self.join_at(index, body, timestamp) {
            return Ok(taken);
        }
        self.last_batch += 1;
        let id = BatchId(self.last_batch);
        let partition = &mut self.partitions[index];
        let buffer = self.spares.take(partition.room());
        let batch = Batch::new(id, timestamp, body, buffer, &self.config, self.now);
        self.buffered_bytes += batch.record_bytes();
        self.spares.note_batch();
        partition.open(batch);
        self.settle(index);
        Ok(Taken {
            batch: id,
            place: 0,
            stirs: true,
        })
    }

    /// Takes a record into a batch that is open. What time it is is of no account then, and need
    /// not be found out: where `None` comes of it, [`handle_send`](Self::handle_send) is to be
    /// called.
    #[inline]
    pub fn join<'a>(
        &mut self,
        partition: &TopicPartition,
        body: impl Into<BodyRef<'a>>,
        timestamp: i64,
    ) -> Option<Taken> {
        let body = &body.into();
        self.admit(body).ok()?;
        let index = self.find(partition)?;
        self.join_at(index, body, timestamp)
    }

    /// Takes records into a batch that is open, as [`join`](Self::join) does one after the other: tells
    /// where the first went, how many did, and whether any of them stirs. The one behind those has to be
    /// handed in by itself.
    #[inline]
    pub fn join_all<'a>(
        &mut self,
        partition: &TopicPartition,
        bodies: impl Iterator<Item = BodyRef<'a>>,
        timestamp: i64,
    ) -> Option<(Taken, u32)> {
        self.may_take().ok()?;
        let index = self.find(partition)?;
        let (limit, mut room) = (self.limit(), self.room());
        let is_admitted = |body: &BodyRef<'a>| {
            let bytes = most_bytes(body);
            let admitted = bytes <= limit && bytes <= room;
            room = room.saturating_sub(bytes);
            admitted
        };
        let bodies = bodies.take_while(is_admitted);
        let (taken, count, bytes) =
            self.partitions[index].join_all(timestamp, bodies, &self.config)?;
        self.buffered_bytes += bytes;
        if taken.stirs {
            self.settle(index);
        }
        Some((taken, count))
    }

    #[inline]
    fn join_at(&mut self, index: usize, body: &BodyRef<'_>, timestamp: i64) -> Option<Taken> {
        let (taken, bytes) = self.partitions[index].join(timestamp, body, &self.config)?;
        self.buffered_bytes += bytes;
        if taken.stirs {
            self.settle(index);
        }
        Some(taken)
    }

    #[inline]
    fn admit(&self, body: &BodyRef<'_>) -> Result<(), SendRefused> {
        self.may_take()?;
        let (bytes, limit) = (most_bytes(body), self.limit());
        if bytes > limit {
            return Err(SendRefused::RecordTooLarge { bytes, limit });
        }
        if bytes > self.room() {
            return Err(SendRefused::BufferFull);
        }
        Ok(())
    }

    /// Whether any record is taken in.
    #[inline]
    fn may_take(&self) -> Result<(), SendRefused> {
        if let Some(failure) = self.failure.as_ref().or(self.abandoned()) {
            return Err(SendRefused::Failed(failure.clone()));
        }
        if self.closed {
            return Err(SendRefused::Closed);
        }
        Ok(())
    }

    /// The most that one record may take up.
    #[inline]
    fn limit(&self) -> usize {
        let request_limit = self.config.max_request_bytes.saturating_sub(HEADER_BYTES);
        request_limit.min(self.config.buffer_bytes)
    }

    /// What more records may take up.
    #[inline]
    fn room(&self) -> usize {
        self.config.buffer_bytes.saturating_sub(self.buffered_bytes)
    }
}
