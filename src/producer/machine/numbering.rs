//! How a partition's numbering begins anew, once what bears numbers is out of the way.

use super::ProducerMachine;
use super::batch::Batch;
use super::vocabulary::ProduceFailure;

/// Where the next stamp comes from. The later the graver: one takes the place of those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Restart {
    /// From this number, as the batch that bore it is not in the log, and ended.
    SameEpoch { from: i32 },
    /// From the next epoch: a batch that has ended may be in the log, or not all that bear
    /// numbers follow one another any more.
    NewEpoch,
    /// From a new producer id.
    NewId,
}

impl ProducerMachine {
    /// No batch gets a number before the numbering of the partition has begun anew.
    pub(super) fn ask_restart(&mut self, index: usize, restart: Restart) {
        let in_transaction = self.transaction.is_some();
        // There the transaction is given up, and the next one has another epoch.
        if in_transaction && !matches!(restart, Restart::SameEpoch { .. }) {
            return;
        }
        let pending = &mut self.partitions[index].restart;
        *pending = match (*pending, restart) {
            // The first one that ended had the lowest number.
            (Some(first @ Restart::SameEpoch { .. }), Restart::SameEpoch { .. }) => Some(first),
            (pending, restart) => pending.max(Some(restart)),
        };
    }

    /// A batch that was at this place has ended, with its numbers: what comes next can't follow on
    /// those, unless it takes them over.
    pub(super) fn let_go_of_numbers(&mut self, index: usize, at: usize, batch: &Batch) {
        let Some(stamp) = batch.stamp else {
            return;
        };
        let overtaken = self.partitions[index].overtaken;
        let from = stamp.base_sequence;
        let restart = match batch.is_in_doubt() || overtaken || at > 0 {
            true => Restart::NewEpoch,
            false => Restart::SameEpoch { from },
        };
        self.ask_restart(index, restart);
    }

    /// Begins the numbering anew, if that is asked for and nothing is in flight any more.
    ///
    /// Batches that may be in the log and come first are sent again as they are until they have
    /// ended. What comes after one that is not in the log gets new numbers, unless it may be there
    /// itself: then it ends in doubt, as sent again under its old number it could get in before.
    pub(super) fn restart_if_asked(&mut self, index: usize) {
        let partition = &mut self.partitions[index];
        if partition.restart.is_none() || partition.in_flight() > 0 {
            return;
        }
        let stamped_in_doubt = |batch: &Batch| batch.stamp.is_some() && batch.maybe_written;
        let kept = partition.queue.iter().take_while(|it| stamped_in_doubt(it));
        let kept = kept.count();
        if partition.queue.iter().any(stamped_in_doubt) {
            self.ask_restart(index, Restart::NewEpoch);
        }
        let mut at = kept;
        while let Some(batch) = self.partitions[index].queue.get_mut(at) {
            if batch.stamp.is_some() && batch.maybe_written {
                let failure = ended_behind(batch);
                self.fail_at(index, at, &failure);
            } else {
                batch.stamp = None;
                at += 1;
            }
        }
        let restart = self.partitions[index].restart.filter(|_| kept == 0);
        if let Some(restart) = restart {
            self.restart(index, restart);
        }
    }

    fn restart(&mut self, index: usize, restart: Restart) {
        let partition = &mut self.partitions[index];
        partition.begin_numbering();
        match (restart, &mut partition.sequence) {
            (Restart::SameEpoch { from }, Some(sequence)) => sequence.rewind(from),
            (Restart::NewEpoch, Some(sequence)) => match sequence.next_epoch() {
                Some(next) => *sequence = next,
                None => self.renew_identity(index),
            },
            _ => self.renew_identity(index),
        }
    }

    /// The partition's next batch takes a new id.
    fn renew_identity(&mut self, index: usize) {
        if let Some(sequence) = self.partitions[index].sequence.take() {
            self.identity.retire(sequence);
        }
    }
}

/// Of a batch that may be in the log.
fn ended_behind(batch: &Batch) -> ProduceFailure {
    let why = batch.last_failure.as_ref();
    let message = why.map(|why| why.message.clone());
    ProduceFailure {
        code: why.and_then(|why| why.code),
        message: message.unwrap_or_else(|| "no answer came".into()),
        in_doubt: true,
        given_up: false,
    }
}
