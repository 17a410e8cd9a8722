//! Record batches, format version 2 (KIP-98): reading, building, forwarding.
//!
//! ```text
//! batch:  base offset i64 │ length i32 │ leader epoch i32 │ magic i8 = 2 │ crc u32 │
//!         attributes i16 │ last offset delta i32 │ base timestamp i64 │ max timestamp i64 │
//!         producer id i64 │ producer epoch i16 │ base sequence i32 │ record count i32 │
//!         records, maybe compressed
//! record: length │ attributes i8 │ timestamp delta │ offset delta │ body
//! body:   key length │ key │ value length │ value │ header count │
//!         (key length │ key │ value length │ value)*
//! ```
//!
//! All numbers of a record are zigzag varints; the CRC covers everything after itself.
//!
//! Reading goes in steps, each lazy: [`Batches`] finds whole batches and checks their CRC,
//! [`RecordBatch::decode`] decompresses one into [`Records`], and a [`RecordCursor`] or
//! [`RecordIter`] yields one [`RecordRef`] after the other. Writing joins bodies in a
//! [`BatchBuilder`], encoded ones ([`RecordBody`]) or their fields ([`BodyRef`]); what a producer sends is [`Unstamped`] until it goes out.
//!
//! # Invariants
//!
//! - No allocation is sized by a number from the wire: counts only bound loops that end with the
//!   bytes, and decompression stops at the caller's limit.
//! - A record that is yielded has been parsed to its last byte, headers included: its accessors
//!   can't fail. The first malformed record ends its batch with an error.
//! - A record's offset is within its batch: at least the base offset, and below
//!   [`BatchHeader::next_offset`]. A position that takes the batch's next offset always moves on.
//! - The body of a forwarded record is copied as bytes: an unusual but legal encoding (a varint
//!   with leading zeros) stays as it is.

mod body;
mod build;
mod control;
mod crc;
mod error;
mod header;
mod read;
mod record;
mod records;
mod unstamped;
mod varint;

#[cfg(test)]
mod tests;

pub use body::{BodyRef, Header, Headers, RecordBody};
pub use build::{BatchBuilder, restamp};
pub use control::Marker;
pub use error::BatchError;
pub use header::{Attributes, BatchHeader, HEADER_BYTES, ProducerStamp, TimestampType};
pub use read::{Batches, RecordBatch};
pub use record::{Record, RecordRef};
pub use records::{RecordCursor, RecordIter, Records};
pub use unstamped::{SealedBatch, Unstamped};
