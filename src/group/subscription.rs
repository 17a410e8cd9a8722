//! The consumer protocol's metadata (`ConsumerProtocolSubscription` and
//! `ConsumerProtocolAssignment`): what members write for one another and the coordinator only
//! passes on. Each begins with an int16 version.
//!
//! # Invariants
//! - Reading allocates in proportion to the bytes that are there, never to a count they claim.
//!   That is why reading is done here and not by the message crate.
//! - A version newer than the newest known is read as the newest known, as all clients do: a new
//!   version may only append.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

use super::assignor::Assignor;
use crate::wire::TopicPartition;

/// The generation of a member that has none.
pub const NO_GENERATION: i32 = -1;

/// Version 3 (KIP-881) is what current clients write.
const SUBSCRIPTION_VERSION: i16 = 3;

/// Assignments have the same form in every version; 0 is what the oldest reader knows.
const ASSIGNMENT_VERSION: i16 = 0;

/// What a member wants, and what it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The topics it wants to consume, as given.
    pub topics: Vec<String>,
    /// What it owns (version 1, KIP-429); empty from a member of an eager group.
    pub owned: Vec<TopicPartition>,
    /// The generation in which it came to own that (version 2, KIP-792), or [`NO_GENERATION`].
    pub generation: i32,
}

/// Bytes that are not what the consumer protocol says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(&'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed group metadata: {}", self.0)
    }
}

impl std::error::Error for Malformed {}

impl Subscription {
    /// Wants nothing, has nothing.
    pub fn nothing() -> Self {
        Self {
            topics: Vec::new(),
            owned: Vec::new(),
            generation: NO_GENERATION,
        }
    }

    /// Writes the subscription as `assignor`'s part of a JoinGroup.
    pub fn encode(&self, assignor: Assignor) -> Bytes {
        let mut out = BytesMut::new();
        out.put_i16(SUBSCRIPTION_VERSION);
        let topics: BTreeSet<&str> = self.topics.iter().map(String::as_str).collect();
        put_count(&mut out, topics.len());
        for topic in topics {
            put_string(&mut out, topic);
        }
        match assignor {
            Assignor::Range => out.put_i32(-1),
            // A leader older than version 2 looks for the generation here, and takes the owned
            // partitions of a member without one for out of date.
            Assignor::CooperativeSticky => {
                put_count(&mut out, size_of::<i32>());
                out.put_i32(self.generation);
            }
        }
        put_partitions(&mut out, &self.owned);
        out.put_i32(self.generation);
        out.put_i16(-1); // the rack: not told
        out.freeze()
    }

    /// Reads a subscription of any version.
    ///
    /// # Errors
    /// The bytes are not a subscription.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut input = Reader(bytes);
        let version = input.version()?;
        let topics = input.array(2, |input| Ok(input.string()?.to_owned()))?;
        let user_data = input.nullable_bytes()?;
        let owned = if version >= 1 {
            input.partitions()?
        } else {
            Vec::new()
        };
        let generation = if version >= 2 {
            input.i32()?
        } else {
            generation_in(user_data)
        };
        Ok(Self {
            topics,
            owned,
            generation,
        })
    }
}

/// Where cooperative-sticky members keep their generation before version 2.
fn generation_in(user_data: Option<&[u8]>) -> i32 {
    let generation = user_data.and_then(|data| data.try_into().ok());
    generation.map_or(NO_GENERATION, i32::from_be_bytes)
}

/// Writes what one member gets.
pub fn encode_assignment(partitions: &[TopicPartition]) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i16(ASSIGNMENT_VERSION);
    put_partitions(&mut out, partitions);
    out.put_i32(-1); // no user data
    out.freeze()
}

/// Reads what this member gets. No bytes at all mean nothing: so the coordinator answers a member
/// that the leader did not mention.
///
/// # Errors
/// The bytes are not an assignment.
pub fn decode_assignment(bytes: &[u8]) -> Result<Vec<TopicPartition>, Malformed> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let mut input = Reader(bytes);
    input.version()?;
    let partitions = input.partitions()?;
    input.nullable_bytes()?;
    Ok(partitions)
}

fn put_count(out: &mut BytesMut, count: usize) {
    out.put_i32(i32::try_from(count).expect("a message is far below 2 GiB"));
}

fn put_string(out: &mut BytesMut, text: &str) {
    out.put_i16(i16::try_from(text.len()).expect("a topic's name is at most 249 bytes"));
    out.put_slice(text.as_bytes());
}

fn put_partitions(out: &mut BytesMut, partitions: &[TopicPartition]) {
    let mut topics: BTreeMap<&str, BTreeSet<i32>> = BTreeMap::new();
    for TopicPartition { topic, partition } in partitions {
        topics.entry(topic).or_default().insert(*partition);
    }
    put_count(out, topics.len());
    for (topic, partitions) in topics {
        put_string(out, topic);
        put_count(out, partitions.len());
        for partition in partitions {
            out.put_i32(partition);
        }
    }
}

/// What of the input has not been read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or(Malformed("it ends early"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self
            .0
            .split_first_chunk()
            .ok_or(Malformed("it ends early"))?;
        self.0 = rest;
        Ok(*taken)
    }

    fn i16(&mut self) -> Result<i16, Malformed> {
        self.fixed().map(i16::from_be_bytes)
    }

    fn i32(&mut self) -> Result<i32, Malformed> {
        self.fixed().map(i32::from_be_bytes)
    }

    fn version(&mut self) -> Result<i16, Malformed> {
        let version = self.i16()?;
        if version < 0 {
            return Err(Malformed("its version is negative"));
        }
        Ok(version)
    }

    fn string(&mut self) -> Result<&'a str, Malformed> {
        let length = usize::try_from(self.i16()?).map_err(|_| Malformed("a name is null"))?;
        std::str::from_utf8(self.take(length)?).map_err(|_| Malformed("a name is not UTF-8"))
    }

    fn nullable_bytes(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        match self.i32()? {
            -1 => Ok(None),
            length => {
                let length = usize::try_from(length);
                let length = length.map_err(|_| Malformed("a length is negative"))?;
                self.take(length).map(Some)
            }
        }
    }

    /// Reads a count and that many items, none of which is shorter than `least` bytes.
    fn array<T>(
        &mut self,
        least: usize,
        item: impl Fn(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let count = usize::try_from(self.i32()?).map_err(|_| Malformed("a count is negative"))?;
        if count > self.0.len() / least {
            return Err(Malformed("a count is beyond the bytes that are there"));
        }
        (0..count).map(|_| item(self)).collect()
    }

    fn partitions(&mut self) -> Result<Vec<TopicPartition>, Malformed> {
        let topics = self.array(6, |input| {
            let topic: Arc<str> = input.string()?.into();
            input.array(4, |input| match input.i32()? {
                partition @ 0.. => Ok(TopicPartition::new(topic.clone(), partition)),
                _ => Err(Malformed("a partition is negative")),
            })
        })?;
        Ok(topics.into_iter().flatten().collect())
    }
}

#[cfg(test)]
mod tests;
