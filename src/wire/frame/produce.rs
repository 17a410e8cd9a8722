//! Produce requests in parts: the records are written as they are, and not copied first.
//!
//! The message crate encodes into one buffer. For any other request that is as good; of this one
//! nearly all bytes are records.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::ApiKey;

use super::{Frame, FrameError, LENGTH_BYTES};
use crate::wire::batch::SealedBatch;

/// From this version on lengths are varints, and tags may follow (KIP-482).
const FLEXIBLE: i16 = 9;
/// The versions that are written here, which differ in nothing else.
const VERSIONS: std::ops::RangeInclusive<i16> = 3..=12;
/// A request waits for all in-sync replicas.
const ACKS_ALL: i16 = -1;

/// A produce request with acks=all.
#[derive(Clone, Debug)]
pub struct Produce<'a> {
    /// Of whom, where the records are a transaction's.
    pub transactional_id: Option<&'a str>,
    /// How long the broker may wait for the replicas, in milliseconds.
    pub timeout_ms: i32,
    /// Topics with partitions and what is written to them.
    pub topics: Vec<(&'a str, Vec<(i32, SealedBatch)>)>,
}

/// Encodes a produce request with its length and its header.
///
/// # Errors
///
/// [`FrameError::Unencodable`] in a version that is not known here, with a name that is too long,
/// and where the whole is larger than 2 GiB.
pub fn produce(
    correlation_id: i32,
    client_id: Option<&str>,
    version: i16,
    request: &Produce<'_>,
) -> Result<Frame, FrameError> {
    if !VERSIONS.contains(&version) {
        let text = format!("version {version} of Produce is not known");
        return Err(FrameError::Unencodable(text));
    }
    let mut out = Parts::new(version >= FLEXIBLE);
    out.bytes.put_i32(0);
    out.bytes.put_i16(ApiKey::Produce as i16);
    out.bytes.put_i16(version);
    out.bytes.put_i32(correlation_id);
    // In a request's header this one string never has a varint length.
    out.plain_string(client_id)?;
    out.no_tags();
    out.string(request.transactional_id)?;
    out.bytes.put_i16(ACKS_ALL);
    out.bytes.put_i32(request.timeout_ms);
    out.length(request.topics.len())?;
    for (topic, partitions) in &request.topics {
        out.string(Some(topic))?;
        out.length(partitions.len())?;
        for (index, batch) in partitions {
            out.bytes.put_i32(*index);
            out.length(batch.len())?;
            out.bytes.put_slice(batch.header());
            out.share(batch.records());
            out.no_tags();
        }
        out.no_tags();
    }
    out.no_tags();
    out.finish()
}

/// What was written so far: the last of it in `bytes`, the rest in parts of their own.
struct Parts {
    flexible: bool,
    bytes: BytesMut,
    first: Option<BytesMut>,
    rest: Vec<Bytes>,
}

impl Parts {
    fn new(flexible: bool) -> Self {
        Self {
            flexible,
            bytes: BytesMut::with_capacity(256),
            first: None,
            rest: Vec::new(),
        }
    }

    /// Takes bytes over without a copy.
    fn share(&mut self, bytes: &Bytes) {
        let before = self.bytes.split();
        if self.first.is_none() {
            self.first = Some(before);
        } else {
            self.rest.push(before.freeze());
        }
        self.rest.push(bytes.clone());
    }

    /// How many elements, or bytes, follow.
    fn length(&mut self, length: usize) -> Result<(), FrameError> {
        let length = i32::try_from(length).map_err(super::unencodable)?;
        if !self.flexible {
            self.bytes.put_i32(length);
            return Ok(());
        }
        // 0 is null.
        let mut rest = length.unsigned_abs() + 1;
        while rest >= 0x80 {
            self.bytes.put_u8((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        self.bytes.put_u8(rest as u8);
        Ok(())
    }

    fn string(&mut self, text: Option<&str>) -> Result<(), FrameError> {
        match text {
            _ if !self.flexible => return self.plain_string(text),
            Some(text) => {
                self.length(text.len())?;
                self.bytes.put_slice(text.as_bytes());
            }
            None => self.bytes.put_u8(0),
        }
        Ok(())
    }

    fn plain_string(&mut self, text: Option<&str>) -> Result<(), FrameError> {
        let Some(text) = text else {
            self.bytes.put_i16(-1);
            return Ok(());
        };
        let length = i16::try_from(text.len()).map_err(super::unencodable)?;
        self.bytes.put_i16(length);
        self.bytes.put_slice(text.as_bytes());
        Ok(())
    }

    fn no_tags(&mut self) {
        if self.flexible {
            self.bytes.put_u8(0);
        }
    }

    fn finish(mut self) -> Result<Frame, FrameError> {
        let mut frame = match self.first.take() {
            None => Frame::from(self.bytes),
            Some(first) => {
                self.rest.push(self.bytes.freeze());
                Frame {
                    first,
                    rest: self.rest,
                }
            }
        };
        let length = i32::try_from(frame.len() - LENGTH_BYTES).map_err(super::unencodable)?;
        frame.first[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
        Ok(frame)
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::ProduceRequest;
    use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
    use proptest::prelude::*;

    use super::*;
    use crate::wire::batch::{BatchBuilder, ProducerStamp, RecordBody};
    use crate::wire::compression::Compression;
    use crate::wire::names::{topic_name, transactional_id};

    fn batch(value_bytes: usize) -> SealedBatch {
        let mut builder = BatchBuilder::new(Compression::None);
        let body = RecordBody::new(None, Some(&vec![7; value_bytes]), &[]);
        builder.push(5, &body);
        builder.take().seal(ProducerStamp::NONE, false).unwrap()
    }

    type Topic = (String, Vec<(i32, usize)>);

    fn topics() -> impl Strategy<Value = Vec<Topic>> {
        let partition = (any::<i32>(), 0_usize..40_000);
        let topic = ("[a-z]{1,200}", proptest::collection::vec(partition, 0..4));
        proptest::collection::vec(topic, 0..4)
    }

    proptest! {
        #[test]
        fn says_what_the_message_crate_says(
            topics in topics(),
            id in proptest::option::of("[a-z]{0,200}"),
            client_id in proptest::option::of("[a-z]{0,200}"),
            version in 8_i16..=12,
            timeout_ms: i32,
            correlation_id: i32,
        ) {
            let sealed: Vec<_> = topics.iter().map(|(name, partitions)| {
                let partitions = partitions.iter().map(|(index, bytes)| (*index, batch(*bytes)));
                (name.as_str(), partitions.collect())
            }).collect();
            let data = topics.iter().map(|(name, partitions)| {
                let data = partitions.iter().map(|(index, bytes)| {
                    PartitionProduceData::default()
                        .with_index(*index)
                        .with_records(Some(batch(*bytes).to_bytes()))
                });
                TopicProduceData::default()
                    .with_name(topic_name(name))
                    .with_partition_data(data.collect())
            });
            let theirs = ProduceRequest::default()
                .with_transactional_id(id.as_deref().map(transactional_id))
                .with_acks(-1)
                .with_timeout_ms(timeout_ms)
                .with_topic_data(data.collect());
            let ours = Produce {
                transactional_id: id.as_deref(),
                timeout_ms,
                topics: sealed,
            };
            let client_id = client_id.as_deref();
            let theirs = super::super::request(correlation_id, client_id, version, &theirs);
            let ours = produce(correlation_id, client_id, version, &ours).unwrap();
            prop_assert_eq!(ours.len(), theirs.as_ref().unwrap().len());
            prop_assert_eq!(ours.into_parts().flatten().collect::<Vec<u8>>(), theirs.unwrap());
        }
    }

    #[test]
    fn what_can_not_be_said_is_refused() {
        let request = Produce {
            transactional_id: None,
            timeout_ms: 1,
            topics: Vec::new(),
        };
        assert!(produce(1, None, 13, &request).is_err(), "topics have ids");
        let long = "a".repeat(40_000);
        assert!(produce(1, Some(&long), 12, &request).is_err());
    }
}
