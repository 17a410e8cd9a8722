//! Heartbeats: what they tell, and what comes of them.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::{Member, NO_EPOCH, Pending, State, Step};
use crate::group::membership::effect::{
    Attempt, ConsumerHeartbeat, ConsumerHeartbeatAnswer, Effect, Ending, RequestError, Subscribing,
};
use crate::group::membership::remedy::Remedy;
use crate::group::membership::timer::Timer;
use crate::wire::{ErrorCode, TopicPartition};

/// The epochs that stand for leaving: for good, and to come back under the same instance id.
const LEAVES: i32 = -1;
const STATIC_LEAVES: i32 = -2;

/// What a coordinator may tell for the pause between heartbeats.
const INTERVALS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(600));

/// How many pauses make a session. The coordinator does not tell how long its sessions last; by
/// Kafka's defaults it is 45 seconds of silence and 5 seconds from heartbeat to heartbeat.
const PAUSES_PER_SESSION: u32 = 9;
const SHORTEST_SESSION: Duration = Duration::from_secs(5);

/// What the coordinator knows of a member.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Topics, timeout and all that does not change.
    settings: bool,
    owned: Option<BTreeSet<TopicPartition>>,
}

impl Member {
    /// Sends a heartbeat, which joins where there is no epoch. It tells what is not known yet.
    pub(super) fn send_heartbeat(&mut self, now: Instant) {
        if self.epoch == NO_EPOCH {
            self.set_state(State::Joining);
            self.known = Known::default();
        }
        let attempt = self.start(Step::Heartbeat, now);
        let owned = self.base.ownership.owned();
        let tells = Known {
            settings: !self.known.settings,
            owned: (self.known.owned.as_ref() != Some(owned)).then(|| owned.clone()),
        };
        let config = &self.base.config;
        let heartbeat = ConsumerHeartbeat {
            attempt,
            member_id: self.member_id.clone(),
            epoch: self.epoch,
            instance_id: config.instance_id.clone(),
            subscribing: tells.settings.then(|| Subscribing {
                topics: config.topics.clone(),
                rebalance_timeout: config.rebalance_timeout,
                assignor: config.remote_assignor.clone(),
                rack: config.rack.clone(),
            }),
            owned: tells.owned.as_ref().map(|it| self.target.as_told(it)),
            timeout: self.session() / 3,
        };
        self.pending = self.pending.take().map(|it| Pending { tells, ..it });
        self.may_be_member = true;
        self.base.timers.stop(Timer::Heartbeat);
        self.base.effect(Effect::ConsumerHeartbeat(heartbeat));
    }

    /// Sends the heartbeat that leaves.
    pub(super) fn send_departure(&mut self, step: Step, now: Instant) {
        let attempt = self.start(step, now);
        self.base.timers.stop(Timer::Heartbeat);
        let instance_id = self.base.config.instance_id.clone();
        // A static membership that is taken up again keeps its epoch.
        let comes_back = step == Step::Leave && instance_id.is_some();
        let heartbeat = ConsumerHeartbeat {
            attempt,
            member_id: self.member_id.clone(),
            epoch: if comes_back { STATIC_LEAVES } else { LEAVES },
            instance_id,
            subscribing: None,
            owned: None,
            timeout: self.session() / 3,
        };
        self.base.effect(Effect::ConsumerHeartbeat(heartbeat));
    }

    /// Answers [`Effect::ConsumerHeartbeat`].
    pub fn handle_consumer_heartbeat(
        &mut self,
        attempt: Attempt,
        answer: Result<ConsumerHeartbeatAnswer, RequestError>,
        now: Instant,
    ) {
        let steps = [Step::Heartbeat, Step::Withdraw, Step::Leave];
        let Some(pending) = self.take_pending(attempt, &steps) else {
            return;
        };
        match (pending.step, answer) {
            (Step::Leave, answer) => self.departed(answer.map(|_| ())),
            (Step::Withdraw, answer) => self.withdrawn(answer.map(|_| ()), now),
            (_, Ok(answer)) if answer.epoch <= NO_EPOCH => {
                let group = &self.base.config.group_id;
                let text = format!(
                    "joining group `{group}`: an answer with epoch {}",
                    answer.epoch
                );
                self.fail_with(None, text);
            }
            (_, Ok(answer)) => self.heard(answer, pending, now),
            (_, Err(error)) => self.heartbeat_failed(&error, now),
        }
    }

    fn heard(&mut self, answer: ConsumerHeartbeatAnswer, pending: Pending, now: Instant) {
        let joined = self.epoch == NO_EPOCH;
        self.epoch = answer.epoch;
        // In version 0 it may choose one itself.
        if let Some(chosen) = answer.member_id.filter(|id| joined && !id.is_empty()) {
            self.member_id = chosen;
        }
        let (least, most) = INTERVALS;
        self.interval = answer.interval.clamp(least, most);
        self.known.settings = true;
        if let Some(told) = pending.tells.owned {
            self.known.owned = Some(told);
        }
        let session = pending.sent + self.session();
        self.base.timers.set(Timer::Session, session);
        let next = pending.sent + self.interval;
        self.base.timers.set(Timer::Heartbeat, next);
        if joined {
            self.unannounced = true;
        } else {
            self.base.backoff.reset();
        }
        if let Some(assignment) = answer.assignment
            && self.target.assign(assignment)
        {
            self.unannounced = true;
            // The coordinator waits to be told, even if it is what it was told before.
            self.known.owned = None;
        }
        self.reconcile(now);
    }

    fn heartbeat_failed(&mut self, error: &RequestError, now: Instant) {
        self.known = Known::default();
        let joining = self.epoch == NO_EPOCH;
        match error.remedy() {
            Remedy::FindCoordinator => self.lose_coordinator(now),
            Remedy::Retry | Remedy::Rejoin => self.base.retry_later(now),
            Remedy::ForgetMember => {
                self.may_be_member = false;
                self.removed(now);
            }
            Remedy::ForgetGeneration => {
                // Before Kafka 4.4 one who joins is refused as long as it is there.
                self.lingers = true;
                self.removed(now);
            }
            Remedy::Nothing if error.code() == Some(ErrorCode::UNSUPPORTED_VERSION) => {
                self.end(Effect::Unsupported);
            }
            // There is no group left to be a member of.
            Remedy::Nothing if !joining && error.code() == Some(ErrorCode::GROUP_ID_NOT_FOUND) => {
                self.may_be_member = false;
                self.removed(now);
            }
            Remedy::Nothing if joining => self.fail("joining", error),
            Remedy::Nothing => self.fail("staying in", error),
        }
    }

    /// The membership that the coordinator may have kept is over, or was not there.
    fn withdrawn(&mut self, answer: Result<(), RequestError>, now: Instant) {
        let Err(error) = answer else {
            (self.lingers, self.may_be_member) = (false, false);
            return self.proceed(now);
        };
        match error.remedy() {
            Remedy::FindCoordinator => self.lose_coordinator(now),
            Remedy::Retry | Remedy::Rejoin => self.base.retry_later(now),
            // Where it can't be ended, joining tells why, or goes well: the group may be gone, or
            // the instance free.
            Remedy::ForgetMember | Remedy::ForgetGeneration | Remedy::Nothing => {
                (self.lingers, self.may_be_member) = (false, false);
                self.base.retry_later(now);
            }
        }
    }

    fn departed(&mut self, answer: Result<(), RequestError>) {
        let is_static = self.base.config.instance_id.is_some();
        self.finish_leaving(match answer {
            Ok(()) if is_static => Ending::Stays,
            Ok(()) => Ending::Left,
            Err(error) if error.remedy() == Remedy::ForgetMember => Ending::NoMember,
            Err(error) => Ending::NotLeft(error),
        });
    }

    /// How long a silence the coordinator is taken to bear.
    fn session(&self) -> Duration {
        SHORTEST_SESSION.max(self.interval * PAUSES_PER_SESSION)
    }

    /// True where the coordinator waits to be told what is owned.
    pub(super) fn is_to_tell(&self) -> bool {
        self.known.owned.as_ref() != Some(self.base.ownership.owned())
    }

    /// The coordinator has not been heard for a session: it has given the partitions away, if it
    /// has not heard the member either.
    pub(super) fn end_session(&mut self, now: Instant) {
        self.lingers = true;
        self.forget();
        if self.state == State::Leaving {
            return self.finish_leaving(Ending::NoMember);
        }
        self.set_state(State::Unjoined);
        self.lose_coordinator(now);
    }

    /// The coordinator has removed the member, or fenced it.
    pub(super) fn removed(&mut self, now: Instant) {
        self.forget();
        if self.state == State::Leaving {
            return self.proceed(now);
        }
        self.set_state(State::Unjoined);
        if self.base.may_retry_now(now) {
            self.proceed(now);
        }
    }

    /// Loses all that comes with an epoch.
    pub(super) fn forget(&mut self) {
        self.base.lose_all();
        self.epoch = NO_EPOCH;
        self.target.forget();
        self.unannounced = false;
        self.known = Known::default();
        self.pending = None;
        for timer in [Timer::Session, Timer::Heartbeat, Timer::Topics] {
            self.base.timers.stop(timer);
        }
    }
}
