//! Looking at what a broker holds.

mod groups;
mod logs;
mod transactions;

pub use groups::{GroupKind, GroupView, MemberView};
pub use logs::StoredRecord;
pub use transactions::TransactionView;
