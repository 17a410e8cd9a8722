//! What can be wrong with a batch.

use std::fmt;

use crate::wire::compression::CompressionError;

/// Why bytes are not a record batch, or records can't become one.
///
/// Positions are counted in bytes: of a batch from the start of the data it was found in, of a
/// record from the start of its batch's records, decompressed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BatchError {
    /// The bytes end before the batch does.
    Cut,
    /// The batch was damaged after it was written.
    BadCrc {
        /// Where the batch starts.
        at: usize,
        /// The CRC-32C that the batch carries.
        stored: u32,
        /// The CRC-32C of the bytes that are there.
        computed: u32,
    },
    /// A message format other than version 2; brokers from 4.0 have no other (KIP-724).
    UnsupportedMagic {
        /// Where the batch starts.
        at: usize,
        /// The version.
        magic: i8,
    },
    /// A compression codec that Kafka does not have.
    UnsupportedCodec(u8),
    /// The batch, or what it decompresses to, is larger than the limit.
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// A batch needs at least one record.
    NoRecords,
    /// A batch's header says what can't be.
    MalformedBatch {
        /// Where the batch starts.
        at: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// A record's bytes say what can't be.
    MalformedRecord {
        /// Where the record starts.
        at: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// The records could not be compressed or decompressed.
    Compression(CompressionError),
}

impl fmt::Display for BatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut => f.write_str("the record batch is cut off"),
            Self::BadCrc {
                at,
                stored,
                computed,
            } => write!(
                f,
                "the record batch at byte {at} is damaged: its CRC is {computed:08x} \
                 and should be {stored:08x}"
            ),
            Self::UnsupportedMagic { at, magic } => write!(
                f,
                "the record batch at byte {at} has message format {magic}; only 2 can be read"
            ),
            Self::UnsupportedCodec(id) => write!(f, "unknown compression codec {id}"),
            Self::TooLarge { limit } => write!(f, "the record batch is larger than {limit} bytes"),
            Self::NoRecords => f.write_str("a record batch needs at least one record"),
            Self::MalformedBatch { at, what } => {
                write!(f, "malformed record batch at byte {at}: {what}")
            }
            Self::MalformedRecord { at, what } => {
                write!(f, "malformed record at byte {at} of its batch: {what}")
            }
            Self::Compression(error) => write!(f, "the record batch's records: {error}"),
        }
    }
}

impl std::error::Error for BatchError {}

impl From<CompressionError> for BatchError {
    fn from(error: CompressionError) -> Self {
        match error {
            CompressionError::TooLarge { limit } => Self::TooLarge { limit },
            error => Self::Compression(error),
        }
    }
}
