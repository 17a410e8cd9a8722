//! What a message takes once the message crate has decoded it.
//!
//! Its types hold the fields of all versions, and texts, bytes and records as slices of the frame:
//! so what an element takes is known from the table, and only how many there are is the message's
//! to say.

use std::mem::size_of;

use bytes::Bytes;

use super::table::{Field, Kind};

/// The map of tagged fields that nobody knows, which every record has, …
const MAP: usize = 24;
/// … and what it allocates for a first such field. Those behind it are counted alike.
pub(super) const UNKNOWN_FIELD: usize = 448;
/// What the compiler may put between the fields of a record.
const PADDING: usize = 7;

/// The bytes that a value takes where it stands, without what it points to.
pub(super) fn in_place(kind: &Kind) -> usize {
    match kind {
        Kind::Fixed(size) => *size,
        Kind::Text | Kind::Bytes => size_of::<Bytes>(),
        Kind::Record(fields) => record(fields),
        Kind::Maybe(fields) => record(fields) + size_of::<usize>(),
        Kind::List(_) => size_of::<Vec<Field>>(),
    }
}

fn record(fields: &[Field]) -> usize {
    let fields = fields.iter().map(|field| in_place(&field.kind));
    fields.sum::<usize>() + MAP + PADDING
}
