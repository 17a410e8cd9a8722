//! Looking at what a broker holds.

mod groups;
mod logs;

pub use logs::StoredRecord;
