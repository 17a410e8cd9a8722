//! Any order of events, held against what must always hold.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Event {
    /// Someone new joins.
    Join {
        learns_id_first: bool,
        instance: Option<u8>,
    },
    /// One of the ids that were ever given out is used again.
    Rejoin {
        who: usize,
        topic: u8,
    },
    Sync {
        who: usize,
        generation_off: i32,
    },
    Heartbeat {
        who: usize,
        generation_off: i32,
    },
    Commit {
        who: usize,
        generation_off: i32,
    },
    Leave {
        who: usize,
    },
    LeaveInstance {
        instance: u8,
    },
    Pass {
        milliseconds: u64,
    },
    Move,
}

fn event() -> impl Strategy<Value = Event> {
    // Mostly the present generation.
    let off = || prop_oneof![6 => Just(0), 1 => Just(-1), 1 => Just(1)];
    let who = || any::<usize>();
    prop_oneof![
        3 => (any::<bool>(), proptest::option::of(0_u8..2)).prop_map(|(learns_id_first, instance)| {
            Event::Join { learns_id_first, instance }
        }),
        6 => (who(), 0_u8..2).prop_map(|(who, topic)| Event::Rejoin { who, topic }),
        6 => (who(), off()).prop_map(|(who, generation_off)| Event::Sync { who, generation_off }),
        2 => (who(), off()).prop_map(|(who, generation_off)| {
            Event::Heartbeat { who, generation_off }
        }),
        3 => (who(), off()).prop_map(|(who, generation_off)| Event::Commit { who, generation_off }),
        1 => who().prop_map(|who| Event::Leave { who }),
        1 => (0_u8..2).prop_map(|instance| Event::LeaveInstance { instance }),
        3 => (0_u64..20_000).prop_map(|milliseconds| Event::Pass { milliseconds }),
        1 => Just(Event::Move),
    ]
}

fn members(group: &Group) -> &[Member] {
    group.classic().map_or(&[], Classic::members)
}

/// What has been seen of a group from outside.
struct World {
    rig: Rig,
    asked: BTreeSet<Ticket>,
    /// Everyone whom an answer named, with the instance they said they are.
    known: Vec<Identity>,
    instances: BTreeMap<Ticket, Option<Arc<str>>>,
    generation: i32,
}

impl World {
    fn someone(&self, who: usize) -> Option<Identity> {
        let index = who.checked_rem(self.known.len())?;
        Some(self.known[index].clone())
    }

    fn join(&mut self, request: JoinRequest) {
        let instance = request.identity.instance_id.clone();
        let ticket = self.rig.join(request);
        self.asked.insert(ticket);
        self.instances.insert(ticket, instance);
    }

    fn apply(&mut self, event: &Event) {
        match *event {
            Event::Join {
                learns_id_first,
                instance,
            } => {
                let instance = instance.map(|instance| instance.to_string().into());
                let identity = Identity {
                    member_id: "".into(),
                    instance_id: instance,
                };
                self.join(JoinRequest {
                    identity,
                    learns_id_first,
                    ..request()
                });
            }
            Event::Rejoin { who, topic } => {
                if let Some(identity) = self.someone(who) {
                    let rejoin = JoinRequest {
                        identity,
                        ..request()
                    };
                    self.join(with_topic(&topic.to_string(), rejoin));
                }
            }
            Event::Sync {
                who,
                generation_off,
            } => self.sync(who, generation_off),
            Event::Heartbeat {
                who,
                generation_off,
            } => {
                if let Some(who) = self.someone(who) {
                    let generation = self.present() + generation_off;
                    let beat = self
                        .rig
                        .groups
                        .heartbeat(GROUP, &who, generation, self.rig.now);
                    self.rig.settle();
                    assert!(beat.is_err() || self.is_member(&who) && generation_off == 0);
                }
            }
            Event::Commit {
                who,
                generation_off,
            } => self.commit(who, generation_off),
            Event::Leave { who } => {
                if let Some(who) = self.someone(who) {
                    self.rig.leave(std::slice::from_ref(&who));
                    assert!(!self.is_member(&who));
                }
            }
            Event::LeaveInstance { instance } => {
                let who = static_member("", &instance.to_string());
                self.rig.leave(&[who]);
            }
            Event::Pass { milliseconds } => self.rig.pass(Duration::from_millis(milliseconds)),
            Event::Move => {
                self.rig
                    .groups
                    .coordinator_moved(|_| true, true, self.rig.now);
                self.rig.settle();
                self.generation = self.present();
            }
        }
        self.check();
    }

    fn sync(&mut self, who: usize, generation_off: i32) {
        let Some(identity) = self.someone(who) else {
            return;
        };
        let members = self.rig.groups.get(GROUP).map(members);
        let ids = members.into_iter().flatten().map(Member::id);
        let assignments = ids.map(|id| (id.into(), Bytes::copy_from_slice(id.as_bytes())));
        let request = SyncRequest {
            identity: identity.clone(),
            generation: self.present() + generation_off,
            protocol_type: None,
            protocol: None,
            assignments: assignments.collect(),
        };
        let ticket = self.rig.sync(&request);
        self.asked.insert(ticket);
        if let Some(Ok(_)) = self.rig.syncs.get(&ticket) {
            assert!(self.is_member(&identity) && generation_off == 0);
        }
    }

    /// No commit from anyone but a member of this generation, where there are members.
    fn commit(&mut self, who: usize, generation_off: i32) {
        let who = self.someone(who).unwrap_or(member("nobody"));
        let generation = self.present() + generation_off;
        let is_member = self.is_member(&who);
        let may = self.rig.may_commit(&who, generation);
        let is_empty = self
            .rig
            .groups
            .get(GROUP)
            .is_none_or(|group| members(group).is_empty());
        if may.is_ok() && !(generation < 0 && is_empty) {
            assert!(is_member && generation_off == 0);
        }
    }

    fn present(&self) -> i32 {
        self.rig.groups.get(GROUP).map_or(0, Group::generation)
    }

    fn is_member(&self, who: &Identity) -> bool {
        let group = self.rig.groups.get(GROUP);
        let mut members = group.into_iter().flat_map(members);
        members.any(|member| member.id() == &*who.member_id)
    }

    fn check(&mut self) {
        for (ticket, answer) in &self.rig.joins {
            let member_id = match answer {
                Ok(joined) => joined.member_id.clone(),
                Err(refusal) => refusal.member_id.clone(),
            };
            let instance_id = self.instances[ticket].clone();
            let identity = Identity {
                member_id,
                instance_id,
            };
            if !identity.member_id.is_empty() && !self.known.contains(&identity) {
                self.known.push(identity);
            }
        }
        let Some(group) = self.rig.groups.get(GROUP).and_then(Group::classic) else {
            self.generation = 0;
            return;
        };
        // A generation only rises.
        assert!(group.generation() >= self.generation);
        self.generation = group.generation();
        // Every ticket is answered once (the rig sees to "once"), or its member still waits.
        let answered = self.rig.joins.keys().chain(self.rig.syncs.keys());
        let waiting = group
            .members()
            .iter()
            .filter_map(|member| match member.waits {
                Some(member::Waits::ForJoin(ticket) | member::Waits::ForSync(ticket)) => {
                    Some(ticket)
                }
                None => None,
            });
        let accounted: BTreeSet<Ticket> = answered.copied().chain(waiting).collect();
        assert_eq!(accounted, self.asked);
        // One leader, who is a member; ids and instances are unlike one another.
        let ids: BTreeSet<_> = group.members().iter().map(Member::id).collect();
        assert_eq!(ids.len(), group.members().len());
        let instances = group.members().iter().filter_map(Member::instance_id);
        let instances: Vec<_> = instances.collect();
        let distinct: BTreeSet<_> = instances.iter().collect();
        assert_eq!(distinct.len(), instances.len());
        match group.leader() {
            Some(leader) => assert!(ids.contains(leader)),
            None => assert!(ids.is_empty()),
        }
        assert!(group.state() != GroupState::Empty || ids.is_empty());
        // Nothing that was due has been left.
        assert!(
            self.rig
                .groups
                .poll_timeout()
                .is_none_or(|due| due > self.rig.now)
        );
    }

    /// In the end, silence ends everything.
    fn end(&mut self) {
        for _ in 0..20 {
            self.rig.pass(REBALANCE);
            self.check();
        }
        assert!(self.rig.groups.get(GROUP).is_none());
        let answered = self.rig.joins.len() + self.rig.syncs.len();
        assert_eq!(answered, self.asked.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_must_always_hold_does(delay in 0_u64..5000, events in vec(event(), 1..80)) {
        let mut world = World {
            rig: Rig::with_delay(Duration::from_millis(delay)),
            asked: BTreeSet::new(),
            known: Vec::new(),
            instances: BTreeMap::new(),
            generation: 0,
        };
        for event in events {
            world.apply(&event);
        }
        world.end();
    }
}
