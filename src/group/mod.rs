//! Consumer groups: who is a member, and which member owns which partitions.
//!
//! - [`subscription`] reads and writes the metadata that members send one another through the
//!   coordinator.
//! - [`assignor`] shares the partitions out; the group's leader runs it.
//! - [`membership`] is the member's side of the protocol, as a pure machine.

pub mod assignor;
pub mod membership;
pub mod subscription;
