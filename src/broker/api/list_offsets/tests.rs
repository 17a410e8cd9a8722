use super::*;
use crate::broker::testing::{Peer, batch, cluster, make_topic};
use crate::wire::names::topic_name;

fn request(topic: &str, timestamp: i64) -> ListOffsetsRequest {
    let partition = ListOffsetsPartition::default().with_timestamp(timestamp);
    let topic = kafka_protocol::messages::list_offsets_request::ListOffsetsTopic::default()
        .with_name(topic_name(topic))
        .with_partitions(vec![partition]);
    ListOffsetsRequest::default().with_topics(vec![topic])
}

async fn ask(peer: &mut Peer, version: i16, request: &ListOffsetsRequest) -> (i16, i64, i64, i32) {
    let answer = peer.ask(version, request).await;
    assert_eq!(answer.topics[0].partitions.len(), 1);
    let found = &answer.topics[0].partitions[0];
    (
        found.error_code,
        found.offset,
        found.timestamp,
        found.leader_epoch,
    )
}

#[tokio::test]
async fn each_version_knows_so_many_kinds_of_offsets() {
    let broker = cluster(1).await;
    make_topic(&broker, "t", 1, &[]);
    let mut peer = Peer::connect(&broker, 1).await;
    peer.produce("t", 0, batch(&["a", "b"], 500)).await;
    peer.produce("t", 0, batch(&["c"], 400)).await;
    // Timestamp, first version, offset, timestamp of the answer, whether the epoch is told.
    let kinds = [
        (LATEST, 1, 3, -1, true),
        (EARLIEST, 1, 0, -1, true),
        (0, 1, 0, 500, true),
        (501, 1, 1, 501, true),
        (502, 1, -1, -1, false),
        (LARGEST, 7, 1, 501, true),
        (EARLIEST_LOCAL, 8, 0, -1, true),
        (LATEST_TIERED, 9, -1, -1, false),
        (-6, i16::MAX, -1, -1, false),
    ];
    for version in 1..=10 {
        for (asked, since, offset, timestamp, has_epoch) in kinds {
            let expected = if version < since {
                (ErrorCode::UNSUPPORTED_VERSION.0, -1, -1, -1)
            } else {
                let epoch = if version >= 4 && has_epoch { 0 } else { -1 };
                (0, offset, timestamp, epoch)
            };
            let found = ask(&mut peer, version, &request("t", asked)).await;
            assert_eq!(found, expected, "{asked} in version {version}");
        }
    }
}

#[tokio::test]
async fn what_can_not_be_answered_says_so() {
    let broker = cluster(2).await;
    make_topic(&broker, "t", 1, &[]);
    let mut peer = Peer::connect(&broker, 1).await;
    let refused = |code: ErrorCode| (code.0, -1, -1, -1);
    let missing = ask(&mut peer, 7, &request("missing", LATEST)).await;
    assert_eq!(missing, refused(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    let mut twice = request("t", LATEST);
    let again = twice.topics[0].partitions[0].clone();
    twice.topics[0].partitions.push(again);
    assert_eq!(
        ask(&mut peer, 7, &twice).await,
        refused(ErrorCode::INVALID_REQUEST)
    );
    let mut newer = request("t", LATEST);
    newer.topics[0].partitions[0].current_leader_epoch = 1;
    let newer = ask(&mut peer, 7, &newer).await;
    assert_eq!(newer, refused(ErrorCode::UNKNOWN_LEADER_EPOCH));
    let mut other = Peer::connect(&broker, 2).await;
    let elsewhere = ask(&mut other, 7, &request("t", LATEST)).await;
    assert_eq!(elsewhere, refused(ErrorCode::NOT_LEADER_OR_FOLLOWER));
}
