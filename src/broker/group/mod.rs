//! The group coordinator, for the classic protocol and the consumer protocol. Pure.
//!
//! A [`Group`] goes by one of two protocols. That of KIP-848 is in [`consumer`]; a group that has
//! no members becomes one of the protocol by which the next one joins, and keeps its offsets; one
//! with members may become one of the other with them. A group of the classic protocol:
//!
//! ```text
//!             first join                       all have joined,
//!  ┌───────┐ ────────────► ┌────────────────────┐ or time is over  ┌─────────────────────┐
//!  │ Empty │               │ PreparingRebalance │ ───────────────► │ CompletingRebalance │
//!  └───────┘ ◄──────────── └────────────────────┘ ◄─────────────── └─────────────────────┘
//!             nobody joined        ▲    a member joins anew, leaves,          │
//!                                  │    is silent, or syncs too late          │
//!                                  │                                          │ the leader
//!                                  │               ┌────────┐                 │ has synced
//!                                  └────────────── │ Stable │ ◄───────────────┘
//!                     a member joins, leaves or is └────────┘
//!                     silent; the leader joins again
//! ```
//!
//! When another node becomes the coordinator, what was under way is lost, as Kafka's log has only
//! stable and empty groups: the group is again what it was last, and so is its generation.
//!
//! From Empty, a group that nobody uses disappears after a while, or is deleted; what there is not
//! is called Dead. Generations and members are those of KIP-394 (a member learns its id first),
//! KIP-345 (static members), KIP-559 (protocol type and name in SyncGroup) and KIP-814 (a leader
//! that has nothing to assign).
//!
//! [`Groups`] has all groups. A JoinGroup or SyncGroup that is to wait has a [`Ticket`], and its
//! answer is an [`Effect`].
//!
//! # Invariants
//!
//! - Every ticket is answered once: Kafka leaves the SyncGroup of a member that leaves meanwhile,
//!   and a request that the same member has repeated, without an answer.
//! - A member's first JoinGroup waits 5 minutes at most; after that, a member that waits for the
//!   coordinator is not taken for lost.
//! - A commit is accepted from a member of the present generation, or from anyone where there are
//!   no members.
//! - Groups and members have a limit; offsets are those of partitions that there are.
//!
//! Left out: `offsets.retention.minutes`.

mod commit;
mod consumer;
mod groups;
mod join;
mod kind;
mod look;
mod machine;
mod member;
mod moved;
mod offsets;
mod rebalance;
mod session;
mod state;
mod transactional;
mod words;

pub(super) use consumer::{
    Beat, Beaten, ConsumerGroup, ConsumerMember, JOINING, LEAVING, LEAVING_FOR_A_WHILE, Partitions,
    ServerAssignor, partitions_of,
};
pub(super) use groups::Groups;
pub(super) use kind::Group;
pub(super) use machine::Classic;
pub(super) use member::Member;
pub(super) use transactional::known_to_producers;
pub(super) use words::{
    Committer, Effect, Identity, JoinAnswer, JoinRequest, NotJoined, Protocol, Rights, SyncAnswer,
    SyncRequest, Ticket,
};

pub use offsets::Committed;
pub use state::GroupState;

#[cfg(test)]
mod tests;
