//! Who waits for which record.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use crate::Error;
use crate::producer::Acked;

type Reply = oneshot::Sender<Result<Acked, Error>>;

/// Replies by their records' numbers. The numbers follow one another, and records end about in
/// their order, so that finding one is counting.
#[derive(Debug, Default)]
pub(super) struct Replies {
    /// The number of the record at the front, or of the next one where there is none.
    first: u64,
    waiting: VecDeque<Option<Reply>>,
}

impl Replies {
    /// The number that the next record will have.
    pub(super) fn next_number(&self) -> u64 {
        self.first + self.waiting.len() as u64
    }

    /// Keeps the reply of the next record, and gives it its number.
    pub(super) fn push(&mut self, reply: Reply) -> u64 {
        let number = self.next_number();
        self.waiting.push_back(Some(reply));
        number
    }

    /// Takes a record's reply out.
    pub(super) fn take(&mut self, number: u64) -> Option<Reply> {
        let place = usize::try_from(number.checked_sub(self.first)?).ok()?;
        let reply = self.waiting.get_mut(place)?.take();
        while let Some(None) = self.waiting.front() {
            self.waiting.pop_front();
            self.first += 1;
        }
        reply
    }

    /// True where all records with smaller numbers have ended.
    pub(super) fn all_before(&self, number: u64) -> bool {
        self.first >= number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_taken_once_in_any_order() {
        let mut replies = Replies::default();
        let mut kept = Vec::new();
        for number in 0..4 {
            let (reply, delivery) = oneshot::channel();
            assert_eq!(replies.push(reply), number);
            kept.push(delivery);
        }
        for (number, ended) in [(2, 0), (0, 1), (1, 3), (3, 4)] {
            assert!(replies.take(number).is_some());
            assert!(replies.take(number).is_none());
            assert!(replies.all_before(ended) && !replies.all_before(ended + 1));
        }
        assert!(replies.take(4).is_none());
        assert_eq!(replies.next_number(), 4);
    }
}
