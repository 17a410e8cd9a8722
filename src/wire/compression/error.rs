//! What can be wrong with compressed data.

use std::fmt;

use super::Compression;

/// Why data can't be compressed or decompressed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CompressionError {
    /// There is more data than the limit allows.
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The data is not what the codec writes.
    Codec {
        /// The codec.
        codec: Compression,
        /// What is wrong.
        what: String,
    },
    /// No codec has this name.
    UnknownName(String),
}

impl CompressionError {
    pub(super) fn codec(codec: Compression, what: impl fmt::Display) -> Self {
        let what = what.to_string();
        Self::Codec { codec, what }
    }
}

impl fmt::Display for CompressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { limit } => {
                write!(f, "the data decompresses to more than {limit} bytes")
            }
            Self::Codec { codec, what } => write!(f, "{codec}: {what}"),
            Self::UnknownName(name) => write!(
                f,
                "there is no compression '{name}': use none, gzip, snappy, lz4 or zstd"
            ),
        }
    }
}

impl std::error::Error for CompressionError {}
