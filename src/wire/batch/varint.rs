//! Zigzag varints, and a reader over them.
//!
//! A number is read as 64 bits wherever Kafka's format has 32 or 64: the encodings agree, and the
//! callers' range checks are needed anyway.

use bytes::BufMut;

/// Where a field lies within a record's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    start: usize,
    end: usize,
}

impl Span {
    /// The `len` bytes from `start` on.
    pub(super) fn new(start: usize, len: usize) -> Self {
        Self {
            start,
            end: start + len,
        }
    }

    /// The bytes themselves, of the body that the span was made for.
    #[inline]
    pub(super) fn of(self, body: &[u8]) -> &[u8] {
        &body[self.start..self.end]
    }
}

/// Reads forward. Every method is `None` where the bytes end too early or a number is malformed.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    #[inline]
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    #[inline]
    pub(super) fn at(&self) -> usize {
        self.at
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    /// A zigzag varint of up to 64 bits.
    #[inline]
    pub(super) fn varint(&mut self) -> Option<i64> {
        let first = self.byte()?;
        // Nearly all numbers of a record take one byte or two: deltas, counts, lengths.
        if first < 0x80 {
            return Some(unzigzag(u64::from(first)));
        }
        let low = u64::from(first & 0x7f);
        let second = self.byte()?;
        if second < 0x80 {
            return Some(unzigzag(low | u64::from(second) << 7));
        }
        self.varint_after(low | u64::from(second & 0x7f) << 7)
    }

    /// The rest of a varint whose first two bytes are in `value`.
    fn varint_after(&mut self, mut value: u64) -> Option<i64> {
        for shift in (14..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit.
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Some(unzigzag(value));
            }
        }
        None
    }

    /// A number that is not negative.
    #[inline]
    pub(super) fn count(&mut self) -> Option<usize> {
        usize::try_from(self.varint()?).ok()
    }

    /// The next `len` bytes.
    #[inline]
    pub(super) fn take(&mut self, len: usize) -> Option<Span> {
        if len > self.bytes.len() - self.at {
            return None;
        }
        let span = Span::new(self.at, len);
        self.at = span.end;
        Some(span)
    }

    /// A length and that many bytes; null where the length is negative, as Java reads it.
    #[inline]
    pub(super) fn nullable(&mut self) -> Option<Option<Span>> {
        match usize::try_from(self.varint()?) {
            Ok(len) => self.take(len).map(Some),
            Err(_negative) => Some(None),
        }
    }

    /// A record header: its key can't be null.
    #[inline]
    pub(super) fn header(&mut self) -> Option<(Span, Option<Span>)> {
        let key_len = self.count()?;
        let key = self.take(key_len)?;
        Some((key, self.nullable()?))
    }
}

/// Appends a zigzag varint.
#[inline]
pub(super) fn put(out: &mut impl BufMut, number: i64) {
    let mut rest = zigzag(number);
    while rest >= 0x80 {
        out.put_u8(low_seven(rest));
        rest >>= 7;
    }
    out.put_u8(rest as u8);
}

/// A zigzag varint, the first of its bytes the lowest, and how many they are: 10 at most.
#[inline]
pub(super) fn encoded(number: i64) -> (u128, usize) {
    let rest = zigzag(number);
    // Nearly all numbers of a record take three bytes at most: deltas, counts, lengths.
    let first = u64::from(low_seven(rest));
    if rest < 0x80 {
        return (rest.into(), 1);
    }
    if rest < 0x4000 {
        return ((first | (rest >> 7) << 8).into(), 2);
    }
    if rest < 0x20_0000 {
        let second = u64::from(low_seven(rest >> 7));
        return ((first | second << 8 | (rest >> 14) << 16).into(), 3);
    }
    encoded_long(rest)
}

fn encoded_long(mut rest: u64) -> (u128, usize) {
    let (mut bytes, mut len) = (0, 0);
    while rest >= 0x80 {
        bytes |= u128::from(low_seven(rest)) << (8 * len);
        rest >>= 7;
        len += 1;
    }
    (bytes | u128::from(rest) << (8 * len), len + 1)
}

/// The low seven bits, and the mark that more follow.
#[inline]
fn low_seven(rest: u64) -> u8 {
    (rest & 0x7f) as u8 | 0x80
}

/// How many bytes [`put`] writes.
#[inline]
pub(super) fn len(number: i64) -> usize {
    let highest = (zigzag(number) | 1).ilog2() as usize;
    // (highest + 1) / 7, rounded up, for all that a number can have.
    (highest * 9 + 73) / 64
}

#[inline]
fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

#[inline]
fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(number: i64) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, number);
        out
    }

    #[test]
    fn known_encodings() {
        // From the Protocol Buffers guide, whose encoding Kafka uses.
        assert_eq!(encoded(0), [0]);
        assert_eq!(encoded(-1), [1]);
        assert_eq!(encoded(1), [2]);
        assert_eq!(encoded(63), [0x7e]);
        assert_eq!(encoded(64), [0x80, 0x01]);
        assert_eq!(encoded(i64::from(i32::MAX)), [0xfe, 0xff, 0xff, 0xff, 0x0f]);
        assert_eq!(encoded(i64::from(i32::MIN)), [0xff, 0xff, 0xff, 0xff, 0x0f]);
        assert_eq!(
            encoded(i64::MIN),
            [0xff; 9].into_iter().chain([1]).collect::<Vec<_>>()
        );
    }

    #[test]
    fn more_than_64_bits_are_refused() {
        let tenth_too_large = [[0xff; 9].as_slice(), &[2]].concat();
        assert_eq!(Reader::new(&tenth_too_large, 0).varint(), None);
        assert_eq!(Reader::new(&[0x80; 20], 0).varint(), None);
    }

    #[test]
    fn a_reader_never_takes_more_than_there_is() {
        let mut reader = Reader::new(b"abc", 1);
        assert_eq!(reader.take(3), None);
        assert_eq!(reader.take(usize::MAX), None);
        assert_eq!(reader.take(2), Some(Span::new(1, 2)));
        assert_eq!(reader.byte(), None);
    }

    proptest! {
        #[test]
        fn round_trip(number: i64, shift in 0..64) {
            let number = number >> shift;
            let bytes = encoded(number);
            prop_assert_eq!(bytes.len(), len(number));
            let mut reader = Reader::new(&bytes, 0);
            prop_assert_eq!(reader.varint(), Some(number));
            prop_assert_eq!(reader.at(), bytes.len());
            prop_assert_eq!(Reader::new(&bytes[..bytes.len() - 1], 0).varint(), None);
        }
    }
}
