//! A group of the consumer protocol (KIP-848): the coordinator shares the partitions out. Pure.
//!
//! A group has an epoch, which rises with each change of what its members want or could have. For
//! each epoch there is a target: what each member is to have. A member's heartbeats bring it
//! there, each at its own pace:
//!
//! ```text
//!                    it has something that is not in its target
//!  ┌────────┐ ─────────────────────────────────────────────────────► ┌───────────┐
//!  │ Stable │                                                        │ Unrevoked │
//!  └────────┘ ◄──────────────────────────────────────────┬────────── └───────────┘
//!    ▲    │                                              │ it has given that up
//!    │    │ others still have some of its target         ▼
//!    │    └────────────────────────────────────► ┌────────────┐
//!    └────────────────────────────────────────── │ Unreleased │ (it has the rest already)
//!      they have given it up, or are gone        └────────────┘
//! ```
//!
//! An Unrevoked member stays in the epoch that it was in; the others are in that of the target.
//! The group is Empty, Assigning (its target is older than its epoch), Reconciling (not all
//! members are Stable in the epoch of the target), or Stable.
//!
//! # Invariants
//!
//! - No partition is with two members: what one has to give up is with it until it says, by what
//!   it owns, that it has, or is gone.
//! - The epochs of the group and of its target only rise; so does that of a member, but for one
//!   that joins again (0), and for a static member that leaves for a while (-2).
//! - A member that says nothing for the session timeout is taken out; so is one that is Unrevoked
//!   for longer than its own rebalance timeout.
//! - Targets are computed once an assignment interval at most; a change in between waits for the
//!   first heartbeat after it.
//!
//! # Members of the classic protocol
//!
//! They may be among the others (`group.consumer.migration.policy`): a group of the classic
//! protocol becomes one of this one when a member of this one joins, with all that its members
//! have, and goes back when the last such member leaves. To those of the classic protocol the
//! group looks like one in which someone else leads and all others have joined: its generations
//! are the epochs of the member.
//!
//! Left out: subscriptions by regular expression, racks (they are told, and change nothing),
//! settings of a single group.

mod assignor;
mod classic;
mod commit;
mod convert;
mod heartbeat;
mod leave;
mod look;
mod machine;
mod member;
mod reconcile;
mod words;

pub(in crate::broker) use assignor::ServerAssignor;
pub(in crate::broker) use machine::{ConsumerGroup, Settings};
pub(in crate::broker) use member::ConsumerMember;
pub(in crate::broker) use words::{
    Beat, Beaten, Held, JOINING, LEAVING, LEAVING_FOR_A_WHILE, Partitions, partitions_of,
};

#[cfg(test)]
mod tests;
