//! What happens after every input: all that has become possible, in one fixed order.

use super::RecordSource;
use super::effect::Effect;
use super::machine::{Engine, Life};
use super::report::Report;
use super::words::{Moment, Path};

const PATHS: [Path; 2] = [Path::Main, Path::Drain];

impl<S: RecordSource> Engine<S> {
    /// Lets time pass, starts what can start, ends what is over, tells the consumers.
    pub(super) fn settle(&mut self, now: Moment) {
        let probe_due = self.gate.expire(now.at);
        if probe_due && self.life == Life::Running {
            self.effect(Effect::Probe);
        }
        for path in PATHS {
            self.lanes(path).expire(now.at);
            self.write_out(path);
        }
        self.begin_pass(now);
        for path in self.gate.turns() {
            match path {
                Path::Main => self.start_main(now),
                Path::Drain => self.start_drain(now),
            }
        }
        self.write_out(Path::Drain);
        self.end_pass(now);
        self.end_silence(now);
        for path in PATHS {
            self.complain(path, now);
            self.give_up(path, now);
            self.commit(path);
            self.depart(path, now);
            self.steer(path);
            self.note_blocked(path, now);
        }
        self.end_life(now);
    }

    fn begin_pass(&mut self, now: Moment) {
        let Some(drain) = &mut self.drain else {
            return;
        };
        if self.life != Life::Running {
            return;
        }
        let begins = drain.begin(self.drained.totals, now.at);
        let joined = drain.join(&self.drained);
        if begins {
            self.report(Report::DrainStarted);
        }
        if !joined.is_empty() {
            self.effect(Effect::QueryEndOffsets { partitions: joined });
        }
    }

    /// Ends a pass that is complete and finds nothing more. A one-shot engine then stops; it stops also where the sink
    /// is down, as nobody waits for its next probe.
    fn end_pass(&mut self, now: Moment) {
        let Some(drain) = &mut self.drain else {
            return;
        };
        if self.life != Life::Running {
            return;
        }
        let one_shot = drain.config.one_shot;
        if drain.is_complete(&self.drained) {
            let partitions = drain.look_again(&self.drained.totals);
            if !partitions.is_empty() {
                self.effect(Effect::QueryEndOffsets { partitions });
                return;
            }
            if let Some(summary) = drain.end(&self.drained.totals, now.at) {
                self.report(Report::DrainFinished(summary));
            }
            if one_shot {
                self.stop(now);
            }
        } else if one_shot && self.gate.is_stopped() {
            self.stop(now);
        }
    }

    /// Ends a one-shot drain that waits for Kafka in vain.
    fn end_silence(&mut self, now: Moment) {
        let Some(drain) = &mut self.drain else {
            return;
        };
        if self.life == Life::Running
            && let Some(report) = drain.silence(&self.drained, now.at)
        {
            self.report(report);
            self.stop(now);
        }
    }

    fn complain(&mut self, path: Path, now: Moment) {
        let mut complaints = Vec::new();
        for (tp, lane) in self.lanes(path).iter_mut() {
            if let Some(message) = lane.complaint(now.at) {
                complaints.push((tp.clone(), message.to_owned()));
            }
        }
        for (tp, message) in complaints {
            let place = self.lanes(path).place(&tp);
            self.report(Report::PartitionStuck { place, message });
        }
    }

    fn note_blocked(&mut self, path: Path, now: Moment) {
        for (_, lane) in self.lanes(path).iter_mut() {
            lane.note_blocked(now.at);
        }
    }

    fn give_up(&mut self, path: Path, now: Moment) {
        for (place, offset) in self.lanes(path).give_up(now.at) {
            self.report(Report::GaveUp { place, offset });
        }
    }

    fn commit(&mut self, path: Path) {
        if !self.lanes(path).commits.is_free() {
            return;
        }
        let forwarding = self.forwarding;
        let mut offsets = self.lanes(path).uncommitted(forwarding);
        let held = self.in_transactions(path);
        offsets.retain(|(tp, _)| !held.contains(tp));
        if !offsets.is_empty() {
            let ticket = self.ticket();
            let commit = self.lanes(path).commits.begin(ticket, path, offsets);
            self.effect(commit);
        }
    }

    fn depart(&mut self, path: Path, now: Moment) {
        let departed = self.lanes(path).depart(now.at);
        for (tp, next_offset) in departed.uncommitted {
            let place = self.lanes(path).place(&tp);
            self.report(Report::Uncommitted { place, next_offset });
        }
        for partitions in departed.announced {
            self.effect(Effect::Revoked { path, partitions });
        }
    }

    /// Has fetched what can be handled, and no more.
    fn steer(&mut self, path: Path) {
        let stopped = self.gate.is_stopped();
        let drain = self.drain.as_ref();
        let lanes = match path {
            Path::Main => &mut self.main,
            Path::Drain => &mut self.drained,
        };
        let (mut pauses, mut resumes) = (Vec::new(), Vec::new());
        for (tp, lane) in lanes.iter_mut().filter(|(_, lane)| !lane.is_leaving()) {
            let wanted = path == Path::Main || drain.is_some_and(|drain| drain.wants(tp));
            let paused = !wanted || stopped || lane.is_full();
            if paused != lane.paused {
                lane.paused = paused;
                let list = if paused { &mut pauses } else { &mut resumes };
                list.push(tp.clone());
            }
        }
        if !pauses.is_empty() {
            let partitions = pauses;
            self.effect(Effect::Pause { path, partitions });
        }
        if !resumes.is_empty() {
            let partitions = resumes;
            self.effect(Effect::Resume { path, partitions });
        }
    }

    /// Starts nothing more, and has all partitions leave.
    pub(super) fn stop(&mut self, now: Moment) {
        if self.life == Life::Running {
            self.life = Life::Stopping;
            let timeout = self.config.shutdown_timeout;
            self.main.leave_all(timeout, now.at);
            self.drained.leave_all(timeout, now.at);
        }
    }

    fn end_life(&mut self, now: Moment) {
        let left = !self.main.is_empty() || !self.drained.is_empty();
        if self.life != Life::Stopping || left {
            return;
        }
        if let Some(drain) = &mut self.drain
            && let Some(mut summary) = drain.end(&self.drained.totals, now.at)
        {
            summary.interrupted = true;
            self.report(Report::DrainFinished(summary));
        }
        self.effect(Effect::Stopped);
        self.life = Life::Stopped;
    }
}
