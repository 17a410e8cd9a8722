//! One partition's part of a pass.

use crate::engine::RecordSource;
use crate::engine::config::DrainMode;
use crate::engine::lane::Lane;

/// Forwards of one record that may fail in a row before a one-shot pass goes on without its
/// partition: nobody waits for a topic to take what it refuses.
const MOST_FAILED_FORWARDS: u32 = 5;

/// What a pass has to do in one partition.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// The partition's end when the pass came to it, once that is known. Without it an end that
    /// was seen proves nothing: the consumer may have learnt of it before a long pause.
    end: Option<i64>,
    /// The end of what this pass put back.
    put_back: i64,
    /// Where the consumer last found nothing more.
    end_seen: Option<i64>,
    /// The consumer can't read on.
    unreadable: bool,
    finished: bool,
    /// It finished with dead letters left that should have been handled.
    stuck: bool,
}

impl Part {
    pub(super) fn is_finished(&self) -> bool {
        self.finished
    }

    pub(super) fn is_stuck(&self) -> bool {
        self.stuck
    }

    pub(super) fn knows_its_end(&self) -> bool {
        self.end.is_some()
    }

    /// See [`Drain::admits`](super::Drain::admits).
    pub(super) fn admits(&mut self, offset: i64, mode: DrainMode) -> bool {
        match (mode, self.end) {
            (DrainMode::Snapshot, None) => return false,
            (DrainMode::Snapshot, Some(end)) if offset >= end => self.finished = true,
            _ => {}
        }
        !self.finished
    }

    pub(super) fn finish(&mut self) {
        self.finished = true;
    }

    /// A dead letter was put back, and got this offset.
    pub(super) fn put_back(&mut self, offset: i64) {
        self.put_back = self.put_back.max(offset.saturating_add(1));
    }

    /// Records came: an end that was seen before is one no more.
    pub(super) fn records(&mut self) {
        self.end_seen = None;
        self.unreadable = false;
    }

    /// See [`Drain::end_of_partition`](super::Drain::end_of_partition).
    pub(super) fn end_of_partition(&mut self, offset: i64, mode: DrainMode) -> bool {
        self.end_seen = Some(offset);
        self.unreadable = false;
        let is_short = self.wanted_end(mode).is_some_and(|end| offset < end);
        if is_short {
            self.end = None;
            self.put_back = 0;
        }
        is_short && !self.finished
    }

    pub(super) fn unreadable(&mut self) {
        self.unreadable = true;
    }

    /// The end offset that was asked for.
    pub(super) fn end_offset(&mut self, end: i64) {
        self.end.get_or_insert(end);
    }

    /// Begins again with where the partition ends now.
    pub(super) fn look_again(&mut self) {
        self.end = None;
        self.finished = false;
    }

    /// Finishes where the partition holds nothing more, can't go on, or has gone.
    pub(super) fn settle<S: RecordSource>(
        &mut self,
        lane: Option<&Lane<S>>,
        mode: DrainMode,
        one_shot: bool,
    ) {
        if self.finished {
            return;
        }
        self.stuck = lane.is_some_and(|lane| {
            lane.is_broken()
                || (self.unreadable && lane.is_idle())
                || (one_shot && lane.failed_forwards() >= MOST_FAILED_FORWARDS)
        });
        self.finished =
            self.stuck || lane.is_none_or(|lane| lane.is_idle() && self.reached_end(mode));
    }

    /// Up to where the pass goes, once that is known.
    fn wanted_end(&self, mode: DrainMode) -> Option<i64> {
        self.end.map(|end| match mode {
            DrainMode::UntilEmpty => end.max(self.put_back),
            DrainMode::Snapshot => end,
        })
    }

    fn reached_end(&self, mode: DrainMode) -> bool {
        let wanted = self.wanted_end(mode);
        matches!((self.end_seen, wanted), (Some(seen), Some(end)) if seen >= end)
    }
}
