//! A machine's timers: one table, indexed by kind.

use std::time::Instant;

/// What a timer is for. In the order in which timers due at once are handled: the end of the
/// session decides what the others still mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// The coordinator has heard nothing for so long that it has removed the member.
    Session,
    /// The application has had its time to give partitions up.
    Revoke,
    /// The wait before the next attempt is over.
    Retry,
    /// The next heartbeat is due.
    Heartbeat,
    /// The names of topics may be asked for again.
    Topics,
}

const ALL: [Timer; 5] = [
    Timer::Session,
    Timer::Revoke,
    Timer::Retry,
    Timer::Heartbeat,
    Timer::Topics,
];

#[derive(Debug, Default)]
pub(super) struct Timers([Option<Instant>; ALL.len()]);

impl Timers {
    pub(super) fn set(&mut self, timer: Timer, at: Instant) {
        self.0[timer as usize] = Some(at);
    }

    pub(super) fn stop(&mut self, timer: Timer) {
        self.0[timer as usize] = None;
    }

    pub(super) fn stop_all(&mut self) {
        *self = Self::default();
    }

    pub(super) fn is_set(&self, timer: Timer) -> bool {
        self.0[timer as usize].is_some()
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.iter().flatten().min().copied()
    }

    /// Takes one that is due.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Timer> {
        let due = |timer: &Timer| self.0[*timer as usize].is_some_and(|at| at <= now);
        let timer = ALL.into_iter().find(due)?;
        self.stop(timer);
        Some(timer)
    }
}
