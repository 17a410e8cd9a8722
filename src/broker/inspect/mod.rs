//! Looking at what a broker holds.

mod groups;
mod logs;

pub use groups::{GroupView, MemberView};
pub use logs::StoredRecord;
