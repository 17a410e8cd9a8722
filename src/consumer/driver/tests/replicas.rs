//! Reading from another replica than the leader.

use kafka_protocol::messages::ApiKey;

use super::broker::Brokers;
use super::*;
use crate::net::testing;
use crate::wire::ErrorCode;

/// Node 1 leads, and names node 2 to readers in the rack `near`.
async fn with_replica() -> Brokers {
    let brokers = Brokers::start(2, 1).await;
    brokers.state().ends[0] = 3;
    brokers.state().replica = Some(2);
    brokers
}

fn near() -> ConsumerConfig {
    ConsumerConfig {
        client_rack: "near".into(),
        ..config()
    }
}

fn offsets(range: std::ops::Range<i64>) -> Vec<(i32, i64)> {
    range.map(|offset| (0, offset)).collect()
}

#[tokio::test]
async fn the_replica_that_the_leader_names_is_read_until_it_refuses() {
    let brokers = with_replica().await;
    let mut consumer = joined(&brokers, near()).await;
    assert_eq!(read_to_end(&mut consumer, &[0]).await, offsets(0..3));
    assert_eq!(brokers.state().served, [2]);
    brokers.state().replica = None;
    brokers.state().ends[0] = 6;
    assert_eq!(read_to_end(&mut consumer, &[0]).await, offsets(3..6));
    assert_eq!(brokers.state().served, [2, 1]);
}

#[tokio::test]
async fn a_member_without_a_rack_reads_from_the_leader() {
    let brokers = with_replica().await;
    let mut consumer = joined(&brokers, config()).await;
    assert_eq!(read_to_end(&mut consumer, &[0]).await, offsets(0..3));
    assert_eq!(brokers.state().served, [1]);
}

/// It lags behind: at the leader, the offset is one.
#[tokio::test]
async fn an_offset_that_a_replica_lacks_is_no_reset() {
    let brokers = with_replica().await;
    let mut consumer = joined(&brokers, near()).await;
    assert_eq!(read_to_end(&mut consumer, &[0]).await, offsets(0..3));
    let code = ErrorCode::OFFSET_OUT_OF_RANGE;
    brokers.state().fetch_codes.insert(0, [code].into());
    testing::until(|| brokers.state().fetch_codes[&0].is_empty()).await;
    brokers.state().ends[0] = 6;
    assert_eq!(read_to_end(&mut consumer, &[0]).await, offsets(3..6));
}

#[tokio::test]
async fn a_log_that_is_shorter_at_a_replica_was_not_cut_off() {
    let brokers = with_replica().await;
    let mut consumer = joined(&brokers, near()).await;
    assert_eq!(read_to_end(&mut consumer, &[0]).await, offsets(0..3));
    // Only replicas say so: the leader names one instead of answering.
    brokers.state().cut = Some(2);
    let asked = brokers.count(ApiKey::Fetch);
    testing::until(|| brokers.count(ApiKey::Fetch) > asked + 5).await;
    brokers.state().cut = None;
    brokers.state().ends[0] = 6;
    assert_eq!(read_to_end(&mut consumer, &[0]).await, offsets(3..6));
}
