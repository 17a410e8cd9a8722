//! The nodes: where each listens, which are up, and which of them has what role. Pure.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

/// See the module.
#[derive(Debug)]
pub(super) struct Nodes {
    all: BTreeMap<i32, Node>,
    coordinators: HashMap<Arc<str>, i32>,
}

/// One node.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// One a listener.
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) is_up: bool,
}

impl Nodes {
    /// All of them up; each has an address for each listener.
    pub(super) fn new(addresses: impl IntoIterator<Item = (i32, Vec<SocketAddr>)>) -> Self {
        let up = |addresses| Node {
            addresses,
            is_up: true,
        };
        Self {
            all: addresses
                .into_iter()
                .map(|(id, addresses)| (id, up(addresses)))
                .collect(),
            coordinators: HashMap::new(),
        }
    }

    /// The ids of those that are up.
    pub(super) fn up(&self) -> impl Iterator<Item = i32> + Clone + '_ {
        let up = self.all.iter().filter(|(_, node)| node.is_up);
        up.map(|(id, _)| *id)
    }

    /// Those that are up, and where for clients of a listener.
    pub(super) fn reachable(&self, listener: usize) -> impl Iterator<Item = (i32, SocketAddr)> {
        self.up()
            .filter_map(move |id| Some((id, self.address(id, listener)?)))
    }

    /// Where a node is for clients of a listener.
    pub(super) fn address(&self, id: i32, listener: usize) -> Option<SocketAddr> {
        self.addresses(id).get(listener).copied()
    }

    /// Where a node is, one address a listener; none where there is no such node.
    pub(super) fn addresses(&self, id: i32) -> &[SocketAddr] {
        self.all.get(&id).map_or(&[], |node| &node.addresses)
    }

    pub(super) fn is_up(&self, id: i32) -> bool {
        self.all.get(&id).is_some_and(|node| node.is_up)
    }

    /// Says whether a node is up.
    pub(super) fn set_up(&mut self, id: i32, is_up: bool) {
        if let Some(node) = self.all.get_mut(&id) {
            node.is_up = is_up;
        }
    }

    /// The ids of all nodes, up or not.
    pub(super) fn ids(&self) -> impl Iterator<Item = i32> + '_ {
        self.all.keys().copied()
    }

    /// The node that does what only one may do: creating topics, above all.
    pub(super) fn controller(&self) -> Option<i32> {
        self.up().next()
    }

    /// The node that coordinates a group (or a transactional id): the one it was moved to, else
    /// one by its name; another one that is up where that is down.
    pub(super) fn coordinator(&self, group: &str) -> Option<i32> {
        let up: Vec<i32> = self.up().collect();
        let moved = self.coordinators.get(group).copied();
        if let Some(id) = moved.filter(|id| up.contains(id)) {
            return Some(id);
        }
        // Any fixed function of the name will do: clients can't tell.
        let sum = group.bytes().fold(0_usize, |sum, byte| {
            sum.wrapping_mul(31) + usize::from(byte)
        });
        let all: Vec<i32> = self.ids().collect();
        let first = sum % all.len().max(1);
        let in_turn = all.iter().cycle().skip(first).take(all.len());
        in_turn.copied().find(|id| up.contains(id))
    }

    /// Has a node coordinate a group from now on, as long as it is up.
    pub(super) fn move_coordinator(&mut self, group: &str, to: i32) {
        self.coordinators.insert(group.into(), to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(count: i32) -> Nodes {
        let address = SocketAddr::from(([127, 0, 0, 1], 9092));
        Nodes::new((1..=count).map(|id| (id, vec![address])))
    }

    #[test]
    fn a_group_has_one_coordinator_until_that_goes_down() {
        let mut nodes = nodes(3);
        let first = nodes.coordinator("a group").unwrap();
        assert_eq!(nodes.coordinator("a group"), Some(first));
        nodes.set_up(first, false);
        let second = nodes.coordinator("a group").unwrap();
        assert_ne!(second, first);
        nodes.set_up(first, true);
        assert_eq!(nodes.coordinator("a group"), Some(first));
        nodes.move_coordinator("a group", second);
        assert_eq!(nodes.coordinator("a group"), Some(second));
        for id in 1..=3 {
            nodes.set_up(id, false);
        }
        assert_eq!(nodes.coordinator("a group"), None);
        assert_eq!(nodes.controller(), None);
    }

    #[test]
    fn groups_are_spread_over_the_nodes() {
        let nodes = nodes(3);
        let mut seen: Vec<_> = (0..50)
            .filter_map(|n| nodes.coordinator(&format!("group-{n}")))
            .collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, [1, 2, 3]);
    }
}
