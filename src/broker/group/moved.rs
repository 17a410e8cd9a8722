//! A coordinator that moves: what the next one finds in the log.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use super::machine::Classic;
use super::member::Member;
use super::state::State;
use crate::wire::ErrorCode;

/// A group as it was written down last: stable, or empty.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    generation: i32,
    protocol_type: Option<Arc<str>>,
    protocol: Option<Arc<str>>,
    leader: Option<Arc<str>>,
    members: Vec<Member>,
    subscribed: Option<BTreeSet<String>>,
}

impl Classic {
    /// Writes the group down.
    pub(super) fn keep(&mut self) {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let mut members = self.members.clone();
        for member in &mut members {
            // Only what the members say under the chosen protocol is written.
            member.protocols.retain(|own| &*own.name == protocol);
        }
        self.kept = Kept {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            members,
            subscribed: self.subscribed.clone(),
        };
    }

    /// Another node coordinates the group from now on: whoever waits has to ask that one, a
    /// rebalance that was under way has not been, and the members' sessions begin anew. While no
    /// node does, nobody's session ends.
    pub(super) fn handle_move(&mut self, is_coordinated: bool, now: Instant) {
        let members = std::mem::take(&mut self.members);
        for member in members {
            self.refuse(member.waits, ErrorCode::NOT_COORDINATOR, "");
        }
        self.pending.clear();
        let kept = self.kept.clone();
        self.generation = kept.generation;
        self.protocol_type = kept.protocol_type;
        self.protocol = kept.protocol;
        self.leader = kept.leader;
        self.members = kept.members;
        self.subscribed = kept.subscribed;
        self.state = if self.members.is_empty() {
            State::Empty { since: now }
        } else {
            State::Stable { due: None }
        };
        for member in &mut self.members {
            member.session_ends = None;
            if is_coordinated {
                member.begin_session(now);
            }
        }
    }
}
