//! Any order of events, with members that do as they are told more or less, held against what must
//! always hold.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Members, and as many instances as there are static ones among them.
const MEMBERS: usize = 5;
const NAMES: [&str; 3] = ["payments", "refunds", "nothing"];

#[derive(Clone, Debug)]
enum Event {
    /// A member joins, or joins again.
    Join {
        who: usize,
        wants: usize,
    },
    /// A member says what it has, and gets an answer or does not.
    Beat {
        who: usize,
        is_lost: bool,
    },
    /// A member wants something else.
    Want {
        who: usize,
        wants: usize,
    },
    /// A member gives up what it was told to.
    GiveUp {
        who: usize,
    },
    Leave {
        who: usize,
        for_a_while: bool,
    },
    Grow {
        topic: usize,
    },
    /// A topic goes, or comes.
    Toggle {
        topic: usize,
    },
    Pass {
        milliseconds: u64,
    },
    Move,
}

fn event() -> impl Strategy<Value = Event> {
    let who = || 0..MEMBERS;
    let wants = || 1..1_usize << NAMES.len();
    prop_oneof![
        3 => (who(), wants()).prop_map(|(who, wants)| Event::Join { who, wants }),
        8 => (who(), prop::bool::weighted(0.2)).prop_map(|(who, is_lost)| {
            Event::Beat { who, is_lost }
        }),
        1 => (who(), wants()).prop_map(|(who, wants)| Event::Want { who, wants }),
        5 => who().prop_map(|who| Event::GiveUp { who }),
        1 => (who(), any::<bool>()).prop_map(|(who, for_a_while)| {
            Event::Leave { who, for_a_while }
        }),
        1 => (0..2_usize).prop_map(|topic| Event::Grow { topic }),
        1 => (0..2_usize).prop_map(|topic| Event::Toggle { topic }),
        2 => (0..20_000_u64).prop_map(|milliseconds| Event::Pass { milliseconds }),
        1 => Just(Event::Move),
    ]
}

/// A member as it sees itself.
#[derive(Clone, Debug, Default)]
struct Client {
    /// None where it is no member, as far as it knows.
    epoch: Option<i32>,
    owned: Partitions,
    told: Partitions,
    wants: usize,
    /// A static one has another id each time.
    times_joined: usize,
}

struct World {
    rig: Rig,
    clients: Vec<Client>,
    epochs: (i32, i32),
}

impl World {
    fn new(interval: Duration) -> Self {
        let mut rig = Rig::with(3, |config| {
            config.group_consumer_assignment_interval = interval;
        });
        rig.make_topic("refunds", 2);
        Self {
            rig,
            clients: vec![Client::default(); MEMBERS],
            epochs: (0, 0),
        }
    }

    fn wanted(wants: usize) -> BTreeSet<Arc<str>> {
        let names = NAMES.iter().enumerate();
        let wanted = names.filter(|(at, _)| wants & (1 << at) != 0);
        wanted.map(|(_, name)| Arc::from(*name)).collect()
    }

    /// The first two are static.
    fn as_member(&self, who: usize, beat: impl FnOnce(&str) -> Beat) -> Beat {
        if who < 2 {
            let id = format!("{who}-{}", self.clients[who].times_joined);
            of_instance(&who.to_string(), beat(&id))
        } else {
            beat(&who.to_string())
        }
    }

    fn apply(&mut self, event: &Event) {
        match *event {
            Event::Join { who, wants } => self.join(who, wants),
            Event::Beat { who, is_lost } => self.beat(who, is_lost, None),
            Event::Want { who, wants } => {
                self.clients[who].wants = wants;
                self.beat(who, false, Some(Self::wanted(wants)));
            }
            Event::GiveUp { who } => {
                let client = &mut self.clients[who];
                client.owned = common(&client.owned, &client.told);
            }
            Event::Leave { who, for_a_while } => self.leave(who, for_a_while && who < 2),
            Event::Grow { topic } => {
                let _ = self.rig.topics.grow(NAMES[topic], vec![vec![1]]);
            }
            Event::Toggle { topic } => {
                if self.rig.topics.delete(NAMES[topic]).is_none() {
                    self.rig.make_topic(NAMES[topic], 2);
                }
            }
            Event::Pass { milliseconds } => self.rig.pass(Duration::from_millis(milliseconds)),
            Event::Move => self.rig.group.handle_move(true, self.rig.now),
        }
        self.check();
    }

    /// A client that joins has nothing.
    fn join(&mut self, who: usize, wants: usize) {
        let client = &mut self.clients[who];
        client.times_joined += usize::from(client.epoch.is_none());
        client.epoch = None;
        client.owned.clear();
        client.wants = wants;
        let joining = self.as_member(who, |id| Beat {
            topics: Some(Self::wanted(wants)),
            ..joining(id)
        });
        match self.rig.beat(&joining) {
            Ok(beaten) => self.hear(who, beaten),
            Err(code) => assert_eq!(code, ErrorCode::UNRELEASED_INSTANCE_ID),
        }
    }

    fn beat(&mut self, who: usize, is_lost: bool, topics: Option<BTreeSet<Arc<str>>>) {
        let client = self.clients[who].clone();
        let Some(epoch) = client.epoch else { return };
        let beat = self.as_member(who, |id| Beat {
            topics,
            owned: Some(client.owned),
            ..quiet(id, epoch)
        });
        match self.rig.beat(&beat) {
            Ok(_) if is_lost => {}
            Ok(beaten) => self.hear(who, beaten),
            Err(code) => {
                let lost = [
                    ErrorCode::UNKNOWN_MEMBER_ID,
                    ErrorCode::FENCED_MEMBER_EPOCH,
                    ErrorCode::FENCED_INSTANCE_ID,
                ];
                assert!(lost.contains(&code), "{code}");
                let client = &mut self.clients[who];
                client.epoch = None;
                client.owned.clear();
            }
        }
    }

    fn hear(&mut self, who: usize, beaten: Beaten) {
        let client = &mut self.clients[who];
        // Only what it does not know yet can be lower: a member that joins again begins anew.
        assert!(client.epoch.is_none_or(|epoch| beaten.epoch >= epoch));
        client.epoch = Some(beaten.epoch);
        if let Some(told) = beaten.assignment {
            for (topic, indexes) in &told {
                client.owned.entry(*topic).or_default().extend(indexes);
            }
            client.told = told;
        }
    }

    fn leave(&mut self, who: usize, for_a_while: bool) {
        let client = &mut self.clients[who];
        if client.epoch.take().is_none() {
            return;
        }
        client.owned.clear();
        let epoch = if for_a_while {
            LEAVING_FOR_A_WHILE
        } else {
            LEAVING
        };
        let beat = self.as_member(who, |id| quiet(id, epoch));
        let _ = self.rig.beat(&beat);
    }

    fn check(&mut self) {
        let group = &self.rig.group;
        // Epochs only rise, the target's behind the group's.
        let epochs = (group.epoch, group.target_epoch);
        assert!(epochs.0 >= self.epochs.0 && epochs.1 >= self.epochs.1);
        assert!(epochs.0 >= epochs.1);
        self.epochs = epochs;
        let mut owners = BTreeMap::new();
        for member in &group.members {
            let current = &member.current;
            assert!(current.epoch <= group.target_epoch);
            for held in [&current.assigned, &current.revoking] {
                for (topic, indexes) in held {
                    for index in indexes.keys() {
                        let before = owners.insert((*topic, *index), &member.id);
                        assert_eq!(before, None, "{topic} {index} has two owners");
                    }
                }
            }
        }
        let ids: BTreeSet<_> = group.members.iter().map(|member| &member.id).collect();
        assert_eq!(ids.len(), group.members.len());
        assert!(group.poll_timeout().is_none_or(|due| due > self.rig.now));
        self.check_clients();
    }

    /// No two members that the coordinator would believe take themselves for one partition's owner.
    fn check_clients(&self) {
        let mut owners = BTreeSet::new();
        for (who, client) in self.clients.iter().enumerate() {
            let Some(epoch) = client.epoch else { continue };
            let identity = self.as_member(who, |id| quiet(id, epoch)).identity;
            let mut members = self.rig.group.members.iter();
            let member = members.find(|member| member.id == identity.member_id);
            let is_believed = |member: &ConsumerMember| {
                member.check_epoch(&Beat {
                    owned: Some(client.owned.clone()),
                    ..quiet(&identity.member_id, epoch)
                })
            };
            if member.is_none_or(|member| is_believed(member).is_err()) {
                continue;
            }
            for (topic, indexes) in &client.owned {
                for index in indexes {
                    assert!(
                        owners.insert((*topic, *index)),
                        "{topic} {index} is owned twice"
                    );
                }
            }
        }
    }

    /// All do as they are told, until nothing changes any more.
    fn settle(&mut self) {
        for _ in 0..4 * MEMBERS {
            self.rig.pass(Duration::from_secs(2));
            for who in 0..MEMBERS {
                if self.clients[who].epoch.is_none() {
                    self.join(who, self.clients[who].wants.max(1));
                }
                self.apply(&Event::Beat {
                    who,
                    is_lost: false,
                });
                self.apply(&Event::GiveUp { who });
            }
        }
    }

    /// Each partition of a topic that someone wants is with one who does.
    fn check_settled(&self) {
        let group = &self.rig.group;
        assert_eq!(group.state(), GroupState::Stable);
        assert_eq!(group.members.len(), MEMBERS);
        let mut owned = BTreeSet::new();
        for client in &self.clients {
            assert_eq!(client.owned, client.told);
            let wanted = Self::wanted(client.wants);
            for (topic, indexes) in &client.owned {
                assert!(wanted.contains(&self.rig.topics.name(*topic).unwrap()));
                owned.extend(indexes.iter().map(|index| (*topic, *index)));
            }
        }
        let wanted = self.clients.iter().flat_map(|it| Self::wanted(it.wants));
        let found = wanted.filter_map(|name| self.rig.topics.get(&name));
        let all =
            found.flat_map(|topic| (0..).take(topic.partitions.len()).map(|it| (topic.id, it)));
        assert_eq!(owned, all.collect());
    }
}

fn common(some: &Partitions, others: &Partitions) -> Partitions {
    let of_topic = |(topic, indexes): (&Uuid, &BTreeSet<i32>)| {
        let both: BTreeSet<i32> = indexes & others.get(topic)?;
        (!both.is_empty()).then_some((*topic, both))
    };
    some.iter().filter_map(of_topic).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_must_always_hold_does(interval in 0_u64..2000, events in vec(event(), 1..80)) {
        let mut world = World::new(Duration::from_millis(interval));
        for event in &events {
            world.apply(event);
        }
        // Whoever an instance belongs to is away for good by then.
        world.rig.pass(SESSION);
        world.settle();
        world.check_settled();
    }
}
