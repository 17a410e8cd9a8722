//! The 61 bytes before a batch's records.

use bytes::{Buf, BufMut};

use super::{BatchError, crc};
use crate::wire::compression::Compression;

/// Bytes of a batch before its records.
pub const HEADER_BYTES: usize = 61;
/// The bytes that `length` does not count: the base offset and the length itself.
pub(super) const UNCOUNTED_BYTES: usize = 12;
/// Where the magic byte is; older formats have it at the same place.
pub(super) const MAGIC_AT: usize = 16;
/// Where the bytes start that the CRC covers.
pub(super) const CRC_COVERS_FROM: usize = 21;
/// The format's version.
pub(super) const MAGIC: i8 = 2;

/// What a batch says about all its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// The first record's offset when the batch was written; compaction may have removed that one.
    pub base_offset: i64,
    /// The leader's epoch when the batch was appended; -1 unknown.
    pub leader_epoch: i32,
    /// Codec and flags.
    pub attributes: Attributes,
    /// The last record's offset less the base offset, unchanged by compaction.
    pub last_offset_delta: i32,
    /// What the records' timestamp deltas are added to, in milliseconds.
    pub base_timestamp: i64,
    /// The largest timestamp in milliseconds; the append time where the type is
    /// [`TimestampType::LogAppendTime`].
    pub max_timestamp: i64,
    /// Who wrote the batch.
    pub producer: ProducerStamp,
    /// How many records there are: fewer than the offsets once the batch was compacted, even 0.
    pub record_count: i32,
}

impl BatchHeader {
    /// The offset after the batch: where a consumer that has read it goes on.
    pub fn next_offset(&self) -> i64 {
        self.base_offset
            .saturating_add(i64::from(self.last_offset_delta))
            .saturating_add(1)
    }

    /// Reads the header from bytes that have been seen to hold one; the CRC is returned with it.
    pub(super) fn read(mut bytes: &[u8]) -> (Self, u32) {
        let base_offset = bytes.get_i64();
        let _length = bytes.get_i32();
        let leader_epoch = bytes.get_i32();
        let _magic = bytes.get_i8();
        let crc = bytes.get_u32();
        let header = Self {
            base_offset,
            leader_epoch,
            attributes: Attributes(bytes.get_i16()),
            last_offset_delta: bytes.get_i32(),
            base_timestamp: bytes.get_i64(),
            max_timestamp: bytes.get_i64(),
            producer: ProducerStamp {
                id: bytes.get_i64(),
                epoch: bytes.get_i16(),
                base_sequence: bytes.get_i32(),
            },
            record_count: bytes.get_i32(),
        };
        (header, crc)
    }

    /// Says what can't be, if anything.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        if self.base_offset < 0 {
            return Err("the base offset is negative");
        }
        if self.last_offset_delta < 0 {
            return Err("the last offset delta is negative");
        }
        if self.base_offset > i64::MAX - i64::from(self.last_offset_delta) - 1 {
            return Err("the offsets pass the largest there can be");
        }
        if self.record_count < 0 {
            return Err("the record count is negative");
        }
        Ok(())
    }

    /// The header of a batch of these records, with its length and its CRC.
    pub(super) fn sealed(&self, records: &[u8]) -> Result<[u8; HEADER_BYTES], BatchError> {
        const TOO_LARGE: BatchError = BatchError::TooLarge {
            limit: i32::MAX as usize,
        };
        let length = HEADER_BYTES - UNCOUNTED_BYTES + records.len();
        let length = i32::try_from(length).map_err(|_| TOO_LARGE)?;
        let mut header = [0; HEADER_BYTES];
        let (mut uncovered, covered) = header.split_at_mut(CRC_COVERS_FROM);
        self.write_covered(covered);
        let crc = crc::of_both(covered, records);
        uncovered.put_i64(self.base_offset);
        uncovered.put_i32(length);
        uncovered.put_i32(self.leader_epoch);
        uncovered.put_i8(MAGIC);
        uncovered.put_u32(crc);
        Ok(header)
    }

    fn write_covered(&self, mut out: &mut [u8]) {
        out.put_i16(self.attributes.0);
        out.put_i32(self.last_offset_delta);
        out.put_i64(self.base_timestamp);
        out.put_i64(self.max_timestamp);
        out.put_i64(self.producer.id);
        out.put_i16(self.producer.epoch);
        out.put_i32(self.producer.base_sequence);
        out.put_i32(self.record_count);
    }
}

/// Who wrote a batch, so that a broker can tell a duplicate from a new one (KIP-98).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerStamp {
    /// The producer's id.
    pub id: i64,
    /// The producer's epoch: a higher one fences those below.
    pub epoch: i16,
    /// The first record's sequence number in its partition.
    pub base_sequence: i32,
}

impl ProducerStamp {
    /// A producer that is not idempotent.
    pub const NONE: Self = Self {
        id: -1,
        epoch: -1,
        base_sequence: -1,
    };
}

/// A batch's attribute bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes(pub i16);

impl Attributes {
    const CODEC: i16 = 0b111;
    const LOG_APPEND_TIME: i16 = 1 << 3;
    const TRANSACTIONAL: i16 = 1 << 4;
    const CONTROL: i16 = 1 << 5;
    const DELETE_HORIZON: i16 = 1 << 6;

    /// The attributes of a batch that a producer writes.
    pub fn new(codec: Compression, transactional: bool) -> Self {
        let flag = if transactional {
            Self::TRANSACTIONAL
        } else {
            0
        };
        Self(i16::from(codec.id()) | flag)
    }

    /// How the records are compressed.
    ///
    /// # Errors
    ///
    /// [`BatchError::UnsupportedCodec`] for a codec that Kafka does not have.
    pub fn codec(self) -> Result<Compression, BatchError> {
        // Three bits: the cast can't lose any.
        let id = (self.0 & Self::CODEC) as u8;
        Compression::from_id(id).ok_or(BatchError::UnsupportedCodec(id))
    }

    /// Who set the records' timestamps.
    pub fn timestamp_type(self) -> TimestampType {
        if self.has(Self::LOG_APPEND_TIME) {
            TimestampType::LogAppendTime
        } else {
            TimestampType::CreateTime
        }
    }

    /// True where the records are part of a transaction.
    pub fn is_transactional(self) -> bool {
        self.has(Self::TRANSACTIONAL)
    }

    /// True where the records are Kafka's own (transaction markers), not for applications.
    pub fn is_control(self) -> bool {
        self.has(Self::CONTROL)
    }

    /// True where the base timestamp is also when compaction may remove tombstones (KIP-534).
    pub fn has_delete_horizon(self) -> bool {
        self.has(Self::DELETE_HORIZON)
    }

    fn has(self, flag: i16) -> bool {
        self.0 & flag != 0
    }
}

/// Where a record's timestamp comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimestampType {
    /// There is no timestamp.
    NoTimestampType,
    /// The producer set it.
    CreateTime,
    /// The broker set it when it appended the batch.
    LogAppendTime,
}

impl TimestampType {
    /// Kafka's name, as Spring writes it into `kafka_dlt-original-timestamp-type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoTimestampType => "NoTimestampType",
            Self::CreateTime => "CreateTime",
            Self::LogAppendTime => "LogAppendTime",
        }
    }
}
