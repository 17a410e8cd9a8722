//! Which offset each leader epoch began at (KIP-101).

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Epochs {
    /// Epochs and their first offsets, both rising.
    begun: Vec<(i32, i64)>,
}

impl Epochs {
    /// Takes note of an append in an epoch.
    pub(super) fn note(&mut self, epoch: i32, offset: i64) {
        if self.begun.last().is_none_or(|(last, _)| *last < epoch) {
            self.begun.push((epoch, offset));
        }
    }

    /// Forgets what was before the log's new start; the epoch that the start is in begins there.
    pub(super) fn start_at(&mut self, offset: i64) {
        let before = self.begun.partition_point(|(_, begin)| *begin <= offset);
        if let Some(last) = before.checked_sub(1) {
            self.begun.drain(..last);
            self.begun[0].1 = offset;
        }
    }

    /// The epoch of the log's first record, or of what comes next where there is none.
    pub(super) fn first(&self, current: i32) -> i32 {
        self.begun.first().map_or(current, |(epoch, _)| *epoch)
    }

    /// See [`Log::end_of_epoch`](super::Log::end_of_epoch). The current epoch counts as begun even
    /// where nothing was appended in it yet.
    pub(super) fn end_of(&self, epoch: i32, current: i32, end: i64) -> Option<(i32, i64)> {
        if epoch == current {
            return Some((epoch, end));
        }
        if !(0..current).contains(&epoch) {
            return None;
        }
        let up_to = self.begun.partition_point(|(begun, _)| *begun <= epoch);
        let next = self.begun.get(up_to).map_or(end, |(_, begin)| *begin);
        let found = up_to
            .checked_sub(1)
            .map_or(epoch, |last| self.begun[last].0);
        Some((found, next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(begun: &[(i32, i64)]) -> Epochs {
        let mut epochs = Epochs::default();
        for (epoch, offset) in begun {
            epochs.note(*epoch, *offset);
        }
        epochs
    }

    #[test]
    fn an_epoch_ends_where_the_next_begins() {
        let epochs = epochs(&[(1, 0), (1, 5), (3, 10), (4, 12)]);
        let end_of = |epoch| epochs.end_of(epoch, 5, 20);
        assert_eq!(end_of(-1), None);
        // Before all that is known: the first offset of what is.
        assert_eq!(end_of(0), Some((0, 0)));
        assert_eq!(end_of(1), Some((1, 10)));
        assert_eq!(end_of(2), Some((1, 10)));
        assert_eq!(end_of(3), Some((3, 12)));
        assert_eq!(end_of(4), Some((4, 20)));
        assert_eq!(end_of(5), Some((5, 20)));
        assert_eq!(end_of(6), None);
    }

    #[test]
    fn what_is_deleted_takes_its_epochs_along() {
        let mut epochs = epochs(&[(1, 0), (3, 10), (4, 12)]);
        epochs.start_at(5);
        assert_eq!(epochs.begun, [(1, 5), (3, 10), (4, 12)]);
        epochs.start_at(10);
        assert_eq!(epochs.begun, [(3, 10), (4, 12)]);
        assert_eq!(epochs.first(7), 3);
        epochs.start_at(100);
        assert_eq!(epochs.begun, [(4, 100)]);
        assert_eq!(epochs.end_of(2, 7, 100), Some((2, 100)));
        assert_eq!(Epochs::default().first(7), 7);
    }
}
