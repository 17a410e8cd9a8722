//! Going through a message by its shape.

use std::fmt;

use super::size::{self, in_place};
use super::table::{Field, Kind};
use crate::wire::ErrorCode;

/// Where a message is not what its shape says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShapeError {
    /// The innermost field that was being read.
    field: &'static str,
    fault: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// It needs more bytes than there are.
    Ends,
    /// It claims more elements than there are bytes.
    Count { claimed: usize, bytes: usize },
    /// Its length is negative and not that of null.
    Negative(i32),
    /// A compact number takes more than 32 bits.
    Varint,
    /// A tagged field is not as long as its size says.
    Tagged,
    /// More tagged fields that nobody knows than there may be.
    Unknown,
    /// It would take more than [`MOST_DECODED_BYTES`].
    Large,
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = self.field;
        match self.fault {
            Fault::Ends => write!(f, "the bytes end within {field}"),
            Fault::Count { claimed, bytes } => write!(
                f,
                "{claimed} elements of {field} can't be in the {bytes} bytes left"
            ),
            Fault::Negative(length) => write!(f, "{field} has the length {length}"),
            Fault::Varint => write!(f, "{field} has a length or a number of more than 32 bits"),
            Fault::Tagged => write!(f, "{field} is not as long as its tag says"),
            Fault::Unknown => write!(f, "too many unknown tagged fields"),
            Fault::Large => write!(
                f,
                "with {field} it would take more than {MOST_DECODED_BYTES} bytes once decoded"
            ),
        }
    }
}

impl std::error::Error for ShapeError {}

/// What a message may take once decoded, beside the frame that its texts, bytes and records are
/// in: half a million partitions of a topic's metadata. Small elements become fifty times as large,
/// so that the limit of a frame, which is for records, says little.
pub(super) const MOST_DECODED_BYTES: usize = 64 << 20;

/// Unknown tagged fields that any message may have, …
const UNKNOWN_FIELDS: usize = 1000;
/// … and one more for each so many bytes. The message crate keeps them in maps, one a record, and
/// the smallest takes some 400 bytes: where one is told per partition, say, there is more beside it.
const BYTES_PER_UNKNOWN_FIELD: usize = 32;

/// Goes through a message, and returns what follows it.
///
/// # Errors
///
/// Where the message is not what its shape says.
pub(super) fn walk<'a>(
    fields: &'static [Field],
    version: i16,
    flexible: bool,
    bytes: &'a [u8],
) -> Result<&'a [u8], ShapeError> {
    let mut walk = Walk::new(version, flexible, bytes);
    match walk.record(fields) {
        Ok(()) => Ok(walk.rest),
        Err(fault) => Err(ShapeError {
            field: walk.field,
            fault,
        }),
    }
}

/// What is allocated while a message is decoded.
#[cfg(test)]
pub(super) fn allocated(
    fields: &'static [Field],
    version: i16,
    flexible: bool,
    bytes: &[u8],
) -> Option<usize> {
    let mut walk = Walk::new(version, flexible, bytes);
    walk.record(fields).ok()?;
    Some(MOST_DECODED_BYTES - walk.room)
}

/// The number of 32 bits in an outermost field, where the message has it.
pub(super) fn number(
    fields: &'static [Field],
    name: &str,
    version: i16,
    flexible: bool,
    bytes: &[u8],
) -> Option<i32> {
    let mut walk = Walk::new(version, flexible, bytes);
    let untagged = fields.iter().filter(|field| field.tag.is_none());
    for field in untagged.filter(|field| field.is_in(version)) {
        if field.name == name {
            return walk.rest.first_chunk().copied().map(i32::from_be_bytes);
        }
        walk.value(&field.kind).ok()?;
    }
    None
}

/// What the fields named `error_code` hold, where it is no zero, as far as the message can be read.
pub(super) fn error_codes(
    fields: &'static [Field],
    version: i16,
    flexible: bool,
    bytes: &[u8],
) -> Vec<ErrorCode> {
    let mut walk = Walk::new(version, flexible, bytes);
    // What comes after the fault is no message.
    let _ = walk.record(fields);
    walk.codes
}

struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    flexible: bool,
    /// How many more unknown tagged fields there may be.
    unknown_left: usize,
    /// How much more may be allocated.
    room: usize,
    /// What is being read.
    field: &'static str,
    /// The errors that were told.
    codes: Vec<ErrorCode>,
}

impl<'a> Walk<'a> {
    fn new(version: i16, flexible: bool, bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            version,
            flexible,
            unknown_left: UNKNOWN_FIELDS + bytes.len() / BYTES_PER_UNKNOWN_FIELD,
            room: MOST_DECODED_BYTES,
            field: "the message",
            codes: Vec::new(),
        }
    }

    fn record(&mut self, fields: &'static [Field]) -> Result<(), Fault> {
        for field in fields {
            if field.tag.is_none() && field.is_in(self.version) {
                self.field = field.name;
                self.note_error(field);
                self.value(&field.kind)?;
            }
        }
        if self.flexible {
            self.tagged(fields)?;
        }
        Ok(())
    }

    fn note_error(&mut self, field: &Field) {
        if field.name == "error_code"
            && let Some(code) = self.rest.first_chunk().copied()
        {
            let code = ErrorCode(i16::from_be_bytes(code));
            self.codes.extend((!code.is_ok()).then_some(code));
        }
    }

    fn value(&mut self, kind: &'static Kind) -> Result<(), Fault> {
        match kind {
            Kind::Fixed(size) => self.skip(*size),
            Kind::Text => {
                let length = self.text_length()?;
                self.skip(length)
            }
            Kind::Bytes => {
                let length = self.length()?;
                self.skip(length)
            }
            Kind::Record(fields) => self.record(fields),
            Kind::Maybe(fields) => match self.take()? {
                [1] => self.record(fields),
                _ => Ok(()),
            },
            Kind::List(of) => self.list(of),
        }
    }

    fn list(&mut self, of: &'static Kind) -> Result<(), Fault> {
        let count = self.length()?;
        if count > self.rest.len() {
            return Err(Fault::Count {
                claimed: count,
                bytes: self.rest.len(),
            });
        }
        self.allocate(count.saturating_mul(in_place(of)))?;
        if let Kind::Fixed(size) = of {
            return self.skip(count.saturating_mul(*size));
        }
        let list = self.field;
        for _ in 0..count {
            self.field = list;
            self.value(of)?;
        }
        Ok(())
    }

    /// The message crate reads a tagged field that it knows without a look at its size, so that
    /// a wrong size would have the two read different things from there on.
    fn tagged(&mut self, fields: &'static [Field]) -> Result<(), Fault> {
        self.field = "the tagged fields";
        for _ in 0..self.varint()? {
            self.field = "a tagged field";
            let tag = self.varint()?;
            let size = self.varint()? as usize;
            let after = self.rest.len().checked_sub(size).ok_or(Fault::Ends)?;
            let is_it = |field: &&Field| field.tag == Some(tag) && field.is_in(self.version);
            match fields.iter().find(is_it) {
                None => {
                    let left = self.unknown_left.checked_sub(1);
                    self.unknown_left = left.ok_or(Fault::Unknown)?;
                    self.allocate(size::UNKNOWN_FIELD)?;
                    self.skip(size)?;
                }
                Some(field) => {
                    self.field = field.name;
                    self.value(&field.kind)?;
                    if self.rest.len() != after {
                        return Err(Fault::Tagged);
                    }
                }
            }
        }
        Ok(())
    }

    fn allocate(&mut self, bytes: usize) -> Result<(), Fault> {
        self.room = self.room.checked_sub(bytes).ok_or(Fault::Large)?;
        Ok(())
    }

    /// The length of bytes or the count of a list; null is none.
    fn length(&mut self) -> Result<usize, Fault> {
        if self.flexible {
            return self.compact_length();
        }
        let bytes = self.take()?;
        not_negative(i32::from_be_bytes(bytes))
    }

    fn text_length(&mut self) -> Result<usize, Fault> {
        if self.flexible {
            return self.compact_length();
        }
        let bytes = self.take()?;
        not_negative(i16::from_be_bytes(bytes).into())
    }

    /// One more than the length, so that 0 is null.
    fn compact_length(&mut self) -> Result<usize, Fault> {
        Ok(self.varint()?.saturating_sub(1) as usize)
    }

    fn varint(&mut self) -> Result<u32, Fault> {
        let mut value = 0;
        for shift in (0..35).step_by(7) {
            let [byte] = self.take()?;
            let bits = u32::from(byte & 0x7f);
            let shifted = bits << shift;
            if shifted >> shift != bits {
                return Err(Fault::Varint);
            }
            value |= shifted;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Fault::Varint)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Fault::Ends)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn skip(&mut self, bytes: usize) -> Result<(), Fault> {
        self.rest = self.rest.get(bytes..).ok_or(Fault::Ends)?;
        Ok(())
    }
}

/// -1 is null.
fn not_negative(length: i32) -> Result<usize, Fault> {
    if length == -1 {
        return Ok(0);
    }
    usize::try_from(length).map_err(|_| Fault::Negative(length))
}
