//! The line to the sink, which all records share: open, held by a sink that asked to wait, or
//! stopped because the sink can't be used. With a rate, it is closed too between two messages.
//!
//! ```text
//!            RetryAfter            time is up
//!   open ──────────────▶ held ──────────────────▶ open
//!    │                    │
//!    └──────SinkDown──────┴──▶ stopped ──probe succeeds──▶ open, or held still
//!                               ▲   │
//!                               └───┘ probe fails
//! ```

use std::time::{Duration, Instant};

use super::pace::{Pacer, Rate};
use super::report::Report;
use super::status::Line;
use super::timing::{MIN_WAIT, OnceAMinute, after};
use super::words::Path;
use crate::sink::Failure;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Gate {
    probe_interval: Duration,
    held_until: Option<Instant>,
    hold_reported: OnceAMinute,
    stopped: Option<Stopped>,
    /// Outlives a stop: a line that stops and resumes in turn is no reason to tell more.
    stop_reported: OnceAMinute,
    pacer: Option<Pacer>,
}

#[derive(Debug)]
struct Stopped {
    since: Instant,
    /// `None` while one is under way.
    probe_at: Option<Instant>,
    /// True once this stop was told: only then is its end.
    told: bool,
}

impl Gate {
    pub(super) fn new(probe_interval: Duration, rate: Option<Rate>) -> Self {
        Self {
            probe_interval: probe_interval.max(MIN_WAIT),
            held_until: None,
            hold_reported: OnceAMinute::default(),
            stopped: None,
            stop_reported: OnceAMinute::default(),
            pacer: rate.map(Pacer::new),
        }
    }

    /// True if records may be sent.
    pub(super) fn is_open(&self) -> bool {
        let in_pace = self.pacer.as_ref().is_none_or(Pacer::is_open);
        in_pace && self.held_until.is_none() && self.stopped.is_none()
    }

    /// A message leaves.
    pub(super) fn sent(&mut self, path: Path, now: Instant) {
        if let Some(pacer) = &mut self.pacer {
            pacer.take(path, now);
        }
    }

    /// Who may send first.
    pub(super) fn turns(&self) -> [Path; 2] {
        let pacer = self.pacer.as_ref();
        pacer.map_or([Path::Main, Path::Drain], Pacer::turns)
    }

    /// What keeps records from the sink, but for its rate.
    pub(super) fn line(&self, now: Instant) -> Line {
        match (&self.stopped, self.held_until) {
            (Some(stopped), _) => Line::Stopped(now - stopped.since),
            (None, Some(_)) => Line::Held,
            (None, None) => Line::Open,
        }
    }

    /// True if the sink can't be used.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.is_some()
    }

    /// The sink asked for a wait. Of several, the one that ends last holds.
    pub(super) fn hold(
        &mut self,
        wait: Duration,
        failure: Failure,
        now: Instant,
    ) -> Option<Report> {
        let wait = wait.max(MIN_WAIT);
        self.held_until = self.held_until.max(Some(after(now, wait)));
        let told = self.hold_reported.tell(now);
        told.then_some(Report::LineHeld { wait, failure })
    }

    /// The sink can't be used. Reported once, however many records find out, and at most once a
    /// minute, however often the line resumes.
    pub(super) fn stop(&mut self, failure: Failure, now: Instant) -> Option<Report> {
        if self.stopped.is_some() {
            return None;
        }
        let told = self.stop_reported.tell(now);
        self.stopped = Some(Stopped {
            since: now,
            probe_at: Some(after(now, self.probe_interval)),
            told,
        });
        told.then_some(Report::LineStopped { failure })
    }

    /// What a probe found.
    pub(super) fn probed(&mut self, result: Result<(), Failure>, now: Instant) -> Option<Report> {
        let stopped = self.stopped.as_mut()?;
        match result {
            Ok(()) => {
                let told = stopped.told;
                self.stopped = None;
                told.then_some(Report::LineResumed)
            }
            Err(failure) => {
                stopped.probe_at = Some(after(now, self.probe_interval));
                let due = self.stop_reported.tell(now);
                stopped.told |= due;
                due.then(|| Report::LineStillStopped {
                    failure,
                    stopped_for: now - stopped.since,
                })
            }
        }
    }

    /// When something happens by itself.
    pub(super) fn timeout(&self) -> Option<Instant> {
        let probe = self.stopped.as_ref().and_then(|stopped| stopped.probe_at);
        let pacer = self.pacer.as_ref().and_then(Pacer::timeout);
        self.held_until.into_iter().chain(probe).chain(pacer).min()
    }

    /// Lets time pass; true if the sink is to be probed now.
    pub(super) fn expire(&mut self, now: Instant) -> bool {
        self.held_until.take_if(|until| *until <= now);
        if let Some(pacer) = &mut self.pacer {
            pacer.expire(now);
        }
        self.stopped
            .as_mut()
            .is_some_and(|stopped| stopped.probe_at.take_if(|at| *at <= now).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::FailureKind;

    const SECOND: Duration = Duration::from_secs(1);

    fn failure() -> Failure {
        Failure::new(FailureKind::Unauthorized, "401")
    }

    #[test]
    fn a_hold_ends_by_itself_and_the_longest_counts() {
        let start = Instant::now();
        let mut gate = Gate::new(10 * SECOND, None);
        gate.hold(5 * SECOND, failure(), start);
        gate.hold(2 * SECOND, failure(), start);
        assert_eq!(gate.timeout(), Some(start + 5 * SECOND));
        gate.expire(start + 4 * SECOND);
        assert!(!gate.is_open());
        gate.expire(start + 5 * SECOND);
        assert!(gate.is_open());
        assert_eq!(gate.timeout(), None);
    }

    #[test]
    fn a_stop_is_told_once_and_probed_until_it_ends() {
        let start = Instant::now();
        let mut gate = Gate::new(10 * SECOND, None);
        assert!(gate.stop(failure(), start).is_some());
        assert!(gate.stop(failure(), start + SECOND).is_none());
        assert!(!gate.expire(start + 9 * SECOND));
        assert!(gate.expire(start + 10 * SECOND), "the probe is due");
        assert!(!gate.expire(start + 11 * SECOND), "one probe at a time");
        assert_eq!(gate.timeout(), None);
        assert_eq!(gate.probed(Err(failure()), start + 12 * SECOND), None);
        assert_eq!(gate.timeout(), Some(start + 22 * SECOND));
        assert!(gate.expire(start + 22 * SECOND));
        let resumed = gate.probed(Ok(()), start + 23 * SECOND);
        assert_eq!(resumed, Some(Report::LineResumed));
        assert!(gate.is_open());
    }

    #[test]
    fn a_line_that_stays_stopped_is_told_once_a_minute() {
        let start = Instant::now();
        let mut gate = Gate::new(10 * SECOND, None);
        gate.stop(failure(), start);
        let told: Vec<u64> = (1..=18)
            .map(|n| n * 10)
            .filter(|s| {
                gate.probed(Err(failure()), start + Duration::from_secs(*s))
                    .is_some()
            })
            .collect();
        assert_eq!(told, [60, 120, 180]);
    }

    #[test]
    fn a_line_that_flaps_is_told_once_a_minute() {
        let start = Instant::now();
        let mut gate = Gate::new(5 * SECOND, None);
        let (mut stopped, mut resumed) = (Vec::new(), Vec::new());
        for second in (0..=120).step_by(10) {
            let at = start + Duration::from_secs(second);
            stopped.extend(gate.stop(failure(), at).map(|_| second));
            resumed.extend(gate.probed(Ok(()), at + 5 * SECOND).map(|_| second));
            assert!(gate.is_open());
        }
        assert_eq!((stopped, resumed), (vec![0, 60, 120], vec![0, 60, 120]));
    }

    #[test]
    fn a_stop_that_was_not_told_at_once_is_told_while_it_lasts() {
        let start = Instant::now();
        let mut gate = Gate::new(10 * SECOND, None);
        gate.stop(failure(), start);
        gate.probed(Ok(()), start + 10 * SECOND);
        assert_eq!(gate.stop(failure(), start + 20 * SECOND), None);
        let still = gate.probed(Err(failure()), start + 60 * SECOND);
        assert!(
            matches!(still, Some(Report::LineStillStopped { stopped_for, .. })
            if stopped_for == 40 * SECOND)
        );
        let resumed = gate.probed(Ok(()), start + 70 * SECOND);
        assert_eq!(resumed, Some(Report::LineResumed));
    }

    #[test]
    fn holds_are_told_once_a_minute() {
        let start = Instant::now();
        let mut gate = Gate::new(SECOND, None);
        let told: Vec<u64> = (0..=120)
            .filter(|s| {
                let at = start + Duration::from_secs(*s);
                gate.hold(SECOND, failure(), at).is_some()
            })
            .collect();
        assert_eq!(told, [0, 60, 120]);
    }

    #[test]
    fn a_hold_outlives_a_stop() {
        let start = Instant::now();
        let mut gate = Gate::new(SECOND, None);
        gate.hold(5 * SECOND, failure(), start);
        gate.stop(failure(), start);
        gate.probed(Ok(()), start + SECOND);
        assert!(!gate.is_open());
        assert!(!gate.is_stopped());
    }

    #[test]
    fn zero_waits_make_no_busy_loop() {
        let start = Instant::now();
        let mut gate = Gate::new(Duration::ZERO, None);
        gate.hold(Duration::ZERO, failure(), start);
        gate.stop(failure(), start);
        assert!(!gate.expire(start));
        assert_eq!(gate.timeout(), Some(start + MIN_WAIT));
    }
}
