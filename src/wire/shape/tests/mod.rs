//! The table and the message crate are held against each other: messages are made from the table
//! and decoded by the crate, in every version that it has.

mod generate;
mod hostile;
mod memory;
mod oracle;

use kafka_protocol::protocol::Request;

/// What the message crate has beside an API's shape.
macro_rules! with_every_api {
    ($call:ident) => {{
        use kafka_protocol::messages::*;
        $call::<AddOffsetsToTxnRequest>();
        $call::<AddPartitionsToTxnRequest>();
        $call::<ApiVersionsRequest>();
        $call::<ConsumerGroupDescribeRequest>();
        $call::<ConsumerGroupHeartbeatRequest>();
        $call::<CreatePartitionsRequest>();
        $call::<CreateTopicsRequest>();
        $call::<DeleteGroupsRequest>();
        $call::<DeleteRecordsRequest>();
        $call::<DeleteTopicsRequest>();
        $call::<DescribeClusterRequest>();
        $call::<DescribeConfigsRequest>();
        $call::<DescribeGroupsRequest>();
        $call::<DescribeProducersRequest>();
        $call::<DescribeTransactionsRequest>();
        $call::<EndTxnRequest>();
        $call::<FetchRequest>();
        $call::<FindCoordinatorRequest>();
        $call::<HeartbeatRequest>();
        $call::<IncrementalAlterConfigsRequest>();
        $call::<InitProducerIdRequest>();
        $call::<JoinGroupRequest>();
        $call::<LeaveGroupRequest>();
        $call::<ListGroupsRequest>();
        $call::<ListOffsetsRequest>();
        $call::<ListTransactionsRequest>();
        $call::<MetadataRequest>();
        $call::<OffsetCommitRequest>();
        $call::<OffsetDeleteRequest>();
        $call::<OffsetFetchRequest>();
        $call::<OffsetForLeaderEpochRequest>();
        $call::<ProduceRequest>();
        $call::<SaslAuthenticateRequest>();
        $call::<SaslHandshakeRequest>();
        $call::<SyncGroupRequest>();
        $call::<TxnOffsetCommitRequest>();
    }};
}
use with_every_api;

#[test]
fn every_shape_is_held_against_the_message_crate() {
    use std::cell::RefCell;

    thread_local!(static SEEN: RefCell<Vec<i16>> = const { RefCell::new(Vec::new()) });
    fn note<R: Request>() {
        SEEN.with_borrow_mut(|seen| seen.push(R::KEY));
    }
    with_every_api!(note);
    let known = (0..200).filter(|key| super::api(*key).is_ok());
    let mut seen = SEEN.take();
    seen.sort_unstable();
    assert_eq!(seen, known.collect::<Vec<_>>());
}
