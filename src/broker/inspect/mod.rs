//! Looking at what a broker holds.

mod groups;
mod logs;

pub use groups::{GroupKind, GroupView, MemberView};
pub use logs::StoredRecord;
