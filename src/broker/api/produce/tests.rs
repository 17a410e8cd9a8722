use super::*;
use crate::broker::testing::{Peer, batch, cluster, make_topic, produce_request};

#[tokio::test]
async fn what_is_appended_is_there_to_read() {
    let broker = cluster(1).await;
    make_topic(&broker, "payments", 2, &[]);
    let mut peer = Peer::connect(&broker, 1).await;
    for (offset, values) in [(0, &["a", "b"][..]), (2, &["c"])] {
        let appended = peer.produce("payments", 1, batch(values, 1000)).await;
        assert_eq!(appended.error_code, 0);
        assert_eq!(
            (appended.base_offset, appended.log_append_time_ms),
            (offset, -1)
        );
    }
    let fetched = peer.fetch("payments", 1, 0).await;
    assert_eq!((fetched.error_code, fetched.high_watermark), (0, 3));
    let values: Vec<_> = broker
        .records("payments", 1)
        .into_iter()
        .filter_map(|record| record.value)
        .collect();
    assert_eq!(values, ["a", "b", "c"]);
    assert_eq!(broker.log_range("payments", 1), Some((0, 3)));
    assert_eq!(broker.log_range("payments", 2), None);
}

#[tokio::test]
async fn acks_0_has_no_answer_and_a_failure_closes_the_connection() {
    let broker = cluster(1).await;
    make_topic(&broker, "payments", 1, &[]);
    let mut peer = Peer::connect(&broker, 1).await;
    let request = produce_request("payments", 0, batch(&["a"], 1)).with_acks(0);
    peer.send(9, &request).await;
    assert_eq!(peer.fetch("payments", 0, 0).await.high_watermark, 1);
    let request = produce_request("nowhere", 0, batch(&["a"], 1)).with_acks(0);
    peer.send(9, &request).await;
    assert!(peer.answer::<ProduceRequest>(9).await.is_none());
}
