//! Any order of answers, errors, timeouts and wishes.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::member::{config, tp};
use super::*;
use crate::group::assignor::Assignor;
use crate::group::membership::remedy::Remedy;
use crate::group::membership::tests::ends;

/// What may happen to a member.
#[derive(Clone, Debug)]
enum Event {
    /// A request is answered: which one, how, and with which of the partitions.
    Answer(usize, Outcome, u8),
    /// The application has given up what it was last asked to, or what it was once asked to.
    Revoked(bool),
    /// Time passes, in milliseconds.
    Wait(u64),
    Rejoin,
    TopicsChanged(i32),
    CommitFailed(RequestError),
    Leave,
}

#[derive(Clone, Debug)]
enum Outcome {
    Follower,
    Leader { spared: bool },
    Error(RequestError),
}

fn errors() -> impl Strategy<Value = RequestError> {
    let codes = [-1, 14, 15, 16, 22, 25, 27].map(|code| RequestError::Code(ErrorCode(code)));
    let fatal = [23, 30, 82].map(|code| RequestError::Code(ErrorCode(code)));
    prop_oneof![
        8 => prop::sample::select(codes.to_vec()),
        1 => prop::sample::select(fatal.to_vec()),
        2 => Just(RequestError::Disconnected),
        2 => Just(RequestError::Timeout),
        2 => Just(RequestError::MemberIdRequired("m3".to_owned())),
    ]
}

fn events() -> impl Strategy<Value = Event> {
    let outcome = prop_oneof![
        6 => Just(Outcome::Follower),
        3 => any::<bool>().prop_map(|spared| Outcome::Leader { spared }),
        3 => errors().prop_map(Outcome::Error),
    ];
    prop_oneof![
        20 => (0..8usize, outcome, 0..16u8).prop_map(|(i, how, what)| Event::Answer(i, how, what)),
        6 => prop::bool::weighted(0.9).prop_map(Event::Revoked),
        6 => (0..4_000u64).prop_map(Event::Wait),
        1 => (4_000..90_000u64).prop_map(Event::Wait),
        2 => Just(Event::Rejoin),
        2 => (0..4).prop_map(Event::TopicsChanged),
        2 => errors().prop_map(Event::CommitFailed),
    ]
}

/// A request, latest first in the lists of them.
#[derive(Clone, Copy, Debug)]
enum Open {
    Find(Attempt),
    Join(Attempt),
    Partitions(Attempt),
    Sync(Attempt),
    Heartbeat(Attempt),
    Leave(Attempt),
}

impl Open {
    fn attempt(self) -> Attempt {
        match self {
            Self::Find(attempt) | Self::Join(attempt) | Self::Partitions(attempt) => attempt,
            Self::Sync(attempt) | Self::Heartbeat(attempt) | Self::Leave(attempt) => attempt,
        }
    }
}

/// True where the coordinator tells by it that the generation is over for the member.
fn removes(error: &RequestError) -> bool {
    matches!(
        error.remedy(),
        Remedy::ForgetMember | Remedy::ForgetGeneration
    )
}

/// A driver that checks each effect against what it has seen.
struct Model {
    machine: Machine,
    now: Instant,
    generation: i32,
    owned: BTreeSet<TopicPartition>,
    revoking: Option<Attempt>,
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
        machine.handle_start(now);
        let mut model = Self {
            machine,
            now,
            generation: 0,
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
            Event::Answer(index, outcome, mask) => self.answer(*index, outcome, *mask),
            Event::Revoked(current) => {
                let attempt = if *current {
                    self.revoking
                } else {
                    self.old_revocation
                };
                if let Some(attempt) = attempt {
                    let done = *current && self.machine.base.ownership.is_revoking();
                    self.machine.handle_revoked(attempt, now);
                    if done {
                        self.owned.clone_from(self.machine.assignment());
                        self.old_revocation = self.revoking.take();
                    }
                }
            }
            Event::Wait(ms) => {
                self.now += Duration::from_millis(*ms);
                self.machine.handle_timeout(self.now);
                let next = self.machine.poll_timeout();
                assert!(next.is_none_or(|at| at > self.now), "a timer stays due");
            }
            Event::Rejoin => self.machine.handle_rejoin_requested("test", now),
            Event::TopicsChanged(count) => {
                let counts = PartitionCounts::from([("t".to_owned(), *count)]);
                self.machine.handle_topics_changed(&counts, now);
            }
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

    fn answer(&mut self, index: usize, outcome: &Outcome, mask: u8) {
        let known = self.open.len() + self.answered.len();
        let open = match index.checked_rem(known) {
            None => return,
            Some(index) if index < self.open.len() => self.open.remove(index),
            Some(index) => self.answered[index - self.open.len()],
        };
        self.answered.insert(0, open);
        self.answered.truncate(3);
        let (machine, now) = (&mut self.machine, self.now);
        let simple = match outcome {
            Outcome::Error(error) => Err(error.clone()),
            _ => Ok(()),
        };
        let is_over = match (&simple, matches!(open, Open::Leave(_))) {
            (Ok(()), leaves) => leaves,
            (Err(error), true) => ends(error),
            (Err(error), false) => removes(error),
        };
        self.is_member &= !is_over;
        match open {
            Open::Find(attempt) => machine.handle_coordinator(attempt, simple, now),
            Open::Heartbeat(attempt) => machine.handle_heartbeat(attempt, simple, now),
            Open::Leave(attempt) => machine.handle_leave_answer(attempt, simple, now),
            Open::Partitions(attempt) => {
                let counts = PartitionCounts::from([("t".to_owned(), 4)]);
                machine.handle_partitions(attempt, simple.map(|()| counts), now);
            }
            Open::Sync(attempt) => {
                let assigned: Vec<_> = (0..4).filter(|i| mask & 1 << i != 0).map(tp).collect();
                let assignment = encode_assignment(&assigned);
                machine.handle_sync(attempt, simple.map(|()| SyncAnswer { assignment }), now);
            }
            Open::Join(attempt) => {
                self.generation += 1;
                let answer = simple.map(|()| join_answer(outcome, self.generation));
                machine.handle_join(attempt, answer, now);
                self.is_member |= machine.generation() == Some(self.generation);
            }
        }
    }

    /// Takes every effect, and checks it.
    fn drain(&mut self) {
        let mut count = 0;
        while let Some(effect) = self.machine.poll_effect() {
            count += 1;
            assert!(!self.ended, "{effect:?} after the end");
            self.requests += usize::from(self.note(effect));
        }
        assert!(count <= 5, "{count} effects of one event");
        assert_eq!(&self.owned, self.machine.assignment());
        let held = self.machine.is_member() || self.owned.is_empty();
        assert!(
            held,
            "owns without being a member in {:?}",
            self.machine.state()
        );
    }

    /// Checks an effect; true where it is a request.
    fn note(&mut self, effect: Effect) -> bool {
        let open = match effect {
            Effect::FindCoordinator(attempt) => Open::Find(attempt),
            Effect::Join(request) => {
                let subscription = Subscription::decode(&request.protocols[0].1).unwrap();
                let joins_anew = subscription.generation == NO_GENERATION;
                assert!(
                    !(joins_anew && self.is_member),
                    "joins beside its membership"
                );
                Open::Join(request.attempt)
            }
            Effect::NeedPartitions { attempt, .. } => Open::Partitions(attempt),
            Effect::Sync(request) => Open::Sync(request.attempt),
            Effect::Heartbeat(request) => Open::Heartbeat(request.attempt),
            Effect::Leave(request) => Open::Leave(request.attempt),
            Effect::Assigned(added) => {
                for partition in added {
                    assert!(self.owned.insert(partition), "assigned what is owned");
                }
                return false;
            }
            Effect::Revoke {
                attempt,
                partitions,
            } => {
                assert!(!partitions.is_empty() && self.revoking.is_none());
                assert!(
                    partitions.iter().all(|it| self.owned.contains(it)),
                    "revokes another's"
                );
                self.revoking = Some(attempt);
                return false;
            }
            Effect::Lost(partitions) => {
                assert!(!partitions.is_empty());
                for partition in partitions {
                    assert!(self.owned.remove(&partition), "lost what is not owned");
                }
                self.old_revocation = self.revoking.take().or(self.old_revocation);
                return false;
            }
            Effect::Failed(_) => {
                assert!(self.owned.is_empty());
                return false;
            }
            Effect::Left(_) => {
                assert!(self.owned.is_empty());
                self.ended = true;
                return false;
            }
            other => panic!("of the other protocol: {other:?}"),
        };
        let mut known = self.open.iter().chain(&self.answered);
        assert!(
            known.all(|it| it.attempt() < open.attempt()),
            "attempts do not rise"
        );
        self.open.insert(0, open);
        true
    }

    /// From now on everything goes well.
    fn go_well(&mut self, until: State) {
        for _ in 0..40 {
            if self.machine.state() == until {
                return;
            }
            for _ in 0..self.open.len() {
                self.apply(&Event::Answer(0, Outcome::Follower, 3));
            }
            self.apply(&Event::Revoked(true));
            self.apply(&Event::Wait(1_100));
        }
        panic!("still {:?}: {:?}", self.machine.state(), self.machine);
    }
}

fn join_answer(outcome: &Outcome, generation: i32) -> JoinAnswer {
    let (leader, skip_assignment) = match outcome {
        Outcome::Leader { spared } => ("m1", *spared),
        _ => ("m2", false),
    };
    let member = |member_id: &str, metadata| GroupMember {
        member_id: member_id.to_owned(),
        instance_id: None,
        metadata,
    };
    JoinAnswer {
        generation,
        protocol_name: "cooperative-sticky".to_owned(),
        leader: leader.to_owned(),
        member_id: "m1".to_owned(),
        members: vec![
            member("m1", Subscription::nothing().encode(Assignor::Range)),
            member("m2", Bytes::from_static(b"garbage")),
        ],
        skip_assignment,
    }
}

fn configs() -> impl Strategy<Value = Config> {
    (any::<bool>(), any::<bool>()).prop_map(|(cooperative, is_static)| {
        let assignors = [Assignor::CooperativeSticky, Assignor::Range];
        let instance_id = is_static.then(|| "i".to_owned());
        Config {
            instance_id,
            ..config(&assignors[..2 - usize::from(cooperative)])
        }
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
            model.go_well(State::Left);
            prop_assert!(model.ended && model.machine.poll_timeout().is_none());
            for event in &events {
                model.apply(event);
            }
        } else if model.machine.state() != State::Fatal {
            model.go_well(State::Stable);
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
            model.apply(&Event::Answer(0, Outcome::Follower, 1));
        }
        let before = model.requests;
        for _ in 0..600 {
            for _ in 0..model.open.len() {
                model.apply(&Event::Answer(0, Outcome::Error(error.clone()), 0));
            }
            model.apply(&Event::Revoked(true));
            model.apply(&Event::Wait(100));
        }
        let requests = model.requests - before;
        prop_assert!(requests <= 90, "{requests} requests in a minute");
    }
}
