//! A partition's place in the producer's numbering (KIP-98).

use crate::wire::batch::ProducerStamp;

/// The stamp of the next batch of one partition that has none yet.
///
/// The broker keeps id, epoch and sequence for each partition on its own, so each partition has
/// an epoch of its own too: what goes wrong in one of them doesn't disturb the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequence {
    id: i64,
    epoch: i16,
    next: i32,
}

impl Sequence {
    /// Starts at 0 under a producer id and epoch that the broker gave out.
    pub fn new(id: i64, epoch: i16) -> Self {
        Self { id, epoch, next: 0 }
    }

    /// The producer's id.
    pub fn id(self) -> i64 {
        self.id
    }

    /// True where both are of the same id and epoch.
    pub fn is_of(self, other: Self) -> bool {
        (self.id, self.epoch) == (other.id, other.epoch)
    }

    /// What the next batch is marked with.
    pub fn stamp(self) -> ProducerStamp {
        ProducerStamp {
            id: self.id,
            epoch: self.epoch,
            base_sequence: self.next,
        }
    }

    /// Moves past a batch that bears these numbers; they go from `i32::MAX` on to 0.
    pub fn advance(&mut self, records: usize) {
        self.next = after(self.next, records);
    }

    /// Goes back to a number that no batch in the log bears, nor any that may still get there.
    pub fn rewind(&mut self, to: i32) {
        self.next = to;
    }

    /// Starts again at 0 in the next epoch, in which the broker refuses whatever of the last one
    /// is still on its way (KIP-360); `None` where the epochs of this id are used up.
    ///
    /// No broker is asked: to a producer without a transactional id it gives a new id at each
    /// request, and accepts any higher epoch that begins at 0.
    pub fn next_epoch(self) -> Option<Self> {
        Some(Self::new(self.id, self.epoch.checked_add(1)?))
    }
}

/// The sequence number `records` after `first`.
pub(super) fn after(first: i32, records: usize) -> i32 {
    const NUMBERS: u64 = 1 << 31;
    let next = (u64::from(first.unsigned_abs()) + records as u64) % NUMBERS;
    next as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(next: i32) -> Sequence {
        Sequence {
            id: 9,
            epoch: 3,
            next,
        }
    }

    #[test]
    fn wraps_to_zero_as_java_does() {
        for (from, records, to) in [
            (0, 5, 5),
            (i32::MAX - 1, 1, i32::MAX),
            (i32::MAX, 1, 0),
            (i32::MAX, 5, 4),
            (i32::MAX - 2, 5, 2),
        ] {
            let mut sequence = at(from);
            sequence.advance(records);
            assert_eq!(sequence, at(to), "{from} + {records}");
        }
    }

    #[test]
    fn a_new_epoch_begins_at_zero() {
        let next = at(77).next_epoch();
        assert_eq!(next, Some(Sequence::new(9, 4)));
        assert_eq!(Sequence::new(9, i16::MAX).next_epoch(), None);
    }
}
