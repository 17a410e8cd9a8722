//! Compression of a batch's records, by the codecs that Kafka has.
//!
//! # Invariants
//!
//! - Decompression stops at the caller's limit, whatever sizes the data claims: a claimed size is
//!   compared with the limit before memory is reserved for it.
//! - All of the data must be used: bytes that follow are an error, and so is data that ends early.
//! - Checksums within the compressed data are checked where the codec's library does so, not
//!   otherwise: the batch's own CRC covers them.

mod error;
mod gzip;
mod lz4;
mod output;
mod snappy;
#[cfg(test)]
mod tests;
mod zstd;

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

pub use error::CompressionError;
use output::Output;

/// A codec.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not compressed.
    #[default]
    None,
    /// Gzip.
    Gzip,
    /// Snappy, in the framing of Java's snappy library ("xerial").
    Snappy,
    /// LZ4 frames.
    Lz4,
    /// Zstandard (KIP-110).
    Zstd,
}

impl Compression {
    /// All codecs, by id.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// The id in a batch's attributes.
    pub fn id(self) -> u8 {
        self as u8
    }

    /// The codec with this id.
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.get(usize::from(id)).copied()
    }

    /// The name that Kafka's `compression.type` has for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Compression {
    type Err = CompressionError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|codec| codec.name() == name);
        found.ok_or_else(|| CompressionError::UnknownName(name.to_owned()))
    }
}

/// How hard gzip tries (KIP-390). It is the one codec that writes at several levels here: those of
/// pure Rust write LZ4 and Zstandard at their fastest, and snappy has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GzipLevel(u8);

impl GzipLevel {
    /// The least time.
    pub const FASTEST: Self = Self(1);
    /// The fewest bytes.
    pub const SMALLEST: Self = Self(9);

    /// A level from 1 to 9; what lies beyond is the nearest of them.
    pub fn new(level: u8) -> Self {
        Self(level).clamp(Self::FASTEST, Self::SMALLEST)
    }
}

/// Level 6, as of gzip itself.
impl Default for GzipLevel {
    fn default() -> Self {
        Self(6)
    }
}

/// Decompresses all of `data` into one buffer of at most `limit` bytes.
///
/// # Errors
///
/// [`CompressionError::TooLarge`] where there is more than that, and
/// [`CompressionError::Codec`] where the data is damaged, cut off or followed by other bytes.
pub fn decompress(
    codec: Compression,
    data: &[u8],
    limit: usize,
) -> Result<Bytes, CompressionError> {
    let mut out = Output::new(limit);
    match codec {
        Compression::None => out.append(data)?,
        Compression::Gzip => gzip::decompress(data, &mut out)?,
        Compression::Snappy => snappy::decompress(data, &mut out)?,
        Compression::Lz4 => lz4::decompress(data, &mut out)?,
        Compression::Zstd => zstd::decompress(data, &mut out)?,
    }
    Ok(out.into())
}

/// Compresses `data` in a form that Java's clients read.
///
/// # Errors
///
/// [`CompressionError::Codec`] where the codec's library fails; none is known to.
pub fn compress(
    codec: Compression,
    level: GzipLevel,
    data: &[u8],
) -> Result<Vec<u8>, CompressionError> {
    match codec {
        Compression::None => Ok(data.to_vec()),
        Compression::Gzip => gzip::compress(level, data),
        Compression::Snappy => snappy::compress(data),
        Compression::Lz4 => lz4::compress(data),
        Compression::Zstd => Ok(zstd::compress(data)),
    }
}
