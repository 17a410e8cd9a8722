//! How records end that were handed in together, told once for all of them.

use std::collections::VecDeque;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::delivery::Outcome;
use super::machine::{Acked, BatchId};
use crate::Error;

/// Records on their way that were handed in together: resolves once each has been acknowledged or
/// has failed for good, as a [`Delivery`](super::Delivery) does, and tells how each has ended, in the order in which
/// they were handed in; that is told once. Dropping it does not take the records back.
#[derive(Debug, Default)]
#[must_use = "it tells which records could not be sent"]
pub struct Deliveries {
    /// Those that have not ended.
    runs: VecDeque<Run>,
    /// How those before them have ended.
    ended: Vec<Result<Acked, Error>>,
}

/// Records that follow one another.
#[derive(Debug)]
enum Run {
    Refused(Error),
    /// At these places of one batch, with one time.
    Taken {
        batch: BatchId,
        outcome: Arc<Outcome>,
        places: Range<u32>,
        timestamp_ms: i64,
    },
}

impl Deliveries {
    /// Adds a record that was not taken in.
    pub(super) fn refused(&mut self, error: Error) {
        self.runs.push_back(Run::Refused(error));
    }

    /// Adds records at places of a batch, whose outcome is asked for where the record before is
    /// of another.
    #[inline]
    pub(super) fn taken(
        &mut self,
        batch: BatchId,
        new: Range<u32>,
        timestamp_ms: i64,
        outcome: impl FnOnce() -> Arc<Outcome>,
    ) {
        match self.runs.back_mut() {
            Some(Run::Taken {
                batch: last,
                outcome,
                places,
                timestamp_ms: at,
            }) if (*last, places.end, *at) == (batch, new.start, timestamp_ms) => {
                places.end = new.end;
                outcome.note_taken(new.end);
            }
            _ => {
                let outcome = outcome();
                outcome.note_taken(new.end);
                self.runs.push_back(Run::Taken {
                    batch,
                    outcome,
                    places: new,
                    timestamp_ms,
                });
            }
        }
    }
}

impl Future for Deliveries {
    type Output = Vec<Result<Acked, Error>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { runs, ended } = &mut *self;
        while let Some(run) = runs.front_mut() {
            match run {
                Run::Refused(error) => ended.push(Err(error.clone())),
                Run::Taken {
                    outcome,
                    places,
                    timestamp_ms,
                    ..
                } => {
                    if let Some(results) = outcome.all(places.clone(), *timestamp_ms) {
                        ended.extend(results);
                    } else {
                        let result = ready!(outcome.poll(places.start, *timestamp_ms, cx));
                        ended.push(result);
                        places.start += 1;
                        if places.start < places.end {
                            continue;
                        }
                    }
                }
            }
            runs.pop_front();
        }
        Poll::Ready(std::mem::take(ended))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::ErrorKind;
    use crate::producer::delivery::closed;
    use crate::producer::machine::Stored;

    fn stored(partition: i32, base_offset: i64) -> Result<Stored, Error> {
        Ok(Stored {
            partition,
            base_offset,
            log_append_time: -1,
        })
    }

    /// Two batches in turn, the first of three records and divided on its way, and one refused
    /// record between them.
    #[test]
    fn all_are_told_in_order_once_the_last_has_ended() {
        let [one, other] = [1, 2].map(|id| (BatchId(id), Arc::new(Outcome::default())));
        let mut deliveries = Deliveries::default();
        let taken =
            |deliveries: &mut Deliveries, (id, outcome): &(BatchId, Arc<Outcome>), place| {
                let timestamp_ms = 10 * i64::from(place);
                deliveries.taken(*id, place..place + 1, timestamp_ms, || Arc::clone(outcome));
            };
        taken(&mut deliveries, &one, 0);
        taken(&mut deliveries, &one, 1);
        deliveries.refused(closed());
        taken(&mut deliveries, &other, 0);
        taken(&mut deliveries, &one, 2);
        taken(&mut deliveries, &other, 1);

        assert!((&mut deliveries).now_or_never().is_none());
        one.1.end(1..3, stored(0, 8));
        other.1.end(0..2, stored(1, 3));
        assert!((&mut deliveries).now_or_never().is_none(), "one is missing");
        one.1.end(0..1, Err(closed()));
        let ended = (&mut deliveries).now_or_never().expect("all have ended");
        let told = ended.into_iter().map(|result| match result {
            Ok(acked) => Ok((acked.partition, acked.offset, acked.timestamp)),
            Err(error) => Err(error.kind()),
        });
        let expected = [
            Err(ErrorKind::Closed),
            Ok((0, 8, 10)),
            Err(ErrorKind::Closed),
            Ok((1, 3, 0)),
            Ok((0, 9, 20)),
            Ok((1, 4, 10)),
        ];
        assert_eq!(told.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_batch_is_kept_once_for_all_that_follow_one_another_in_it() {
        let outcome = Arc::new(Outcome::default());
        let mut deliveries = Deliveries::default();
        for place in (4..1_000).step_by(3) {
            deliveries.taken(BatchId(1), place..place + 3, 5, || Arc::clone(&outcome));
        }
        assert_eq!(Arc::strong_count(&outcome), 2);
    }
}
