//! Which leader epochs the records of a partition came from (KIP-320): by them a log that was cut
//! off and written anew is told from the one that was read.
//!
//! # Invariants
//!
//! - Epochs and offsets both rise from entry to entry.

use std::collections::VecDeque;

/// So many changes of leader are remembered. What lies further back has long been committed.
const MOST: usize = 32;

/// The epochs of what was read of one partition.
#[derive(Clone, Debug, Default)]
pub(super) struct Epochs {
    /// Each epoch with the first offset that is known to be of it.
    begun: VecDeque<(i32, i64)>,
}

impl Epochs {
    /// Records from this offset on are of this epoch; a negative one is none. What is known is of
    /// another log where it is newer, or lies further on.
    pub(super) fn note(&mut self, epoch: i32, offset: i64) {
        let last = self.begun.back().map_or(-1, |(last, _)| *last);
        if epoch < 0 || epoch == last {
            return;
        }
        self.cut(if epoch < last { i64::MIN } else { offset });
        if self.begun.len() == MOST {
            self.begun.pop_front();
        }
        self.begun.push_back((epoch, offset));
    }

    /// The epoch of the record before this offset, where it is known.
    pub(super) fn before(&self, offset: i64) -> Option<i32> {
        let mut known = self.begun.iter().rev();
        let (epoch, _) = known.find(|(_, begun)| *begun < offset)?;
        Some(*epoch)
    }

    /// The first offset that may differ, where the leader's log has nothing after `epoch` that was
    /// read, and `epoch` ends at `end` there.
    pub(super) fn diverged_at(&self, epoch: i32, end: i64) -> i64 {
        let later = self.begun.iter().find(|(known, _)| *known > epoch);
        later.map_or(end, |(_, begun)| end.min(*begun)).max(0)
    }

    /// Forgets what lies at this offset and behind it.
    pub(super) fn cut(&mut self, offset: i64) {
        self.begun.retain(|(_, begun)| *begun < offset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(begun: &[(i32, i64)]) -> Epochs {
        let mut epochs = Epochs::default();
        begun
            .iter()
            .for_each(|(epoch, at)| epochs.note(*epoch, *at));
        epochs
    }

    #[test]
    fn the_epoch_of_a_record_is_that_which_began_last_before_it() {
        let epochs = epochs(&[(-1, 0), (2, 10), (2, 12), (5, 20)]);
        let before = [10, 11, 20, 21, 99].map(|offset| epochs.before(offset));
        assert_eq!(before, [None, Some(2), Some(2), Some(5), Some(5)]);
    }

    #[test]
    fn what_can_not_be_of_the_same_log_is_forgotten() {
        let of_an_older_leader = epochs(&[(6, 10), (1, 20)]);
        assert_eq!(
            [15, 25].map(|at| of_an_older_leader.before(at)),
            [None, Some(1)]
        );
        let from_further_back = epochs(&[(1, 0), (2, 10), (3, 5)]);
        assert_eq!(
            [3, 8].map(|at| from_further_back.before(at)),
            [Some(1), Some(3)]
        );
    }

    #[test]
    fn logs_part_where_the_first_of_them_ends_what_both_have() {
        let epochs = epochs(&[(3, 0), (4, 60)]);
        // The leader's epoch 3 went on where that which was read had ended.
        assert_eq!(epochs.diverged_at(3, 80), 60);
        assert_eq!(epochs.diverged_at(3, 40), 40);
        assert_eq!(epochs.diverged_at(4, 70), 70);
        assert_eq!(epochs.diverged_at(2, 10), 0);
        assert_eq!(epochs.diverged_at(9, -5), 0);
    }

    #[test]
    fn what_was_cut_off_is_forgotten_and_no_leader_fills_the_memory() {
        let mut epochs = epochs(&[(3, 0), (4, 60)]);
        epochs.cut(60);
        assert_eq!(epochs.before(100), Some(3));
        for epoch in 0..10_000 {
            epochs.note(epoch, i64::from(epoch) * 2);
        }
        assert_eq!(epochs.begun.len(), MOST);
        assert_eq!(epochs.before(i64::MAX), Some(9_999));
    }
}
