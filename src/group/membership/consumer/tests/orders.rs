//! Any order of answers, errors, timeouts and wishes.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::member::config;
use super::*;
use crate::group::membership::tests::ends;

/// A topic that has no name at first.
const OTHER: TopicId = [8; 16];

/// What may happen to a member.
#[derive(Clone, Debug)]
enum Event {
    /// A request is answered: which one, and how.
    Answer(usize, Outcome),
    /// The application has given up what it was last asked to, or what it was once asked to.
    Revoked(bool),
    /// Time passes, in milliseconds.
    Wait(u64),
    /// The metadata has all names, or that of one topic.
    Named(bool),
    CommitFailed(RequestError),
    Leave,
}

#[derive(Clone, Debug)]
enum Outcome {
    Nothing,
    /// Which of four partitions, and of which topic.
    Assigned(u8, bool),
    Error(RequestError),
}

fn errors() -> impl Strategy<Value = RequestError> {
    let codes = [-1, 14, 15, 16, 25, 27, 110, 111, 113].map(|it| code(ErrorCode(it)));
    let fatal = [30, 35, 42, 69, 81, 82, 112].map(|it| code(ErrorCode(it)));
    prop_oneof![
        8 => prop::sample::select(codes.to_vec()),
        1 => prop::sample::select(fatal.to_vec()),
        2 => Just(RequestError::Disconnected),
        2 => Just(RequestError::Timeout),
    ]
}

fn events() -> impl Strategy<Value = Event> {
    let outcome = prop_oneof![
        4 => Just(Outcome::Nothing),
        6 => (0..16u8, prop::bool::weighted(0.3)).prop_map(|(mask, other)| Outcome::Assigned(mask, other)),
        3 => errors().prop_map(Outcome::Error),
    ];
    prop_oneof![
        20 => (0..6usize, outcome).prop_map(|(index, how)| Event::Answer(index, how)),
        6 => prop::bool::weighted(0.9).prop_map(Event::Revoked),
        6 => (0..6_000u64).prop_map(Event::Wait),
        1 => (6_000..90_000u64).prop_map(Event::Wait),
        2 => any::<bool>().prop_map(Event::Named),
        2 => errors().prop_map(Event::CommitFailed),
    ]
}

/// A request or a question, latest first in the lists of them.
#[derive(Clone, Copy, Debug)]
enum Open {
    Find(Attempt),
    Beat(Attempt, i32),
    Topics(Attempt),
}

impl Open {
    fn attempt(self) -> Attempt {
        match self {
            Self::Find(attempt) | Self::Beat(attempt, _) | Self::Topics(attempt) => attempt,
        }
    }
}

fn named(all: bool) -> TopicNames {
    let other = all.then(|| (OTHER, Arc::from("u")));
    names().into_iter().chain(other).collect()
}

/// True where the coordinator tells by it that the membership is over.
fn removes(error: &RequestError) -> bool {
    let code = error.code();
    error.remedy() == Remedy::ForgetMember || code == Some(ErrorCode::GROUP_ID_NOT_FOUND)
}

/// A driver that checks each effect against what it has seen.
struct Model {
    machine: Machine,
    now: Instant,
    epoch: i32,
    owned: BTreeSet<TopicPartition>,
    revoking: Option<(Attempt, Vec<TopicPartition>)>,
    old_revocation: Option<Attempt>,
    open: Vec<Open>,
    /// Requests that were answered, to be answered once more.
    answered: Vec<Open>,
    requests: usize,
    /// The coordinator counts it to the group, as far as it has told.
    is_member: bool,
    ended: bool,
}

impl Model {
    fn new(config: Config) -> Self {
        let now = Instant::now();
        let mut machine = Machine::new(config);
        machine.handle_topics_changed(named(false), now);
        machine.handle_start(now);
        let mut model = Self {
            machine,
            now,
            epoch: 0,
            owned: BTreeSet::new(),
            revoking: None,
            old_revocation: None,
            open: Vec::new(),
            answered: Vec::new(),
            requests: 0,
            is_member: false,
            ended: false,
        };
        model.drain();
        model
    }

    fn apply(&mut self, event: &Event) {
        let now = self.now;
        match event {
            Event::Answer(index, outcome) => self.answer(*index, outcome),
            Event::Revoked(current) => self.revoked(*current),
            Event::Wait(ms) => {
                self.now += Duration::from_millis(*ms);
                self.machine.handle_timeout(self.now);
                let next = self.machine.poll_timeout();
                assert!(next.is_none_or(|at| at > self.now), "a timer stays due");
            }
            Event::Named(all) => self.machine.handle_topics_changed(named(*all), now),
            Event::CommitFailed(error) => {
                if let Some(stamp) = self.machine.commit_stamp() {
                    self.is_member &= !removes(error);
                    self.machine.handle_commit_error(&stamp, error, now);
                }
            }
            Event::Leave => self.machine.handle_leave(now),
        }
        self.drain();
    }

    fn revoked(&mut self, current: bool) {
        let attempt = match self.revoking.take_if(|_| current) {
            Some((attempt, gone)) => {
                self.owned.retain(|it| !gone.contains(it));
                self.old_revocation.replace(attempt);
                Some(attempt)
            }
            None => self.old_revocation.filter(|_| !current),
        };
        if let Some(attempt) = attempt {
            self.machine.handle_revoked(attempt, self.now);
        }
    }

    fn answer(&mut self, index: usize, outcome: &Outcome) {
        let known = self.open.len() + self.answered.len();
        let open = match index.checked_rem(known) {
            None => return,
            Some(index) if index < self.open.len() => self.open.remove(index),
            Some(index) => self.answered[index - self.open.len()],
        };
        self.answered.insert(0, open);
        self.answered.truncate(3);
        let (machine, now) = (&mut self.machine, self.now);
        let error = match outcome {
            Outcome::Error(error) => Some(error.clone()),
            _ => None,
        };
        match open {
            Open::Find(attempt) => {
                machine.handle_coordinator(attempt, error.map_or(Ok(()), Err), now);
            }
            Open::Topics(attempt) => {
                let all = !matches!(outcome, Outcome::Nothing);
                machine.handle_topics(attempt, error.map_or(Ok(named(all)), Err), now);
            }
            Open::Beat(attempt, epoch) => {
                self.epoch += i32::from(epoch >= 0);
                let is_over = match (&error, epoch < 0) {
                    (None, leaves) => leaves,
                    (Some(error), true) => ends(error),
                    (Some(error), false) => removes(error),
                };
                self.is_member &= !is_over;
                let answer = ConsumerHeartbeatAnswer {
                    member_id: None,
                    epoch: if epoch < 0 { epoch } else { self.epoch },
                    interval: 5 * SECOND,
                    assignment: assignment(outcome),
                };
                machine.handle_consumer_heartbeat(attempt, error.map_or(Ok(answer), Err), now);
                self.is_member |= machine.epoch() == Some(self.epoch);
            }
        }
    }

    /// Takes every effect, and checks it.
    fn drain(&mut self) {
        let mut count = 0;
        while let Some(effect) = self.machine.poll_effect() {
            count += 1;
            assert!(!self.ended, "{effect:?} after the end");
            self.note(effect);
        }
        assert!(count <= 5, "{count} effects of one event");
        assert_eq!(&self.owned, self.machine.assignment());
        let held = self.machine.epoch().is_some() || self.owned.is_empty();
        assert!(held, "owns without an epoch in {:?}", self.machine.state());
    }

    /// Checks an effect.
    fn note(&mut self, effect: Effect) {
        match effect {
            Effect::FindCoordinator(attempt) => self.begin(Open::Find(attempt)),
            Effect::NeedTopics { attempt, topics } => {
                assert_eq!(topics, [OTHER]);
                self.begin(Open::Topics(attempt));
            }
            Effect::ConsumerHeartbeat(beat) => {
                self.check_told(&beat);
                let joins = beat.epoch == 0;
                assert!(!(joins && self.is_member), "joins beside its membership");
                self.begin(Open::Beat(beat.attempt, beat.epoch));
            }
            Effect::Assigned(added) => {
                assert!(self.revoking.is_none(), "assigned before all is given up");
                for partition in added {
                    assert!(self.owned.insert(partition), "assigned what is owned");
                }
            }
            Effect::Revoke {
                attempt,
                partitions,
            } => {
                assert!(!partitions.is_empty() && self.revoking.is_none());
                let owned = partitions.iter().all(|it| self.owned.contains(it));
                assert!(owned, "revokes another's");
                self.revoking = Some((attempt, partitions));
            }
            Effect::Lost(partitions) => {
                assert!(!partitions.is_empty());
                for partition in partitions {
                    assert!(self.owned.remove(&partition), "lost what is not owned");
                }
                let ended = self.revoking.take().map(|(attempt, _)| attempt);
                self.old_revocation = ended.or(self.old_revocation);
            }
            Effect::Failed(_) | Effect::Unsupported => assert!(self.owned.is_empty()),
            Effect::Left(_) => {
                assert!(self.owned.is_empty());
                self.ended = true;
            }
            other => panic!("of the other protocol: {other:?}"),
        }
    }

    fn begin(&mut self, open: Open) {
        let mut known = self.open.iter().chain(&self.answered);
        let rises = known.all(|it| it.attempt() < open.attempt());
        assert!(rises, "attempts do not rise");
        self.open.insert(0, open);
        self.requests += 1;
    }

    /// What is told is what is owned, and to join is to own nothing.
    fn check_told(&self, beat: &ConsumerHeartbeat) {
        assert_eq!(
            beat.subscribing.is_some(),
            beat.epoch == 0 || beat.subscribing.is_some()
        );
        let Some(told) = &beat.owned else {
            return assert_ne!(beat.epoch, 0);
        };
        let told = told.iter().flat_map(|(id, partitions)| {
            let name = if *id == ID { "t" } else { "u" };
            let partitions = partitions.iter();
            partitions.map(move |partition| TopicPartition::new(name, *partition))
        });
        assert_eq!(told.collect::<BTreeSet<_>>(), self.owned);
    }

    /// From now on everything goes well.
    fn go_well(&mut self, done: impl Fn(&Self) -> bool) {
        for _ in 0..60 {
            if done(self) {
                return;
            }
            for _ in 0..self.open.len() {
                self.apply(&Event::Answer(0, Outcome::Assigned(5, true)));
            }
            self.apply(&Event::Revoked(true));
            self.apply(&Event::Wait(1_100));
        }
        panic!("still {:?}: {:?}", self.machine.state(), self.machine);
    }

    /// True where all is owned that goes with going well, and nothing else.
    fn is_at_rest(&self) -> bool {
        let both = ["t", "u"].into_iter();
        let wanted = both.flat_map(|name| [0, 2].map(|it| TopicPartition::new(name, it)));
        self.machine.state() == State::Stable && self.owned == wanted.collect()
    }
}

fn assignment(outcome: &Outcome) -> Option<TopicPartitions> {
    let Outcome::Assigned(mask, other) = outcome else {
        return None;
    };
    let partitions: Vec<_> = (0..4).filter(|i| mask & 1 << i != 0).collect();
    let mut assignment = assigned(&partitions);
    assignment.extend(other.then(|| (OTHER, partitions)));
    Some(assignment)
}

fn configs() -> impl Strategy<Value = Config> {
    any::<bool>().prop_map(|is_static| Config {
        instance_id: is_static.then(|| "i".to_owned()),
        ..config()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_order_keeps_the_books_and_comes_to_rest(
        config in configs(),
        events in prop::collection::vec(events(), 0..120),
        then_leaves in any::<bool>(),
    ) {
        let mut model = Model::new(config);
        for event in &events {
            model.apply(event);
        }
        if then_leaves {
            model.apply(&Event::Leave);
            model.go_well(|it| it.ended);
            prop_assert!(model.machine.poll_timeout().is_none());
            for event in &events {
                model.apply(event);
            }
        } else if model.machine.state() != State::Fatal {
            model.go_well(Model::is_at_rest);
        }
    }

    #[test]
    fn a_coordinator_that_always_refuses_is_asked_at_a_bearable_pace(
        config in configs(),
        error in errors(),
        well_for in 0..8usize,
    ) {
        let mut model = Model::new(config);
        for _ in 0..well_for {
            model.apply(&Event::Answer(0, Outcome::Assigned(1, false)));
        }
        let before = model.requests;
        for _ in 0..600 {
            for _ in 0..model.open.len() {
                model.apply(&Event::Answer(0, Outcome::Error(error.clone())));
            }
            model.apply(&Event::Revoked(true));
            model.apply(&Event::Wait(100));
        }
        let requests = model.requests - before;
        prop_assert!(requests <= 90, "{requests} requests in a minute");
    }
}
