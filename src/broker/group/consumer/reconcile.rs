//! From what a member has to what it is to have: it gives up first, and gets what nobody has.

use std::time::Instant;

use super::machine::ConsumerGroup;
use super::member::{Current, MemberState, Revocation};
use super::words::{Held, Partitions, any_held};

impl ConsumerGroup {
    /// Takes a member as far towards its target as can be now. `owned` is what it says it has;
    /// none where it says nothing, and then nothing is taken for given up.
    pub(super) fn reconcile(
        &mut self,
        at: usize,
        wants_others: bool,
        owned: Option<&Partitions>,
        now: Instant,
    ) {
        let member = &self.members[at];
        let next = match member.current.state {
            MemberState::Stable if member.current.epoch != self.target_epoch => {
                self.next(at, owned)
            }
            MemberState::Stable if wants_others => self.without_unwanted(at, owned),
            MemberState::Stable => return,
            MemberState::Unrevoked if owns(owned, &member.current.revoking) => {
                if !wants_others {
                    return;
                }
                self.without_unwanted(at, owned)
            }
            MemberState::Unrevoked | MemberState::Unreleased => self.next(at, owned),
        };
        let member = &mut self.members[at];
        if next == member.current {
            return;
        }
        let revocation = Revocation {
            due: now + member.rebalance_timeout,
            epoch: next.epoch,
        };
        // Those of the classic protocol have to join again in time.
        let must_give_up = next.state == MemberState::Unrevoked && member.classic.is_none();
        member.revocation = must_give_up.then_some(revocation);
        member.current = next;
    }

    /// The next step towards the target.
    fn next(&self, at: usize, owned: Option<&Partitions>) -> Current {
        let member = &self.members[at];
        let current = &member.current;
        let mut target = member.target.clone();
        // The target may be older than what the member wants.
        let wanted: Vec<_> = self.topics_of(member).collect();
        target.retain(|topic, _| wanted.contains(topic));
        let (mut assigned, revoking) = split(&current.assigned, |topic, index| {
            target.get(topic).is_some_and(|it| it.contains(&index))
        });
        if owns(owned, &revoking) {
            return Current {
                state: MemberState::Unrevoked,
                previous_epoch: current.epoch,
                epoch: current.epoch,
                assigned,
                revoking,
            };
        }
        let mut state = MemberState::Stable;
        for (topic, index) in flat(&target) {
            let held = assigned.entry(topic).or_default();
            if held.contains_key(&index) {
                continue;
            }
            if self.is_with_another(at, topic, index) {
                state = MemberState::Unreleased;
            } else {
                held.insert(index, self.target_epoch);
            }
        }
        assigned.retain(|_, held| !held.is_empty());
        Current {
            state,
            previous_epoch: current.epoch,
            epoch: self.target_epoch,
            assigned,
            revoking: Held::new(),
        }
    }

    /// Has a member give up at once what it does not want any more: for the rest it has to wait
    /// until the next target is computed.
    fn without_unwanted(&self, at: usize, owned: Option<&Partitions>) -> Current {
        let member = &self.members[at];
        let mut next = member.current.clone();
        let wanted: Vec<_> = self.topics_of(member).collect();
        let (assigned, unwanted) = split(&next.assigned, |topic, _| wanted.contains(topic));
        if unwanted.is_empty() {
            return next;
        }
        let mut revoking = next.revoking.clone();
        for (topic, held) in unwanted {
            revoking.entry(topic).or_default().extend(held);
        }
        next.previous_epoch = next.epoch;
        next.assigned = assigned;
        if owns(owned, &revoking) {
            next.state = MemberState::Unrevoked;
            next.revoking = revoking;
        }
        next
    }
}

/// Whether a member may still have any of what it is to give up.
fn owns(owned: Option<&Partitions>, revoking: &Held) -> bool {
    !revoking.is_empty() && owned.is_none_or(|owned| any_held(owned, revoking))
}

fn split(held: &Held, stays: impl Fn(&uuid::Uuid, i32) -> bool) -> (Held, Held) {
    let (mut left, mut right) = (Held::new(), Held::new());
    for (topic, partitions) in held {
        for (index, epoch) in partitions {
            let side = match stays(topic, *index) {
                true => &mut left,
                false => &mut right,
            };
            side.entry(*topic).or_default().insert(*index, *epoch);
        }
    }
    (left, right)
}

fn flat(partitions: &Partitions) -> impl Iterator<Item = (uuid::Uuid, i32)> {
    let topics = partitions.iter();
    topics.flat_map(|(topic, indexes)| indexes.iter().map(|index| (*topic, *index)))
}
