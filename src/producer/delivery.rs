//! How records end, as it is told to those who wait for it: once a batch, and not once a record.

use std::ops::Range;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use super::machine::{Acked, Stored};
use crate::{Error, ErrorKind};

/// A record on its way: resolves when it is acknowledged or has failed for good, at the latest
/// `delivery.timeout.ms` after it was taken in. Dropping it does not take the record back.
#[derive(Debug)]
pub struct Delivery(State);

#[derive(Debug)]
enum State {
    Refused(Error),
    Taken {
        outcome: Arc<Outcome>,
        place: u32,
        timestamp_ms: i64,
    },
}

impl Delivery {
    /// Of a record that was not taken in.
    pub(super) fn refused(error: Error) -> Self {
        Self(State::Refused(error))
    }

    /// Of a record at a place of a batch.
    pub(super) fn taken(outcome: Arc<Outcome>, place: u32, timestamp_ms: i64) -> Self {
        outcome.note_taken(place + 1);
        Self(State::Taken {
            outcome,
            place,
            timestamp_ms,
        })
    }
}

impl Future for Delivery {
    type Output = Result<Acked, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &self.0 {
            State::Refused(error) => Poll::Ready(Err(error.clone())),
            State::Taken {
                outcome,
                place,
                timestamp_ms,
            } => outcome.poll(*place, *timestamp_ms, cx),
        }
    }
}

/// How the records of one batch end, at once or, where it is divided, in parts.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// How many records the batch has: final before the first of them has ended.
    taken: AtomicU32,
    /// How all of them have ended, where that is told at once: nearly always.
    whole: OnceLock<Result<Stored, Error>>,
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    ends: Vec<(Range<u32>, Result<Stored, Error>)>,
    ended: u32,
    /// Nothing more will be told.
    given_up: bool,
    waiting: Vec<Waker>,
    /// Those who wait for all records.
    flushes: usize,
}

/// One who waits for all records of a batch.
struct Flush<'a>(&'a Outcome);

impl<'a> Flush<'a> {
    fn begin(outcome: &'a Outcome) -> Self {
        outcome.told().flushes += 1;
        Self(outcome)
    }
}

impl Drop for Flush<'_> {
    fn drop(&mut self) {
        self.0.told().flushes -= 1;
    }
}

impl Outcome {
    /// The batch has taken so many records in.
    pub(super) fn note_taken(&self, count: u32) {
        self.taken.store(count, Ordering::Relaxed);
    }

    /// Tells how the records at these places have ended; true where all have.
    pub(super) fn end(&self, places: Range<u32>, result: Result<Stored, Error>) -> bool {
        if places == (0..self.taken()) {
            // It is told once.
            let _ = self.whole.set(result.clone());
        }
        let mut told = self.told();
        told.ended += places.end - places.start;
        told.ends.push((places, result));
        let all = told.ended >= self.taken();
        wake(told);
        all
    }

    /// Tells those who wait that the producer is no more.
    pub(super) fn give_up(&self) {
        let mut told = self.told();
        told.given_up = true;
        wake(told);
    }

    /// Waits until all records have ended, however.
    pub(super) async fn ended(&self) {
        let _flush = Flush::begin(self);
        std::future::poll_fn(|cx| {
            let told = self.told();
            if told.ended >= self.taken() || told.given_up {
                return Poll::Ready(());
            }
            self.wait(told, cx);
            Poll::Pending
        })
        .await;
    }

    /// How the records at these places have ended, where the whole batch has at once.
    pub(super) fn all(
        &self,
        places: Range<u32>,
        timestamp_ms: i64,
    ) -> Option<impl Iterator<Item = Result<Acked, Error>>> {
        let result = self.whole.get()?.as_ref();
        Some(places.map(move |place| {
            let acked = result.map(|stored| stored.record(place, timestamp_ms));
            acked.map_err(Clone::clone)
        }))
    }

    pub(super) fn poll(
        &self,
        place: u32,
        timestamp_ms: i64,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Acked, Error>> {
        if let Some(result) = self.whole.get() {
            let acked = |stored: &Stored| stored.record(place, timestamp_ms);
            return Poll::Ready(result.as_ref().map(acked).map_err(Clone::clone));
        }
        let told = self.told();
        let mut ends = told.ends.iter();
        if let Some((places, result)) = ends.find(|(places, _)| places.contains(&place)) {
            let acked = |stored: &Stored| stored.record(place - places.start, timestamp_ms);
            return Poll::Ready(result.as_ref().map(acked).map_err(Clone::clone));
        }
        if told.given_up {
            return Poll::Ready(Err(closed()));
        }
        self.wait(told, cx);
        Poll::Pending
    }

    /// A task is kept once where it waits for many records in a row. One that comes back without
    /// having been woken may be kept again: with more than can be waiting, all are woken, and
    /// those who still wait come back.
    fn wait(&self, mut told: MutexGuard<'_, Told>, cx: &Context<'_>) {
        let last = told.waiting.last();
        if last.is_some_and(|last| last.will_wake(cx.waker())) {
            return;
        }
        let mut others = Vec::new();
        if told.waiting.len() > self.taken() as usize + told.flushes {
            others = std::mem::take(&mut told.waiting);
        }
        told.waiting.push(cx.waker().clone());
        drop(told);
        others.into_iter().for_each(Waker::wake);
    }

    fn taken(&self) -> u32 {
        self.taken.load(Ordering::Relaxed)
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        // What was told is never half told.
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes those who wait, with the lock let go.
fn wake(mut told: MutexGuard<'_, Told>) {
    let waiting = std::mem::take(&mut told.waiting);
    drop(told);
    waiting.into_iter().for_each(Waker::wake);
}

pub(super) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the producer was closed")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Counting(AtomicUsize);

    impl Wake for Counting {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Counting {
        fn woken(&self) -> usize {
            self.0.swap(0, Ordering::Relaxed)
        }
    }

    fn stored(base_offset: i64) -> Result<Stored, Error> {
        Ok(Stored {
            partition: 3,
            base_offset,
            log_append_time: -1,
        })
    }

    fn batch_of(count: u32) -> (Arc<Outcome>, Vec<Delivery>) {
        let outcome = Arc::new(Outcome::default());
        let taken = |place| Delivery::taken(Arc::clone(&outcome), place, i64::from(place));
        let deliveries = (0..count).map(taken).collect();
        (outcome, deliveries)
    }

    fn poll(delivery: &mut Delivery, waker: &Arc<Counting>) -> Poll<Result<Acked, Error>> {
        let waker = Waker::from(Arc::clone(waker));
        Pin::new(delivery).poll(&mut Context::from_waker(&waker))
    }

    #[test]
    fn parts_end_one_by_one_and_all_in_the_end() {
        let (outcome, mut deliveries) = batch_of(5);
        let task = Arc::new(Counting::default());
        assert!(poll(&mut deliveries[4], &task).is_pending());
        assert!(!outcome.end(1..2, Err(closed())));
        assert!(!outcome.end(0..1, stored(7)));
        assert_eq!(task.woken(), 1, "another part may be waited for");
        assert!(poll(&mut deliveries[4], &task).is_pending());
        assert!(outcome.end(2..5, stored(8)));
        assert_eq!(task.woken(), 1);
        let offset = |delivery| match poll(delivery, &task) {
            Poll::Ready(ended) => ended.ok().map(|acked| (acked.offset, acked.timestamp)),
            Poll::Pending => panic!("all have ended"),
        };
        let offsets: Vec<_> = deliveries.iter_mut().map(offset).collect();
        let expected = [
            Some((7, 0)),
            None,
            Some((8, 2)),
            Some((9, 3)),
            Some((10, 4)),
        ];
        assert_eq!(offsets, expected);
    }

    #[test]
    fn every_task_is_woken_and_one_that_waits_for_all_is_woken_once() {
        let (outcome, mut deliveries) = batch_of(100);
        let (one, other) = (Arc::new(Counting::default()), Arc::default());
        for delivery in &mut deliveries[1..] {
            assert!(poll(delivery, &one).is_pending());
        }
        assert!(poll(&mut deliveries[0], &other).is_pending());
        outcome.end(0..100, stored(0));
        assert_eq!((one.woken(), other.woken()), (1, 1));
    }

    #[test]
    fn those_who_wait_for_all_are_not_woken_by_one_another() {
        let (outcome, mut deliveries) = batch_of(1);
        let tasks: [Arc<Counting>; 4] = Default::default();
        let mut flushes = [(); 3].map(|()| Box::pin(outcome.ended()));
        assert!(poll(&mut deliveries[0], &tasks[3]).is_pending());
        for (flush, task) in flushes.iter_mut().zip(&tasks) {
            let waker = Waker::from(Arc::clone(task));
            let polled = flush.as_mut().poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
        }
        assert_eq!(tasks.each_ref().map(|task| task.woken()), [0; 4]);
        outcome.end(0..1, stored(0));
        assert_eq!(tasks.each_ref().map(|task| task.woken()), [1; 4]);
        drop(flushes);
        assert_eq!(outcome.told().flushes, 0);
    }

    #[test]
    fn tasks_that_come_back_again_and_again_take_no_more_memory() {
        let (outcome, mut deliveries) = batch_of(2);
        let tasks: [Arc<Counting>; 2] = Default::default();
        for _ in 0..1_000 {
            for (delivery, task) in deliveries.iter_mut().zip(&tasks) {
                assert!(poll(delivery, task).is_pending());
            }
        }
        assert!(outcome.told().waiting.len() <= 3);
        for task in &tasks {
            task.woken();
        }
        // As those who were woken do.
        for (delivery, task) in deliveries.iter_mut().zip(&tasks) {
            assert!(poll(delivery, task).is_pending());
        }
        outcome.give_up();
        assert!(tasks.iter().all(|task| task.woken() > 0));
        let ended = poll(&mut deliveries[0], &tasks[0]);
        assert!(matches!(ended, Poll::Ready(Err(_))));
    }
}
