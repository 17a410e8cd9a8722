//! Frames: how requests and responses follow one another on a connection.
//!
//! ```text
//! length i32 │ header │ body
//! ```
//!
//! The message crate decodes the bodies and reserves memory for what an array's length claims:
//! [`decode_response`] goes through an answer by its `shape` before, so that what
//! the bytes can't hold is refused.

mod produce;
#[cfg(test)]
mod tests;

pub use produce::{Produce, produce};

use std::fmt;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};

use super::{ErrorCode, shape};

const LENGTH_BYTES: usize = 4;
/// Most messages that carry no records fit in.
const USUAL_BYTES: usize = 256;

/// Encodes a request with its length and its header.
///
/// # Errors
///
/// [`FrameError::Unencodable`] where the message does not have this version, has a field set that
/// the version lacks, or is larger than 2 GiB.
pub fn request<R: Request>(
    correlation_id: i32,
    client_id: Option<&str>,
    version: i16,
    body: &R,
) -> Result<Bytes, FrameError> {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(client_id.map(|id| StrBytes::from_string(id.to_owned())));
    let mut frame = Draft::begin(&header, R::header_version(version))?;
    body.encode(&mut frame.0, version).map_err(unencodable)?;
    frame.finish()
}

/// A frame that is being written. How long it is becomes known by writing it: the message crate can
/// tell before, by code of the same size again for each message.
pub(crate) struct Draft(pub(crate) BytesMut);

impl Draft {
    /// Writes the header; the body is to follow.
    ///
    /// # Errors
    ///
    /// Where the header does not have this version.
    pub(crate) fn begin(header: &impl Encodable, version: i16) -> Result<Self, FrameError> {
        let mut frame = BytesMut::with_capacity(USUAL_BYTES);
        frame.put_bytes(0, LENGTH_BYTES);
        header.encode(&mut frame, version).map_err(unencodable)?;
        Ok(Self(frame))
    }

    /// Sets the length.
    ///
    /// # Errors
    ///
    /// Where it is larger than 2 GiB.
    pub(crate) fn finish(mut self) -> Result<Bytes, FrameError> {
        let length = i32::try_from(self.0.len() - LENGTH_BYTES).map_err(unencodable)?;
        self.0[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
        Ok(self.0.freeze())
    }
}

/// A frame to be written, in parts that need not lie together.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Length and header at least.
    first: BytesMut,
    rest: Vec<Bytes>,
}

impl Frame {
    /// Where the correlation id stands: after length, API key and version.
    const CORRELATION_ID: std::ops::Range<usize> = 8..12;

    /// Bytes of the whole.
    pub fn len(&self) -> usize {
        self.first.len() + self.rest.iter().map(Bytes::len).sum::<usize>()
    }

    /// True where there is nothing to write, which no request is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gives a request another correlation id.
    pub fn set_correlation_id(&mut self, id: i32) {
        if let Some(field) = self.first.get_mut(Self::CORRELATION_ID) {
            field.copy_from_slice(&id.to_be_bytes());
        }
    }

    /// The parts, in order.
    pub fn into_parts(self) -> impl Iterator<Item = Bytes> {
        std::iter::once(self.first.freeze()).chain(self.rest)
    }
}

impl From<BytesMut> for Frame {
    fn from(whole: BytesMut) -> Self {
        Self {
            first: whole,
            rest: Vec::new(),
        }
    }
}

/// Takes one whole frame out of what was read from a connection, without copying it and without
/// its length. `None` where more has to be read; room for the rest is then reserved in `buf`.
///
/// # Errors
///
/// [`FrameError::BadLength`] where the length is negative or larger than `max_frame_bytes`. The
/// connection can't be used any more: where the next frame starts is not known.
pub fn split(buf: &mut BytesMut, max_frame_bytes: usize) -> Result<Option<Bytes>, FrameError> {
    let Some(&length) = buf.first_chunk() else {
        return Ok(None);
    };
    let announced = i32::from_be_bytes(length);
    let length = usize::try_from(announced)
        .ok()
        .filter(|length| *length <= max_frame_bytes)
        .ok_or(FrameError::BadLength {
            announced,
            limit: max_frame_bytes,
        })?;
    let whole = LENGTH_BYTES + length;
    if buf.len() < whole {
        buf.reserve(whole - buf.len());
        return Ok(None);
    }
    buf.advance(LENGTH_BYTES);
    Ok(Some(buf.split_to(length).freeze()))
}

/// The correlation id of a response: which request it answers.
///
/// # Errors
///
/// [`FrameError::Malformed`] where the frame is too short to have one.
pub fn correlation_id(frame: &[u8]) -> Result<i32, FrameError> {
    let id = frame.first_chunk().ok_or_else(|| {
        FrameError::Malformed(format!("a frame of {} bytes is no response", frame.len()))
    })?;
    Ok(i32::from_be_bytes(*id))
}

/// Decodes the response to a request of type `R` that was sent in `version`. Byte fields, records
/// among them, share the frame's memory; all else takes memory in proportion to the frame's bytes,
/// and 64 MiB at most.
///
/// Bytes after the body are ignored, as Java's client does: whatever a broker appends to a version
/// that it announced, what the version has is before it.
///
/// # Errors
///
/// [`FrameError::Malformed`] where the bytes are not such a response. A broker that lacks the
/// version of an ApiVersions request answers in version 0, which may end here.
pub fn decode_response<R: Request>(
    mut frame: Bytes,
    version: i16,
) -> Result<R::Response, FrameError> {
    ResponseHeader::decode(&mut frame, R::Response::header_version(version)).map_err(malformed)?;
    shape::check_response(R::KEY, version, &frame).map_err(malformed)?;
    R::Response::decode(&mut frame, version).map_err(malformed)
}

/// How long the broker that answered wants to be left alone; none where it does not say so.
///
/// It is found in the bytes, so that whoever sends requests need not know each answer's type.
pub fn throttle_time<R: Request>(frame: &Bytes, version: i16) -> Option<Duration> {
    let body = body(frame, R::Response::header_version(version))?;
    let ms = shape::throttle_time_ms(R::KEY, version, &body)?;
    let ms = u64::try_from(ms).ok().filter(|ms| *ms > 0)?;
    Some(Duration::from_millis(ms))
}

/// The errors that an answer tells, of the whole and of its parts.
///
/// They are found in the bytes, as [`throttle_time`] is.
pub fn error_codes<R: Request>(frame: &Bytes, version: i16) -> Vec<ErrorCode> {
    let body = body(frame, R::Response::header_version(version));
    body.map_or_else(Vec::new, |body| shape::error_codes(R::KEY, version, &body))
}

/// What follows the header of a response.
fn body(frame: &Bytes, header_version: i16) -> Option<Bytes> {
    let mut body = frame.clone();
    ResponseHeader::decode(&mut body, header_version).ok()?;
    Some(body)
}

/// Why bytes are not a frame, or a message can't become one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// A frame's length is negative or above the limit: most often the peer is not a Kafka broker.
    BadLength {
        /// What the first four bytes say.
        announced: i32,
        /// The limit in bytes.
        limit: usize,
    },
    /// The bytes are not the message that they should be.
    Malformed(String),
    /// The message can't be written in this version.
    Unencodable(String),
}

impl FrameError {
    /// What the peer speaks instead of Kafka's protocol, where its first bytes tell.
    pub fn peer_speaks(&self) -> Option<&'static str> {
        let Self::BadLength { announced, .. } = self else {
            return None;
        };
        match announced.to_be_bytes() {
            [b'H', b'T', b'T', b'P'] => Some("HTTP"),
            // A TLS record, an alert or a handshake: its type and the major version.
            [0x15 | 0x16, 0x03, ..] => Some("TLS"),
            _ => None,
        }
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadLength { announced, limit } => match self.peer_speaks() {
                Some(protocol) => write!(f, "the peer speaks {protocol}, not Kafka's protocol"),
                None => write!(
                    f,
                    "the peer announces a frame of {announced} bytes and the limit is {limit}: \
                     is it a Kafka broker?"
                ),
            },
            Self::Malformed(what) => write!(f, "malformed message: {what}"),
            Self::Unencodable(what) => write!(f, "the message can't be encoded: {what}"),
        }
    }
}

impl std::error::Error for FrameError {}

fn unencodable(error: impl fmt::Display) -> FrameError {
    FrameError::Unencodable(error.to_string())
}

/// The message crate's own errors end with a line break.
fn malformed(error: impl fmt::Display) -> FrameError {
    FrameError::Malformed(error.to_string().trim_end().to_owned())
}
