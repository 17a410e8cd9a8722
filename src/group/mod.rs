//! Consumer groups: who is a member, and which member owns which partitions.
//!
//! - [`subscription`] reads and writes the metadata that members send one another through the
//!   coordinator.
//! - [`assignor`] shares the partitions out; the group's leader runs it.
//! - [`membership`] is the member's side of the protocol, as a pure machine.
//! - `driver` runs the machine: requests to the coordinator, and their answers.

pub mod assignor;
pub(crate) mod driver;
pub mod membership;
mod requests;
pub mod subscription;

pub use assignor::Assignor;
