//! What brokers and other members of a group say.

use bytes::Bytes;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Message, Request};
use payment_notifier::group::subscription::{Subscription, decode_assignment};
use payment_notifier::wire::frame::decode_response;

/// The APIs that the client uses. A place in the list is part of the corpus: add at its end.
const DECODE: [fn(u8, Bytes); 21] = [
    decode::<ApiVersionsRequest>,
    decode::<MetadataRequest>,
    decode::<FindCoordinatorRequest>,
    decode::<FetchRequest>,
    decode::<ListOffsetsRequest>,
    decode::<ProduceRequest>,
    decode::<InitProducerIdRequest>,
    decode::<JoinGroupRequest>,
    decode::<SyncGroupRequest>,
    decode::<HeartbeatRequest>,
    decode::<LeaveGroupRequest>,
    decode::<OffsetCommitRequest>,
    decode::<OffsetFetchRequest>,
    decode::<CreateTopicsRequest>,
    decode::<SaslHandshakeRequest>,
    decode::<SaslAuthenticateRequest>,
    decode::<ConsumerGroupHeartbeatRequest>,
    decode::<AddPartitionsToTxnRequest>,
    decode::<AddOffsetsToTxnRequest>,
    decode::<TxnOffsetCommitRequest>,
    decode::<EndTxnRequest>,
];

/// Responses: a byte for the API, one for the version, then the frame.
pub fn responses(data: &[u8]) {
    let [api, version, frame @ ..] = data else {
        return;
    };
    let decode = DECODE[usize::from(*api) % DECODE.len()];
    decode(*version, Bytes::copy_from_slice(frame));
}

/// The version is one of all that the message crate has.
fn decode<R: Request>(version: u8, frame: Bytes) {
    let known = <R::Response as Message>::VERSIONS;
    let version = known.min + i16::from(version) % (known.max - known.min + 1);
    let _ = decode_response::<R>(frame, version);
}

/// What members of a group write for one another.
pub fn subscription(data: &[u8]) {
    let _ = decode_assignment(data);
    let _ = Subscription::decode(data);
}
